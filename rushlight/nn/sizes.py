"""One number for every dimension, or a number for each: the arguments of spatial layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def repeated(times: int) -> Callable[[Any], tuple]:
    """A function that repeats a single value `times` times and leaves a sequence as a tuple."""

    def spread(value: Any) -> tuple:
        return tuple(value) if isinstance(value, Iterable) else (value,) * times

    return spread


_single, _pair, _triple, _quadruple = map(repeated, (1, 2, 3, 4))
