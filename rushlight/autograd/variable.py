"""`autograd.Variable`: the name that tensors had before 2018, which old code still calls."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor, wrap


class _Alias(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_Alias):
    """`Variable(x, requires_grad=True)` is a tensor over x's memory, without history.

    >>> import rushlight as torch
    >>> torch.autograd.Variable(torch.ones(2), requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    """

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: bool = False) -> Any:
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        result = wrap(data._array)
        if requires_grad:
            result.requires_grad = True
        return result
