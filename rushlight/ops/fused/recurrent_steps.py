"""Recurrent layers whose steps are programs: the input's product first, then one call per step.

A step is that of `recurrent_formula.py`, forward and backward, over arrays that all steps share:
the states (T, B, H), what a step saved (T, B, 4 H), the gradients of the gates (T, B, gates). So
the weights' gradients are one product each over all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ...core import heavy
from ...core.memory import empty
from ..contract import linear, linear_bias, matmul
from ..transcendental import tanh
from .recurrent_formula import _MODES, _gates, _wide

Array = np.ndarray
_COUNTS = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}


def worthwhile(mode: str, h: Array, w_hr: Any, sizes: Any) -> bool:
    """Whether to go by steps: many states in all, of one size, without projections."""
    return (
        heavy.able() and h.size * len(sizes) >= heavy.SWITCH.least and h.dtype.char in "fd"
        and w_hr is None and len(sizes) > 1 and min(sizes) == max(sizes)
    )  # fmt: skip


# -- one step: (results, ...) = f(operands); the results are given as the first arguments ----------


def _forward(mode: str, gates: Any, h: Any, c: Any, w: Any, bias: Any) -> tuple[Any, ...]:
    share = linear(h, w) if bias is None else linear_bias(h, w, bias)
    (y, cell), saved = _MODES[mode][0](gates, share, (h, c), None)
    if mode == "LSTM":
        return _wide(saved[:4]), cell, y
    return (_wide(saved[:4]), y) if mode == "GRU" else (y,)


def _backward(
    mode: str, by_y: Any, by_h: Any, by_c: Any, kept: Any, state: Any, before: Any, turned: Any
) -> tuple[Any, ...]:
    """`state` is the step's own and `before` that before it: cells of an LSTM, else outputs.

    `turned` is the transpose of the weight: the product is the faster for it.
    """
    saved: Any = state
    if mode == "LSTM":
        saved = (*_gates(kept, 4), tanh(state), before, None)
    elif mode == "GRU":
        parts = _gates(kept, 4)
        saved = (*parts, before - parts[2])
    d, share, beside, cell = _MODES[mode][1](by_h + by_y, by_c, saved, None)
    by_before = linear(share, turned)
    if mode == "LSTM":
        return d, by_before, cell
    return (d, share, by_before + beside) if mode == "GRU" else (d, by_before)


def _filling(formula: Callable[..., Any], results: int) -> Callable[..., None]:
    def run(*args: Any) -> None:
        for out, found in zip(args, formula(*args[results:])):
            out[...] = found

    return run


class _Program:
    """A step's program; steps after the first have the form of the second."""

    def __init__(self, name: str, formula: Callable[..., Any], results: int) -> None:
        self.name = name
        self.run = heavy.heavy(name, _filling(formula, results), formula, results, chosen=True)

    def walk(self, steps: Iterable[tuple[Any, ...]]) -> None:
        """Make the steps, whose arguments are given, one after the other."""
        run = self.run
        for turn, args in enumerate(steps):
            if turn == 2:
                run = heavy.settled(self.name, run, args)
            run(*args)


_RESULTS = {"RNN_TANH": (1, 2), "RNN_RELU": (1, 2), "GRU": (2, 3), "LSTM": (3, 3)}
_STEPS = {
    mode: (
        _Program(f"{mode} step", partial(_forward, mode), forward),
        _Program(f"{mode} step back", partial(_backward, mode), backward),
    )
    for mode, (forward, backward) in _RESULTS.items()
}


# -- a layer ---------------------------------------------------------------------------------------


def _order(count: int, reverse: bool) -> Iterator[tuple[int, int]]:
    """Each step and the one before it (-1: none), in order of work."""
    places = range(count - 1, -1, -1) if reverse else range(count)
    return ((t, t + 1 if t + 1 < count else -1) if reverse else (t, t - 1) for t in places)


def kept_of(mode: str, h: Array, count: int, *members: int) -> tuple[Any, Any, Any]:
    """Room for the states, the gates and the cells (of an LSTM) of all steps."""
    shape, gates = (*members, count, *h.shape[:1]), 4 * h.shape[1] if _COUNTS[mode] > 1 else 0
    states, saved = empty((*shape, h.shape[1]), h.dtype), empty((*shape, gates), h.dtype)
    return states, saved, empty(states.shape, h.dtype) if mode == "LSTM" else None


