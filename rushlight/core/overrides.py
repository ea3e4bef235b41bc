"""Subclasses of Tensor: they may handle every op (`__torch_function__`), and keep their kind.

Exact eager tensors never come here; what does has missed the short path of a call, or came through
a gate (`gates.py`).
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .errors import is_ours
from .primitive import Declared
from .tensor import Tensor, wrap

OPS: Declared[Callable[..., Any]] = Declared()  # the callable of each primitive
CODES: dict[int, Callable[..., Any]] = {}  # public functions, by the id of their code
ASKING: dict[int, Callable[..., Any]] = {}  # and of code that leads to the function inside
NOT_HANDLED = object()


class _Switch(threading.local):
    off = False


class _Modes(threading.local):
    """The modes that are active in a thread, the innermost last."""

    def __init__(self) -> None:
        self.active: list[Any] = []


SWITCH = _Switch()
MODES = _Modes()


def plain_results(func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """The `__torch_function__` of classes whose operations give plain tensors."""
    with disabled():
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def disabled() -> Iterator[None]:
    """A block in which subclasses are treated as the tensors they are."""
    before, SWITCH.off = SWITCH.off, True
    try:
        yield
    finally:
        SWITCH.off = before


@contextlib.contextmanager
def all_disabled() -> Iterator[None]:
    """The same, and no mode sees anything."""
    before, MODES.active = MODES.active, []
    try:
        with disabled():
            yield
    finally:
        MODES.active = before


def speaks(kind: type) -> bool:
    """Whether a class handles ops itself."""
    handler = getattr(kind, "__torch_function__", None)
    return handler is not None and handler is not plain_results


def convert(result: Any, kind: type, given: Any = ()) -> Any:
    """Plain tensors in a result, as instances of a subclass; what was given stays what it is."""
    if type(result) is Tensor and kind is not Tensor:
        if not any(result is one for one in given):
            result.__class__ = kind
    elif isinstance(result, (tuple, list)) and type(result).__name__ != "Size":
        parts = [convert(one, kind, given) for one in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    return result


def torch_function(cls: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """What subclasses inherit: the op itself, its results as instances of the subclass."""
    if not all(issubclass(cls, kind) for kind in types):
        return NotImplemented
    with disabled():
        result = func(*args, **(kwargs or {}))
    if func in UNCONVERTED:
        return result
    given = [x for one in args for x in (one if type(one) in (tuple, list) else (one,))]
    return convert(result, cls, given)


def kin(result: Tensor, source: Tensor) -> Tensor:
    """A result that no op gave, as an instance of its source's class if that keeps its kind."""
    kind = type(source)
    if kind is Tensor or SWITCH.off:
        return result
    handler = getattr(kind, "__torch_function__", None)
    inherits = getattr(handler, "__func__", None) is torch_function
    return convert(result, kind, (source,)) if inherits else result


UNCONVERTED: set[Any] = set()  # what hands out what is stored


def speakers(values: Any) -> list[Any]:
    """One value of each class that handles ops, subclasses before the classes they derive from."""
    found: list[Any] = []
    for value in values:
        kind = type(value)
        if kind is Tensor or not speaks(kind) or any(type(one) is kind for one in found):
            continue
        above = (i for i, one in enumerate(found) if issubclass(kind, type(one)))
        found.insert(next(above, len(found)), value)
    return found


_QUIET = frozenset((Tensor, int, float, bool, str, complex, type(None)))


def overloaded(args: Any, kwargs: dict[str, Any]) -> list[Any]:
    """The speakers among a call's arguments, and in the sequences among them."""
    if SWITCH.off:
        return []
    found: list[Any] = []
    for one in (*args, *kwargs.values()) if kwargs else args:
        kind = type(one)
        if kind in _QUIET:
            continue
        if kind is tuple or kind is list:
            found.extend(x for x in one if type(x) not in _QUIET and speaks(type(x)))
        elif speaks(kind):
            found.append(one)
    return speakers(found) if found else found


