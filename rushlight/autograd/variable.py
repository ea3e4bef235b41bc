"""`autograd.Variable`: the name tensors had before 2018, which old code still uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.tensor import Tensor, wrap
from .engine import RUNNING


class _Alias(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class _Engine:
    """What programs ask of the backward pass that is under way."""

    def queue_callback(self, callback: Callable[[], Any]) -> None:
        """Call `callback()` once the outermost backward of this thread has given all gradients.

        To be asked for by a hook, while that backward runs.
        """
        RUNNING.after += (callback,)


class Variable(metaclass=_Alias):
    """`Variable(x, requires_grad=True)` is a tensor over x's memory, without history.

    >>> import rushlight as torch
    >>> torch.autograd.Variable(torch.ones(2), requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    """

    _execution_engine = _Engine()

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: bool = False) -> Any:
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        result = wrap(data._array)
        if requires_grad:
            result.requires_grad = True
        return result
