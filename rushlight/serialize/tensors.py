"""Between tensors and stored bytes: the bytes behind a tensor, and a tensor over given bytes.

The only file of this folder that looks inside a Tensor.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

import rushlight as rl

from ..core import dtypes
from ..core.shapes import Size
from ..core.tensor import Tensor, hung_on, is_inner, wrap
from .errors import CheckpointError

MAX_DIMENSIONS = 64

# torch's names for typed storages; types without one are stored as plain bytes.
STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32",
    "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
    "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}  # fmt: skip
STORAGE_OF = {name: storage for storage, name in STORAGES.items()}


class Stored(NamedTuple):
    """A tensor as a window on bytes: offset and strides count elements."""

    key: tuple[int, int]
    data: memoryview
    dtype: dtypes.dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    owner: Any


def stored(tensor: Tensor) -> Stored:
    """The bytes under a tensor: all of the array it is a view of, so that views stay views."""
    array = tensor._array
    root = _root(array)
    item = array.itemsize
    low, high = _bounds(root)
    start = array.__array_interface__["data"][0]
    steps = [stride for stride, size in zip(array.strides, array.shape) if size > 1]
    dense = high - low == root.nbytes and not root.dtype.hasobject
    aligned = (start - low) % item == 0 and (high - low) % item == 0
    whole = all(stride >= 0 and stride % item == 0 for stride in steps)
    if not (dense and aligned and whole and low <= start <= high) or not _native(array, root):
        array = root = np.array(array, dtype=array.dtype.newbyteorder("="), order="C", ndmin=0)
        low, high = _bounds(root)
        start = low
    if not array.size:
        start = low if root is array else min(start, high)
    strides = _strides(array)
    data = _flat(root).data.cast("B") if root.nbytes else memoryview(b"")
    offset = (start - low) // item
    kind = dtypes.of(array)
    return Stored((low, high), data, kind, offset, array.shape, strides, root)


def stored_bytes(storage: Any) -> Stored:
    """The bytes of a storage; those of a part of one are a run of their own."""
    found = stored(wrap(np.asarray(storage)))
    whole = found.offset == 0 and found.shape == (len(found.data),)
    return found if whole else stored(wrap(np.array(storage)))


def _native(array: np.ndarray, root: np.ndarray) -> bool:
    return array.dtype.isnative and root.dtype.isnative


def _root(array: np.ndarray) -> np.ndarray:
    """The last array in the chain of owners."""
    root, owner = array, array.base
    while owner is not None:
        if isinstance(owner, np.ndarray):
            root = owner
        owner = getattr(owner, "base", None)
    return root


def _bounds(array: np.ndarray) -> tuple[int, int]:
    return np.lib.array_utils.byte_bounds(array)


def _flat(root: np.ndarray) -> np.ndarray:
    """The bytes of a dense array in the order of their addresses."""
    low, high = _bounds(root)
    if root.flags.c_contiguous:
        return root.reshape(-1).view(np.uint8)
    # Dense but permuted (or reversed): sort the axes by stride, and undo negative ones.
    flipped = root[tuple(slice(None, None, -1) if s < 0 else slice(None) for s in root.strides)]
    order = np.argsort(flipped.strides)[::-1]
    flat = flipped.transpose(order)
    return np.ascontiguousarray(flat).reshape(-1).view(np.uint8)[: high - low]


def _strides(array: np.ndarray) -> tuple[int, ...]:
    """Strides in elements; where a size is 1 or 0 NumPy may hold anything, so the usual ones."""
    if array.flags.c_contiguous:
        strides = [1] * array.ndim
        for axis in range(array.ndim - 2, -1, -1):
            strides[axis] = strides[axis + 1] * max(array.shape[axis + 1], 1)
        return tuple(strides)
    strides = [stride // array.itemsize for stride in array.strides]
    return tuple(stride if stride >= 0 else 1 for stride in strides)


def check_window(
    numel: int, offset: Any, shape: Any, strides: Any
) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """(offset, shape, strides) if they stay inside a storage of `numel` elements."""
    whole = [offset, *shape, *strides] if type(shape) in (tuple, Size) else None
    if whole is None or type(strides) is not tuple or any(type(x) is not int for x in whole):
        raise CheckpointError("a tensor's offset, size and stride must be whole numbers")
    if len(shape) != len(strides) or len(shape) > MAX_DIMENSIONS or min(whole) < 0:
        raise CheckpointError(
            f"a tensor claims offset {offset}, size {tuple(shape)}, stride {strides}; refused"
        )
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides))
    if prod(shape) > 2**62 or (last >= numel if prod(shape) else offset > numel):
        raise CheckpointError(
            f"a tensor of offset {offset}, size {tuple(shape)}, stride {strides} reaches past"
            f" its storage of {numel} elements"
        )
    return offset, tuple(shape), strides


def window(data: np.ndarray, kind: dtypes.dtype, offset: Any, shape: Any, strides: Any) -> Tensor:
    """A tensor over the bytes `data`, without a copy; CheckpointError when it would reach past."""
    item = kind.itemsize
    offset, shape, strides = check_window(len(data) // item, offset, shape, strides)
    if not prod(shape):
        array = np.empty(shape, kind.numpy)
    else:
        steps = tuple(stride * item for stride in strides)
        array = np.ndarray(shape, kind.numpy, data, offset * item, steps)
    return wrap(array)


def storage_over(data: np.ndarray, kind: dtypes.dtype) -> Any:
    """A storage over the bytes `data`, without a copy."""
    whole = wrap(data).untyped_storage()  # of a mapped file, all of it
    start = data.ctypes.data - whole.data_ptr() if data.size else 0
    return rl.TypedStorage(wrap_storage=whole[start : start + data.size], dtype=kind)


def parameter(data: Tensor, requires_grad: bool) -> Any:
    """A Parameter over the tensor."""
    return rl.nn.Parameter(data, requires_grad)


def is_parameter(value: Any) -> bool:
    """Whether it is an exact Parameter (also when nobody has asked for `nn` yet)."""
    return isinstance(value, Tensor) and type(value).__name__ == "Parameter"


_MARK = "_is_buffer"  # of an `nn.Buffer`


def attributes(tensor: Tensor) -> dict[str, Any]:
    """What the user hung on a tensor (`w.tag = "a"`)."""
    kind = type(tensor)
    return {k: v for k, v in hung_on(tensor).items() if k[:2] != "__" and not hasattr(kind, k)}


def set_attributes(tensor: Tensor, found: dict[str, Any]) -> Tensor:
    """Hang plain attributes on a tensor; names that mean something already are refused."""
    for name, value in found.items():
        inner = type(name) is not str or is_inner(name) or name[:2] == "__"
        if inner or (name == _MARK and value is not True) or hasattr(type(tensor), name):
            raise CheckpointError("the file sets an inner attribute of a tensor; refused")
        setattr(tensor, name, value)
    return tensor


def swapped(data: np.ndarray, kind: dtypes.dtype) -> np.ndarray:
    """The bytes of a machine of the other byte order, turned to ours."""
    width = kind.itemsize // (2 if kind.is_complex else 1)
    return data.view(f"u{width}").byteswap().view(np.uint8) if width > 1 else data
