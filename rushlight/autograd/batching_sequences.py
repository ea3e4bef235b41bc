"""Batching rules of recurrent layers and of CTC: the batch joins the sequences' own.

A sequence's own batch lies in the middle of its arrays, and packed rows of a step must stay
together, so the new dimension goes behind the old one: row n of sample b becomes row n * size + b.
Layers whose weights differ by sample keep it in front: the op makes their steps together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.overrides import OPS
from ..core.state import STATE
from ..core.tensor import wrap
from ..ops import structure as s
from ..ops.fused.recurrent_formula import formula, unrolled
from .batched import Operand, whole
from .batching_shapes import rule
from .function import Function
from .transforms import jvp, vjp


def _joined(operand: Operand, size: int, dim: int) -> Any:
    """An operand with the batch behind dimension `dim` of a sample, the two as one."""
    x = whole(operand, size)
    ndim = x._array.ndim
    x = s.permute(x, (*range(1, dim + 2), 0, *range(dim + 2, ndim)))
    shape = x._array.shape
    return s.reshape(x, (*shape[:dim], shape[dim] * size, *shape[dim + 2 :]))


def _parted(x: Any, size: int, dim: int) -> Any:
    """The batch in front again."""
    shape = x._array.shape
    x = s.reshape(x, (*shape[:dim], shape[dim] // size, size, *shape[dim + 1 :]))
    ndim = x._array.ndim
    return s.permute(x, (dim + 1, *range(dim + 1), *range(dim + 2, ndim)))


@rule("lstm_layer", "recurrent_layer")
def _recurrent(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    """One run of the layer for all samples, also where each has weights of its own."""
    states = 2 if prim.name == "lstm_layer" else 1
    x, ends, weights = operands[0], operands[1 : states + 1], operands[states + 1 :]
    if not size:
        return NotImplemented
    *mode, sizes, reverse, wants_x = params
    hidden = weights[1][0]._array.ndim - weights[1][1]  # of the weights of a sample
    if hidden == 3 or any(batched for _, batched in weights):
        return _members(prim, size, operands, params)
    rows = 1 if sizes is None else 0
    if sizes is not None:
        sizes = tuple(n * size for n in sizes)
    y, *rest = OPS[prim.name](
        _joined(x, size, rows), *(_joined(end, size, 0) for end in ends),
        *(weight for weight, _ in weights), *mode, sizes, reverse, wants_x,
    )  # fmt: skip
    found = [_parted(y, size, rows), *(_parted(end, size, 0) for end in rest[:states])]
    # what the layer keeps is for a gradient of all; that of each sample computes it anew
    return *found, *(wrap(np.zeros((size, 0), kept._array.dtype)) for kept in rest[states:])


_W_HH = {
    "recurrent_layer": 3, "lstm_layer": 4, "recurrent_layer_back": 7, "lstm_layer_back": 10,
    "recurrent_layer_push": 12, "lstm_layer_push": 16,
}  # fmt: skip


@rule("recurrent_layer_back", "lstm_layer_back", "recurrent_layer_push", "lstm_layer_push")
def _recurrent_back(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    """Gradients are for each sample, those of shared weights, too."""
    return _members(prim, size, operands, params) if size else NotImplemented


def _again(prim: Any, params: Any, given: Any) -> Any:
    """The results of a `_back` or `_push` op, in ops that can be followed; None where empty."""
    lstm, back = prim.name.startswith("lstm"), prim.name.endswith("back")
    states, mode = (2, "LSTM") if lstm else (1, params[0])
    count = 8 if lstm else 6
    first, xs = list(given[: states + 1 if back else count]), list(given[-count:])
    if not back:
        places = [i for i, t in enumerate(first) if t is not None]

        def run(*some: Any) -> Any:
            full = list(xs)
            for place, x in zip(places, some):
                full[place] = x
            return tuple(unrolled(mode, _eight(full, lstm), None, params[-1]))

        at, ts = (tuple(side[i] for i in places) for side in (xs, first))
        return jvp(run, at, ts)[1]
    *_, sizes, reverse, wants_x = params
    found = formula(mode, first, _eight(xs, lstm), sizes, reverse)
    found = found if lstm else [*found[:2], *found[3:7]]
    return [None if not wants_x and i == 0 else one for i, one in enumerate(found)]


def _eight(xs: list[Any], lstm: bool) -> list[Any]:
    """Operands as the formulas take them: a cell and a projection, or None."""
    return xs if lstm else [*xs[:2], None, *xs[2:], None]


class _Followed(Function):
    """A layer's gradients or tangents by its kernel; their own gradient is that of the formula."""

    @staticmethod
    def forward(ctx: Any, prim: Any, params: Any, *given: Any) -> Any:
        ctx.prim, ctx.params = prim, params
        ctx.save_for_backward(*given)
        return OPS[prim.name](*given, *params)

    @staticmethod
    def backward(ctx: Any, *gs: Any) -> Any:
        given, wanted = ctx.saved_tensors, ctx.needs_input_grad[2:]
        places = [i for i, wants in enumerate(wanted) if wants]
        kept: list[int] = []

        def run(*some: Any) -> Any:
            full = list(given)
            for place, x in zip(places, some):
                full[place] = x
            found = _again(ctx.prim, ctx.params, full)
            kept[:] = [i for i, one in enumerate(found) if one is not None]
            return [found[i] for i in kept]

        _, pull = vjp(run, *(given[i] for i in places))
        found = dict(zip(places, pull([gs[i] for i in kept])))
        return None, None, *(found.get(i) for i in range(len(given)))


def _members(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    """One run of all members; members that a sample has of its own join the batch in front."""
    given = [x if x is None else whole((x, batched), size) for x, batched in operands]
    w_hh: Any = given[_W_HH[prim.name]]
    count = w_hh._array.shape[1] if w_hh._array.ndim == 4 else 0
    if count:
        given = [None if x is None else s.reshape(x, (size * count, *x._array.shape[2:]))
                 for x in given]  # fmt: skip
    if STATE.tracer is not None:
        found = _traced(given, params)
    elif prim.rule is None and STATE.grad and any(map(_on_tape, given)):
        found = _Followed.apply(prim, params, *given)
    else:
        found = OPS[prim.name](*given, *params)
    if count:
        found = [s.reshape(y, (size, count, *y._array.shape[1:])) for y in found]
    return tuple(found)


def _on_tape(x: Any) -> bool:
    """Whether a tensor over an array has a history."""
    return x is not None and x._entry is not None and type(x._array) is np.ndarray


def _traced(given: list[Any], params: Any) -> tuple[Any, ...]:
    """The same for a program: the ops of the formula, and nothing of what is kept."""
    *mode, sizes, reverse, _ = params
    kept, xs = 3, given
    if mode:
        kept, xs = 2, [given[0], given[1], None, *given[2:], None]
    found = unrolled(mode[0] if mode else "LSTM", xs, sizes, reverse)
    nothing = wrap(np.zeros((len(given[0]._array), 0), np.int32))
    return *found, *(nothing,) * kept


@rule("ctc_loss", "ctc_gradient")
def _ctc(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    if not size:
        return NotImplemented
    scores, *others = operands
    found = OPS[prim.name](
        _joined(scores, size, 1), *(_joined(one, size, 0) for one in others), *params
    )
    return _parted(found, size, 0 if prim.name == "ctc_loss" else 1)
