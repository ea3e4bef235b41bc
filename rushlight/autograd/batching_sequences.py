"""Batching rules of recurrent layers and of CTC: the batch joins the sequences' own.

A sequence's own batch lies in the middle of its arrays, and packed rows of a step must stay
together, so the new dimension goes behind the old one: row n of sample b becomes row n * size + b.
"""

from __future__ import annotations

from typing import Any

from ..core.overrides import OPS
from ..ops import structure as s
from .batched import Operand, whole
from .batching_shapes import rule


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
    """One run of the layer for all samples; weights of their own need a run each."""
    states = 2 if prim.name == "lstm_layer" else 1
    x, ends, weights = operands[0], operands[1 : states + 1], operands[states + 1 :]
    if not size or any(batched for _, batched in weights):
        return NotImplemented
    *mode, sizes, reverse, wants_x = params
    rows = 1 if sizes is None else 0
    if sizes is not None:
        sizes = tuple(n * size for n in sizes)
    y, *rest = OPS[prim.name](
        _joined(x, size, rows), *(_joined(end, size, 0) for end in ends),
        *(weight for weight, _ in weights), *mode, sizes, reverse, wants_x,
    )  # fmt: skip
    found = [_parted(y, size, rows), *(_parted(end, size, 0) for end in rest[:states])]
    # what the layer keeps is for a gradient on arrays; one over a batch computes it anew
    return (*found, *(s.expand(kept, (size, *kept._array.shape)) for kept in rest[states:]))


@rule("ctc_loss", "ctc_gradient")
def _ctc(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    if not size:
        return NotImplemented
    scores, *others = operands
    found = OPS[prim.name](
        _joined(scores, size, 1), *(_joined(one, size, 0) for one in others), *params
    )
    return _parted(found, size, 0 if prim.name == "ctc_loss" else 1)
