"""Core graphs as kernels and programs: fusion, loop nests, memory, threads."""
