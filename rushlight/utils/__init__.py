"""Helpers around training: data loading, downloads, archives, the cache."""
