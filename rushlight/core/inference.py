"""Tensors made in inference mode: a class of their own, so that ordinary tensors pay nothing.

Outside the mode the class is no eager type: its tensors take the general path of every op, which
refuses to keep them for backward, and its writing methods refuse. Inside, the one constructor of
results is swapped for one that makes them, and they are as eager as any other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from . import calls, dispatch, tensor
from .dispatch import INFERRED
from .errors import fail
from .names import Later
from .overrides import plain_results
from .state import CLOSED, STATE
from .tensor import Tensor

_CLONE = (
    "a .clone() of it is an ordinary tensor; torch.no_grad() makes ordinary tensors from the start"
)


class InferenceTensor(Tensor):
    """A Tensor that gradients will never need: not saved, not written outside inference mode."""

    __slots__ = ()
    __torch_function__ = plain_results
    _inference = True

    @property
    def _version(self) -> int:
        raise RuntimeError("Inference tensors do not track version counter.")

    def is_inference(self) -> bool:
        return True

    def detach(self) -> Tensor:
        return like(tensor.wrap(self._array), self)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        if requires_grad and not STATE.inference:
            raise fail(
                RuntimeError,
                "Setting requires_grad=True on inference tensor outside InferenceMode is not"
                " allowed.", _CLONE,
            )  # fmt: skip
        tensor.set_requires_grad(self, requires_grad)
        return self


InferenceTensor.__name__ = InferenceTensor.__qualname__ = "Tensor"
InferenceTensor.__module__ = Tensor.__module__
_plain = tensor.new
_link = tensor.link_view
_lock = threading.Lock()
_inside = 0


def _make(kind: type) -> Tensor:
    return _plain(InferenceTensor if STATE.inference else kind)


def _link_inside(view: Tensor, source: Tensor) -> Tensor:
    return _link(like(view, source), source)


def like(view: Tensor, source: Tensor) -> Tensor:
    """A view is an inference tensor if, and only if, what it looks at is one."""
    if view._inference is not source._inference:
        view.__class__ = InferenceTensor if source._inference else Tensor
    return view


def _swap(make: Callable[..., Any], link: Callable[..., Any]) -> None:
    calls.new = dispatch.new = tensor.new = make
    calls.link_view = dispatch.link_view = link


def enter() -> None:
    """The mode begins in some thread (the state says in which)."""
    global _inside
    with _lock:
        _inside += 1
        CLOSED[0] += 1
        INFERRED[0] = True
        if _inside == 1:
            dispatch.admit(InferenceTensor)
            _swap(_make, _link_inside)


def leave() -> None:
    """The mode ends; with the last one the ordinary constructor is back."""
    global _inside
    with _lock:
        _inside -= 1
        CLOSED[0] -= 1
        if _inside == 0:
            dispatch.dismiss(InferenceTensor)
            _swap(_plain, _link)


def _guarded(name: str, function: Any) -> Any:
    if isinstance(function, Later):  # not made yet, and its twin is not made before
        return Later(InferenceTensor, name, lambda: _guarded(name, getattr(Tensor, name)))

    def write(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not STATE.inference:
            raise fail(
                RuntimeError,
                "Inplace update to inference tensor outside InferenceMode is not allowed.You can"
                " make a clone to get a normal tensor before doing inplace update.See"
                " https://github.com/pytorch/rfcs/pull/17 for more details.", _CLONE,
            )  # fmt: skip
        return function(self, *args, **kwargs)

    write.__name__, write.__doc__ = function.__name__, function.__doc__
    return write


NOT_WRITING = {"requires_grad_", "detach_"}


def guard_writes() -> None:
    """Give the class refusing twins of all of Tensor's writing methods."""
    for name, value in list(vars(Tensor).items()):
        operator = name.startswith("__i") and f"__{name[3:]}" in vars(Tensor)
        method = name.endswith("_") and not name.startswith("_") and name not in NOT_WRITING
        if operator or method or name == "__setitem__":
            setattr(InferenceTensor, name, _guarded(name, value))
