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
from .recurrent_formula import MODES, gates_of, side_by_side

Array = np.ndarray
_COUNTS = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4, "short LSTM": 4}


def worthwhile(mode: str, h: Array, w_hr: Any, sizes: Any) -> bool:
    """Whether to go by steps: many states in all, of one size, without projections."""
    return (
        heavy.able() and h.size * len(sizes) >= heavy.SWITCH.least and h.dtype.char in "fd"
        and w_hr is None and len(sizes) > 1 and min(sizes) == max(sizes)
    )  # fmt: skip


# -- one step: (results, ...) = f(operands); the results are given as the first arguments ----------


def _forward(mode: str, gates: Any, h: Any, c: Any, w: Any, bias: Any) -> tuple[Any, ...]:
    share = linear(h, w) if bias is None else linear_bias(h, w, bias)
    (y, cell), saved = MODES[mode][0](gates, share, (h, c), None)
    if mode.endswith("LSTM"):
        return side_by_side(saved[:4]), cell, y
    return (side_by_side(saved[:4]), y) if mode == "GRU" else (y,)


def _backward(
    mode: str, by_y: Any, by_h: Any, by_c: Any, kept: Any, state: Any, before: Any, turned: Any
) -> tuple[Any, ...]:
    """`state` is the step's own and `before` that before it: cells of an LSTM, else outputs.

    `turned` is the transpose of the weight: the product is the faster for it.
    """
    saved: Any = state
    if mode.endswith("LSTM"):
        saved = (*gates_of(kept, 4), tanh(state), before, None)
    elif mode == "GRU":
        parts = gates_of(kept, 4)
        saved = (*parts, before - parts[2])
    d, share, beside, cell = MODES[mode][1](by_h + by_y, by_c, saved, None)
    by_before = linear(share, turned)
    if mode.endswith("LSTM"):
        return d, by_before, cell
    return (d, share, by_before + beside) if mode == "GRU" else (d, by_before)


def _moved(
    mode: str, ts: Any, th: Any, tc: Any, gates: Any, state: Any, before: Any
) -> tuple[Any, ...]:
    """The tangents of (the cell and) the state after a step, from those before it.

    `ts` are those of what enters the gates; of a GRU, as a fourth, that of W_hn h + b_hn.
    `state` is the step's own and `before` that before it: cells of an LSTM, else outputs.
    """
    if mode.endswith("LSTM"):
        (enter, keep, new, leave), (a, b, c, d) = gates, ts
        bent = tanh(state)
        tc = keep * (tc + before * (1 - keep) * b) + enter * (
            new * (1 - enter) * a + (1 - new * new) * c)  # fmt: skip
        return tc, leave * (bent * (1 - leave) * d + (1 - bent * bent) * tc)
    if mode == "GRU":
        (reset, update, new, own), (a, b, c, d) = gates, ts
        bend = c + reset * (d + own * (1 - reset) * a)
        turn = th + (before - new) * (1 - update) * b
        return ((1 - new * new) * (1 - update) * bend + update * turn,)
    return (((1 - state * state) if mode == "RNN_TANH" else (state > 0)) * ts[0],)


def _push(
    mode: str, z: Any, th: Any, tc: Any, kept: Any, state: Any, before: Any, w: Any
) -> tuple[Any, ...]:
    """The tangents of a step whose values are known.

    `z` is what reaches the gates besides: for a GRU also, as a fourth, what only W_hn h gets.
    """
    share, count = linear(th, w), _COUNTS[mode]
    gates: Any = None if count == 1 else gates_of(kept, 4)
    if mode == "GRU":
        (a, b, c, d), (e, f, g) = gates_of(z, 4), gates_of(share, 3)
        ts = [a + e, b + f, c, d + g]
    else:
        ts = gates_of(z + share, count)
    return _moved(mode, ts, th, tc, gates, state, before)


def _pair(
    mode: str, z: Any, tz: Any, h: Any, th: Any, c: Any, tc: Any, w: Any, tw: Any, own: Any,
    town: Any,
) -> tuple[Any, ...]:  # fmt: skip
    """A step and its tangents at once: (cell, its tangent if any, state, its tangent).

    `z` and `tz` are the input's gates and their tangents; `own` is the bias of W_hh h if it has
    one apart. None stands for a tangent of zero.
    """
    share = linear(h, w) if own is None else linear_bias(h, w, own)
    moved = linear(th, w) if tw is None else linear(th, w) + linear(h, tw)
    moved = moved if town is None else moved + town
    (y, cell), saved = MODES[mode][0](z, share, (h, c), None)
    if mode == "GRU":
        (a, b, d), (e, f, g) = gates_of(tz, 3), gates_of(moved, 3)
        ts = [a + e, b + f, d, g]
    else:
        ts = gates_of(tz + moved, _COUNTS[mode])
    long = mode.endswith("LSTM")
    state, before = (cell, c) if long else (y, h)
    gates = None if mode.startswith("RNN") else saved[:4]
    found = _moved(mode, ts, th, tc, gates, state, before)
    return (cell, found[0], y, found[1]) if long else (y, *found)


