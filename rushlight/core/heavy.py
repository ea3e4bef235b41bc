"""Evaluations that are worth native code: counted by form, and handed over when they come again.

`heavy(name, evaluate)` behaves as `evaluate`, a function of arrays in NumPy. When a call of one
form (shapes, strides and types of the arrays, parameters) comes for the second time, whoever is in
MAKERS makes a program of what `name` stands for: a formula in ops, or the op of that name. Later
calls run that. What cannot be made stays with NumPy. A process that never meets a large array twice
loads nothing.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from .state import STATE

LEAST = 4096  # elements of the first operand from which a call is counted; fewer are for reading
USES = 2  # the call of a form at which its program is made
LIMIT = 1024  # forms that are remembered

ndarray = np.ndarray


class Switch:
    """Whether programs are made and used, and for first operands of how many elements."""

    __slots__ = ("least", "on")

    def __init__(self) -> None:
        self.least = LEAST
        self.on = os.environ.get("RUSHLIGHT_EAGER_KERNELS", "1") != "0"


SWITCH = Switch()
MAKERS: list[Callable[..., Any]] = []  # called with (name, arguments, NumPy's result, `into`)
FORMULAS: dict[str, Callable[..., Any]] = {}  # what names that are no op's stand for
FORMS: dict[Any, Any] = {}  # by form: how often it came, or what runs it (None: NumPy for good)


@functools.cache
def _compiler_is_here() -> bool:
    return bool(MAKERS) and importlib.util.find_spec("llvmlite") is not None


def able() -> bool:
    """Whether programs are made: for whoever has to decide before the first call."""
    return SWITCH.on and _compiler_is_here()


def heavy(
    name: str, evaluate: Callable[..., Any], formula: Callable[..., Any] | None = None,
    into: int = 0,
) -> Callable[..., Any]:  # fmt: skip
    """`evaluate` with a program in its place for the forms of large arrays that come again.

    With `into` the first so many arguments are arrays that take the results, which lie apart from
    all others; the formula is a function of the other arguments.
    """
    if formula is not None:
        FORMULAS[name] = formula

    def run(*args: Any) -> Any:
        if args[0].size < SWITCH.least or not SWITCH.on:
            return evaluate(*args)
        form: list[Any] = [name]
        for x in args:
            if type(x) is ndarray:
                form += (x.dtype, x.shape, x.strides)
            else:
                form.append(x)
        key = tuple(form)
        try:
            found = FORMS.get(key, 0)
        except TypeError:  # a parameter that is no plain value
            return evaluate(*args)
        if found is None:
            return evaluate(*args)
        if type(found) is not int:
            return found(*args)
        y = evaluate(*args)
        _count(key, found + 1, args, y, into)
        return y

    return run


def _count(key: tuple[Any, ...], uses: int, args: tuple[Any, ...], y: Any, into: int) -> None:
    if uses < USES:
        if len(FORMS) >= LIMIT:  # the oldest go; what they ran is on disk
            for old in list(FORMS)[: LIMIT // 4]:
                FORMS.pop(old, None)
        FORMS[key] = uses
    elif STATE.tracer is None and MAKERS:  # a trace wants the graph, not these programs
        FORMS[key] = MAKERS[0](key[0], args, y, into)


def forget() -> None:
    """Start counting anew."""
    FORMS.clear()
