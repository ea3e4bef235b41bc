"""Data types: conversion, limits, promotion and kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rushlight as rl

__all__ = ["astype", "broadcast_arrays", "broadcast_to", "can_cast", "finfo", "iinfo", "isdtype",
           "result_type"]  # fmt: skip

SIGNED = (rl.int8, rl.int16, rl.int32, rl.int64)
UNSIGNED = (rl.uint8, rl.uint16, rl.uint32, rl.uint64)
REAL = (rl.float32, rl.float64)
COMPLEX = (rl.complex64, rl.complex128)
KINDS: dict[str, tuple[Any, ...]] = {
    "bool": (rl.bool,), "signed integer": SIGNED, "unsigned integer": UNSIGNED,
    "integral": SIGNED + UNSIGNED, "real floating": REAL, "complex floating": COMPLEX,
    "numeric": SIGNED + UNSIGNED + REAL + COMPLEX,
}  # fmt: skip
# Half-precision types are beyond the standard, and count as floating all the same.
EXTRA = {"real floating": (rl.float16, rl.bfloat16), "numeric": (rl.float16, rl.bfloat16)}


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """The array with another data type."""
    if x.dtype == dtype:
        return x.clone() if copy else x
    return x.to(dtype)


def broadcast_arrays(*arrays: Any) -> list[Any]:
    """The arrays, expanded to one shape."""
    return list(rl.broadcast_tensors(*arrays)) if arrays else []


def broadcast_to(x: Any, /, shape: Any) -> Any:
    """The array, expanded to a shape."""
    return rl.broadcast_to(x, tuple(shape))


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether promotion leads from one data type (or an array's) to the other."""
    start = from_.dtype if isinstance(from_, rl.Tensor) else from_
    return rl.promote_types(start, to) == to


@dataclass
class Finfo:
    """The limits of a floating type."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: Any


@dataclass
class Iinfo:
    """The limits of an integer type."""

    bits: int
    max: int
    min: int
    dtype: Any


def _kind(type: Any) -> Any:
    return type.dtype if isinstance(type, rl.Tensor) else type


def finfo(type: Any, /) -> Finfo:
    """The limits of a floating type, or of the parts of a complex one."""
    kind = _kind(type)
    kind = {rl.complex64: rl.float32, rl.complex128: rl.float64}.get(kind, kind)
    info = rl.finfo(kind)
    return Finfo(info.bits, info.eps, info.max, info.min, info.tiny, kind)


def iinfo(type: Any, /) -> Iinfo:
    """The limits of an integer type."""
    info = rl.iinfo(_kind(type))
    return Iinfo(info.bits, info.max, info.min, _kind(type))


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a data type is of a kind: a name, a data type, or a tuple of either."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if isinstance(kind, str):
        if kind not in KINDS:
            raise ValueError(f"unrecognised kind {kind!r}: expected one of {', '.join(KINDS)}")
        return dtype in KINDS[kind] or dtype in EXTRA.get(kind, ())
    return dtype == kind


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The type that an operation on these would have; an array's rank plays no part."""
    kinds, numbers = [], []
    for one in arrays_and_dtypes:
        if isinstance(one, rl.Tensor):
            kinds.append(one.dtype)
        elif isinstance(one, (bool, int, float, complex)):
            numbers.append(one)
        else:
            kinds.append(one)
    if not kinds:
        raise ValueError("at least one array or data type is required")
    result = kinds[0]
    for kind in kinds[1:]:
        result = rl.promote_types(result, kind)
    for number in numbers:
        result = rl.result_type(rl.empty((1,), dtype=result), number)
    return result