def _filling(formula: Callable[..., Any], results: int) -> Callable[..., None]:
    def run(*args: Any) -> None:
        for out, found in zip(args, formula(*args[results:])):
            out[...] = found

    return run


class Program:
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


_RESULTS = {
    "RNN_TANH": (1, 2, 1, 2), "RNN_RELU": (1, 2, 1, 2), "GRU": (2, 3, 1, 2), "LSTM": (3, 3, 2, 4),
    "short LSTM": (3, 3, 2, 4),
}  # fmt: skip
_STEPS = {
    mode: (
        Program(f"{mode} step", partial(_forward, mode), forward),
        Program(f"{mode} step back", partial(_backward, mode), backward),
        Program(f"{mode} step push", partial(_push, mode), push),
        Program(f"{mode} step pair", partial(_pair, mode), pair),
    )
    for mode, (forward, backward, push, pair) in _RESULTS.items()
}


# -- a layer ---------------------------------------------------------------------------------------


def in_turn(count: int, reverse: bool) -> Iterator[tuple[int, int]]:
    """Each step and the one before it (-1: none), in order of work."""
    places = range(count - 1, -1, -1) if reverse else range(count)
    return ((t, t + 1 if t + 1 < count else -1) if reverse else (t, t - 1) for t in places)


def kept_of(mode: str, h: Array, count: int, *members: int) -> tuple[Any, Any, Any]:
    """Room for the states, the gates and the cells (of an LSTM) of all steps."""
    shape, gates = (*members, count, *h.shape[:1]), 4 * h.shape[1] if _COUNTS[mode] > 1 else 0
    states, saved = empty((*shape, h.shape[1]), h.dtype), empty((*shape, gates), h.dtype)
    return states, saved, empty(states.shape, h.dtype) if mode.endswith("LSTM") else None


def _entering(mode: str, x: Array, weights: Any) -> tuple[Array, Any]:
    """What the input's rows give to the gates, and the bias that stays with W_hh h."""
    w_ih, _, b_ih, b_hh, *_ = weights
    own = b_hh if mode == "GRU" else None
    if b_ih is None:
        return linear(x, w_ih), None
    alone = own is not None or b_hh is None
    return linear_bias(x, w_ih, b_ih if alone else b_ih + b_hh), own


def forward(
    mode: str, x: Array, h: Array, c: Any, weights: Any, count: int, reverse: bool, room: Any = None
) -> tuple[Array, ...]:
    """(output rows, last h, last c if any, then what the gradient needs, in `room` if given)."""
    w_hh = weights[1]
    gates, own = _entering(mode, x, weights)
    gates = gates.reshape(count, *h.shape[:1], -1)
    states, saved, cells = room or kept_of(mode, h, count)
    wide = saved.shape[-1]
    h = np.ascontiguousarray(h, x.dtype)
    c = None if c is None else np.ascontiguousarray(c, x.dtype)

    def steps() -> Iterator[tuple[Any, ...]]:
        for t, p in in_turn(count, reverse):
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
    long, gru, count = mode.endswith("LSTM"), mode == "GRU", len(states)
    own = cells[0].reshape(states.shape) if long else states
    by_y, turned = gs[0].reshape(states.shape), np.ascontiguousarray(w.T)
    start = np.ascontiguousarray(first[long], own.dtype)
    spare = [[np.empty_like(states[0]) for _ in range(2)] for _ in range(2)]
    ends = [gs[1], gs[2] if long else None]

    def steps() -> Iterator[tuple[Any, ...]]:
        for turn, (t, p) in enumerate(reversed(list(in_turn(count, reverse)))):
            (h, c), parts = spare[turn % 2], (d[0][t], d[1][t]) if gru else (d[0][t],)
            before = start if p < 0 else own[p]
            kept = saved[t] if saved.size else None
            results = (*parts, h, c) if long else (*parts, h)
            yield *results, by_y[t], *ends, kept, own[t], before, turned
            ends[:] = h, c if long else None

    _STEPS[mode][1].walk(steps())
    return ends[0], ends[1]


# -- forward mode ----------------------------------------------------------------------------------


