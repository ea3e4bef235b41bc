"""Functions of networks, without state: `torch.nn.functional`."""
