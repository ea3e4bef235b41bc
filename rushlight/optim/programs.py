"""Update rules of many parameters as native programs, some thousand elements at a time.

The rule is the optimiser's own `_update`, run once on `Drafted` values of a graph instead of
arrays. Settings of the group are part of the program; numbers that change between steps (learning
rate, bias correction) are operands. Programs come in two sizes only, whatever the parameters' sizes
are; what is left over, and whatever cannot be drafted, runs in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..core import heavy

LEAST = 1 << 16  # elements of all parameters from which programs are made
BLOCKS = (32768, 4096)  # elements per call; the larger one's arrays fit the second-level cache
_RATE = "a number that changes"
_PLAIN = frozenset((bool, int, float, str, type(None)))
_FREE = frozenset(("params", "lr", "initial_lr"))  # of a group: no settings
_VARIANTS = 8  # settings of a rule for which there are programs: who moves them gets NumPy
_variants: dict[str, set[Any]] = {}


class Rate:
    """A number that changes from step to step: it is reckoned with, but never looked at."""

    __slots__ = ("value",)
    __hash__ = object.__hash__

    def __init__(self, value: Any) -> None:
        self.value = value  # a 0-d float64 value of a graph

    def __neg__(self) -> Rate:
        return Rate(-self.value)

    def __add__(self, other: Any) -> Rate:
        return Rate(self.value + other)

    def __rsub__(self, other: float) -> Rate:
        return Rate(other - self.value)

    def __mul__(self, other: Any) -> Rate:
        return Rate(self.value * (other.value if type(other) is Rate else other))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, Drafted):
            return type(other)(other.of(self) / other.value)
        return Rate(self.value / other)

    def __eq__(self, other: object) -> bool:
        raise TypeError("a decision by a number that changes")

    __lt__ = __gt__ = __le__ = __ge__ = __eq__

    def __bool__(self) -> bool:
        return self == 0


def _in_place(word: Callable[..., Drafted]) -> Callable[..., Drafted]:
    def changed(self: Drafted, *args: Any, **options: Any) -> Drafted:
        return self._set(word(self, *args, **options).value)

    return changed


class Drafted:
    """The words of `Flat` for a value of a graph; a word in place changes what it stands for."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def _new(self, value: Any) -> Drafted:
        return type(self)(value)

    def of(self, other: Any) -> Any:
        """An operand in this one's type."""
        if isinstance(other, Drafted):
            return other.value
        return self.value.s.cast(other.value, self.value.dtype) if type(other) is Rate else other

    def _scaled(self, other: Drafted, factor: Any) -> Any:
        plain = type(factor) is not Rate and factor == 1
        return other.value if plain else other.value * self.of(factor)

    def _set(self, value: Any) -> Drafted:
        self.value = value
        return self

    def clone(self) -> Drafted:
        return self._new(self.value)

    def copy_(self, other: Drafted) -> Drafted:
        return self._set(other.value)

    def add(self, other: Any, *, alpha: Any = 1) -> Drafted:
        if isinstance(other, Drafted):
            return self._new(self.value + self._scaled(other, alpha))
        return self._new(self.value + self.of(other))

    def sub(self, other: Any) -> Drafted:
        return self._new(self.value - self.of(other))

    def mul(self, other: Any) -> Drafted:
        return self._new(self.value * self.of(other))

    def div(self, other: Any) -> Drafted:
        return self._new(self.value / self.of(other))

    def __rtruediv__(self, other: float) -> Drafted:
        return self._new(other / self.value)

    def __neg__(self) -> Drafted:
        return self._new(-self.value)

    def lerp(self, end: Drafted, weight: float) -> Drafted:
        """As `Flat.lerp_`: from the nearer side."""
        gap = end.value - self.value
        if weight < 0.5:
            return self._new(self.value + gap * weight)
        return self._new(end.value - gap * (1 - weight))

    def addcmul(self, first: Drafted, second: Drafted, *, value: Any = 1) -> Drafted:
        return self._new(self.value + self._scaled(first, value) * second.value)

    def addcdiv(self, numerator: Drafted, denominator: Drafted, *, value: Any = 1) -> Drafted:
        return self._new(self.value + self._scaled(numerator, value) / denominator.value)

    add_, mul_, div_, lerp_, addcmul_, addcdiv_ = map(
        _in_place, (add, mul, div, lerp, addcmul, addcdiv)
    )

    def sqrt(self) -> Drafted:
        return self._new(self.value.s.sqrt(self.value))

    def abs(self) -> Drafted:
        return self._new(self.value.s.abs(self.value))

    def sign(self) -> Drafted:
        return self._new(self.value.s.sign(self.value))

    def maximum(self, other: Drafted) -> Drafted:
        return self._new(self.value.s.max(self.value, other.value))

    def clamp_(self, low: float, high: float) -> Drafted:
        s = self.value.s
        return self._set(s.min(s.max(self.value, low), high))

    def gt(self, other: float) -> Any:
        return self.value > other

    def lt(self, other: float) -> Any:
        return self.value < other

    def eq(self, other: float) -> Any:
        return self.value.s.compare("eq", self.value, other)

    def masked_fill(self, mask: Any, value: float) -> Drafted:
        return self._new(self.value.s.where(mask, value, self.value))


