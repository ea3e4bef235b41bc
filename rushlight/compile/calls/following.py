"""Calls of a compiled function that differ in numbers: which program they may run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from math import nan
from typing import Any

from numpy import array

from ...core.locks import fork_safe
from ...core.tensor import Tensor, wrap
from ..tracing.numbers import NAMES, Key
from .bound import fits
from .guards import same
from .shelf import FREE, KEPT, Shelf

_WHOLE = 2**63
_REMEMBERED = 1024  # whole numbers for which there is no program yet
Texts = tuple[str, ...]


class Following:
    """What was compiled for calls whose arguments have numbers in the same places.

    Each of `variants` is for the calls in which the function asked the same of its numbers, and was
    answered the same. Those that went by a whole number itself (a length, a place) are as programs
    for sizes: a few are made at once, others when the number comes a second time.
    """

    def __init__(self, kinds: dict[Key, type], shelf: Shelf) -> None:
        self.kinds, self._shelf = kinds, shelf
        self.variants: list[Any] = []
        self._texts: Texts = ()
        self._whole: Callable[[Any, Any], Any] = _whole_in(())
        self._at: dict[Any, Any] = {}  # variants by those numbers
        self._met: set[Any] = set()  # that have come once
        self._lock = fork_safe(self, threading.RLock)

    def given(self, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        """The arguments with 0-d tensors for their numbers; None if these are of other kinds."""
        placed, named = list(args), dict(kwargs)
        found = self._exchange(enumerate(args), placed) + self._exchange(kwargs.items(), named)
        return (placed, named) if found == len(self.kinds) else None

    def _exchange(self, arguments: Iterable[tuple[Any, Any]], into: Any) -> float:
        """Put tensors into the places of numbers; how many, or NaN if there are others."""
        count = 0
        for key, x in arguments:
            kind = type(x)
            if kind is not float and kind is not int:
                continue
            if self.kinds.get(key) is not kind or (kind is int and not -_WHOLE <= x < _WHOLE):
                return nan
            into[key] = wrap(array(x))
            count += 1
        return count

    def variant(self, args: Any, kwargs: Any, make: Callable[[list[Key]], Any]) -> Any:
        """The variant for these numbers; if there is none, `make` gives one, or None."""
        known = self._at.get(self._whole(args, kwargs)) if self._texts else None
        if known is not None and known.function.holds(args, kwargs):
            return known
        for one in self.variants:
            if one.function.holds(args, kwargs):
                if one.function.whole and self._knows():
                    self._at[self._whole(args, kwargs)] = one
                return one
        with self._lock:
            made = None if self._waits(args, kwargs) else make(list(self.kinds))
            if made is not None:
                made.function.constant = any(one.function.constant for one in self.variants)
                self.variants.append(made)
        return made

    @property
    def kinds_made(self) -> int:
        """How many kinds of calls there are programs for: whole numbers tell none apart."""
        strict = self._shelf.strict
        found = [
            max(1, one._shelf.kinds) for one in self.variants if strict or not one.function.whole
        ]
        return sum(found) + (len(found) < len(self.variants))

    def _knows(self) -> bool:
        """Whether calls have gone by whole numbers; by which ones, is noted."""
        texts = tuple(dict.fromkeys(x for one in self.variants for x in one.function.whole))
        if texts != self._texts:
            self._texts, self._whole = texts, _whole_in(texts)
            self._at, self._met = {}, set()
        return bool(texts)

    def _waits(self, args: Any, kwargs: Any) -> bool:
        """Whether there is to be no program for whole numbers before they come again."""
        sized = sum(1 for one in self.variants if one.function.whole)
        if self._shelf.strict or sized < FREE or not self._knows():
            return False
        found = self._whole(args, kwargs)
        if found in self._met and sized < KEPT:
            return False
        if len(self._met) < _REMEMBERED:
            self._met.add(found)
        self._shelf.waited += 1
        return True


def _whole_in(texts: Texts) -> Callable[[Any, Any], Any]:
    """What texts give for numbers among arguments."""
    give = eval(f"lambda args, kwargs: ({' '.join(f'{x},' for x in texts)})", {**NAMES})

    def tried(args: Any, kwargs: Any) -> Any:
        try:
            return give(args, kwargs)
        except (ArithmeticError, ValueError):
            return None

    return tried


def numbers_in(args: Any, kwargs: Any) -> dict[Key, type]:
    """The kinds of the floats and whole numbers among arguments, by their places."""
    given = {**dict(enumerate(args)), **kwargs} if kwargs else dict(enumerate(args))
    return {key: type(x) for key, x in given.items() if type(x) is float or type(x) is int}


def differs_in_numbers(args: Any, kwargs: Any, wanted: Any) -> bool:
    """Whether arguments differ from a pattern in numbers, and in nothing else."""
    given, asked = {**dict(enumerate(args)), **kwargs}, {**dict(enumerate(wanted[0])), **wanted[1]}
    if given.keys() != asked.keys():
        return False
    found = False
    for key, x in given.items():
        leaves: list[Tensor] = []
        if type(x) in (int, float) and type(x) is type(asked[key]):
            found = found or not same(x, asked[key])
        elif not fits(x, asked[key], leaves):
            return False
    return found
