"""The older constructors that name a type: `FloatTensor([1, 2])`, `LongTensor(3)`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.shapes import Size
from ..core.tensor import Tensor, wrap
from .from_data import tensor

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor",
    "HalfTensor", "IntTensor", "LongTensor", "ShortTensor",
]  # fmt: skip


class _Typed(type):
    """Calls make plain tensors of the class's type; instances are the tensors that have it."""

    dtype: dtypes.dtype

    def __call__(cls, *data: Any, device: Any = None) -> Tensor:
        dtypes.require_cpu(device)
        if len(data) == 1 and not isinstance(data[0], (int, Size)):
            if isinstance(data[0], float):
                raise TypeError(f"new(): data must be a sequence (got {type(data[0]).__name__})")
            return tensor(data[0], dtype=cls.dtype)
        shape = data[0] if len(data) == 1 and isinstance(data[0], Size) else data
        return wrap(np.empty(shape or (0,), cls.dtype.numpy))

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype


def _typed(name: str, kind: dtypes.dtype) -> Any:
    doc = f"Tensors of {kind!r}: from data, or uninitialised from sizes."
    return _Typed(name, (), {"dtype": kind, "__doc__": doc, "__module__": "torch"})


BFloat16Tensor = _typed("BFloat16Tensor", dtypes.bfloat16)
BoolTensor = _typed("BoolTensor", dtypes.bool_)
ByteTensor = _typed("ByteTensor", dtypes.uint8)
CharTensor = _typed("CharTensor", dtypes.int8)
DoubleTensor = _typed("DoubleTensor", dtypes.float64)
FloatTensor = _typed("FloatTensor", dtypes.float32)
HalfTensor = _typed("HalfTensor", dtypes.float16)
IntTensor = _typed("IntTensor", dtypes.int32)
LongTensor = _typed("LongTensor", dtypes.int64)
ShortTensor = _typed("ShortTensor", dtypes.int16)
