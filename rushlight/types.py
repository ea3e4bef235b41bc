"""`torch.types`: names for what functions take, as annotations use them."""

from __future__ import annotations

import builtins
import math
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


def sym_int(a: Any) -> builtins.int:
    """A number cut to a whole one: `int`, which traced programs may call.

    >>> import rushlight as torch
    >>> torch.sym_int(-2.7)
    -2
    """
    return builtins.int(a)


def sym_float(a: Any) -> builtins.float:
    """`float`, which traced programs may call.

    >>> import rushlight as torch
    >>> torch.sym_float(2)
    2.0
    """
    return builtins.float(a)


def _chosen(choose: Any, a: Any, b: Any) -> Any:
    for value in (a, b):
        if not isinstance(value, (builtins.int, builtins.float)):
            raise AssertionError(f"expected a number, got {type(value)}")
    y = choose(a, b)
    return builtins.float(y) if builtins.float in (type(a), type(b)) else y


def sym_max(a: Any, b: Any) -> Any:
    """The larger of two numbers; a float if one of them is.

    >>> import rushlight as torch
    >>> torch.sym_max(3, 2.0)
    3.0
    """
    return _chosen(max, a, b)


def sym_min(a: Any, b: Any) -> Any:
    """The smaller of two numbers; a float if one of them is.

    >>> import rushlight as torch
    >>> torch.sym_min(1, 2.0)
    1.0
    """
    return _chosen(min, a, b)


def sym_not(a: Any) -> builtins.bool:
    """`not a`.

    >>> import rushlight as torch
    >>> torch.sym_not(True)
    False
    """
    return not a


def sym_sqrt(a: Any) -> builtins.float:
    """The square root of a number. Raises: ValueError below zero.

    >>> import rushlight as torch
    >>> torch.sym_sqrt(4)
    2.0
    """
    return math.sqrt(a)


def sym_sum(*args: Any) -> Any:
    """The sum of some numbers, or of a list of them.

    >>> import rushlight as torch
    >>> torch.sym_sum([1, 2, 3])
    6
    """
    return sum(args[0]) if len(args) == 1 else sum(args)


def sym_ite(b: builtins.bool, t: Any, f: Any) -> Any:
    """`t` if `b` else `f`, which are of one type. Raises: AssertionError otherwise.

    >>> import rushlight as torch
    >>> torch.sym_ite(True, 1, 2)
    1
    """
    if not isinstance(b, builtins.bool):
        raise AssertionError(f"expected SymBool or bool, got {type(b)}")
    if type(t) is not type(f):
        raise AssertionError(f"type mismatch: {type(t)} vs {type(f)}")
    return t if b else f


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
