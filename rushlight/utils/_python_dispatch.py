"""`TorchDispatchMode`: a block in which every operator below autograd goes through a method.

Source: https://dev-discuss.pytorch.org/t/torchdispatchmode-for-debugging-testing-and-more/717
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

from ..core import dispatch, gates
from ..core.modes import STACK, standing
from ..core.tensor import Tensor

__all__ = ["TorchDispatchMode", "is_traceable_wrapper_subclass", "return_and_correct_aliasing"]


class TorchDispatchMode:
    """A `with` block whose operators, forward and backward, go through `__torch_dispatch__`.

    Subclasses define `__torch_dispatch__(self, func, types, args=(), kwargs=None)`; `func` is one
    of `torch.ops.aten`'s forms, and inside the method the mode is off, so that
    `func(*args, **kwargs)` carries the operator out.

    >>> import rushlight as torch
    >>> from rushlight.utils._python_dispatch import TorchDispatchMode
    >>> class Log(TorchDispatchMode):
    ...     def __torch_dispatch__(self, func, types, args=(), kwargs=None):
    ...         print(func)
    ...         return func(*args, **(kwargs or {}))
    >>> x = torch.ones(2, requires_grad=True)
    >>> with Log():
    ...     y = (x * 3).sum()
    aten.mul.Tensor
    aten.sum.default
    """

    def __init__(self, _dispatch_key: Any = None) -> None:
        """Nothing is kept."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # fmt: skip
        raise NotImplementedError

    def __enter__(self) -> Any:
        door = importlib.import_module("rushlight.aten.door")
        if not STACK.active:
            gates.enter_mode(door.Door(), outermost=True)
        dispatch.intercept(door.below)
        STACK.active = (*STACK.active, self)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        STACK.active = STACK.active[:-1]
        dispatch.release(importlib.import_module("rushlight.aten.door").below)
        if not STACK.active:
            gates.leave_mode(outermost=True)

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> Any:
        """The old spelling of the constructor."""
        return cls(*args, **kwargs)

    @classmethod
    def is_infra_mode(cls) -> bool:
        """Whether the mode belongs to the compiler: never."""
        return False


class BaseTorchDispatchMode(TorchDispatchMode):
    """A mode that lets every operator through."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # fmt: skip
        return func(*args, **(kwargs or {}))


def _get_current_dispatch_mode() -> Any:
    return STACK.active[-1] if STACK.active else None


def _get_current_dispatch_mode_stack() -> list[Any]:
    return list(STACK.active)


@contextlib.contextmanager
def _disable_current_modes() -> Iterator[list[Any]]:
    before = list(STACK.active)
    with standing(()):
        yield before


def is_traceable_wrapper_subclass(t: object) -> bool:
    """Whether a tensor wraps others and says how to take it apart and put it together."""
    return (
        isinstance(t, Tensor) and type(t) is not Tensor
        and hasattr(t, "__tensor_flatten__") and hasattr(t, "__tensor_unflatten__")
    )  # fmt: skip


def return_and_correct_aliasing(func: Any, args: Any, kwargs: Any, out: Any) -> Any:
    """A result of `__torch_dispatch__` as the operator promises it: what is written is returned."""
    name = func.overloadpacket.__name__
    if name.endswith("_") and not name.endswith("__"):
        return args[0]
    if kwargs and isinstance(kwargs.get("out"), Tensor):
        return kwargs["out"]
    return out
