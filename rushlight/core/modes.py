"""Modes below autograd: who sees every operator as torch's dispatcher names it, and how.

While a thread has a mode (`utils/_python_dispatch.py`), ops on plain tensors are led the long way
(`dispatch.intercept`), and `rushlight/aten` says each as torch's operators. Those end here:
`emit` hands an operator to the innermost mode, then to classes of tensors with a
`__torch_dispatch__`, and at last to its own function.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from .state import STATE
from .tensor import Tensor


class _Stack(threading.local):
    """What a thread has: its modes, innermost last, and where in an operator it stands."""

    active: tuple[Any, ...] = ()
    below: bool = False  # inside a mode's method or an operator's own function
    silent: bool = False  # what runs was shown already


STACK = _Stack()


class Late:
    """What the floor that knows torch's operators gives, when it is first needed."""

    detach: Callable[[Tensor], Tensor]
    seed: Callable[[Tensor], Tensor]
    grow: Callable[[Tensor, Tensor], None]
    run: Callable[[Any, Any, Any], Any]  # an operator called by a program, above autograd


def listening() -> bool:
    """Whether some mode of this thread wants to see what runs now."""
    return bool(STACK.active) and not STACK.silent


@contextlib.contextmanager
def standing(
    active: tuple[Any, ...] | None = None, below: bool | None = None, silent: bool | None = None,
    grad: bool | None = None,
) -> Iterator[None]:  # fmt: skip
    """A block in which the thread stands otherwise; what is None stays."""
    before = STACK.active, STACK.below, STACK.silent, STATE.grad
    STACK.active = before[0] if active is None else active
    STACK.below = before[1] if below is None else below
    STACK.silent = before[2] if silent is None else silent
    STATE.grad = before[3] if grad is None else grad
    try:
        yield
    finally:
        STACK.active, STACK.below, STACK.silent, STATE.grad = before


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors among arguments, and in the sequences among them."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from tensors_in(one)
    elif isinstance(value, dict):
        yield from tensors_in(tuple(value.values()))


def handler_of(kind: type) -> Any:
    """A class's own `__torch_dispatch__`, or None."""
    found = getattr(kind, "__torch_dispatch__", None)
    return None if found is getattr(Tensor, "__torch_dispatch__", None) else found


def emit(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An operator carried out by the innermost mode, else by an argument's class, else by itself.

    Nothing is recorded for gradients: that is for the caller, who stands above.
    """
    given = list(tensors_in((args, kwargs)))
    kinds = tuple({type(x): None for x in given if handler_of(type(x)) is not None})
    if STACK.active and not STACK.silent:
        mode, rest = STACK.active[-1], STACK.active[:-1]
        with standing(rest, below=True, grad=False):
            result = mode.__torch_dispatch__(func, kinds, args, kwargs)
        if result is not NotImplemented:
            return result
        kinds = kinds or (type(mode),)
    for kind in sorted(kinds, key=lambda one: -len(one.__mro__)):
        with standing((), below=True, grad=False):
            found = handler_of(kind)
            result = NotImplemented if found is None else found(func, kinds, args, kwargs)
        if result is not NotImplemented:
            return result
    if kinds:
        raise TypeError(
            f"Multiple dispatch failed for '{func}'; all __torch_dispatch__ handlers returned"
            f" NotImplemented:\n\n" + "".join(f"  - tensor subclass {kind}\n" for kind in kinds)
        )
    with standing((), below=True, grad=False):
        return func.kernel(*args, **kwargs)
