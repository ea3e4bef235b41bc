"""Batching: one call of an op for a whole batch of operands.

A `Batched` holds a Tensor whose first dimension is the batch; user code sees the others. Every op
has a batching rule, by family or by name (`RULES`); what has none runs sample by sample.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dispatch import ARRAYS, WRAPPERS, promote
from ..core.errors import Unfollowed, fail
from ..core.primitive import Elementwise, Primitive
from ..core.tensor import Tensor, link_view, wrap
from ..core.values import Value
from ..ops.structure import contiguous_copy, expand, reshape, select, stack
from .levels import Level, call, route, values_in

ndarray = np.ndarray
# rule(prim, batch size, operands as (tensor or other thing, whether batched), params)
Operand = tuple[Any, bool]
RULES: dict[str, Callable[..., Any]] = {}
SILENT: set[str] = set()  # sample by sample by decision

_ITEM = (
    "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling"
    " .item() on a Tensor, please try to rewrite what you're doing with other operations. If error"
    " is occurring somewhere inside PyTorch internals, please file a bug report."
)
_CONTROL = (
    "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We"
    " don't support that yet, please file an issue at https://github.com/pytorch/pytorch/issues ."
)


class Batched(Value):
    """A batch seen as one of its samples."""

    __slots__ = ("inner",)

    def __init__(self, level: Level, inner: Tensor) -> None:
        self.level, self.inner = level, inner

    @property
    def shape(self) -> Any:
        return self.inner._array.shape[1:]

    def core(self) -> Tensor:
        return self.inner

    def values(self, how: str) -> ndarray:
        if not self.level.alive:
            return super().values(how)
        if how == "bool()":
            raise fail(
                Unfollowed, _CONTROL,
                "torch.where(condition, a, b) chooses for each sample of the batch",
            )  # fmt: skip
        if how.startswith("aten::"):
            raise RuntimeError(
                "vmap: We do not support batching operators that can output dynamic shape."
                f" Attempted to vmap over {how}. Please file an issue at"
                " https://github.com/pytorch/pytorch/issues if you need this feature."
            )
        raise fail(Unfollowed, _ITEM, f"{how} asks for the values of one sample of a batch")

    def for_each(self, x: Tensor) -> Tensor:
        x = super().for_each(x)
        rows = expand(x, (self.inner._array.shape[0], *x._array.shape))
        return wrap(Batched(self.level, contiguous_copy(rows)))

    def reshape(self, *shape: Any, copy: Any = None) -> Any:
        if copy is False:  # the rule of `view` copies where it must
            return self
        return super().reshape(*shape)

    def detached(self) -> Any:
        array = self.inner._array
        inner = array.detached() if isinstance(array, Value) else array
        return Batched(self.level, wrap(inner))

    def describe(self) -> str:
        body = "\n".join("    " + line for line in repr(self.inner).split("\n"))
        return f"BatchedTensor(lvl={self.level.depth}, bdim=0, value=\n{body}\n)"

    @staticmethod
    def apply(level: Level, prim: Primitive, inputs: Any, params: Any) -> Any:
        """Evaluate for the whole batch."""
        if not level.alive:
            return call(prim, [_inner_of(level, x)[0] for x in inputs], params)
        operands = [_inner_of(level, x) for x in _of_one_type(prim, inputs)]
        odd = any(value.level is level for value in values_in(params))
        rule = RULES.get(prim.name)
        if rule is None and type(prim.rule) is Elementwise:
            rule = pointwise
        if rule is None and prim.rule is None and prim.dtype != "first":
            rule = pointwise
        y = NotImplemented
        if rule is not None and (not odd or getattr(rule, "takes_batched_params", False)):
            y = rule(prim, level.size, operands, _own(level, params) if odd else params)
        if y is NotImplemented:
            y = one_by_one(level, prim, operands, params)
        if type(y) is tuple or type(y) is list:
            return tuple(wrap(Batched(level, one)) for one in y)
        result = wrap(Batched(level, y))
        if getattr(prim.rule, "view", False):
            link_view(result, inputs[0])
        return result


def _inner_of(level: Level, x: Any) -> Operand:
    value = x._array if isinstance(x, Tensor) else x
    if type(value) is Batched and value.level is level:
        return value.inner, True
    return x, False


def _of_one_type(prim: Primitive, inputs: Any) -> Any:
    """Operands promoted as samples: a 0-d sample counts as 0-d."""
    if prim.dtype == "first":
        return inputs
    kinds = {x.dtype for x in inputs if isinstance(x, Tensor)}
    if len(kinds) == 1 and all(isinstance(x, (Tensor, float, int)) for x in inputs):
        (kind,) = kinds
        if kind.is_floating_point or (prim.dtype != "float" and len(inputs) == 1):
            return inputs
    return promote(prim, inputs)


class Mapped:
    """A batched array among params: its Tensor, the batch first."""

    __slots__ = ("inner",)

    def __init__(self, inner: Tensor) -> None:
        self.inner = inner


def _own(level: Level, params: tuple[Any, ...]) -> tuple[Any, ...]:
    """Params with this level's values as `Mapped`."""
    return tuple(
        _own(level, one) if type(one) is tuple
        else Mapped(one.inner) if type(one) is Batched and one.level is level else one
        for one in params
    )  # fmt: skip


