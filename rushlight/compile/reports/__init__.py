"""What a compiled callable did and why: in words, as NumPy code, in times."""
