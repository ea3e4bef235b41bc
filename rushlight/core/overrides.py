"""Subclasses of Tensor: they may handle every op (`__torch_function__`), and keep their kind.

Exact eager tensors never come here; what does has missed the short path of a call.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from .primitive import Declared
from .tensor import Tensor

OPS: dict[str, Callable[..., Any]] = Declared()  # the callable of each primitive
NOT_HANDLED = object()


class _Switch(threading.local):
    off = False


SWITCH = _Switch()


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


def speaks(kind: type) -> bool:
    """Whether a class handles ops itself."""
    handler = getattr(kind, "__torch_function__", None)
    return handler is not None and handler is not plain_results


def convert(result: Any, kind: type) -> Any:
    """Plain tensors in a result, as instances of a subclass."""
    if type(result) is Tensor and kind is not Tensor:
        result.__class__ = kind
    elif isinstance(result, (tuple, list)) and type(result).__name__ != "Size":
        parts = [convert(one, kind) for one in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    return result


def torch_function(cls: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """What subclasses inherit: the op itself, its results as instances of the subclass."""
    if not all(issubclass(cls, kind) for kind in types):
        return NotImplemented
    with disabled():
        return convert(func(*args, **(kwargs or {})), cls)


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


def handled(name: str, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """What the first class that handles the op makes of it, or NOT_HANDLED."""
    if SWITCH.off or name not in OPS:
        return NOT_HANDLED
    found = speakers(inputs)
    if not found:
        return NOT_HANDLED
    func, sequence = OPS[name], OPS[name].primitive.arity is None  # type: ignore
    args = (inputs, *params) if sequence else (*inputs, *params)
    kinds = tuple(type(one) for one in found)
    for one in found:
        result = type(one).__torch_function__(func, kinds, args, {})
        if result is not NotImplemented:
            return result
    raise TypeError(
        f"Multiple dispatch failed for 'torch.{name}'; all __torch_function__ handlers returned"
        " NotImplemented:\n\n" + "".join(f"  - tensor subclass {kind}\n" for kind in kinds)
    )
