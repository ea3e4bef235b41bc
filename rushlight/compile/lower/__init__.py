"""Captured ops as core ops, by family."""
