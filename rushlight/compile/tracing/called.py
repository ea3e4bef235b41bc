"""Functions of Python that the user's code calls, for the time of a trace.

`float(loss)` and `math.cos(step)` ask an object for its number and take nothing else for an answer:
a stand-in cannot pass. And what `random.random()` gives is to be one (`chances.py`). So while a
trace runs, the functions in reach run other code, which is their own but for such calls: it calls
functions of ours instead, which know stand-ins. Only the places of these calls differ, so whatever
else looks at `float` or `math`, there or in another thread, finds what it always found. Code that
is made meanwhile (a lambda that is kept) may live on: without a trace our functions are Python's.
"""

from __future__ import annotations

import builtins
import dis
import functools
import math
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from ...core.state import STATE
from ...core.tensor import Tensor, wrap
from .answers import KINDS
from .chances import NAMES_OF_DRAWS, engine_of, noted, source_of
from .numbers import Number, as_float, as_whole, of_function
from .rewritten import codes_in, rewritten
from .said import HELPERS, saying
from .traced import Traced
from .written import item_of, plain

_NULL_FIRST = sys.version_info < (3, 13)  # where the word that marks a call is put on the stack
_LAST = 255  # of constants that one word of code can name
_ATTRIBUTES = frozenset(("LOAD_ATTR", "LOAD_METHOD"))
_NOTED = frozenset(
    "acos acosh asin asinh atan atan2 atanh copysign cos cosh exp exp2 expm1 fabs fmod hypot log"
    " log10 log1p log2 pow radians degrees sin sinh sqrt tan tanh cbrt isnan isinf isfinite".split()
)


def _float(*args: Any) -> Any:
    """`float(...)`."""
    x: Any = args[0] if len(args) == 1 else None
    if isinstance(x, Tensor) and type(x._array) is Traced:
        if x._entry is not None and STATE.grad:
            float(wrap(np.zeros(()), x._entry))  # it tells of what is lost
        x = item_of(x)
    return as_float(x) if type(x) is Number and x.followed() else float(*map(plain, args))


def _int(*args: Any, **kwargs: Any) -> Any:
    """`int(...)`."""
    x: Any = args[0] if len(args) == 1 and not kwargs else None
    if isinstance(x, Tensor) and x._array.dtype.kind in "iu":
        x = item_of(x)
    return as_whole(x) if type(x) is Number and x.followed() else int(*map(plain, args), **kwargs)


def _set(owner: Any, name: Any, value: Any) -> None:
    """`setattr(owner, name, value)`: it leaves what `owner.name = value` leaves."""
    tracer = STATE.tracer
    if tracer is not None and not tracer.closed and not tracer.reach.tables.knows(owner):
        tracer.stop("setattr() must happen at every call")
    setattr(owner, plain(name), value)


def _noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any) -> Any:
        args = tuple([_float(x) if isinstance(x, Tensor) else x for x in args])
        if any(type(x) is Number for x in args):
            return of_function(f"math.{name}", function, args)
        return function(*args)

    return call


_OF_MATH = {
    getattr(math, name): _noted(name, getattr(math, name))
    for name in sorted(_NOTED) if hasattr(math, name)
}  # fmt: skip
_MATH = ModuleType("math")  # code that has it among its constants can still be hashed
vars(_MATH).update({**vars(math), **{f.__name__: new for f, new in _OF_MATH.items()}})
_BUILT_IN = {"float": _float, "int": _int, "print": saying(print), "setattr": _set}
_LEFT = frozenset((*_BUILT_IN, *_NOTED, *NAMES_OF_DRAWS))  # exchanged where they are called
_WRITING = frozenset(("format", "str"))
_DIGITS = re.compile(r"%[\d.]*[efg]|\{[^{}]*:[^{}]*[efg]\}")  # "%.3f", "{:.3f}"
_SPEC = 4  # up to Python 3.12: the value is written in some way
_ASKED = frozenset(("float", "int", *KINDS))  # what a number of later comes of


def _in_place_of(name: str, called: bool, after: Any, space: dict[str, Any]) -> Any:
    """What a global name stands for in a trace; None: for what it always does."""
    if name in space:
        found = space[name]
        if after.opname in _ATTRIBUTES:
            return _MATH if found is math else source_of(found, after.argval)
        if engine_of(found) is not None:
            return noted(found, name)
        return _OF_MATH.get(found) if called and type(found) is type(math.cos) else None
    genuine = space.get("__builtins__") in (builtins, vars(builtins))
    return _BUILT_IN.get(name) if called and genuine else None


