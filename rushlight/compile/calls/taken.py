"""The numbers of Python's that are drawn before a run, and which program they make the right one.

What a call has drawn for one program serves another that draws the same. If none is right for it,
the engines get back the states that they had, and the call that is made eagerly draws for itself.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from ...core.tensor import Tensor
from ..tracing.chances import Chances, restore, state_of
from .bound import Bound
from .guards import modes


class _Values(threading.local):
    """What this thread has drawn for the short way into a program."""

    values: Sequence[Any] = ()


DRAWN = _Values()


class Taken:
    """What one call has drawn so far."""

    __slots__ = ("_made", "_states", "values")

    def __init__(self) -> None:
        self._made: Sequence[Any] = ()
        self.values: list[Any] = []
        self._states: dict[int, tuple[Any, Any]] = {}

    def for_call(self, bound: Bound, args: Any, kwargs: Any) -> bool:
        """The same for the short way, which does not look at what a program draws."""
        if not bound.captured.chances:
            self.undo()
            return True
        leaves: list[Tensor] = []
        if not (bound.fits(args, kwargs, modes(), leaves) and self.suits(bound, leaves)):
            return False
        DRAWN.values = self.values
        return True

    def suits(self, bound: Bound, leaves: Sequence[Tensor]) -> bool:
        """Draw what a program needs: whether it is for calls in which that is drawn."""
        chances = bound.captured.chances
        if not self._made and not chances:
            return True
        given = {key: leaves[k]._array.item() for key, k in bound.captured.keyed.items()}
        numbers = bound.captured.here.values(), given, given
        if not _same(self._made, chances.draws):
            self.undo()
            if not self._draw(chances, numbers):
                return False
        return not chances.conditions or chances.holds(self.values, *numbers)

    def _draw(self, chances: Chances, numbers: Any) -> bool:
        """Draw all that a program needs, if that is possible."""
        engines = {id(draw.engine): draw.engine for draw in chances.draws}
        self._states = {key: (engine, state_of(engine)) for key, engine in engines.items()}
        self._made, self.values = chances.draws, []
        try:
            for draw in chances.draws:
                self.values.append(draw.make(self.values, *numbers))
        except Exception:  # the call will say why
            self.undo()
            return False
        return True

    def undo(self) -> None:
        """Nothing has been drawn."""
        for engine, state in self._states.values():
            restore(engine, state)
        self._made, self.values, self._states = (), [], {}


def _same(some: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether two programs draw the same."""
    return some is others or (
        len(some) == len(others) and all(a.like(b) for a, b in zip(some, others))
    )