def _apart(numbers: Any, settings: list[Any], rates: list[float]) -> Any:
    """What `_advance` gave, with the numbers that change replaced by a mark."""
    if type(numbers) is tuple:
        return tuple([_apart(one, settings, rates) for one in numbers])
    if type(numbers) is not float or any(numbers is one for one in settings):
        return numbers
    rates.append(numbers)
    return _RATE


def _together(still: Any, rates: list[Any]) -> Any:
    if type(still) is tuple:
        return tuple([_together(one, rates) for one in still])
    return Rate(rates.pop(0)) if still == _RATE else still


def drafted(update: Callable[..., None], kind: type[Drafted], *args: Any) -> tuple[Any, ...]:
    """The rule as a formula: of (parameter, slots, gradient, rates) what overwrites the first."""
    *values, names, settings, still = args
    param, *slots = map(kind, values[: len(names) + 1])
    grad = kind(values[len(names) + 1])
    numbers = _together(still, list(values[len(names) + 2 :]))
    update(None, param, grad, dict(zip(names, slots)), numbers, dict(settings))
    return param.value, *[slot.value for slot in slots]


def _settings(group: dict[str, Any]) -> tuple[tuple[str, Any], ...] | None:
    """What of a group decides the program, if it is plain and stays."""
    if "max_momentum" in group:  # a schedule moves the momentum at every step
        return None
    found = []
    for name, value in group.items():
        if name in _FREE:
            continue
        parts = value if type(value) is tuple else (value,)
        if not all(type(part) in _PLAIN for part in parts):
            return None
        found.append((name, value))
    return tuple(found)


class Update:
    """A rule for some step: its programs, and the operands that all blocks share."""

    def __init__(self, update: Callable[..., None], group: dict, numbers: Any) -> None:
        function = getattr(update, "__func__", update)
        self.name = f"{function.__module__}.{function.__qualname__}"
        settings = _settings(group)
        self.able = settings is not None and function.__module__.startswith("rushlight.optim.")
        if not self.able:
            return
        variants = _variants.setdefault(self.name, set())
        variants.add(settings)
        self.able = len(variants) <= _VARIANTS
        self._formula(function)
        rates: list[float] = []
        kept = [part for _, value in settings or ()
                for part in (value if type(value) is tuple else (value,))]  # fmt: skip
        self.still = settings, _apart(numbers, kept, rates)
        self.rates = [np.array(rate) for rate in rates]

    def _formula(self, function: Callable[..., None]) -> None:
        heavy.FORMULAS.setdefault(self.name, partial(drafted, function, Drafted))

    def run(self, param: np.ndarray, grad: np.ndarray, slots: dict[str, np.ndarray]) -> int:
        """Update as many of the elements, from the first, as programs take; returns how many."""
        start, names = 0, tuple(slots)
        arrays = [param, *slots.values(), grad]
        for size in BLOCKS:
            while self.able and start + size <= param.size:
                parts = [array[start : start + size] for array in arrays]
                args = (*parts, *self.rates, names, *self.still)
                self.able = heavy.overwrite(self.name, args, len(parts) - 1)
                start += size * self.able
        return start


def worthwhile(total: int) -> bool:
    """Whether so many elements are worth programs."""
    return total >= LEAST and heavy.able()
