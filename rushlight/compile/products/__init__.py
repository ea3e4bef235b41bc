"""Products of matrices and convolutions: plans, tiles, packing, epilogues."""