def forward(
    mode: str, x: Array, h: Array, c: Any, weights: Any, count: int, reverse: bool, room: Any = None
) -> tuple[Array, ...]:
    """(output rows, last h, last c if any, then what the gradient needs, in `room` if given)."""
    w_ih, w_hh, b_ih, b_hh, _ = weights
    own = b_hh if mode == "GRU" else None
    if b_ih is not None:
        gates = linear_bias(x, w_ih, b_ih if own is not None else b_ih + b_hh)
    else:
        gates = linear(x, w_ih)
    gates = gates.reshape(count, *h.shape[:1], -1)
    states, saved, cells = room or kept_of(mode, h, count)
    wide = saved.shape[-1]
    h = np.ascontiguousarray(h, x.dtype)
    c = None if c is None else np.ascontiguousarray(c, x.dtype)

    def steps() -> Iterator[tuple[Any, ...]]:
        for t, p in _order(count, reverse):
            before = h if p < 0 else states[p]
            cell = None if cells is None else c if p < 0 else cells[p]
            results = (saved[t],) if wide else ()
            results += () if cells is None else (cells[t],)
            yield *results, states[t], gates[t], before, cell, w_hh, own

    _STEPS[mode][0].walk(steps())
    last = 0 if reverse else count - 1
    rows = states.reshape(-1, h.shape[1])
    kept = rows, saved.reshape(len(rows), wide)
    ends = states[last].copy(), *(() if cells is None else (cells[last].copy(),))
    return rows.copy(), *ends, *kept, *(() if cells is None else (cells.reshape(rows.shape),))


def backward(
    mode: str, gs: Any, kept: Any, xs: Any, weights: Any, count: int, reverse: bool, wants_x: bool
) -> tuple[Any, ...]:
    """Gradients of x, h, c, W_ih, W_hh, b_ih, b_hh and W_hr."""
    (x, h, c), (w_ih, w_hh, b_ih, _, _) = xs, weights
    states, saved = (one.reshape(count, len(h), -1) for one in kept[:2])
    d = empty((count, len(h), len(w_hh)), x.dtype)
    shares = np.empty_like(d) if mode == "GRU" else d
    by_h, by_c = _walk(mode, gs, (states, saved, kept[2:]), (h, c), w_hh, (d, shares), reverse)
    d, shares = d.reshape(len(x), -1), shares.reshape(len(x), -1)
    met = _met(x, h, states, reverse)
    if mode == "GRU":
        by_ih, by_hh = matmul(d.T, x), matmul(shares.T, met[:, x.shape[1] :])
    else:
        both = matmul(d.T, met)
        by_ih, by_hh = both[:, : x.shape[1]], both[:, x.shape[1] :]
    by_bias = by_own = None
    if b_ih is not None:
        by_bias = np.add.reduce(d, 0)
        by_own = np.add.reduce(shares, 0) if mode == "GRU" else by_bias.copy()
    by_x = matmul(d, w_ih) if wants_x else None
    return by_x, by_h, by_c, by_ih, by_hh, by_bias, by_own, None


def _met(x: Array, h: Array, states: Array, reverse: bool) -> Array:
    """What the weights met: rows of x beside the states before them."""
    count, rows, hidden = states.shape
    width = x.shape[1]
    met = empty((count, rows, width + hidden), x.dtype)
    met[..., :width] = x.reshape(count, rows, width)
    if reverse:
        met[:-1, :, width:], met[-1, :, width:] = states[1:], h
    else:
        met[1:, :, width:], met[0, :, width:] = states[:-1], h
    return met.reshape(count * rows, -1)


def _walk(
    mode: str, gs: Any, kept: Any, first: Any, w: Array, d: tuple[Array, Array], reverse: bool
) -> tuple[Any, Any]:
    """Fill the gradients of the gates, last step first; returns those of the first states."""
    states, saved, cells = kept
    long, gru, count = mode == "LSTM", mode == "GRU", len(states)
    own = cells[0].reshape(states.shape) if long else states
    by_y, turned = gs[0].reshape(states.shape), np.ascontiguousarray(w.T)
    start = np.ascontiguousarray(first[long], own.dtype)
    spare = [[np.empty_like(states[0]) for _ in range(2)] for _ in range(2)]
    ends = [gs[1], gs[2] if long else None]

    def steps() -> Iterator[tuple[Any, ...]]:
        for turn, (t, p) in enumerate(reversed(list(_order(count, reverse)))):
            (h, c), parts = spare[turn % 2], (d[0][t], d[1][t]) if gru else (d[0][t],)
            before = start if p < 0 else own[p]
            kept = saved[t] if saved.size else None
            results = (*parts, h, c) if long else (*parts, h)
            yield *results, by_y[t], *ends, kept, own[t], before, turned
            ends[:] = h, c if long else None

    _STEPS[mode][1].walk(steps())
    return ends[0], ends[1]
