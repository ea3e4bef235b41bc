"""Recurrent layers in a trace: one operator each, as torch has it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import rushlight as rl

from ..core.overrides import all_disabled


@contextlib.contextmanager
def recurrent_forwards(model: Any, rec: Any) -> Iterator[None]:
    """A block in which LSTM, GRU and RNN layers of the model are noted as a whole."""
    layers = [one for one in model.modules() if isinstance(one, rl.nn.RNNBase)]
    for layer in layers:
        layer.__dict__["forward"] = _forward(layer, rec)
    try:
        yield
    finally:
        for layer in layers:
            del layer.__dict__["forward"]


def _forward(layer: Any, rec: Any) -> Any:
    name = {"LSTM": "lstm", "GRU": "gru"}.get(layer.mode) or layer.mode.lower()

    def forward(x: Any, hx: Any = None) -> Any:
        with all_disabled():
            return noted(x, hx)

    def noted(x: Any, hx: Any) -> Any:
        if not isinstance(x, rl.Tensor) or x.ndim != 3 or getattr(layer, "proj_size", 0):
            raise rec.unsupported("a recurrent layer on packed or single sequences, or projecting")
        batch = x.shape[0 if layer.batch_first else 1]
        ways = 2 if layer.bidirectional else 1
        if hx is None:
            size = [layer.num_layers * ways, batch, layer.hidden_size]
            count = 2 if name == "lstm" else 1
            made = [rec.call("zeros", size, dtype=x.dtype) for _ in range(count)]
            hx = made if name == "lstm" else made[0]
        found = rec.call(
            name, x, list(hx) if name == "lstm" else hx, list(layer._flat_weights), layer.bias,
            layer.num_layers, float(layer.dropout), layer.training, layer.bidirectional,
            layer.batch_first,
        )  # fmt: skip
        y, *state = found
        return y, tuple(state) if name == "lstm" else state[0]

    return forward
