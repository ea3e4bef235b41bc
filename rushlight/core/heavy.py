"""Evaluations that are worth native code: by form, settled when a form is first met.

`heavy(name, evaluate)` behaves as `evaluate`, a function of arrays in NumPy. At the first call of a
form (shapes, strides and types of the arrays, parameters) whoever is in MAKERS makes a program of
what `name` stands for, a formula in ops or the op of that name, and every call of that form runs
it: equal calls give equal results, to the last bit. What cannot be made stays with NumPy, as do
new forms once there are LIMIT, or ALIKE that differ in sizes only. A process that never meets a
large array loads nothing.

Single passes, where NumPy takes one number at a time, have one function for all forms, of addresses
(`compile/code/passes.py`): it does to the last bit what the NumPy code beside its call does, which
runs where there is none.
"""

from __future__ import annotations

import functools
import math
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from .dtypes import narrowed
from .memory import empty, keep_freed
from .state import STATE

LEAST = 4096  # elements of the first operand from which a program pays; fewer are for reading
LIGHT = 1 << 16  # the same where there is little to do for an element
LIMIT = 1024  # forms that are settled: lengths that never come again shall not cost more
LONG = 1 << 15  # elements from which on single passes are native
CAST = 1 << 13  # elements that go from or to 16 bits natively
ALIKE = 16  # of those, forms of one kind: batches of as many sizes, sequences of as many lengths

ndarray = np.ndarray


class Pieces:
    """Native functions that belong together, made when first asked for."""

    __slots__ = ("_found", "_name")

    def __init__(self, name: str) -> None:
        self._name, self._found = name, _NEW

    @property
    def found(self) -> Any:
        """The functions; None if native code is switched off or cannot be made."""
        if not SWITCH.on:
            return None
        if self._found is _NEW:
            with _settling:
                self._found = PIECES[0](self._name) if PIECES and able() else None
        return self._found


class Switch:
    """Whether programs are made and used, and for first operands of how many elements."""

    __slots__ = ("least", "light", "on")

    def __init__(self) -> None:
        self.least, self.light = LEAST, LIGHT
        self.on = os.environ.get("RUSHLIGHT_EAGER_KERNELS", "1") != "0"


SWITCH = Switch()
MAKERS: list[Callable[..., Any]] = []  # called with (name, arguments, result, `into`, `over`)
PIECES: list[Callable[[str], Any]] = []  # gives native functions that belong together, by name
FORMULAS: dict[str, Callable[..., Any]] = {}  # what names that are no op's stand for
ROUNDING: set[str] = set()  # names whose programs take bfloat16 as it is
FORMS: dict[Any, Any] = {}  # by form: what runs it (None: NumPy)
UNKNOWN: Any = object()  # a result that nobody has seen; or, as an answer: it is needed
_counts: Counter[Any] = Counter()  # how many forms there are of a kind
_NEW = object()
_settling = threading.RLock()


@functools.cache
def _compiler_is_here() -> bool:
    import importlib.util  # only large arrays ask

    return bool(MAKERS) and importlib.util.find_spec("llvmlite") is not None


def able() -> bool:
    """Whether programs are made: for whoever has to decide before the first call."""
    return SWITCH.on and _compiler_is_here()


