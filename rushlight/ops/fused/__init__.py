"""Ops made of several steps in one evaluation, for speed: what networks spend their time in."""
