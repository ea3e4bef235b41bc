"""The compiler: a traced function or training step as one optimised program."""
