"""Recurrent layers, one op for one direction of one layer over the whole sequence.

Weights with one dimension more in front are those of several members (an ensemble under `vmap`),
and so are then all other operands: their steps are made together (recurrent_members.py), or one
member after the other where its steps are native programs or its sequences packed. The gradient is
the kernel's; where it is itself followed, it is written with ops (recurrent_formula.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.dtypes import float32
from ...core.families import general, plain
from ...core.heavy import SWITCH
from ...core.state import STATE
from ...core.values import Value, only_batched, unfollowed
from ..structure import cast
from . import recurrent_members, recurrent_rows, recurrent_short, recurrent_steps
from .kernels import half, raw
from .recurrent_formula import formula, is_short, unrolled

_STATES = {"LSTM": 2}
_AHEAD = 8  # times the work from which a plain layer of one member goes by native steps


def _rows(x: np.ndarray, sizes: Any) -> tuple[np.ndarray, Any]:
    """x (T, B, I) as rows, or packed rows as they are; and the rows of every step."""
    if sizes is not None:
        return x, sizes
    return x.reshape(-1, x.shape[2]), (x.shape[1],) * x.shape[0]


def _wide(*arrays: Any) -> list[Any]:
    return [a.astype(np.float32) if a is not None and half(a) else a for a in arrays]


def _one(mode: str, xs: Any, sizes: Any, reverse: bool) -> tuple[np.ndarray, ...]:
    """One layer: outputs, last states, what its gradient needs."""
    x, h, c, *weights = xs
    rows, sizes = _rows(x, sizes)
    y, *rest = recurrent_rows.forward(mode, rows, h, c, weights, sizes, reverse)
    return y.reshape(*x.shape[:-1], y.shape[1]), *rest


def _one_back(
    mode: str, g: Any, kept: Any, xs: Any, sizes: Any, reverse: bool, wants_x: bool
) -> list[Any]:
    x, h, c, *weights = xs
    rows, sizes = _rows(x, sizes)
    gs = (g[0].reshape(len(rows), -1), *g[1:])
    found = list(
        recurrent_rows.backward(mode, gs, kept, (rows, h, c), weights, sizes, reverse, wants_x)
    )
    if wants_x:
        found[0] = found[0].reshape(x.shape)
    return found


def _apart(mode: str, xs: Any, sizes: Any) -> bool:
    """Whether members are run one after the other: packed ones, and long ones by native steps."""
    x, h, w_hr = xs[0][0], xs[1][0], xs[7]
    if sizes is not None or not x.size:
        return True
    enough = mode in ("GRU", "LSTM") or h.size * len(x) >= _AHEAD * SWITCH.least
    return enough and recurrent_steps.worthwhile(mode, h, w_hr, (len(h),) * len(x))


def _of(arrays: Any, member: int) -> list[Any]:
    return [None if a is None else a[member] for a in arrays]


def _stacked(each: Any) -> list[Any]:
    return [None if parts[0] is None else np.stack(parts) for parts in zip(*each)]


def _each(function: Any, mode: str, g: Any, xs: Any, reverse: bool) -> list[Any]:
    """What `unrolled` or `formula` says of one layer, or of each member."""
    if xs[4].ndim == 2:
        return function(mode, *([] if g is None else [g]), xs, None, reverse)
    return _stacked([
        _each(function, mode, g and _of(g, member), _of(xs, member), reverse)
        for member in range(len(xs[0]))
    ])  # fmt: skip


def _in_turn(mode: str, xs: Any, reverse: bool) -> tuple[np.ndarray, ...]:
    """Members by native steps, one after the other: what they keep lies together at once."""
    count, room = xs[0].shape[1], recurrent_steps.kept_of(
        mode, xs[1][0], xs[0].shape[1], len(xs[0]))  # fmt: skip
    ends = []
    for member in range(len(xs[0])):
        x, h, c, *weights = _of(xs, member)
        rows, _ = _rows(x, None)
        found = recurrent_steps.forward(
            mode, rows, h, c, weights, count, reverse, tuple(_of(room, member)))  # fmt: skip
        ends.append(found[1 : 1 + _STATES.get(mode, 1)])
    kept = [a.reshape(len(a), count * a.shape[2], a.shape[3]) for a in room if a is not None]
    return room[0].copy(), *_stacked(ends), *kept


def _evaluate(mode: str, xs: Any, sizes: Any, reverse: bool) -> tuple[np.ndarray, ...]:
    """What is kept for the gradient leaves as integers, which carry none."""
    kind, states = xs[0].dtype, _STATES.get(mode, 1)
    if recurrent_short.worthwhile(mode, xs, sizes):
        found = recurrent_short.forward(mode, xs, reverse)
        return *found[: states + 1], *[kept.view(np.int32) for kept in found[states + 1 :]]
    if xs[0].size and is_short(mode, xs, sizes):
        ends = _each(unrolled, mode, None, xs, reverse)
        return *ends, *[np.empty((*xs[0].shape[: xs[4].ndim - 2], 0), np.int32) for _ in range(3)]
    xs = _wide(*xs)
    found: Any
    if xs[4].ndim == 2:
        found = _one(mode, xs, sizes, reverse)
    elif sizes is None and _apart(mode, xs, sizes) and xs[0].size:
        found = _in_turn(mode, xs, reverse)
    elif _apart(mode, xs, sizes):
        found = _stacked([_one(mode, _of(xs, i), sizes, reverse) for i in range(len(xs[0]))])
    else:
        found = recurrent_members.forward(mode, xs, reverse)
    ends = [end.astype(kind, copy=False) for end in found[: states + 1]]
    return *ends, *[kept.view(f"i{kept.itemsize}") for kept in found[states + 1 :]]


def _pulled(
    mode: str, g: Any, kept: Any, xs: Any, sizes: Any, reverse: bool, wants_x: bool
) -> list[Any]:
    """The gradients of (x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr), all arrays."""
    if kept[0].size and recurrent_short.worthwhile(mode, xs, sizes):
        kept = [one.view(np.float32) for one in kept]
        return recurrent_short.backward(mode, g, kept, xs, reverse, wants_x)
    if half(xs[4]) and kept[0].ndim == 4:  # one layer's, for several gradients
        return _stacked([
            _pulled(mode, _of(g, i), _of(kept, i), _of(xs, i), sizes, reverse, wants_x)
            for i in range(len(xs[0]))
        ])  # fmt: skip
    if is_short(mode, xs, sizes):
        return _each(formula, mode, g, xs, reverse)
    kind = xs[0].dtype
    xs, g = _wide(*xs), _wide(*g)
    kept = [one.view(xs[0].dtype) for one in kept]
    if xs[4].ndim == 2:
        found = _one_back(mode, g, kept, xs, sizes, reverse, wants_x)
    elif kept[0].ndim == 5:
        found = recurrent_members.backward(mode, g, kept, xs, reverse, wants_x)
    else:
        found = _stacked([
            _one_back(mode, _of(g, i), _of(kept, i), _of(xs, i), sizes, reverse, wants_x)
            for i in range(len(xs[0]))
        ])  # fmt: skip
    return [None if one is None else one.astype(kind, copy=False) for one in found]


def _back(
    mode: str, g: Any, kept: Any, xs: Any, sizes: Any, reverse: bool, wants_x: bool
) -> list[Any]:
    """The gradients as an op gives them: an array for every operand, empty ones for None."""
    none = not any(one.size for one in kept)  # a batch keeps nothing that fits one
    if none and xs[0].size and not is_short(mode, xs, sizes):
        kept = _evaluate(mode, xs, sizes, reverse)[_STATES.get(mode, 1) + 1 :]
    found = _pulled(mode, g, kept, xs, sizes, reverse, wants_x)
    nothing = np.empty((*xs[0].shape[: xs[4].ndim - 2], 0), xs[0].dtype)
    return [nothing if one is None else one for one in found]


def _pull(
    mode: str, g: Any, kept: Any, xs: Any, sizes: Any, reverse: bool, wants_x: bool
) -> list[Any]:
    """The gradients of (x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr)."""
    if raw(*g, *xs):
        return _pulled(mode, g, kept, xs, sizes, reverse, wants_x)
    if not all(map(unfollowed, (*g, *xs))) and (
        STATE.tracer is not None or not of_members((*g, *xs), xs[4])
    ):
        by_x, *others = _followed(mode, g, xs, sizes, reverse)
        return [by_x if wants_x else None, *others]
    params = (sizes, reverse, wants_x)
    if mode == "LSTM":
        found = list(lstm_layer_back(*g, *kept, *xs, *params))
    else:
        found = list(recurrent_layer_back(*g, *kept, *xs[:2], *xs[3:7], mode, *params))
        found = [*found[:2], None, *found[2:], None]
    if not wants_x:
        found[0] = None
    return [None if x is None else one for x, one in zip(xs, found)]


def _followed(mode: str, g: Any, xs: Any, sizes: Any, reverse: bool) -> list[Any]:
    """The gradients as ops; of 16 bits, but for what oneDNN computes, in float32 in between."""
    if xs[4].dtype.itemsize > 2 or is_short(mode, xs, sizes):
        return formula(mode, g, xs, sizes, reverse)
    by, wide = ([None if a is None else cast(a, float32) for a in some] for some in (g, xs))
    found = formula(mode, by, wide, sizes, reverse)
    return [None if one is None else cast(one, a.dtype) for one, a in zip(found, xs)]


def of_members(operands: Any, w_hh: Any) -> bool:
    """Whether a batch of layers, each with weights of its own, is all there is above the tape."""
    batched = isinstance(getattr(w_hh, "_array", w_hh), Value)
    return batched and all(x is None or only_batched(x) for x in operands)


def tangents(mode: str, ts: Any, y: Any, kept: Any, xs: Any, reverse: bool) -> list[Any]:
    """The tangents of outputs and last states of a layer of whole sequences, all arrays."""
    kind, one = xs[0].dtype, xs[4].ndim == 2
    xs, ts, (y,) = _wide(*xs), _wide(*ts), _wide(y)
    kept = [a.view(xs[0].dtype) for a in kept]
    if kept[1].ndim != xs[4].ndim:  # not by native steps
        xs, ts, (y,), kept = ([_front(a) for a in some] if one else some
                              for some in (xs, ts, (y,), kept))  # fmt: skip
        found = recurrent_members.push(mode, ts, y, kept, xs, reverse)
        found = [t[0] for t in found] if one else found
    elif one:
        found = recurrent_steps.push(mode, ts, kept, xs, reverse)
    else:
        found = _stacked([
            recurrent_steps.push(mode, _of(ts, i), _of(kept, i), _of(xs, i), reverse)
            for i in range(len(y))
        ])  # fmt: skip
    return [t.astype(kind, copy=False) for t in found]


def _front(a: Any) -> Any:
    return None if a is None else a[None]


def at_once(mode: str, ts: Any, xs: Any, sizes: Any, reverse: bool) -> Any:
    """(the op's results, their tangents) of arrays, each step with its tangent; None if by others.

    Nothing is kept for a gradient: who wants one has it computed (`_back`).
    """
    x, h, w_hh, w_hr = xs[0], xs[1], xs[4], xs[7]
    if sizes is not None or w_hh.ndim != 2 or not x.size:
        return None
    if not recurrent_steps.worthwhile(mode, h, w_hr, (len(h),) * len(x)):
        return None
    ys, tangents = recurrent_steps.both(mode, ts, xs, reverse)
    nothing = [np.empty(0, f"i{x.itemsize}") for _ in ys]
    return (*ys, *nothing), (*tangents, *[None] * len(nothing))


def _layer_vjp(g: Any, y: Any, x: Any, h: Any, *rest: Any) -> list[Any]:
    *weights, mode, sizes, reverse, wants_x = rest
    xs = (x, h, None, *weights, None)
    found = _pull(mode, g[:2], y[2:], xs, sizes, reverse, wants_x)
    return [*found[:2], *found[3:7]]


def _lstm_vjp(g: Any, y: Any, *rest: Any) -> list[Any]:
    *xs, sizes, reverse, wants_x = rest
    return _pull("LSTM", g[:3], y[3:], xs, sizes, reverse, wants_x)


recurrent_layer = general(
    "recurrent_layer", vjp=_layer_vjp, arity=6, outputs=4, reads="xz", node="StackBackward0",
    eval=lambda x, h, w_ih, w_hh, b_ih, b_hh, mode, sizes, reverse, wants_x: _evaluate(
        mode, (x, h, None, w_ih, w_hh, b_ih, b_hh, None), sizes, reverse),
    doc="One direction of a layer of RNN or GRU: outputs (T, B, H), last state, what it keeps.",
)  # fmt: skip
lstm_layer = general(
    "lstm_layer", vjp=_lstm_vjp, arity=8, outputs=6, reads="xz", rounds=True,
    node="MkldnnRnnLayerBackward0",
    eval=lambda *rest: _evaluate("LSTM", rest[:8], *rest[8:10]),
    doc="One direction of an LSTM layer: outputs (T, B, H), last h and c, what it keeps.",
)  # fmt: skip


def _layer_back(*rest: Any) -> tuple[Any, ...]:
    g, kept, (x, h, *weights), (mode, *params) = rest[:2], rest[2:4], rest[4:10], rest[10:]
    found = _back(mode, g, kept, (x, h, None, *weights, None), *params)
    return *found[:2], *found[3:7]


recurrent_layer_back = plain(
    "recurrent_layer_back", arity=10, outputs=6, eval=_layer_back,
    doc="The gradients of a `recurrent_layer` where nobody follows them.",
)  # fmt: skip
lstm_layer_back = plain(
    "lstm_layer_back", arity=14, outputs=8,
    eval=lambda *rest: tuple(_back("LSTM", rest[:3], rest[3:6], rest[6:14], *rest[14:])),
    doc="The gradients of an `lstm_layer` where nobody follows them.",
)  # fmt: skip


def _pushed(mode: str, ts: Any, y: Any, kept: Any, xs: Any, reverse: bool) -> tuple[Any, ...]:
    if not any(one.size for one in kept):
        kept = _evaluate(mode, xs, None, reverse)[_STATES.get(mode, 1) + 1 :]
    return tuple(tangents(mode, ts, y, kept, xs, reverse))


def _layer_push(*rest: Any) -> tuple[Any, ...]:
    ts, (y, *kept), xs, (mode, reverse) = rest[:6], rest[6:9], rest[9:15], rest[15:]
    ts, xs = ((*some[:2], None, *some[2:], None) for some in (ts, xs))
    return _pushed(mode, ts, y, kept, xs, reverse)


recurrent_layer_push = plain(
    "recurrent_layer_push", arity=15, outputs=2, eval=_layer_push,
    doc="The tangents of a `recurrent_layer` of whole sequences where nobody follows them.",
)  # fmt: skip
lstm_layer_push = plain(
    "lstm_layer_push", arity=20, outputs=3,
    eval=lambda *rest: _pushed(
        "LSTM", rest[:8], rest[8], rest[9:12], rest[12:20], *rest[20:]),
    doc="The tangents of an `lstm_layer` of whole sequences where nobody follows them.",
)  # fmt: skip
