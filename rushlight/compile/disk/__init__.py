"""What a second process finds: programs, calls, and the text of what a call can see."""
