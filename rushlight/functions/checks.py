"""Conditions that a program states (`torch._check`), and the errors where they do not hold."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ..core.errors import levels_out
from ..core.tensor import Tensor

__all__ = [
    "_check", "_check_index", "_check_is_size", "_check_not_implemented", "_check_tensor_all",
    "_check_type", "_check_value", "_check_with",
]  # fmt: skip

_SILENT = (
    "Expected cond to be True, but got False. (Could this error message be improved? If so, please"
    " report an enhancement request to PyTorch.)"
)
_Message = Callable[[], Any] | None


def _said(message: _Message) -> str:
    if message is None:
        return _SILENT
    if not callable(message):
        raise TypeError("message must be a callable")
    return str(message())


def _check_with(error_type: type[BaseException], cond: bool, message: _Message) -> None:
    """Raise an error of the type, with what `message()` gives, unless the condition is True.

    >>> import rushlight as torch
    >>> torch._check_with(KeyError, 1 < 2, lambda: "not less")
    """
    if isinstance(cond, Tensor):
        raise TypeError(
            "cond must be a bool, but got a Tensor. For tensor conditions, use"
            " torch._check_tensor_all() to assert that all elements are true."
        )
    if not isinstance(cond, bool):
        raise TypeError(f"cond must be a bool, but got {type(cond)}")
    if not cond:
        raise error_type(_said(message))


def _check_tensor_all(cond: Tensor, message: _Message = None) -> None:
    """Raise RuntimeError unless all elements of a tensor of bools are True.

    >>> import rushlight as torch
    >>> torch._check_tensor_all(torch.tensor([True, True]))
    """
    if not isinstance(cond, Tensor):
        raise TypeError(f"cond must be a tensor, but got {type(cond)}")
    if not cond.dtype.name == "bool":
        raise TypeError(f"cond tensor must have dtype torch.bool, but got {cond.dtype}")
    _check_with(RuntimeError, bool(cond._array.all()), message)


def _check_is_size(i: int, message: _Message = None, *, max: int | None = None) -> None:
    """Raise RuntimeError unless a number may be a size (an old name in torch, which warns).

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch._check_is_size(3)
    """
    warnings.warn(
        "_check_is_size will be removed in a future PyTorch release along with"
        " guard_size_oblivious.     Use _check(i >= 0) instead.",
        FutureWarning,
        levels_out(),
    )
    _check_with(RuntimeError, i >= 0, message)
    if max is not None:
        _check_with(RuntimeError, i <= max, message)


def _checker(name: str, error_type: type[Exception]) -> Callable[..., None]:
    def check(cond: bool, message: _Message = None) -> None:
        _check_with(error_type, cond, message)

    check.__name__ = check.__qualname__ = name
    check.__doc__ = f"""Raise {error_type.__name__} unless the condition is True.

    >>> import rushlight as torch
    >>> torch.{name}(1 < 2, lambda: "not less")
    """
    return check


_check = _checker("_check", RuntimeError)
_check_index = _checker("_check_index", IndexError)
_check_value = _checker("_check_value", ValueError)
_check_type = _checker("_check_type", TypeError)
_check_not_implemented = _checker("_check_not_implemented", NotImplementedError)
