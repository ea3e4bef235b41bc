"""Where torch keeps the class of nested tensors."""
