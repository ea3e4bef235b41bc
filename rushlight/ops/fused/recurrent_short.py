"""Recurrent layers of 16 bits whose steps are programs: rounded where torch rounds them.

Arrays hold float32; a program rounds what comes of an op to the layer's type, or to that of its
states, which autocast leaves wide. oneDNN's LSTM in bfloat16 is "short LSTM" of
`recurrent_formula.py`. All others round after each op, and the gradients of W_hh and b_hh after
each step, since torch adds these up in the type of the weights.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...core import heavy
from ...core.dtypes import dtype, float32, of
from ...core.memory import empty
from ..contract import linear, linear_bias, matmul
from ..reduce import sum as sum_of
from ..structure import cast, transpose
from ..transcendental import relu, sigmoid, tanh
from . import recurrent_steps
from .kernels import half
from .recurrent_formula import gates_of, is_short, rounded, short_operands, side_by_side
from .recurrent_steps import Program, in_turn, kept_of

Array = np.ndarray
Rounding = Callable[[Any], Any]


def worthwhile(mode: str, xs: Any, sizes: Any) -> bool:
    """Whether a layer of 16 bits goes by native steps: arrays, many states, without projections.

    x and the states are of the weights' type or, under autocast, of float32.
    """
    x, h, c, *weights = xs
    known = [a for a in xs if a is not None]
    if sizes is not None or not all(type(a) is np.ndarray for a in known):
        return False
    kind = weights[1].dtype
    return (
        half(weights[1]) and h.ndim == 2 and weights[4] is None and len(x) > 1
        and h.size * len(x) >= heavy.SWITCH.least and x.size > 0 and heavy.able()
        and all(a is None or a.dtype == kind for a in weights)
        and all(a.dtype in (kind, np.float32) for a in (x, h)) and (c is None or c.dtype == h.dtype)
    )  # fmt: skip


def _rounding(kind: dtype) -> Rounding:
    """To the numbers that a type has, as float32."""
    return (lambda x: x) if kind is float32 else lambda x: rounded(x, kind)


# -- one step, with roundings r to the layer's type and s to that of its states --------------------


def _forward(
    mode: str, r: Rounding, s: Rounding, gates: Any, h: Any, c: Any, w: Any, bias: Any
) -> tuple[Any, ...]:
    gates, h_short = r(gates), r(h)
    share = r(linear(h_short, w) if bias is None else linear_bias(h_short, w, bias))
    if mode == "GRU":
        (a, b, new), (e, f, own) = gates_of(gates, 3), gates_of(share, 3)
        reset, update = r(sigmoid(r(a + e))), r(sigmoid(r(b + f)))
        new = r(tanh(r(new + r(reset * own))))
        y = s(new + s(update * s(h - new)))
        return side_by_side([reset, update, new, own]), y
    total = r(gates + share)
    if mode != "LSTM":
        return (r(tanh(total)) if mode == "RNN_TANH" else relu(total),)
    a, b, new, d = gates_of(total, 4)
    enter, keep, new, leave = r(sigmoid(a)), r(sigmoid(b)), r(tanh(new)), r(sigmoid(d))
    cell = s(s(keep * c) + r(enter * new))
    return side_by_side([enter, keep, new, leave]), cell, s(leave * s(tanh(cell)))


def _gru_back(r: Rounding, s: Rounding, g: Any, kept: Any, before: Any) -> tuple[Any, Any, Any]:
    reset, update, new, own = gates_of(kept, 4)
    beside = s(g * update)
    by_update = r(g * s(before - new))
    by_new = r(r(r(g) - r(beside)) * (1 - new * new))
    by_reset = r(r(by_new * own) * (1 - reset) * reset)
    doors = [by_reset, r(by_update * (1 - update) * update)]
    return side_by_side([*doors, by_new]), side_by_side([*doors, r(by_new * reset)]), beside


def _lstm_back(
    r: Rounding, s: Rounding, g: Any, by_c: Any, kept: Any, cell: Any, before: Any
) -> tuple[Any, Any]:
    enter, keep, new, leave = gates_of(kept, 4)
    bent = s(tanh(cell))
    by_cell = s(by_c + s(s(g * leave) * (1 - bent * bent)))
    by_new, by_leave = r(by_cell), r(g * bent)
    parts = [
        r(r(by_new * new) * (1 - enter) * enter), r(r(by_cell * before) * (1 - keep) * keep),
        r(r(by_new * enter) * (1 - new * new)), r(by_leave * (1 - leave) * leave),
    ]  # fmt: skip
    return side_by_side(parts), s(by_cell * keep)


def _backward(
    mode: str, r: Rounding, s: Rounding, g: Any, by_y: Any, by_c: Any, kept: Any, state: Any,
    before: Any, first: Any, turned: Any, by_w: Any, by_bias: Any,
) -> tuple[Any, ...]:  # fmt: skip
    """A step's gradients: of the gates, the state before, (the cell before,) W_hh and b_hh.

    `g` is all of the gradient of the step's output, `by_y` what the output before it gets by
    itself. `state` and `before` are cells of an LSTM, else outputs; `first` is the output before.
    """
    beside = cell = None
    if mode == "GRU":
        d, share, beside = _gru_back(r, s, g, kept, before)
    elif mode == "LSTM":
        d, cell = _lstm_back(r, s, g, by_c, kept, state, before)
        share = d
    else:
        d = share = r(g * (1 - state * state)) if mode == "RNN_TANH" else g * (state > 0)
    own = by_y if beside is None else s(by_y + beside)
    found = [d, s(own + r(linear(share, turned)))]
    found += [] if cell is None else [cell]
    found.append(r(by_w + r(matmul(transpose(share, 0, 1), r(first)))))
    return *found, *([] if by_bias is None else [r(by_bias + r(sum_of(share, (0,), False)))])


_FORWARD, _BACKWARD = {"GRU": 2, "LSTM": 3}, {"LSTM": 4}  # results; of others 1 and 3


@functools.cache
def _program(mode: str, kind: dtype, states: dtype, back: bool, biased: bool) -> Program:
    r = _rounding(kind)
    s = r if mode.startswith("RNN") else _rounding(states)
    count = _BACKWARD.get(mode, 3) + biased if back else _FORWARD.get(mode, 1)
    name = f"{mode} step{' back' * back}{' biased' * biased} {kind.name} {states.name}"
    return Program(name, functools.partial(_backward if back else _forward, mode, r, s), count)


# -- a layer ---------------------------------------------------------------------------------------


def _wide(x: Any) -> Any:
    return x if x is None else np.ascontiguousarray(cast(x, float32))


def _rows(x: Array, kind: dtype) -> Array:
    """All rows of all steps, in numbers that `kind` has."""
    return _wide(cast(x, kind)).reshape(-1, x.shape[2])


def _shorter(xs: Any) -> tuple[list[Any], list[Any]]:
    """(x, h, c), the weights but the last: of "short LSTM", in float32."""
    x, h, c, *weights, _ = map(_wide, short_operands(xs))
    return [x.reshape(-1, x.shape[2]), h, c], [*weights, None]


def forward(mode: str, xs: Any, reverse: bool) -> tuple[Array, ...]:
    """Outputs (T, B, H), the last states, and what the gradient needs, in float32."""
    x, h, c, w_ih, w_hh, b_ih, b_hh, _ = xs
    count, kind, states = len(x), of(w_hh), of(h)
    if is_short(mode, xs, None):
        (rows, h, c), weights = _shorter(xs)
        found = recurrent_steps.forward("short LSTM", rows, h, c, weights, count, reverse)
        ends = [cast(one, kind) for one in found[:3]]
        return ends[0].reshape(count, *h.shape), *ends[1:], *found[3:]
    gates = _linear(_rows(x, kind), _wide(w_ih), _wide(b_ih)).reshape(count, len(h), -1)
    h, c, w, bias = map(_wide, (h, c, w_hh, b_hh))
    ys, saved, cells = kept_of(mode, h, count)

    def steps() -> Iterator[tuple[Any, ...]]:
        for t, p in in_turn(count, reverse):
            before, cell = h if p < 0 else ys[p], c if p < 0 or cells is None else cells[p]
            results = (saved[t],) if saved.size else ()
            results += () if cells is None else (cells[t],)
            yield *results, ys[t], gates[t], before, cell, w, bias

    _program(mode, kind, states, False, False).walk(steps())
    result = kind if mode.startswith("RNN") else states
    y, last = cast(ys, result), 0 if reverse else count - 1
    y = y.copy() if y is ys else y
    ends = y[last].copy(), *(() if cells is None else (cast(cells[last], states),))
    return y, *ends, ys, saved, *(() if cells is None else (cells,))


def _linear(x: Array, w: Array, bias: Any) -> Array:
    return linear(x, w) if bias is None else linear_bias(x, w, bias)


def backward(
    mode: str, g: Any, kept: Any, xs: Any, reverse: bool, wants_x: bool
) -> list[Array | None]:
    """The gradients of (x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr), in the types of these."""
    x, _, _, w_ih, w_hh, b_ih, _, _ = xs
    count, kind = len(x), of(w_hh)
    g = list(map(_wide, g))
    if is_short(mode, xs, None):
        (rows, *first), weights = _shorter(xs)
        g[0] = g[0].reshape(len(rows), -1)
        found: Any = recurrent_steps.backward(
            "short LSTM", g, kept, (rows, *first), weights, count, reverse, wants_x)  # fmt: skip
        found = list(found)
    else:
        d, (by_h, by_c, by_w, by_hh) = _walk(mode, g, kept, xs, reverse)
        rows = _rows(x, kind)
        by_x = matmul(d, _wide(w_ih)) if wants_x else None
        by_bias = None if b_ih is None else np.add.reduce(d, 0)
        found = [by_x, by_h, by_c, matmul(d.T, rows), by_w, by_bias, by_hh, None]
    if wants_x:
        found[0] = cast(found[0], kind).reshape(x.shape)
    return [None if one is None else cast(one, of(a)) for one, a in zip(found, xs)]


def _walk(mode: str, g: Any, kept: Any, xs: Any, reverse: bool) -> tuple[Array, list[Any]]:
    """Rows of the gates' gradients; the gradients of h, c, W_hh and b_hh."""
    x, h, c, _, w_hh, _, b_hh, _ = xs
    program = _program(mode, of(w_hh), of(h), True, b_hh is not None)
    states, saved, *cells = kept
    h, c, w, count = _wide(h), _wide(c), _wide(w_hh), len(x)
    own, first = (cells[0], c) if cells else (states, h)
    turned, d = np.ascontiguousarray(w.T), empty((count, len(h), len(w)), w.dtype)
    alike = [h, *([c] if cells else []), w, *([] if b_hh is None else [_wide(b_hh)])]
    spare = [[np.zeros_like(a) for a in alike] for _ in range(2)]
    order = list(reversed(list(in_turn(count, reverse))))
    s = _rounding(of(w_hh) if mode.startswith("RNN") else of(xs[1]))
    spare[1][0][...] = s(g[0][order[0][0]] + g[1])
    if cells:
        spare[1][1][...] = g[2]
    nothing = np.zeros_like(h)

    def steps() -> Iterator[tuple[Any, ...]]:
        for turn, (t, p) in enumerate(order):
            results, (by_h, *rest) = spare[turn % 2], spare[1 - turn % 2]
            by_c = rest.pop(0) if cells else None
            by_y, met = (nothing, h) if p < 0 else (g[0][p], states[p])
            yield (
                d[t], *results, by_h, by_y, by_c, saved[t] if saved.size else None, own[t],
                first if p < 0 else own[p], met, turned, rest[0],
                rest[1] if b_hh is not None else None,
            )  # fmt: skip

    program.walk(steps())
    found: list[Any] = spare[(count - 1) % 2]
    found = [*found[:1], *(found[1:2] if cells else [None]), *found[1 + bool(cells) :]]
    return d.reshape(-1, len(w)), [*found, *[None] * (4 - len(found))]
