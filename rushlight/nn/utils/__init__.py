"""Helpers around modules: clipping, vectors of parameters, packed sequences, parametrisations."""

from . import rnn
