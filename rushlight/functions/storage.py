"""The memory behind tensors: `untyped_storage` (bytes) and `storage` (elements)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.errors import fail
from ..core.state import DEFAULTS
from ..core.tape import hand_out, owner_of
from ..core.tensor import Tensor, set_requires_grad, wrap
from .copying import copied, memory_of
from .mapped_files import mapped, path_of
from .sharing import file_of, shared_copy

__all__ = ["StorageBase", "TypedStorage", "UntypedStorage", "from_file", "is_storage"]


class _Memory:
    """What storages say of the memory under them, which is the CPU's."""

    device = property(lambda self: dtypes.device("meta") if self._blank else dtypes.CPU)
    _blank: Any = False  # a meta tensor's: so many bytes, and nothing in them
    is_cuda = is_hpu = is_sparse = is_sparse_csr = False
    _dtype: Any
    _values: Any
    data_ptr: Any

    @property
    def filename(self) -> str | None:
        """The file that writes go to, of memory that `from_file` shares; else None."""
        return path_of(self._values)

    @property
    def _cdata(self) -> int:
        return self.data_ptr()

    def cuda(self, device: Any = None, non_blocking: bool = False) -> Any:
        """Raises: AssertionError, for there is no such device here."""
        raise AssertionError("Torch not compiled with CUDA enabled")

    def to(self, *, device: Any, non_blocking: bool = False) -> Any:
        """Itself, on the CPU."""
        dtypes.require_cpu(device)
        return self

    def get_device(self) -> int:
        """-1, as of all memory of the CPU."""
        return -1

    def is_pinned(self, device: Any = None) -> bool:
        """Whether it is page-locked: never."""
        return False

    def _to(self, dtype: dtypes.dtype) -> TypedStorage:
        """A copy of the elements in another data type."""
        made = TypedStorage(len(self._values), dtype=dtype)
        wrap(made._values).copy_(wrap(self._values))  # type: ignore[attr-defined]  # methods.py sets it
        return made


class StorageBase(_Memory):
    """What storages of bytes have in common, for `isinstance`.

    >>> import rushlight as torch
    >>> isinstance(torch.ones(1).untyped_storage(), torch.StorageBase)
    True
    """


