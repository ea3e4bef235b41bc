"""A function recorded at a level of its own, and gradients pulled back through it.

With no transform around, the tape itself serves and rules run on bare arrays. Inside another
transform the inputs become `Nested` values, so that the two histories stay apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.state import STATE
from ..core.tape import LEAF, ORDER, PARENTS
from ..core.tensor import Tensor, set_requires_grad, wrap
from ..core.values import Value
from ..ops.structure import as_shape, cast
from .dual import Dual
from .engine import sweep
from .levels import STACK, Level, pop, push
from .nested import Nested

ndarray = np.ndarray


def has_history(x: Any) -> bool:
    """Whether gradients may flow to something behind this tensor, at any level."""
    if not isinstance(x, Tensor):
        return False
    if x._entry is not None:
        return True
    value = x._array
    if type(value) is ndarray:
        return False
    if isinstance(value, Dual):
        return has_history(value.primal) or has_history(value.tangent)
    return isinstance(value, Value) and has_history(value.core())


class Recorded:
    """Inputs and outputs of one call of a function, with the history between them."""

    def __init__(self, function: Callable[..., Any], primals: Sequence[Tensor]) -> None:
        for x in primals:
            if x.dtype.category < dtypes.FLOAT:
                raise RuntimeError("only Tensors of floating point dtype can require gradients")
        self.outside = STATE.grad
        plain = not STACK.levels and all(type(x._array) is ndarray for x in primals)
        self.level: Level | None = None if plain else push("grad")
        self.had_history = plain and self.outside and any(x._entry is not None for x in primals)
        try:
            STATE.grad = True
            STATE.transforms += 1
            self.inputs = [self._input(x) for x in primals]
            self.outputs: list[Any] = []
            self.result = function(*self.inputs)
        finally:
            STATE.transforms -= 1
            STATE.grad = self.outside
            if self.level is not None:
                pop(self.level)
        self.depends = self.alone = False

    def _input(self, x: Tensor) -> Tensor:
        if self.level is not None:
            made = wrap(Nested(self.level, x))
            made._entry = LEAF
            return made
        if x._entry is not None and self.outside:
            return as_shape(x, x._array.shape)
        made = wrap(x._array)
        set_requires_grad(made, True)
        return made

    def settle(self, outputs: list[Any]) -> list[Any]:
        """Note the outputs; what the caller gets for them."""
        self.outputs = outputs
        if self.level is not None:
            return [self._below(y) for y in outputs]
        self.alone = not (self.had_history or self._reaches_others(outputs))
        self.depends = self.outside and not self.alone
        for x in self.inputs:
            if x._entry is LEAF:
                x._finished = True  # type: ignore[attr-defined]  # a note
        return [y if self.depends or y._entry is None else wrap(y._array) for y in outputs]

    def _below(self, y: Tensor) -> Tensor:
        value = y._array
        return value.inner if type(value) is Nested and value.level is self.level else y

    def _reaches_others(self, outputs: list[Any]) -> bool:
        """Whether the outputs depend on tensors that require grad and are not our inputs."""
        ours = {id(x) for x in self.inputs}
        seen: set[int] = set()
        stack = [y if y._entry is LEAF else y._entry for y in outputs if y._entry is not None]
        while stack:
            entry = stack.pop()
            if type(entry) is list:
                if entry[ORDER] not in seen:
                    seen.add(entry[ORDER])
                    stack.extend(p for p in entry[PARENTS] if p is not None)
            elif id(entry) not in ours and not getattr(entry, "_finished", False):
                return True
        return False

    def aux(self, x: Any) -> Any:
        """An auxiliary result without this level."""
        if not isinstance(x, Tensor):
            return x
        if self.level is not None:
            return self._below(x)
        return x if self.depends else wrap(x._array)

    def pull(self, gradients: Sequence[Any], keep: bool) -> list[Tensor]:
        """The gradient of every input, zeros where the outputs do not depend on it."""
        roots = [
            (y, _as(g, y)) for y, g in zip(self.outputs, gradients)
            if y._entry is not None and (self.level is None or self._below(y) is not y)
        ]  # fmt: skip
        create = self.level is None and STATE.grad and (
            self.depends or any(has_history(g) for _, g in roots)
        )  # fmt: skip
        # with no other leaves there is nothing to leave out, and the sweep takes its short way
        wanted = None if self.alone and not create else self.inputs
        found = sweep(roots, wanted, keep or create, create) if roots else None
        return [self._gradient(x, found) for x in self.inputs]

    def _gradient(self, x: Tensor, found: Any) -> Tensor:
        g = None
        if found is not None and x._entry is LEAF:
            waiting = found.leaves.get(id(x))
            g = None if waiting is None else waiting[1]
        elif found is not None:
            g = found.captured.get(x._entry[ORDER])
        if g is None:
            return wrap(np.zeros(x._array.shape, x._array.dtype))
        if not isinstance(g, Tensor):
            return wrap(g.copy() if g.base is not None else g)
        return g


def _as(g: Tensor, y: Tensor) -> Tensor:
    return g if g.dtype is y.dtype else cast(g, y.dtype)
