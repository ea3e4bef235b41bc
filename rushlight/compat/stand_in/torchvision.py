"""Importing this puts rushlight in its own place."""

from rushlight.compat.alias import take_over

take_over(__name__)
