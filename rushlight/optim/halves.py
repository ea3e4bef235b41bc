"""Update rules of bfloat16 parameters as native programs, which round after each word.

The rule is the optimiser's own `_update`, as in `programs`. A word of a bfloat16 tensor is computed
in float32 and rounded once; here it is too, so that the numbers are those of the rule on tensors,
to the last bit. What is left of a parameter behind whole blocks is padded to one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..core import heavy
from ..core.dtypes import bfloat16
from ..core.tape import mark_written
from .programs import BLOCKS, Drafted, Rate, Update, drafted

EXACT = frozenset(
    "sgd adam rmsprop adagrad adamax nadam".split()
)  # modules of rules: see the tests
LEAST = 2048  # elements from which one parameter alone pays for programs
_SINGLE = np.dtype(np.float32)  # that of bfloat16 is there with ml_dtypes only
_used: set[str] = set()  # rules that have programs: small parameters go by them too


class Rounded(Drafted):
    """A value in float32 that bfloat16 holds."""

    __slots__ = ()

    def __init__(self, value: Any) -> None:
        s = value.s
        self.value = s.cast(s.cast(value, bfloat16.numpy), _SINGLE)

    def add(self, other: Any, *, alpha: Any = 1) -> Drafted:
        """As for tensors, a factor is rounded too."""
        if isinstance(other, Drafted) and type(alpha) is Rate:
            s = self.value.s
            alpha = Rate(s.cast(s.cast(self.of(alpha), bfloat16.numpy), _SINGLE))
        elif isinstance(other, Drafted) and alpha != 1:
            alpha = float(np.asarray(alpha, np.float64).astype(bfloat16.numpy))
        return super().add(other, alpha=alpha)

    def addcdiv(self, numerator: Drafted, denominator: Drafted, *, value: Any = 1) -> Drafted:
        quotient = numerator.value / denominator.value
        return self._new(self.value + quotient * self.of(value))

    add_, addcdiv_ = (
        lambda self, *args, word=word, **options: self._set(word(self, *args, **options).value)
        for word in (add, addcdiv)
    )


def _draft(update: Callable[..., None], *args: Any) -> tuple[Any, ...]:
    s = args[0].s
    count = len(args[-3]) + 2  # parameter, slots and gradient
    wide = [s.cast(value, _SINGLE) for value in args[:count]]
    found = drafted(update, Rounded, *wide, *args[count:])
    return tuple([s.cast(value, bfloat16.numpy) for value in found])


class HalfUpdate(Update):
    """A rule for some step, of parameters in bfloat16."""

    name: str

    def __init__(self, update: Callable[..., None], group: dict, numbers: Any) -> None:
        super().__init__(update, group, numbers)
        self.able = self.able and self.name.split(".")[2] in EXACT

    def _formula(self, function: Callable[..., None]) -> None:
        self.name += ".halves"
        heavy.FORMULAS.setdefault(self.name, partial(_draft, function))


def _flat(tensor: Any) -> np.ndarray | None:
    """The numbers of a bfloat16 tensor, one after the other, if they lie so."""
    array = tensor._array
    plain = type(array) is np.ndarray and array.dtype is bfloat16.numpy and array.flags.c_contiguous
    return array.reshape(-1) if plain else None


def update(rule: Callable[..., None], param: Any, grad: Any, slots: dict[str, Any],
           numbers: Any, group: dict[str, Any]) -> bool:  # fmt: skip
    """Carry the rule out on one parameter natively; no where that does not pay or cannot be."""
    if param.dtype is not bfloat16 or not heavy.able():
        return False
    size, values = param.numel(), (param, *slots.values(), grad)
    flat = [one for one in map(_flat, values) if one is not None and one.size == size]
    if len(flat) < len(values) or not size:
        return False
    run = HalfUpdate(rule, group, numbers)
    if not (size >= LEAST or run.name in _used):
        return False
    if not _carried_out(run, flat, tuple(slots)):
        return False
    _used.add(run.name)
    for one in (param, *slots.values()):
        mark_written(one._array)
    return True


def _carried_out(run: HalfUpdate, flat: list[np.ndarray], names: tuple[str, ...]) -> bool:
    """Nothing is written unless all is: the end goes first, in memory of its own."""
    size, least = flat[0].size, BLOCKS[-1]
    rest = min(size, size % least or least)
    ends = [np.zeros(least, bfloat16.numpy) for _ in flat]
    for end, one in zip(ends, flat):
        end[:rest] = one[size - rest :]
    run.run(ends[0], ends[-1], dict(zip(names, ends[1:-1])))
    if not run.able:
        return False
    body = [one[: size - rest] for one in flat]
    if run.run(body[0], body[-1], dict(zip(names, body[1:-1]))) < size - rest:
        return False
    for end, one in zip(ends[:-1], flat[:-1]):
        one[size - rest :] = end[:rest]
    return True