def dispatch(func: Any, found: list[Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """What the innermost mode, or else the first class that does not decline, makes of a call."""
    kinds = tuple(type(one) for one in found)
    if MODES.active:
        mode = MODES.active[-1]
        outer, MODES.active = MODES.active, MODES.active[:-1]
        try:
            result = mode.__torch_function__(func, kinds, args, kwargs)
        finally:
            MODES.active = outer
        if result is not NotImplemented:
            return result
    for one in found:
        result = type(one).__torch_function__(func, kinds, args, kwargs)
        if result is not NotImplemented:
            return result
    name = getattr(func, "__qualname__", str(func))
    raise TypeError(
        f"Multiple dispatch failed for 'torch.{name}'; all __torch_function__ handlers returned"
        " NotImplemented:\n\n" + "".join(f"  - tensor subclass {kind}\n" for kind in kinds)
    )


def handled(name: str, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """What the first class that handles the op makes of it, or NOT_HANDLED."""
    if SWITCH.off or name not in OPS:
        return NOT_HANDLED
    found = speakers(inputs)
    if not found:
        return NOT_HANDLED
    if not all(isinstance(one, Tensor) for one in found):
        for told in ON_CONTACT:
            told()
    args = (inputs, *params) if OPS[name].primitive.arity is None else (*inputs, *params)
    if all(_asked_below(one) for one in found) and not MODES.active:
        return NOT_HANDLED  # an op, whose arguments need not be those of a public function
    kind = _inheriting(found)
    if kind is not None:  # the op itself, whose arguments need not be those of a public function
        with disabled():
            return convert(OPS[name](*args), kind, inputs)
    func, args = _as_called(name, args)
    args = tuple(
        wrap(one) if type(one) is np.ndarray else one for one in args
    )  # a rule's constants
    return dispatch(func, found, args, {})


def _asked_below(one: Any) -> bool:
    """Whether its class is asked for operators, below autograd, and not for functions."""
    return getattr(one.__torch_function__, "by_operators", False)


def _inheriting(found: list[Any]) -> type | None:
    """The class of results where all classes handle ops as Tensor does."""
    if MODES.active:
        return None
    kinds = [type(one) for one in found]
    if any(
        getattr(one.__torch_function__, "__func__", None) is not torch_function for one in kinds
    ):
        return None
    return next((one for one in kinds if all(issubclass(one, other) for other in kinds)), None)


ON_CONTACT: list[Callable[[], None]] = []  # who wants to know that a handler came that is no tensor
_OPERATORS = {"pow": "__pow__", "floor_divide": "__floordiv__", "bitwise_and": "__and__",
              "bitwise_or": "__or__", "bitwise_xor": "__xor__", "eq": "__eq__"}  # fmt: skip
_REFLECTED = {"sub": "__rsub__", "div": "__rdiv__", "pow": "__rpow__", "matmul": "__rmatmul__",
              "floor_divide": "__rfloordiv__", "remainder": "__rmod__"}  # fmt: skip


def _package() -> Any:
    return sys.modules[__name__.partition(".")[0]]


def _as_called(name: str, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """The public function behind an op that met a handler, and its arguments.

    Where the op stands inside a function of ours, it is the public function of the op.
    """
    frame, owner = sys._getframe(3), None
    while frame is not None and is_ours(frame):
        public = CODES.get(id(frame.f_code))
        if public is not None:
            if public.__qualname__.startswith("Tensor.__"):
                break
            if "prim" in frame.f_code.co_freevars:
                return public, args
            owner = Tensor if public.__qualname__.startswith("Tensor.") else _package()
            break
        frame = frame.f_back
    if owner is None:
        owner = Tensor  # an operator
        if len(args) == 2 and not isinstance(args[0], Tensor) and isinstance(args[1], Tensor):
            name, args = _REFLECTED.get(name, name), args[::-1]
        else:
            name = _OPERATORS.get(name, name)
    return getattr(owner, name, None) or OPS[name], args
