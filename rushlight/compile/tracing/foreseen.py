"""What results will look like, told without computing them: of the ops that cost most.

A result is in memory of its own, and in C order but for ops on each element. None says that nothing
is foreseen; so it is for operands that do not fit each other, whose error is the op's own to raise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ...core.dtypes import LONG_CODE
from ...core.primitive import REGISTRY
from ...core.shapes import spreads
from ...ops.fused.convolution import output_size
from ...ops.fused.recurrent_steps import worthwhile
from ..middle.graph import lettered

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


def _windows(x: ndarray, *at: Any) -> Shape:
    return (*x.shape[:2], *at[-1])


def _spread(g: ndarray, *rest: Any) -> Shape | None:
    size, *at = rest[1:] if isinstance(rest[0], ndarray) else rest  # the code of a maximum's place
    return (*g.shape[:2], *size) if g.shape[2:] == tuple(at[-1]) else None


def _reduced(x: ndarray, dims: Any, keep: bool) -> Shape | None:
    gone = range(x.ndim) if dims is None else (dims,) if type(dims) is int else dims
    gone = {dim % x.ndim for dim in gone} if x.ndim else set()
    if not x.flags.c_contiguous or not gone:
        return None
    return tuple([1 if d in gone else n for d, n in enumerate(x.shape) if keep or d not in gone])


def _sum_to(x: ndarray, shape: Shape) -> Shape | None:
    fits = spreads(shape, x.shape) and prod(shape) < x.size and x.flags.c_contiguous
    return tuple(shape) if fits else None


def _cat(xs: Sequence[ndarray], dim: int, *_: Any) -> Shape | None:
    first, dim = xs[0].shape, dim % max(xs[0].ndim, 1)
    rest = {(*x.shape[:dim], *x.shape[dim + 1 :]) for x in xs}
    if len(rest) > 1 or not first or not all(x.flags.c_contiguous for x in xs):
        return None
    return (*first[:dim], sum([x.shape[dim] for x in xs]), *first[dim + 1 :])


def _stack(xs: Sequence[ndarray], dim: int) -> Shape | None:
    shape = xs[0].shape
    dim %= len(shape) + 1
    return (*shape[:dim], len(xs), *shape[dim:]) if len({x.shape for x in xs}) == 1 else None


def _same(x: ndarray, *rest: Any) -> Shape | None:
    return x.shape if x.flags.c_contiguous else None


_SHAPES: dict[str, Callable[..., Shape | None]] = {
    "convolution": _convolution, "convolution_bias": _convolution,
    "convolution_data": _convolution_data, "convolution_weight": _convolution_weight,
    "matmul": _product, "bmm": _product, "linear": _affine, "linear_bias": _affine,
    "max_pool_back": _spread, "sum_pool": _windows, "spread_pool": _spread, "sum": _reduced,
    "mean": _reduced, "sum_to": _sum_to, "softmax": _same, "log_softmax": _same,
    "cat": _cat, "stack": _stack, "contiguous_copy": lambda x: x.shape,
    "mean_squared_error": lambda x, t: () if x.shape == t.shape else None,
}  # fmt: skip


def _max_pool(x: ndarray, *at: Any) -> list[Any]:
    places, shape = prod(at[0]), _windows(x, *at)
    code = "B" if places <= 256 else "H" if places <= 65536 else LONG_CODE
    return [(shape, x.dtype.char), (shape, code)]


def _standardise(x: ndarray, weight: Any, bias: Any, dims: Shape, eps: float) -> list[Any] | None:
    shape = tuple([1 if d in dims else n for d, n in enumerate(x.shape)])
    few = all(one is None or spreads(one.shape, x.shape) for one in (weight, bias))
    if not few or not x.flags.c_contiguous or not dims:
        return None
    return [(x.shape, x.dtype.char), (shape, x.dtype.char), (shape, x.dtype.char)]


def _layer(mode: str, x: ndarray, h: ndarray, w_hr: Any, sizes: Any) -> list[Any] | None:
    """A recurrent layer that goes by steps: outputs, last states, what its gradient needs."""
    if sizes is not None or x.ndim != 3 or h.ndim != 2:
        return None
    (count, batch), hidden, kind = x.shape[:2], h.shape[1], x.dtype.char
    if not worthwhile(mode, h, w_hr, (batch,) * count):
        return None
    rows, bits = count * batch, "i" if kind == "f" else LONG_CODE
    saved = [((rows, hidden), bits), ((rows, 4 * hidden if mode in ("GRU", "LSTM") else 0), bits)]
    end = (h.shape, kind)
    if mode == "LSTM":
        return [((count, batch, hidden), kind), end, end, *saved, saved[0]]
    return [((count, batch, hidden), kind), end, *saved]


_SEVERAL: dict[str, Callable[..., Any]] = {
    "max_pool": _max_pool, "standardise": _standardise,
    "recurrent_layer": lambda x, h, *rest: _layer(rest[4], x, h, None, rest[5]),
    "lstm_layer": lambda x, h, c, *rest: _layer("LSTM", x, h, rest[4], rest[5]),
}  # fmt: skip

_LOOPS = frozenset("add sub mul div neg gt ge lt le".split())  # nothing but NumPy's own
EACH = frozenset("add sub mul div neg relu gt ge lt le sqrt rsqrt exp log tanh sigmoid".split())


def foreseen(op: str, operands: Sequence[ndarray], args: Any) -> Any:
    """The form of a result, as `later.py` notes it: shape, type, strides, owner, writeable."""
    if max([x.size for x in operands], default=0) < LEAST:
        return None
    if op in EACH:
        return _each(op, operands)
    if op == "method.astype":
        return _cast(*args)
    rule, several = _SHAPES.get(op), _SEVERAL.get(op)
    floats = {x.dtype.char for x in (operands[:1] if op == "max_pool_back" else operands)}
    if (rule is None and several is None) or floats not in ({"f"}, {"d"}):
        return None
    prim, arrays, params = args
    if not all(x is None or type(x) is ndarray for x in arrays):
        return None
    if several is not None:
        found = several(*arrays, *params)
        return found and [tuple([(*form, None, True, True) for form in found])]
    shape = rule(*((arrays,) if prim.arity is None else arrays), *params)  # type: ignore[misc]  # not None: not several
    return None if shape is None else (shape, operands[0].dtype.char, None, True, True)


def _cast(x: ndarray, kind: Any = None, *more: Any) -> Any:
    """Numbers of another type; of the same they may be the array itself."""
    if more or not isinstance(kind, (np.dtype, type)) or not x.flags.c_contiguous:
        return None
    char = np.dtype(kind).char
    same = char == x.dtype.char or char not in "fdqlib?B" or x.dtype.kind == "c"
    return None if same else (x.shape, char, None, True, True)


def _each(op: str, operands: Sequence[ndarray]) -> Any:
    """An op on each element: of what type, one element tells; how it lies, NumPy's iterator."""
    lies = all(x.flags.c_contiguous for x in operands)
    if not (lies or op in _LOOPS) or len(operands) != REGISTRY[op].arity:
        return None
    first = [x[(slice(0, 1),) * x.ndim] for x in operands]
    try:
        shape = np.broadcast_shapes(*(x.shape for x in operands))
        with np.errstate(all="ignore"):
            kind = REGISTRY[op].eval(*first).dtype.char
    except (ValueError, TypeError):
        return None
    strides = None if lies else _laid_out(operands, kind)
    return (shape, kind, strides, True, True) if lies or strides != () else None


def _laid_out(operands: Sequence[ndarray], kind: str) -> Any:
    """The strides of a ufunc's result, None for C order; () where they cannot be told."""
    if min(step for x in operands for step in x.strides or (0,)) < 0:
        return ()
    ways: Any = [*[["readonly"]] * len(operands), ["writeonly", "allocate"]]
    kinds = [*[x.dtype for x in operands], lettered(kind)]
    y = np.nditer([*operands, None], ["zerosize_ok"], ways, kinds).operands[-1]
    if y.flags.c_contiguous:
        return None
    return y.strides if np.empty_like(y).strides == y.strides else ()