def sample_ndim(operand: Operand) -> int:
    """The dimensions of a sample."""
    x, batched = operand
    return x._array.ndim - batched if isinstance(x, Tensor) else 0


def aligned(operand: Operand, ndim: int) -> Any:
    """A batch with dimensions of size 1 after the first, until its samples have `ndim`."""
    x, batched = operand
    if not batched:
        return x
    shape = x._array.shape
    missing = ndim - len(shape) + 1
    return x if missing <= 0 else reshape(x, (shape[0], *(1,) * missing, *shape[1:]))


def whole(operand: Operand, size: int) -> Any:
    """An operand with the batch dimension, repeated if it has none."""
    x, batched = operand
    return x if batched else expand(x, (size, *x._array.shape))


def whole_batch(x: Tensor, level: Level) -> Tensor:
    """A result with the batch as its first dimension."""
    value = x._array
    if type(value) is Batched and value.level is level:
        return value.inner
    return expand(x, (level.size, *value.shape))


def flat(x: Any) -> Any:
    """A batch with the rest of its dimensions as one."""
    count = 1
    for n in x._array.shape[1:]:
        count *= n
    return reshape(x, (x._array.shape[0], count))


def pointwise(prim: Primitive, size: int, operands: list[Operand], params: Any) -> Any:
    """Element by element: samples aligned at the end, as they broadcast."""
    ndim = max(map(sample_ndim, operands))
    for one in params:
        if type(one) is Mapped:
            ndim = max(ndim, one.inner._array.ndim - 1)
        elif type(one) is ndarray:
            ndim = max(ndim, one.ndim)
    params = tuple(
        aligned((one.inner, True), ndim)._array if type(one) is Mapped else one for one in params
    )
    return call(prim, [aligned(one, ndim) for one in operands], params)


pointwise.takes_batched_params = True

_warned: set[str] = set()


def _warn(name: str) -> None:
    if name not in _warned:
        _warned.add(name)
        warnings.warn(
            "There is a performance drop because we have not yet implemented the batching rule for"
            f" aten::{name}. Please file us an issue on GitHub so that we can prioritize its"
            " implementation.", UserWarning, stacklevel=5,
        )  # fmt: skip


def one_by_one(level: Level, prim: Primitive, operands: list[Operand], params: Any) -> Any:
    """The fallback: the op on each sample, and the results stacked."""
    if prim.name not in SILENT and level.size:
        _warn(prim.name)
    results = []
    for i in range(level.size or 1):
        given = [_sample(x, i, level.size) if batched else x for x, batched in operands]
        results.append(call(prim, given, _params_at(level, params, i)))
    if not results or not isinstance(results[0], tuple):
        return _stacked(results, level.size)
    return tuple(_stacked(list(column), level.size) for column in zip(*results))


def by_sample(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function that computes on whole arrays run on a batch one sample at a time."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Unfollowed:
            found = [x._array for x in (*args, *kwargs.values())
                     if isinstance(x, Tensor) and isinstance(x._array, Value)]  # fmt: skip
            tops = [value for value in found if type(value) is Batched and value.level.alive]
            if not tops:
                raise
            level = max((value.level for value in tops), key=lambda level: level.depth)
        at = lambda x, i: (
            _sample(x._array.inner, i, level.size)
            if isinstance(x, Tensor) and type(x._array) is Batched and x._array.level is level
            else x
        )  # fmt: skip
        _warn(function.__name__)
        rows = [
            called(*(at(x, i) for x in args), **{key: at(x, i) for key, x in kwargs.items()})
            for i in range(level.size or 1)
        ]
        return wrap(Batched(level, _stacked(rows, level.size)))

    return called


def _sample(x: Tensor, i: int, size: int) -> Tensor:
    if size:
        return select(x, 0, i)
    shape = x._array.shape[1:]  # an empty batch: any sample tells the shape
    return wrap(np.ones(shape, x._array.dtype))


def _stacked(results: list[Tensor], size: int) -> Tensor:
    shapes = {one._array.shape for one in results}
    if len(shapes) > 1:
        raise fail(
            RuntimeError,
            "vmap: We do not support batching operators that can output dynamic shape.",
            f"the samples' results have the shapes {sorted(shapes)}",
        )
    if not size:
        return wrap(np.zeros((0, *results[0]._array.shape), results[0]._array.dtype))
    return stack(tuple(results), 0)


def _params_at(level: Level, params: Any, i: int) -> Any:
    return tuple(
        _params_at(level, one, i) if type(one) is tuple
        else _sample(one.inner, i, level.size)._array
        if type(one) is Batched and one.level is level else one
        for one in params
    )  # fmt: skip


ARRAYS[Batched] = WRAPPERS[Batched] = route
