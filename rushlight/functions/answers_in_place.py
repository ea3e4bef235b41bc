"""Comparisons and logic that write their answers into their first operand, as 1 and 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import inplace
from ..core.dispatch import named
from ..core.gates import spelled
from ..core.tensor import Tensor
from ..ops.elementwise import where
from . import pointwise
from .from_data import tensor

_COMPARE = """
eq ge greater greater_equal gt le less less_equal lt ne not_equal
""".split()
_LOGIC = "logical_and logical_not logical_or logical_xor".split()


def _compared(name: str) -> Callable[..., Tensor]:
    """A comparison of which nothing depends on its operands: their gradients are zeros."""
    op = spelled(getattr(pointwise, name), name)
    node = f"{op.__name__.title()}Backward"

    def twin(self: Tensor, other: Any) -> Tensor:
        inplace.refuse_leaf(self)
        if self._base is not None or getattr(other, "_base", None) is self:
            inplace.refuse_overlap(self, (other,))
        if not inplace.recording(self, (other,)):
            return inplace.store(self, op(self, other))
        answer = op(inplace.shadow(self), other)
        if self._array.dtype.kind in "fcV":
            answer = answer.to(self.dtype)
            for one in (other, inplace.shadow(self)):  # its history, and none of its values
                if isinstance(one, Tensor) and one.dtype is self.dtype:
                    answer = where(tensor(True), answer, one)
            answer = named(answer, f"{node}{int(isinstance(other, Tensor))}")
        return inplace.store(self, answer)

    return _named(twin, name)


def _decided(name: str) -> Callable[..., Tensor]:
    """Logic, which torch writes even into leaves: the tape does not see it."""
    op = spelled(getattr(pointwise, name), name)

    def twin(self: Tensor, *other: Any, **named_other: Any) -> Tensor:
        others = (*other, *named_other.values())
        if self._base is not None or any(getattr(x, "_base", None) is self for x in others):
            inplace.refuse_overlap(self, others)
        source = inplace.shadow(self) if inplace.recording(self, others) else self
        return inplace.store(self, op(source, *other, **named_other))

    return _named(twin, name)


def _named(twin: Any, name: str) -> Any:
    twin.__name__ = twin.__qualname__ = f"{name}_"
    twin.__doc__ = inplace.DOCUMENTED.format(name=name)
    return twin


METHODS = {f"{name}_": _compared(name) for name in _COMPARE}
METHODS |= {f"{name}_": _decided(name) for name in _LOGIC}
