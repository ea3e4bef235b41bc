"""Making core nodes, with their shapes and types inferred: the `s` of the lowering rules."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from .value import BOOL, INT64, Elements, NotNative, Value

_NEUTRAL = {"reduce_sum": 0, "reduce_prod": 1}


class Builder(Elements):
    """Core ops as methods."""

    # -- reductions -----------------------------------------------------------------------------

    def _reduce(self, op: str, x: Any, dims: Any, keep: bool) -> Value:
        x = self.wrap(x)
        dims = self.dims(x, dims)
        if not dims:
            return x
        if not x.size:
            if op not in _NEUTRAL:
                raise NotNative("an extremum of nothing")
            return self.full(without(x.shape, dims, keep), _NEUTRAL[op], x.dtype)
        return self.make(op, (x,), (dims, bool(keep)), without(x.shape, dims, keep), x.dtype)

    def dims(self, x: Value, dims: Any) -> tuple[int, ...]:
        """Dimensions as sorted non-negative numbers; None means all."""
        if dims is None:
            return tuple(range(x.ndim))
        if isinstance(dims, (int, np.integer)):
            dims = (dims,)
        return tuple(sorted({int(dim) % x.ndim for dim in dims})) if x.ndim else ()

    def sum(self, x: Any, dims: Any = None, keep: bool = False) -> Value:
        return self._reduce("reduce_sum", x, dims, keep)

    def prod(self, x: Any, dims: Any = None, keep: bool = False) -> Value:
        return self._reduce("reduce_prod", x, dims, keep)

    def amax(self, x: Any, dims: Any = None, keep: bool = False) -> Value:
        return self._reduce("reduce_max", x, dims, keep)

    def amin(self, x: Any, dims: Any = None, keep: bool = False) -> Value:
        return self._reduce("reduce_min", x, dims, keep)

    def mean(self, x: Any, dims: Any = None, keep: bool = False) -> Value:
        """The arithmetic mean of floats."""
        x = self.wrap(x)
        if x.dtype.kind != "f":
            raise NotNative("a mean of integers")
        count = prod(x.shape[i] for i in self.dims(x, dims))
        return self.div(self.sum(x, dims, keep), count)

    def argmax(self, x: Any, dim: int, keep: bool) -> Value:
        return self._where_is("argmax", x, dim, keep)

    def argmin(self, x: Any, dim: int, keep: bool) -> Value:
        return self._where_is("argmin", x, dim, keep)

    def _where_is(self, op: str, x: Any, dim: int, keep: bool) -> Value:
        x = self.wrap(x)
        if not x.size or not x.ndim:
            raise NotNative("the place of an extremum of nothing")
        if x.dtype == BOOL:
            x = self.cast(x, np.uint8)
        dim %= x.ndim
        return self.make(op, (x,), (dim, bool(keep)), without(x.shape, (dim,), keep), INT64)

    def dot(self, spec: str, x: Any, y: Any) -> Value:
        """A sum of products over labelled dimensions."""
        x, y = self.same(x, y)
        if x.dtype.kind != "f":
            raise NotNative(f"products of {x.dtype}")
        operands, result = spec.split("->")
        left, right = operands.split(",")
        sizes = dict(zip(left + right, x.shape + y.shape))
        if (
            len(left) != x.ndim
            or len(right) != y.ndim
            or any(sizes[name] != size for name, size in zip(left + right, x.shape + y.shape))
        ):
            raise NotNative(f"{spec} of {x.shape} and {y.shape}")
        if not x.size or not y.size:
            return self.zeros([sizes[name] for name in result], x.dtype)
        return self.make("dot", (x, y), (spec,), tuple(sizes[name] for name in result), x.dtype)

    # -- moves ----------------------------------------------------------------------------------

    def reshape(self, x: Any, shape: Sequence[int]) -> Value:
        x, shape = self.wrap(x), tuple(int(n) for n in shape)
        if -1 in shape:
            rest = prod(n for n in shape if n != -1)
            shape = tuple(x.size // (rest or 1) if n == -1 else n for n in shape)
        if prod(shape) != x.size:
            raise NotNative(f"{x.shape} as {shape}")
        return x if shape == x.shape else self.make("reshape", (x,), (shape,), shape, x.dtype)

    def permute(self, x: Any, order: Sequence[int]) -> Value:
        x = self.wrap(x)
        order = tuple(int(dim) % x.ndim for dim in order)
        if order == tuple(range(x.ndim)):
            return x
        return self.make("permute", (x,), (order,), tuple(x.shape[i] for i in order), x.dtype)

    def transpose(self, x: Any, a: int, b: int) -> Value:
        x = self.wrap(x)
        order = list(range(x.ndim))
        if order:
            order[a], order[b] = order[b], order[a]
        return self.permute(x, order)

    def slice(self, x: Any, starts: Any, stops: Any, steps: Any = None) -> Value:
        """Every dimension from start to stop (within it), by positive steps."""
        x = self.wrap(x)
        steps = (1,) * x.ndim if steps is None else tuple(steps)
        bounds = [range(*slice(a, b, c).indices(n))
                  for a, b, c, n in zip(starts, stops, steps, x.shape)]  # fmt: skip
        shape = tuple(map(len, bounds))
        if shape == x.shape:
            return x
        params = tuple(zip(*((r.start, max(r.start, r.stop), r.step) for r in bounds)))
        return self.make("slice", (x,), params, shape, x.dtype)

    def narrow(self, x: Any, dim: int, start: int, length: int) -> Value:
        """A run of one dimension."""
        x = self.wrap(x)
        starts, stops = [0] * x.ndim, list(x.shape)
        starts[dim], stops[dim] = start, start + length
        return self.slice(x, starts, stops)

    def flip(self, x: Any, dims: Any) -> Value:
        x = self.wrap(x)
        dims = self.dims(x, dims)
        return self.make("flip", (x,), (dims,), x.shape, x.dtype) if dims and x.size else x

    def pad(self, x: Any, lows: Any, highs: Any, value: Any = 0) -> Value:
        x = self.wrap(x)
        lows, highs = tuple(map(int, lows)), tuple(map(int, highs))
        if not any(lows) and not any(highs):
            return x
        shape = tuple(a + n + b for a, n, b in zip(lows, x.shape, highs))
        value = self.constant(value, x.dtype).number
        if not x.size:
            return self.full(shape, value, x.dtype)
        return self.make("pad", (x,), (lows, highs, value), shape, x.dtype)

    def cat(self, xs: Sequence[Any], dim: int) -> Value:
        xs = self.same(*xs)
        dim %= xs[0].ndim
        xs = [x for x in xs if x.size] or xs[:1]
        if len(xs) == 1:
            return xs[0]
        shape = list(xs[0].shape)
        if any(without(x.shape, (dim,)) != without(shape, (dim,)) for x in xs):
            raise NotNative("parts of different shapes")
        shape[dim] = sum([x.shape[dim] for x in xs])
        return self.make("cat", xs, (dim,), tuple(shape), xs[0].dtype)

    # -- places ---------------------------------------------------------------------------------

    def take(self, x: Any, indices: Any, dim: int) -> Value:
        """x with a dimension replaced by those of the indices."""
        x, indices = self.wrap(x), self.cast(indices, INT64)
        shape = (*x.shape[:dim], *indices.shape, *x.shape[dim + 1 :])
        return self.make("take", (x, indices), (dim,), shape, x.dtype)

    def scatter_add(self, base: Any, indices: Any, source: Any, dim: int) -> Value:
        """base with the source's entries added where the indices say."""
        base, indices = self.wrap(base), self.cast(indices, INT64)
        shape = (*base.shape[:dim], *indices.shape, *base.shape[dim + 1 :])
        source = self.expand(self.cast(source, base.dtype), shape)
        if base.dtype == BOOL:
            raise NotNative("adding bools")
        return self.make(
            "scatter_add", (base, indices, source), (dim,), base.shape, base.dtype
        )  # fmt: skip

    def strided(self, x: Any, shape: Any, strides: Any, offset: int) -> Value:
        """A region of x's elements in C order."""
        x = self.wrap(x)
        shape, strides = tuple(map(int, shape)), tuple(map(int, strides))
        return self.make("strided", (x,), (shape, strides, int(offset)), shape, x.dtype)

    def replace(self, x: Any, value: Any, shape: Any, strides: Any, offset: int) -> Value:
        """x with that region overwritten."""
        x = self.wrap(x)
        shape, strides = tuple(map(int, shape)), tuple(map(int, strides))
        value = self.expand(self.cast(value, x.dtype), shape)
        if not prod(shape):
            return x
        # Where a dimension stays at one place its last value counts; lanes would write beside it.
        firsts = [n - 1 if n > 1 and not step else 0 for n, step in zip(shape, strides)]
        if any(firsts):
            value = self.slice(value, firsts, shape)
            shape = value.shape
        return self.make("replace", (x, value), (shape, strides, int(offset)), x.shape, x.dtype)


def without(shape: Sequence[int], dims: Sequence[int], keep: bool = False) -> tuple[int, ...]:
    """A shape after a reduction over dims."""
    if keep:
        return tuple(1 if i in dims else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in dims)
