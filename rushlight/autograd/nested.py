"""A gradient inside another transform: tensors that record at a level of their own.

The outermost gradient needs no such thing: its tensors record on the tape as ever. Inside a batch
or a forward mode, the tape of the tensors below belongs to the levels below; what this level
records hangs on the Tensors that wrap `Nested` values, and keeps the Tensors below it.
"""

from __future__ import annotations

from typing import Any

from ..core.dispatch import ARRAYS, FLOATS, WRAPPERS, promote, result_entry
from ..core.primitive import Primitive
from ..core.state import STATE
from ..core.tape import LEAF, Entry, tick
from ..core.tensor import Tensor, link_view, wrap
from ..core.values import Value
from .levels import Level, call, route


class Nested(Value):
    """A Tensor of the levels below, as seen by a gradient at `level`."""

    __slots__ = ("inner",)
    nested = True

    def __init__(self, level: Level, inner: Tensor) -> None:
        self.level, self.inner = level, inner

    @property
    def shape(self) -> Any:
        return self.inner._array.shape

    def core(self) -> Tensor:
        return self.inner

    def below(self) -> Tensor:
        return self.inner

    def detached(self) -> Any:
        array = self.inner._array
        return array.detached() if isinstance(array, Value) else array

    def describe(self) -> str:
        body = "\n".join("    " + line for line in repr(self.inner).split("\n"))
        return f"GradTrackingTensor(lvl={self.level.depth}, value=\n{body}\n)"

    @staticmethod
    def apply(level: Level, prim: Primitive, inputs: Any, params: Any) -> Any:
        """Evaluate below, and record at this level."""
        inputs = _promoted(prim, inputs)
        parents: list[Any] = []
        under, saved, wanted = [], [], False
        for x in inputs:
            entry = None
            value = x._array if isinstance(x, Tensor) else x
            if type(value) is Nested and value.level is level:
                under.append(value.inner)
                saved.append(value)
                entry = x._entry if isinstance(x, Tensor) else None
            else:
                under.append(x)
                saved.append(x)
            wanted = wanted or entry is not None
            parents.append(x if entry is LEAF else entry)
        params = below_params(level, params)
        y = call(prim, under, params)
        if not level.alive:
            return y
        entry = None
        if wanted and prim.rule is not None and STATE.grad:
            entry = _entry(level, prim, tuple(parents), tuple(saved), y, params)
        return _wrapped(level, prim, inputs, y, entry)


def _promoted(prim: Primitive, inputs: Any) -> Any:
    """Operands of one type; numbers beside real tensors of one type may stay."""
    kind: Any = None
    for x in inputs:
        if isinstance(x, Tensor):
            found = x._array.dtype
            if kind is not None and found is not kind:
                return promote(prim, inputs)
            kind = found
        elif type(x) is not float and type(x) is not int:
            return promote(prim, inputs)
    return inputs if kind is not None and kind.char in "fd" else promote(prim, inputs)


def _entry(
    level: Level, prim: Primitive, parents: Any, saved: Any, y: Any, params: Any
) -> Entry:  # fmt: skip
    reads, several = prim.reads, prim.outputs != 1
    kept: Any = None
    if "y" in reads or "z" in reads:
        kept = tuple(Nested(level, one) for one in y) if several else Nested(level, y)
        if "y" not in reads:
            kept = (None, *kept[1:])
    shape = tuple(one._array.shape for one in y) if several else y._array.shape
    return [
        prim, parents, saved if "x" in reads else None, kept, params, shape, tick(), None,
    ]  # fmt: skip


def _wrapped(level: Level, prim: Primitive, inputs: Any, y: Any, entry: Entry | None) -> Any:
    several = prim.outputs != 1
    results = []
    for place, one in enumerate(y if several else (y,)):
        if prim.rule is None or one._array.dtype.char not in FLOATS:
            results.append(one)
            continue
        result = wrap(Nested(level, one))
        if entry is not None:
            result._entry = result_entry(entry, place, one._array.shape) if several else entry
        if getattr(prim.rule, "view", False):
            link_view(result, inputs[0])
        results.append(result)
    return tuple(results) if several else results[0]


def below_params(level: Level, params: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arrays among the params, without this level."""
    return tuple(
        below_params(level, one) if type(one) is tuple
        else one.inner._array if type(one) is Nested and one.level is level else one
        for one in params
    )  # fmt: skip


ARRAYS[Nested] = WRAPPERS[Nested] = route
