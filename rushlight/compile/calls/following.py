"""Calls of a compiled function that differ in numbers: which program they may run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from math import nan
from typing import Any

from numpy import array

from ...core.locks import fork_safe
from ...core.tensor import Tensor, wrap
from ..tracing.numbers import Key
from .bound import fits
from .guards import same

_WHOLE = 2**63


class Following:
    """What was compiled for calls whose arguments have numbers in the same places.

    Each of `variants` is for the calls in which the function asked the same of its numbers, and was
    answered the same.
    """

    def __init__(self, kinds: dict[Key, type]) -> None:
        self.kinds = kinds
        self.variants: list[Any] = []
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
        for one in self.variants:
            if one.function.holds(args, kwargs):
                return one
        with self._lock:
            made = make(list(self.kinds))
            if made is not None:
                made.function.constant = any(one.function.constant for one in self.variants)
                self.variants.append(made)
        return made


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
