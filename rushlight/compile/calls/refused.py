"""Calls that stay eager: which calls are like those of which no program could be made."""

from __future__ import annotations

from typing import Any

from ..tracing.changes import Uncompilable
from ..tracing.numbers import condition
from .bound import fits, pattern
from .guards import modes

MOST = 4  # calls that are tried in vain; then no others are
# Calls of a kind, after which one more is tried: what was in its way may be gone. After each such
# try twice as many go by, so that a loop of thousands of them is traced a few times only.
AGAIN = 16


class Refused:
    """One kind of call: its arguments, its modes, and what it asked of numbers around it."""

    __slots__ = ("_arguments", "_asked", "_here", "_modes", "patience", "seen")

    def __init__(
        self, args: Any, kwargs: Any, before: Any, why: Uncompilable, patience: int = AGAIN
    ) -> None:
        self._arguments, self._modes = (pattern(args), pattern(kwargs)), before
        self._here, self.seen, self.patience = why.here, 0, patience
        self._asked = condition({} if why.here is None else why.here.conditions, "here")

    def fits(self, args: Any, kwargs: Any, now: Any) -> bool:
        """Whether a call is of this kind."""
        wanted = self._arguments
        if now != self._modes or not (fits(args, wanted[0], []) and fits(kwargs, wanted[1], [])):
            return False
        try:
            return self._asked([] if self._here is None else self._here.values())
        except (KeyError, IndexError, ValueError):  # a place is gone
            return False


class Refusals:
    """The kinds of calls of one function that stay eager."""

    def __init__(self) -> None:
        self._known: list[Refused] = []
        self._first = True  # whether nothing was noted yet
        self._again: Refused | None = None  # the kind of which one more call is tried now

    @property
    def full(self) -> bool:
        """Whether enough was tried."""
        return len(self._known) >= MOST

    def note(self, args: Any, kwargs: Any, before: Any, why: Uncompilable) -> None:
        """A call of which no program can be made; one that was tried again is no kind more."""
        again, patience = self._again, AGAIN
        if again is not None and again in self._known:
            self._known.remove(again)
            patience = max(AGAIN, 2 * again.patience)
        elif self._first:  # what a first call fills or changes is there at the second
            patience = 1
        self._first = False
        self._known.append(Refused(args, kwargs, before, why, patience))

    def meet(self, args: Any, kwargs: Any) -> bool:
        """Whether a call without a program is of a known kind, or no other is to be tried."""
        self._again = None
        now = modes() if self._known else None
        for one in reversed(self._known):
            if one.fits(args, kwargs, now):
                one.seen += 1
                if one.seen < one.patience or self.full:
                    return True
                self._again = one
                return False
        return self.full
