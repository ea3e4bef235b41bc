"""The older constructors of storages of one type: `FloatStorage([1, 2])`, `ByteStorage(3)`."""

from __future__ import annotations

from typing import Any

from ..core import dtypes
from .storage import TypedStorage, UntypedStorage

__all__ = [
    "BFloat16Storage", "BoolStorage", "ByteStorage", "CharStorage", "ComplexDoubleStorage",
    "ComplexFloatStorage", "DoubleStorage", "FloatStorage", "HalfStorage", "IntStorage",
    "LongStorage", "ShortStorage", "Storage",
]  # fmt: skip


class _Kind(type):
    """Calls make a TypedStorage of the class's type; instances are those that have it."""

    dtype: dtypes.dtype

    is_cuda = is_sparse = False

    def __call__(cls, *data: Any, wrap_storage: Any = None) -> TypedStorage:
        return TypedStorage(*data, wrap_storage=wrap_storage, dtype=cls.dtype)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, TypedStorage) and instance.dtype is cls.dtype

    def from_buffer(cls, buffer: Any, *args: Any, **kwargs: Any) -> TypedStorage:
        """A copy of an object's bytes, as elements that were written in `byte_order`."""
        return TypedStorage.from_buffer(buffer, *args, dtype=cls.dtype, **kwargs)

    def from_file(cls, filename: Any, shared: bool = False, size: int = 0) -> TypedStorage:
        """The first elements of a file, read where they are used, as of UntypedStorage."""
        held = UntypedStorage.from_file(filename, shared, size * cls.dtype.itemsize)
        return cls(wrap_storage=held)


def _typed(name: str, kind: dtypes.dtype) -> Any:
    doc = f"""Storages of {kind!r}: of zeros, from data, or by `from_buffer` from bytes.

    >>> import rushlight as torch
    >>> storage = torch.{name}(2)
    >>> len(storage), storage.dtype
    (2, {kind!r})
    """
    return _Kind(name, (), {"dtype": kind, "__doc__": doc, "__module__": "torch"})


BFloat16Storage = _typed("BFloat16Storage", dtypes.bfloat16)
BoolStorage = _typed("BoolStorage", dtypes.bool_)
ByteStorage = _typed("ByteStorage", dtypes.uint8)
CharStorage = _typed("CharStorage", dtypes.int8)
ComplexDoubleStorage = _typed("ComplexDoubleStorage", dtypes.complex128)
ComplexFloatStorage = _typed("ComplexFloatStorage", dtypes.complex64)
DoubleStorage = _typed("DoubleStorage", dtypes.float64)
Storage = FloatStorage = _typed("FloatStorage", dtypes.float32)
HalfStorage = _typed("HalfStorage", dtypes.float16)
IntStorage = _typed("IntStorage", dtypes.int32)
LongStorage = _typed("LongStorage", dtypes.int64)
ShortStorage = _typed("ShortStorage", dtypes.int16)
