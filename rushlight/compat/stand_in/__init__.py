"""A folder for the module search path: in it, `torch` and `torchvision` are rushlight.

`rushlight run` puts it there so that processes the script starts (workers of a DataLoader,
`multiprocessing`) find the same `torch` as the script.
"""
