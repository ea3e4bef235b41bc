"""Samples of the recurrent layers: whole and packed sequences, both directions, every kind."""

import numpy as np
from sampling import Sample, uniform

PACKED = (3, 3, 1)
ALL = sum(PACKED)


def u(*shape, seed=0):
    return uniform(*shape, low=-1, high=1, seed=seed)


def layer(mode, gates, sizes, reverse, biased=True):
    x = u(3, 2, 4) if sizes is None else u(ALL, 4)
    rows = 2 if sizes is None else PACKED[0]
    biases = (u(3 * gates, seed=3), u(3 * gates, seed=4)) if biased else (None, None)
    weights = (u(3 * gates, 4, seed=1), u(3 * gates, 3, seed=2), *biases)
    return Sample((x, u(rows, 3, seed=5), *weights), (mode, sizes, reverse, True))


def lstm(sizes, reverse, biased=True, out=None):
    x = u(3, 2, 4) if sizes is None else u(ALL, 4)
    rows = 2 if sizes is None else PACKED[0]
    biases = (u(12, seed=3), u(12, seed=4)) if biased else (None, None)
    project = None if out is None else u(out, 3, seed=6)
    states = u(rows, out or 3, seed=5), u(rows, 3, seed=7)
    weights = (u(12, 4, seed=1), u(12, out or 3, seed=2), *biases, project)
    return Sample((x, *states, *weights), (sizes, reverse, True))


def backward(sample, states):
    """The op of a layer's gradients, to the same operands: nothing was kept of the forward pass."""
    x, *ends = sample.inputs[: states + 1]
    y = u(*x.shape[:-1], ends[0].shape[-1], seed=8)
    kept = [np.zeros((0,), np.int64)] * (states + 1)
    gradients = y, *(u(*end.shape, seed=9) for end in ends)
    return Sample((*gradients, *kept, *sample.inputs), sample.params, smooth=False)


def push(sample, states):
    """The op of a layer's tangents, from those of all operands: nothing was kept."""
    x, *ends = sample.inputs[: states + 1]
    y = u(*x.shape[:-1], ends[0].shape[-1], seed=8)
    kept = [np.zeros((0,), np.int64)] * (states + 1)
    ts = [u(*a.shape, seed=10 + i) for i, a in enumerate(sample.inputs)]
    *mode, _, reverse, _ = sample.params
    return Sample((*ts, y, *kept, *sample.inputs), (*mode, reverse), smooth=False)


SAMPLES = {
    "recurrent_layer": [
        layer("RNN_TANH", 1, None, False), layer("RNN_TANH", 1, PACKED, True, False),
        layer("RNN_RELU", 1, None, True), layer("RNN_RELU", 1, PACKED, False),
        layer("GRU", 3, None, False), layer("GRU", 3, None, True, False),
        layer("GRU", 3, PACKED, False), layer("GRU", 3, PACKED, True),
    ],
    "lstm_layer": [
        lstm(None, False), lstm(None, True, False), lstm(PACKED, False), lstm(PACKED, True),
        lstm(None, False, True, 2), lstm(PACKED, True, False, 2),
    ],
    "recurrent_layer_back": [
        backward(layer("RNN_TANH", 1, None, False), 1), backward(layer("GRU", 3, PACKED, True), 1),
        backward(layer("GRU", 3, None, True, False), 1),
    ],
    "lstm_layer_back": [
        backward(lstm(None, False), 2), backward(lstm(PACKED, True, False, 2), 2),
    ],
    "recurrent_layer_push": [
        push(layer("RNN_TANH", 1, None, False), 1), push(layer("GRU", 3, None, True), 1),
    ],
    "lstm_layer_push": [push(lstm(None, False, out=2), 2), push(lstm(None, True, out=3), 2)],
}  # fmt: skip