class UntypedStorage(StorageBase):
    """A run of bytes, shared by all tensors that look into it.

    Source: https://pytorch.org/docs/stable/storage.html

    >>> import rushlight as torch
    >>> torch.ones(4)[2:].untyped_storage().nbytes()
    16
    """

    def __init__(self, *data: Any, device: Any = None) -> None:
        dtypes.require_cpu(device)
        given = data[0] if data else 0
        self._own = True
        self._bytes = np.zeros(given, np.uint8) if isinstance(given, int) else (
            np.array(list(given), np.uint8))  # fmt: skip

    _dtype = dtypes.uint8
    _own = False  # whether no tensor looks into it

    @property
    def _values(self) -> np.ndarray:
        return self._bytes

    def __deepcopy__(self, memo: dict[Any, Any]) -> UntypedStorage:
        return _over(copied(self._bytes, memo))

    @classmethod
    def _new_shared(cls, size: int, *, device: Any = "cpu") -> UntypedStorage:
        """Zeros that other processes see: workers put batches there (copied collate functions)."""
        return _over(shared_copy(np.zeros(size, np.uint8)))

    def resizable(self) -> bool:
        """Whether `resize_` takes it: while no tensor looks into it."""
        return self._own

    def resize_(self, size: int) -> UntypedStorage:
        """Another number of bytes, new ones zero. Raises: RuntimeError where a tensor has them."""
        if not self._own:
            raise fail(
                RuntimeError, "Trying to resize storage that is not resizable",
                "a tensor's memory grows with the tensor: x.resize_(...)",
            )  # fmt: skip
        kept, self._bytes = self._bytes[:size], np.zeros(size, np.uint8)
        self._bytes[: len(kept)] = kept
        return self

    def type(self) -> str:
        """The name of its class."""
        return "torch.storage.UntypedStorage"

    @staticmethod
    def from_buffer(
        buffer: Any, byte_order: str = "native", count: int = -1, offset: int = 0, *,
        dtype: dtypes.dtype = dtypes.uint8, device: Any = None,
    ) -> UntypedStorage:  # fmt: skip
        """A copy of the bytes of `count` elements of an object, written in `byte_order`."""
        data = np.frombuffer(buffer, np.uint8, offset=offset).copy()
        storage = _over(data if count < 0 else data[: count * dtype.itemsize])
        width = dtype.itemsize // (2 if dtype.is_complex else 1)
        if not np.dtype(f"u{width}").newbyteorder(byte_order).isnative:  # type: ignore[arg-type]  # any word
            storage.byteswap(dtype)
        return storage

    @staticmethod
    def from_file(filename: Any, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
        """The bytes of a file, read where they are used.

        Shared, writes go to the file, which is made and lengthened as needed; otherwise they stay
        in memory.
        """
        return _over(mapped(filename, shared, nbytes))

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(self._bytes, dtype=dtype, copy=copy)

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return self._bytes.ctypes.data if self._bytes.size and not self._blank else 0

    def nbytes(self) -> int:
        """How many bytes there are."""
        return self._bytes.size

    size = nbytes

    def __sizeof__(self) -> int:
        return super().__sizeof__() + self.nbytes()

    def element_size(self) -> int:
        """1: the elements are bytes."""
        return 1

    def __len__(self) -> int:
        return self._bytes.size

    def __getitem__(self, place: Any) -> Any:
        _check_place(place, self._bytes)
        found = self._bytes[place]
        return int(found) if found.ndim == 0 else _over(found)

    def __setitem__(self, place: Any, value: Any) -> None:
        self._bytes[place] = value._bytes if isinstance(value, UntypedStorage) else value

    def __iter__(self) -> Iterator[int]:
        return iter(self.tolist())

    def tolist(self) -> list[int]:
        """The bytes as numbers."""
        return self._bytes.tolist()

    def fill_(self, value: int) -> UntypedStorage:
        """All bytes set to one value."""
        self._bytes[...] = value
        return self

    def copy_(self, source: Any, non_blocking: Any = None) -> UntypedStorage:
        """The bytes of another storage written into this one.

        Raises: RuntimeError where it has another number of them.
        """
        if len(source._bytes) != len(self._bytes):
            raise RuntimeError(
                f"size does not match, self was {len(self._bytes)} bytes but src was"
                f" {len(source._bytes)} bytes"
            )
        self._bytes[...] = source._bytes
        return self

    def clone(self) -> UntypedStorage:
        """A copy."""
        return _over(self._bytes.copy(), True)

    def cpu(self) -> UntypedStorage:
        """Itself."""
        return self

    untyped = cpu

    def is_shared(self) -> bool:
        """Whether other processes see it."""
        return file_of(self._bytes) is not None

    def byteswap(self, dtype: Any) -> None:
        """The bytes of each element of `dtype` in the other order, in place."""
        width = dtype.itemsize // (2 if dtype.is_complex else 1)
        self._bytes.view(f"u{width}").byteswap(inplace=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self.data_ptr() == other.data_ptr()

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        lines = "".join(f" {value}\n" for value in self.tolist())
        name = "torch.storage.UntypedStorage"
        return f"{lines}[{name}(device=cpu) of size {len(self)}]"


def _check_place(place: Any, values: np.ndarray) -> None:
    """Raises: IndexError for a number that is not a place."""
    if isinstance(place, int) and not -len(values) <= place < len(values):
        raise IndexError(f"index {place} out of range for storage of size {len(values)}")


def from_file(
    filename: Any,
    shared: bool | None = None,
    size: int = 0,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The first `size` elements of a file, 1-D, read where they are used.

    Shared, writes go to the file, which is made and lengthened as needed; otherwise they stay in
    memory. Raises: RuntimeError for a file that is not there or too short.
    Source: https://pytorch.org/docs/stable/generated/torch.from_file.html

    >>> import rushlight as torch, tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = torch.from_file(file.name, shared=True, size=3).fill_(2)
    ...     torch.from_file(file.name, size=2)
    tensor([2., 2.])
    """
    dtypes.require_cpu(device)
    kind = (DEFAULTS.dtype if dtype is None else dtype).numpy
    found = mapped(filename, bool(shared), size * kind.itemsize).view(kind)
    tensor = wrap(found)
    set_requires_grad(tensor, requires_grad)
    return tensor


def _over(memory: np.ndarray, own: bool = False) -> UntypedStorage:
    storage = object.__new__(UntypedStorage)
    storage._bytes = memory
    storage._own = own
    return storage


class TypedStorage(_Memory):
    """The same memory read as elements of one data type.

    >>> import rushlight as torch
    >>> isinstance(torch.arange(3).storage(), torch.TypedStorage)
    True
    """

    def __init__(self, *data: Any, wrap_storage: Any = None, dtype: Any = None,
                 device: Any = None, _internal: bool = False) -> None:  # fmt: skip
        self.dtype = dtypes.float32 if dtype is None else dtype
        if wrap_storage is None:
            given = data[0] if data else 0
            values = np.zeros(given, self.dtype.numpy) if isinstance(given, int) else (
                np.array(list(given), self.dtype.numpy))  # fmt: skip
            wrap_storage = _over(values.view(np.uint8), True)
        self._untyped_storage = wrap_storage

    @property
    def _dtype(self) -> dtypes.dtype:
        return self.dtype

    @property
    def _blank(self) -> bool:  # type: ignore[override]  # one flag for both
        return self._untyped_storage._blank

    @property
    def _values(self) -> np.ndarray:
        return self._untyped_storage._bytes.view(self.dtype.numpy)

    def untyped(self) -> UntypedStorage:
        """The bytes."""
        return self._untyped_storage

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._untyped_storage.data_ptr()

    def nbytes(self) -> int:
        """How many bytes there are."""
        return self._untyped_storage.nbytes()

    def __sizeof__(self) -> int:
        return super().__sizeof__() + self.nbytes()

    def element_size(self) -> int:
        """Bytes per element."""
        return self.dtype.itemsize

    @staticmethod
    def from_buffer(buffer: Any, *args: Any, dtype: Any = None, **kwargs: Any) -> TypedStorage:
        """A copy of an object's bytes as elements, float32 unless told; as of UntypedStorage."""
        kind = dtypes.float32 if dtype is None else dtype
        held = UntypedStorage.from_buffer(buffer, *args, dtype=kind, **kwargs)
        return TypedStorage(wrap_storage=held, dtype=kind)

    def _new_shared(self, size: int, *, device: Any = None) -> TypedStorage:
        held = UntypedStorage._new_shared(size * self.element_size())
        return TypedStorage(wrap_storage=held, dtype=self.dtype)

    def resizable(self) -> bool:
        """Whether `resize_` takes it: while no tensor looks into it."""
        return self._untyped_storage.resizable()

    def resize_(self, size: int) -> None:
        """Another number of elements. Raises: RuntimeError where a tensor has them."""
        self._untyped_storage.resize_(size * self.element_size())

    def size(self) -> int:
        """How many elements there are."""
        return self._values.size

    __len__ = size

    def __getitem__(self, place: Any) -> Any:
        if self._blank:
            raise NotImplementedError("Not available for 'meta' device type")
        if isinstance(place, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        _check_place(place, self._values)
        return wrap(self._values)[place].item()  # type: ignore[index]  # methods.py sets it

    def __setitem__(self, place: Any, value: Any) -> None:
        self._values[place] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def tolist(self) -> list[Any]:
        """The elements as Python numbers."""
        return wrap(self._values).tolist()

    def clone(self) -> TypedStorage:
        """A copy."""
        return TypedStorage(wrap_storage=self._untyped_storage.clone(), dtype=self.dtype)

    def fill_(self, value: Any) -> TypedStorage:
        """All elements set to one value."""
        self._values[...] = value
        return self

    def copy_(self, source: Any, non_blocking: Any = None) -> TypedStorage:
        """The bytes of another storage written into this one."""
        self._untyped_storage.copy_(source.untyped())
        return self

    def cpu(self) -> TypedStorage:
        """Another view of the same memory."""
        return TypedStorage(wrap_storage=self._untyped_storage, dtype=self.dtype)

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The name of the class of such storages, or a copy in another data type."""
        return f"torch.{self.pickle_storage_type()}" if dtype is None else self._to(dtype)

    def pickle_storage_type(self) -> str:
        """The name that torch's files have for storages of this type."""
        return _KINDS[self.dtype]

    def is_shared(self) -> bool:
        """Whether other processes see it."""
        return self._untyped_storage.is_shared()

    def __repr__(self) -> str:
        lines = "...\n" if self._blank else "".join(f" {value}\n" for value in self.tolist())
        kind = f"dtype={self.dtype!r}, device={self.device}"
        return f"{lines}[torch.storage.TypedStorage({kind}) of size {self.size()}]"


_CASTS = {
    "bfloat16": dtypes.bfloat16, "bool": dtypes.bool_, "byte": dtypes.uint8, "char": dtypes.int8,
    "complex_double": dtypes.complex128, "complex_float": dtypes.complex64,
    "double": dtypes.float64, "float": dtypes.float32, "half": dtypes.float16,
    "int": dtypes.int32, "long": dtypes.int64, "short": dtypes.int16,
}  # fmt: skip
_KINDS: dict[Any, str] = {}


def _casting(name: str, kind: dtypes.dtype) -> None:
    """The method that copies a storage in another type, and that type's name of storages."""

    def cast(self: Any) -> TypedStorage:
        return self._to(kind)

    cast.__name__ = name
    cast.__doc__ = f"A copy of the elements as {kind!r}."
    setattr(_Memory, name, cast)
    words = "BFloat16" if name == "bfloat16" else name.title().replace("_", "")
    _KINDS[kind] = f"{words}Storage"


for _name, _kind in _CASTS.items():
    _casting(_name, _kind)


def is_storage(obj: Any) -> bool:
    """Whether something is a storage.

    >>> import rushlight as torch
    >>> torch.is_storage(torch.arange(3).untyped_storage()), torch.is_storage(torch.arange(3))
    (True, False)
    """
    return isinstance(obj, (UntypedStorage, TypedStorage))


def untyped_storage(self: Tensor) -> UntypedStorage:
    """The bytes that the tensor looks into, all of them.

    >>> import rushlight as torch
    >>> torch.arange(4)[2:].untyped_storage().nbytes()
    32
    """
    if self.device.type == "meta":
        return _blank_of(self._array)
    if getattr(type(self._array), "shell", False):  # of a class that keeps its values elsewhere
        raise RuntimeError(
            "The tensor has a non-zero number of elements, but its data is not allocated yet."
        )
    array = hand_out(self._array)
    found = memory_of(array)
    if found is not None:
        return _over(found[0])
    owner = owner_of(array)
    try:
        return _over(np.frombuffer(owner, np.uint8))
    except (TypeError, ValueError, BufferError):
        flat = np.ascontiguousarray(array).reshape(-1)
        return _over(flat.view(np.uint8))


def _blank_of(meta: Any) -> UntypedStorage:
    """The bytes that a meta tensor would have, and the tensor it is a view of."""
    while meta.base is not None:
        meta = meta.base
    form = meta.form
    count = 1 + sum((n - 1) * step // form.itemsize for n, step in zip(form.shape, form.strides))
    run = np.lib.stride_tricks.as_strided(form, (count if form.size else 0,), (form.itemsize,))
    storage = _over(run.view(np.uint8))
    storage._blank = True
    return storage


def storage(self: Tensor) -> TypedStorage:
    """The memory that the tensor looks into, as elements of its type.

    >>> import rushlight as torch
    >>> torch.arange(4)[2:].storage().tolist()
    [0, 1, 2, 3]
    """
    return TypedStorage(wrap_storage=untyped_storage(self), dtype=self.dtype)
