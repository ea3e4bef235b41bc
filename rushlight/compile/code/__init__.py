"""Text IR and what makes machine code of it: types, instructions, functions of a lane, LLVM."""
