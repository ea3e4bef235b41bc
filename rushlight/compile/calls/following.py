"""Calls of a compiled function that differ in numbers: which program they may run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.locks import fork_safe
from ...core.tensor import Tensor, wrap
from ..tracing.numbers import Followed, Key, exchanged
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
        if numbers_in(args, kwargs) != self.kinds:
            return None
        found = {**dict(enumerate(args)), **kwargs}
        if any(type(x) is int and not -_WHOLE <= x < _WHOLE for x in found.values()):
            return None
        return exchanged(args, kwargs, {key: wrap(np.array(found[key])) for key in self.kinds})

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


__all__ = ["Followed", "Following", "differs_in_numbers", "numbers_in"]