def _inward(mode: str, ts: Any, xs: Any, states: Array, reverse: bool) -> Array:
    """What reaches the gates of all steps but for the tangents of the states: `z` of `_push`."""
    (x, h, _, w_ih, w_hh, *_), (tx, _, _, tw_ih, tw_hh, *biases, _) = xs, ts
    count, hidden = states.shape[0] * states.shape[1], states.shape[2]
    pairs = [(x[:, :0], w_ih[:, :0])]
    pairs += [(a, w) for a, w in ((tx, w_ih), (x, tw_ih)) if a is not None and w is not None]
    edge = sum(a.shape[1] for a, _ in pairs)
    if tw_hh is not None:
        ends = (states[1:], h[None]) if reverse else (h[None], states[:-1])
        pairs.append((np.concatenate(ends).reshape(count, -1), tw_hh))
    left, right = (np.concatenate(side, 1) for side in zip(*pairs))
    z = empty((count, 4 * hidden if mode == "GRU" else len(w_hh)), x.dtype)
    both = 2 * hidden if mode == "GRU" else len(w_hh)  # gates that get the sum of the two products
    np.matmul(left, right[:both].T, out=z[:, :both])
    if mode == "GRU":
        np.matmul(left[:, :edge], right[both:, :edge].T, out=z[:, both : both + hidden])
        np.matmul(left[:, edge:], right[both:, edge:].T, out=z[:, both + hidden :])
    for bias, shift in zip(biases, (0, hidden)):
        if bias is not None:
            z[:, :both] += bias[:both]
            if mode == "GRU":
                z[:, both + shift : both + shift + hidden] += bias[both:]
    return z.reshape(*states.shape[:2], -1)


def push(mode: str, ts: Any, kept: Any, xs: Any, reverse: bool) -> list[Array]:
    """The tangents of outputs and last states of one member, from those of the operands or None."""
    (x, h, c), w_hh, long = xs[:3], xs[4], mode.endswith("LSTM")
    states, saved, *cells = (one.reshape(len(x), len(h), -1) for one in kept)
    x, tx = (None if a is None else a.reshape(-1, a.shape[2]) for a in (x, ts[0]))
    z = _inward(mode, (tx, *ts[1:]), (x, *xs[1:]), states, reverse)
    own, found = cells[0] if long else states, np.empty_like(states)
    first = np.ascontiguousarray(c if long else h, own.dtype)
    spare, ends = (
        np.empty((2, *h.shape), own.dtype),
        [np.zeros_like(h, order="C") if t is None else np.ascontiguousarray(t) for t in ts[1:3]],
    )
    if not long:
        ends[1] = None

    def steps() -> Iterator[tuple[Any, ...]]:
        for turn, (t, p) in enumerate(in_turn(len(states), reverse)):
            results = (spare[turn % 2], found[t]) if long else (found[t],)
            before = first if p < 0 else own[p]
            yield *results, z[t], *ends, saved[t] if saved.size else None, own[t], before, w_hh
            ends[:] = found[t], results[0] if long else None

    _STEPS[mode][2].walk(steps())
    return [found, ends[0].copy(), *(ends[1:] if long else ())]


def _entering_tangents(mode: str, x: Array, tx: Any, weights: Any, ts: Any) -> tuple[Array, Any]:
    """The tangents of what `_entering` gives."""
    w_ih, (tw_ih, _, tb_ih, tb_hh, *_) = weights[0], ts
    own = tb_hh if mode == "GRU" else None
    biases = [b for b in (tb_ih, None if mode == "GRU" else tb_hh) if b is not None]
    bias = sum(biases[1:], biases[0]) if biases else None
    pairs = [(a, w) for a, w in ((tx, w_ih), (x, tw_ih)) if a is not None and w is not None]
    if not pairs:
        z = np.zeros((len(x), len(w_ih)), x.dtype)
        return z if bias is None else np.add(z, bias, z), own
    left, right = pairs[0] if len(pairs) == 1 else (np.concatenate(a, 1) for a in zip(*pairs))
    return linear(left, right) if bias is None else linear_bias(left, right, bias), own


def both(mode: str, ts: Any, xs: Any, reverse: bool) -> tuple[list[Array], list[Array]]:
    """(outputs, last h, last c if any) of whole sequences, and their tangents, step by step."""
    (x, h, c, *weights), (tx, th, tc, *by_weights), long = xs, ts, mode.endswith("LSTM")
    count, size, kind = x.shape[0], h.shape, x.dtype
    x = x.reshape(-1, x.shape[2])
    tx = None if tx is None else tx.reshape(-1, tx.shape[2])
    (z, own), (tz, town) = (
        _entering(mode, x, weights),
        _entering_tangents(mode, x, tx, weights, by_weights),
    )
    z, tz = z.reshape(count, size[0], -1), tz.reshape(count, size[0], -1)
    states, moved = (empty((count, *size), kind) for _ in range(2))
    spare = np.empty((2, 2, *size), kind)
    first = [h, th, c, tc] if long else [h, th]
    ends: list[Any] = [
        np.zeros(size, kind) if a is None else np.ascontiguousarray(a) for a in first
    ]
    ends += [] if long else [None, None]
    w, tw = weights[1], by_weights[1]

    def steps() -> Iterator[tuple[Any, ...]]:
        for turn, (t, _) in enumerate(in_turn(count, reverse)):
            cell, results = spare[turn % 2], (states[t], moved[t])
            yield *(cell if long else ()), *results, z[t], tz[t], *ends, w, tw, own, town
            ends[:2] = results
            if long:
                ends[2:] = cell

    _STEPS[mode][3].walk(steps())
    h, th, *cells = [a.copy() for a in ends if a is not None]
    return [states, h, *cells[:1]], [moved, th, *cells[1:]]
