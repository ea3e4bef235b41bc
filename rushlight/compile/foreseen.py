"""What results will look like, told without computing them: of the ops that cost most.

A result is in C order, in memory of its own. None says that nothing is foreseen; so it is for
operands that do not fit each other, whose error is for the op itself to raise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.primitive import REGISTRY
from ..ops.fused.convolution import output_size

ndarray = np.ndarray
Shape = tuple[int, ...]
LEAST = 4096  # elements of the first operand; to compute with fewer costs less than to ask


def _convolution(x: ndarray, w: ndarray, *rest: Any) -> Shape | None:
    *bias, stride, padding, dilation, groups = rest
    if x.ndim != w.ndim or x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        return None
    if any(b.shape != w.shape[:1] for b in bias):
        return None
    sizes = output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    return (x.shape[0], w.shape[0], *sizes) if min(sizes) > 0 else None


def _convolution_data(g: ndarray, w: ndarray, size: Shape, *rest: Any) -> Shape | None:
    shape = (g.shape[0], w.shape[1] * rest[-1], *size)
    places = output_size(size, w.shape[2:], *rest[:-1])
    fits = g.ndim == w.ndim == len(shape) and g.shape[1] == w.shape[0] and places == g.shape[2:]
    return shape if fits else None


def _convolution_weight(g: ndarray, x: ndarray, kernel: Shape, *rest: Any) -> Shape | None:
    places = output_size(x.shape[2:], kernel, *rest[:-1])
    fits = g.ndim == x.ndim and g.shape[0] == x.shape[0] and places == g.shape[2:]
    fits = fits and not (g.shape[1] % rest[-1] or x.shape[1] % rest[-1])
    return (g.shape[1], x.shape[1] // rest[-1], *kernel) if fits else None


def _product(a: ndarray, b: ndarray) -> Shape | None:
    fits = min(a.ndim, b.ndim) > 1 and a.shape[-1] == b.shape[-2]
    if not fits or (b.ndim > 2 and a.shape[:-2] != b.shape[:-2]):
        return None
    return (*a.shape[:-1], b.shape[-1])


def _affine(x: ndarray, w: ndarray, *bias: ndarray) -> Shape | None:
    fits = x.ndim > 1 and w.ndim == 2 and x.shape[-1] == w.shape[1]
    fits = fits and all(b.shape == w.shape[:1] for b in bias)
    return (*x.shape[:-1], w.shape[0]) if fits else None


_SHAPES: dict[str, Callable[..., Shape | None]] = {
    "convolution": _convolution, "convolution_bias": _convolution,
    "convolution_data": _convolution_data, "convolution_weight": _convolution_weight,
    "matmul": _product, "bmm": _product, "linear": _affine, "linear_bias": _affine,
}  # fmt: skip
EACH = frozenset("add sub mul div neg relu gt ge lt le sqrt rsqrt exp log tanh sigmoid".split())


def foreseen(op: str, operands: Sequence[ndarray], args: Any) -> Any:
    """The form of a result, as `later.py` notes it: shape, type, strides, owner, writeable."""
    if not operands or operands[0].size < LEAST:
        return None
    if op in EACH:
        return _each(op, operands)
    rule = _SHAPES.get(op)
    kinds = {x.dtype.char for x in operands}
    if rule is None or kinds not in ({"f"}, {"d"}):
        return None
    _, arrays, params = args
    shape = rule(*arrays, *params) if all(type(x) is ndarray for x in arrays) else None
    return None if shape is None else (shape, operands[0].dtype.char, None, True, True)


def _each(op: str, operands: Sequence[ndarray]) -> Any:
    """An op on each element: of what type, one element tells."""
    if not all(x.flags.c_contiguous for x in operands) or len(operands) != REGISTRY[op].arity:
        return None
    first = [x[(slice(0, 1),) * x.ndim] for x in operands]
    try:
        shape = np.broadcast_shapes(*(x.shape for x in operands))
        with np.errstate(all="ignore"):
            kind = REGISTRY[op].eval(*first).dtype.char
    except (ValueError, TypeError):
        return None
    return (shape, kind, None, True, True)