def other_code(code: CodeType, space: dict[str, Any]) -> CodeType:
    """A function's code with our functions in the places of Python's; the same if it has none."""
    constants = [
        other_code(x, space) if isinstance(x, CodeType) else x for x in code.co_consts
    ]  # fmt: skip
    words, count = bytearray(code.co_code), len(constants)
    body = list(dis.get_instructions(code))
    for before, one, after in zip([None, *body], body, body[1:]):
        if one.opname != "LOAD_GLOBAL" or (before and before.opname == "EXTENDED_ARG"):
            continue
        called = bool((one.arg or 0) & 1)
        new = _in_place_of(str(one.argval), called, after, space)
        if new is None or len(constants) > _LAST:
            continue
        load, null = (dis.opmap["LOAD_CONST"], len(constants)), (dis.opmap["PUSH_NULL"], 0)
        put = [load] if not called else [null, load] if _NULL_FIRST else [load, null]
        rest = (after.offset - one.offset) // 2 - len(put)
        put += [(dis.opmap["NOP"], 0)] * rest
        words[one.offset : after.offset] = bytes(x for word in put for x in word)
        constants.append(new)
    if len(constants) == count and all(map(_is, constants, code.co_consts)):
        return code
    return code.replace(co_code=bytes(words), co_consts=tuple(constants))


def _is(a: Any, b: Any) -> bool:
    return a is b


@functools.lru_cache(4096)
def _may_call(code: CodeType) -> bool:
    """Whether it is worth looking: some code names one of the functions."""
    known = {"math", *_BUILT_IN, *_NOTED, *NAMES_OF_DRAWS}
    inner = [x for x in code.co_consts if isinstance(x, CodeType)]
    return not known.isdisjoint(code.co_names) or any(map(_may_call, inner))


class Called:
    """The functions of one trace that run other code, and what they ran before."""

    def __init__(self) -> None:
        self._before: list[tuple[FunctionType, CodeType, CodeType]] = []
        self.written: set[int] = set()  # code that knows texts of later, by its address

    def exchange(self, functions: Sequence[FunctionType], says: bool) -> None:
        """Give functions their code for a trace; where some of them `says` something, texts too."""
        for function in {id(one): one for one in functions}.values():
            code = function.__code__
            written = rewritten(code, _LEFT, HELPERS) if says else code
            new = other_code(written, function.__globals__) if _may_call(code) else written
            if written is not code:
                self.written.update(map(id, codes_in(new)))
            if new is not code:
                function.__code__ = new
                self._before.append((function, new, code))

    def restore(self) -> None:
        """Give them their own again."""
        for function, new, code in self._before:
            if function.__code__ is new:
                function.__code__ = code
        self._before.clear()


def says(functions: Iterable[FunctionType]) -> bool:
    """Whether some function prints."""
    return any("print" in _names(function.__code__) for function in functions)


def writes(functions: Iterable[FunctionType]) -> bool:
    """Whether some function writes numbers into texts, not only what it says of an error."""
    return any(_writes(function.__code__) for function in functions)


@functools.lru_cache(4096)
def _writes(code: CodeType) -> bool:
    texts = [x for x in dis.get_instructions(code) if x.opname.startswith("FORMAT_")]
    asks = "item" in code.co_names and (texts or not _WRITING.isdisjoint(code.co_names))
    exactly = any(x.opname == "FORMAT_WITH_SPEC" or (x.arg or 0) & _SPEC for x in texts)
    exactly = exactly or any(type(x) is str and _DIGITS.search(x) for x in code.co_consts)
    inner = (x for x in code.co_consts if isinstance(x, CodeType))
    return exactly or bool(asks) or any(map(_writes, inner))


def promises(functions: Iterable[FunctionType]) -> bool:
    """Whether some function asks by `float` or `int` for a number."""
    return any(not _ASKED.isdisjoint(_names(function.__code__)) for function in functions)


@functools.lru_cache(4096)
def _names(code: CodeType) -> frozenset[str]:
    inner = [_names(x) for x in code.co_consts if isinstance(x, CodeType)]
    return frozenset(code.co_names).union(*inner)
