"""A call carried out while what it does to tensors is noted: the graph and its effects."""
