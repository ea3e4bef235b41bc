"""torch.utils.deterministic: what else deterministic algorithms are to do."""

# Whether `empty` fills what it makes while `torch.use_deterministic_algorithms(True)` holds: with
# nan, the largest number, or True.
fill_uninitialized_memory = True
