"""Recurrent layers, unrolled step by step in the order of `ops/fused/recurrent_formula.py`.

Its gradient makes the forward pass again by the same ops, so that the two share their values.
What a layer keeps for the eager gradient (as bits) has no native form: its outputs stay empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...core.dtypes import bfloat16
from ...ops.fused.recurrent_formula import schedule
from ..middle.graph import BFLOAT16
from .contract import TABLE as PRODUCTS
from .value import NotNative

_linear = PRODUCTS["linear"]


def _cut(s: Any, x: Any, start: int, stop: int) -> Any:
    return s.narrow(x, 0, start, stop - start)


def _cat(s: Any, parts: Sequence[Any]) -> Any:
    parts = [part for part in parts if part.shape[0]] or list(parts[:1])
    return parts[0] if len(parts) == 1 else s.cat(parts, 0)


def _gates(s: Any, x: Any, count: int) -> list[Any]:
    size = x.shape[1] // count
    return [s.narrow(x, 1, i * size, size) for i in range(count)]


# A step: (input's gates, share of h, (h, c), W_hr) -> (h, c).


def _tanh(s: Any, gates: Any, share: Any, state: Any, w_hr: Any) -> tuple[Any, Any]:
    return s.tanh(gates + share), None


def _relu(s: Any, gates: Any, share: Any, state: Any, w_hr: Any) -> tuple[Any, Any]:
    return s.max(gates + share, 0), None


def _gru(s: Any, gates: Any, share: Any, state: Any, w_hr: Any) -> tuple[Any, Any]:
    (a, b, c), (e, f, own) = _gates(s, gates, 3), _gates(s, share, 3)
    reset, update = s.sigmoid(a + e), s.sigmoid(b + f)
    new = s.tanh(c + reset * own)
    return new + update * (state[0] - new), None


def _lstm(s: Any, gates: Any, share: Any, state: Any, w_hr: Any) -> tuple[Any, Any]:
    a, b, c, d = _gates(s, gates + share, 4)
    enter, keep, candidate, leave = s.sigmoid(a), s.sigmoid(b), s.tanh(c), s.sigmoid(d)
    cell = keep * state[1] + enter * candidate
    hidden = leave * s.tanh(cell)
    return hidden if w_hr is None else _linear(s, hidden, w_hr), cell


def _short(s: Any, x: Any) -> Any:
    return s.cast(s.cast(x, bfloat16.numpy), x.dtype)


def _short_lstm(s: Any, gates: Any, share: Any, state: Any, w_hr: Any) -> tuple[Any, Any]:
    hidden, cell = _lstm(s, gates, share, state, None)
    return _short(s, hidden), _short(s, cell)


_MODES: dict[str, Callable[..., tuple[Any, Any]]] = {
    "RNN_TANH": _tanh, "RNN_RELU": _relu, "GRU": _gru, "LSTM": _lstm,
    "short LSTM": _short_lstm,
}  # fmt: skip


def _states(s: Any, mode: str, rows: Any, xs: Any, steps: Any) -> list[tuple[Any, Any]]:
    """The states after every step, in order of work."""
    h, c, w_ih, w_hh, b_ih, b_hh, w_hr = xs
    gates = _linear(s, rows, w_ih, b_ih)
    found: list[tuple[Any, Any]] = []
    for start, stop, _, shared in steps:
        count = stop - start
        before = tuple(
            None if first is None
            else _cat(s, [*([_cut(s, found[-1][i], 0, shared)] if found else []),
                          _cut(s, first, shared, count)])
            for i, first in enumerate((h, c))
        )  # fmt: skip
        share = _linear(s, before[0], w_hh, b_hh)
        found.append(_MODES[mode](s, _cut(s, gates, start, stop), share, before, w_hr))
    return found


def _layer(s: Any, mode: str, xs: Any, sizes: Any, reverse: bool, kept: int) -> tuple[Any, ...]:
    """The outputs of all steps, the last state of every sequence, and nothing of what is kept."""
    x, *rest = xs
    if x.dtype.kind != "f" or any(one is not None and one.dtype != x.dtype for one in rest):
        raise NotNative("a layer of several types")
    shape = x.shape
    if sizes is None:
        x, sizes = s.reshape(x, (shape[0] * shape[1], shape[2])), (shape[1],) * shape[0]
    steps = schedule(sizes, reverse)
    found = _states(s, mode, x, rest, steps)
    order = sorted(range(len(steps)), key=lambda i: steps[i][0])
    y = _cat(s, [found[i][0] for i in order])
    ends = [_ends(s, [state[i] for state in found], steps)
            for i in range(2 if mode.endswith("LSTM") else 1)]  # fmt: skip
    return (s.reshape(y, (*shape[:-1], y.shape[1])), *ends, *[None] * kept)


def _ends(s: Any, states: Sequence[Any], steps: Any) -> Any:
    """A shorter sequence ends where the next step has fewer rows."""
    counts = [stop - start for start, stop, _, _ in steps] + [0]
    left = [_cut(s, state, counts[k + 1], counts[k]) for k, state in enumerate(states)
            if counts[k + 1] < counts[k]]  # fmt: skip
    return _cat(s, left[::-1])


def _recurrent(s: Any, x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, mode: str,
               sizes: Any, reverse: bool, wants_x: bool) -> Any:  # fmt: skip
    xs = (x, h, None, w_ih, w_hh, b_ih, b_hh, None)
    return _layer(s, mode, xs, sizes, reverse, 2)


def _lstm_layer(s: Any, *rest: Any) -> Any:
    *xs, sizes, reverse, _ = rest
    if s.kinds[0].char != BFLOAT16:
        return _layer(s, "LSTM", xs, sizes, reverse, 3)
    *xs, b_ih, b_hh, w_hr = xs
    bias = None if b_ih is None else _short(s, b_ih + b_hh)
    return _layer(s, "short LSTM", (*xs, bias, None, w_hr), sizes, reverse, 3)


TABLE: dict[str, Any] = {"recurrent_layer": _recurrent, "lstm_layer": _lstm_layer}