def heavy(
    name: str, evaluate: Callable[..., Any], formula: Callable[..., Any] | None = None,
    into: int = 0, light: bool = False, chosen: bool = False, images: bool = False,
    once: bool = False, rounds: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """`evaluate` with a program in its place where the arrays are large.

    With `into` the first so many arguments are arrays that take the results, which lie apart from
    all others; the formula is a function of the other arguments. An op is `light` if NumPy passes
    over its arrays once or twice, `chosen` if the caller knows that a program pays; `images` says
    that the first argument is a batch of them (N, C, ...), whatever its number of dimensions.
    `once`: of numbers of 16 bits it is what float32 gives, the (first) result rounded once.
    `rounds`: the formula takes bfloat16 as it is, and says how that rounds.
    """
    if formula is not None:
        FORMULAS[name] = formula
    if rounds:
        ROUNDING.add(name)

    def run(*args: Any) -> Any:
        small = not chosen and args[0].size < (SWITCH.light if light else SWITCH.least)
        if small or not SWITCH.on:
            return evaluate(*args)
        if once and args[0].dtype.char in "eE":
            y, kind = run(*map(_single, args)), args[0].dtype
            return (fitted(y[0], kind), *y[1:]) if type(y) is tuple else fitted(y, kind)
        key = _form(name, args)
        try:
            found = FORMS.get(key, _NEW)
        except TypeError:  # a parameter that is no plain value
            return evaluate(*args)
        if found is None:
            return evaluate(*args)
        return _first(key, evaluate, args, into, images) if found is _NEW else found(*args)

    return run


def overwrite(name: str, args: tuple[Any, ...], count: int) -> bool:
    """Replace the first `count` arrays by what the formula `name` makes of all arguments.

    Without a program for it nothing happens, and the answer is no.
    """
    if not SWITCH.on:
        return False
    key = _form(name, args)
    found = FORMS.get(key, _NEW)
    if found is _NEW:
        with _settling:
            if key not in FORMS and len(FORMS) < LIMIT:
                FORMS[key] = MAKERS[0](name, args, args[:count], 0, count) if able() else None
            found = FORMS.get(key)
    if found is None:
        return False
    found(*args)
    return True


def _single(x: Any) -> Any:
    return fitted(x, _FLOAT) if type(x) is ndarray and x.dtype.char in "eE" else x


def settled(name: str, run: Callable[..., Any], args: tuple[Any, ...]) -> Callable[..., Any]:
    """What `run`, of `heavy(name, ...)`, calls for arguments of this form: for many such calls."""
    found = FORMS.get(_form(name, args)) if SWITCH.on else None
    return run if found is None else found


def _form(name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    form: list[Any] = [name]
    for x in args:
        if type(x) is ndarray:
            form += (x.dtype, x.shape, x.strides)
        else:
            form.append(x)
    return tuple(form)


def _first(key: tuple[Any, ...], evaluate: Callable[..., Any], args: tuple[Any, ...],
           into: int, images: bool) -> Any:  # fmt: skip
    """The first call of a form, which settles what runs it."""
    if STATE.tracer is not None or not MAKERS:  # a trace wants the graph, not these programs
        return evaluate(*args)
    y = UNKNOWN
    with _settling:
        if key not in FORMS and not _enough(_kinds_of(key[0], args, images)):
            made = MAKERS[0](key[0], args, UNKNOWN, into)
            if made is UNKNOWN:
                y = evaluate(*args)
                made = MAKERS[0](key[0], args, y, into)
            _counts.update(kind for kind, _ in _kinds_of(key[0], args, images))
            FORMS[key] = made
        found = FORMS.get(key)
    if found is not None:
        return found(*args)
    return evaluate(*args) if y is UNKNOWN else y


def _enough(kinds: list[tuple[Any, int]]) -> bool:
    """Whether no more forms of these kinds are settled."""
    return len(FORMS) >= LIMIT or any(_counts[kind] >= most for kind, most in kinds)


def _kinds_of(name: str, args: tuple[Any, ...], images: bool) -> list[tuple[Any, int]]:
    """What forms have in common that differ in the numbers of samples, steps or pixels only.

    Each with how many there may be. Of images (N, C, ...) the channels stay, of others the last
    size if it is not the number of samples; and these are counted together, whatever their sizes.
    """
    first = args[0]
    images = images or first.ndim > 3

    def size(x: ndarray) -> Any:
        return None if x.shape == first.shape[:1] else x.shape[1:2] if images else x.shape[-1:]

    fine = (name, *((x.ndim, size(x)) if type(x) is ndarray else x for x in args
                    if type(x) is not tuple))  # fmt: skip
    coarse = (name, *(x.ndim for x in args if type(x) is ndarray))
    return [(fine, ALIKE)] if images else [(fine, ALIKE), (coarse, 3 * ALIKE)]


def _free_after_fork() -> None:
    """In a child, whoever held the lock is gone."""
    global _settling
    _settling = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_after_fork)


def forget() -> None:
    """Settle all forms anew."""
    FORMS.clear()
    _counts.clear()


# --- Single passes -------------------------------------------------------------------------------

PASSES = Pieces("passes")
SHORTS = Pieces("shorts")  # NumPy's functions of bfloat16, replaced where that type is cast much
_COMPILER = "rushlight.compile.code.llvm"
_before = [1 << 22]  # elements that NumPy passes over before the compiler is loaded for this alone
_LETTERS = {np.dtype(np.float32): "f", np.dtype(np.float64): "d"}
_PLACED = ("cummax", "cummin")
_PLACE, _FLOAT = np.dtype(np.int64), np.dtype(np.float32)
_HALVINGS = {"fe": "to_half", "ef": "from_half", "fE": "to_bfloat", "Ef": "from_bfloat"}


def one_pass(name: str, size: int, kind: np.dtype | None = None, least: int = 0) -> Any:
    """The function of that name for `size` numbers, of a type if it has several; or None.

    `least` is how many numbers it pays for, where these are not LONG.
    """
    letter = "" if kind is None else _LETTERS.get(kind, "E" if kind.char == "E" else None)
    if size < (least or LONG) or letter is None:
        return None
    if _before[0] > 0 and _COMPILER not in sys.modules:
        _before[0] -= size
        return None
    found = PASSES.found
    if found is None:
        return None
    keep_freed()
    return found.get(name, letter)


def _in_order(x: ndarray) -> bool:
    return x.size > 0 and type(x) is ndarray and x.flags.c_contiguous and x.flags.aligned


def pass_over(name: str, x: ndarray) -> Any:
    """The function of that name for an array in order of memory; or None."""
    return one_pass(name, x.size, x.dtype) if x.size >= LONG and _in_order(x) else None


def halves(x: ndarray, kind: np.dtype) -> ndarray | None:
    """A float32 array as float16 or bfloat16 (code E), or the other way round."""
    name = _HALVINGS.get(x.dtype.char + kind.char) if x.size >= CAST else None
    run = one_pass(name, x.size, None, CAST) if name and x.dtype.isnative and _in_order(x) else None
    if run is None:
        return None
    if "E" in (x.dtype.char, kind.char):
        _ = SHORTS.found  # made, they are in use
    y = empty(x.shape, kind)
    run(x.ctypes.data, y.ctypes.data, x.size)
    return y


def fitted(x: Any, kind: np.dtype) -> Any:
    """`x.astype(kind, copy=False)`, natively where x is large and one of the two has 16 bits."""
    if kind.itemsize == 1:
        return narrowed(x, kind)
    found = None
    if x.size >= CAST and x.dtype is not kind:
        found = halves(x, kind)
    elif _before[0] > 0 and "E" in (x.dtype.char, kind.char):
        _before[0] -= x.size
        if _before[0] <= 0:  # many short arrays pay, too
            _ = SHORTS.found
    return x.astype(kind, copy=False) if found is None else found


def along(name: str, x: ndarray, dim: int) -> Any:
    """What the function makes of all lines along a dimension, and of places where it gives them."""
    last = dim == x.ndim - 1
    run = pass_over(name if last else name + "_down", x)
    if run is None:
        return None
    count, width = x.shape[dim], math.prod(x.shape[dim + 1 :])
    sizes = (x.size // count, count) if last else (x.size // (count * width), count, width)
    y = empty(x.shape, x.dtype)
    places = empty(x.shape, _PLACE) if name in _PLACED else None
    results = [one.ctypes.data for one in (y, places) if one is not None]
    run(x.ctypes.data, *results, *sizes)
    return y, places


def of_rows(name: str, x: ndarray) -> ndarray | None:
    """What the function makes of each row of an array: a number."""
    run = pass_over(name, x)
    if run is None:
        return None
    y = np.empty(x.shape[:-1], x.dtype)
    run(x.ctypes.data, y.ctypes.data, y.size, x.shape[-1])
    return y
