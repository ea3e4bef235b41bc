"""`torch.types`: names for what functions take, as annotations use them."""

from __future__ import annotations

import builtins
import os
from collections.abc import Sequence
from typing import IO, Any, TypeAlias, Union

import rushlight as rl

from .core.names import explain_missing as _explain_missing


class _Symbolic:
    """A number of a traced program that is not known yet: shapes here are plain numbers."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{cls.__name__}: there are no symbolic numbers; shapes are plain integers")


class SymInt(_Symbolic):
    """No integer is one, and none can be made.

    >>> import rushlight as torch
    >>> isinstance(torch.ones(2).shape[0], torch.SymInt)
    False
    """


class SymFloat(_Symbolic):
    """No number is one, and none can be made.

    >>> import rushlight as torch
    >>> isinstance(torch.ones(1).item(), torch.SymFloat)
    False
    """


class SymBool(_Symbolic):
    """No truth value is one, and none can be made.

    >>> import rushlight as torch
    >>> isinstance(torch.equal(torch.ones(1), torch.ones(1)), torch.SymBool)
    False
    """


__all__ = ["Device", "FileLike", "Number", "Storage"]

Tensor: TypeAlias = rl.Tensor
Number: TypeAlias = builtins.int | builtins.float | builtins.bool
Device: TypeAlias = rl.device | str | builtins.int | None
FileLike: TypeAlias = Union[str, os.PathLike[str], IO[bytes]]  # noqa: UP007  # as torch has it
Storage: TypeAlias = rl.UntypedStorage | rl.TypedStorage
IntLikeType: TypeAlias = builtins.int
FloatLikeType: TypeAlias = builtins.float
BoolLikeType: TypeAlias = builtins.bool
_int, _float, _bool, _complex = builtins.int, builtins.float, builtins.bool, builtins.complex
_dtype, _device, _layout, _size = rl.dtype, rl.device, rl.layout, rl.Size | Sequence[builtins.int]
_TensorOrTensors: TypeAlias = rl.Tensor | Sequence[rl.Tensor]
_TensorOrTensorsOrGradEdge: TypeAlias = Any

_explain_missing(__name__)
