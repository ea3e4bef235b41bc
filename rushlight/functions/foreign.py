"""Objects of other libraries as tensors over the same memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import scalar_type_name
from ..core.state import DEFAULTS
from ..core.tape import hand_out
from ..core.tensor import Tensor, set_requires_grad, wrap
from .from_data import as_tensor, frombuffer, numpy_kind

__all__ = ["asarray", "from_dlpack"]


class _Capsule:
    """A bare DLPack capsule as NumPy takes it: something that hands one out."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


class _Writable:
    """The memory of an array whose capsule could not say that it may be written."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.__array_interface__ = {
            **array.__array_interface__, "data": (array.ctypes.data, False)
        }  # fmt: skip


def _of_capsule(found: Any) -> np.ndarray | None:
    """The array over a capsule's memory; None if it is none."""
    if type(found).__name__ != "PyCapsule":
        return None
    return np.asarray(_Writable(np.from_dlpack(_Capsule(found))))


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over another library's memory, by DLPack: of a capsule, or what hands one out.

    >>> import rushlight as torch
    >>> torch.from_dlpack(torch.tensor([1, 2]))
    tensor([1, 2])
    """
    found = _of_capsule(ext_tensor)
    array = hand_out(np.from_dlpack(ext_tensor) if found is None else found)
    return wrap(array.copy() if copy or not array.flags.writeable else array)


def _in_memory(obj: Any, dtype: Any) -> Any:
    """An object with memory as a tensor or array over it; any other as it is."""
    if isinstance(obj, (Tensor, np.ndarray, np.generic, float, int, complex, list, tuple)):
        return obj
    if hasattr(obj, "__array__"):
        return np.asarray(obj)
    if (found := _of_capsule(obj)) is not None:
        return found
    try:
        memoryview(obj)
    except TypeError:
        return obj
    return frombuffer(obj, dtype=DEFAULTS.dtype if dtype is None else dtype)


def _not_shared(obj: Any, dtype: Any) -> BaseException:
    if isinstance(obj, np.generic):
        return RuntimeError(
            "can't alias NumPy scalars. Either remove copy=False or transform it in a ndarray. "
        )
    if not isinstance(obj, (Tensor, np.ndarray)):
        return ValueError("can't alias arbitrary sequence into a tensor.")
    held = obj.dtype if isinstance(obj, Tensor) else dtypes.of(obj)
    wanted = dtypes.OF_NUMPY[numpy_kind(dtype, held)]
    return ValueError(
        f"can't alias tensor with dtype '{scalar_type_name(held)}' into dtype"
        f" '{scalar_type_name(wanted)}'."
    )


def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None,
            requires_grad: bool = False) -> Tensor:  # fmt: skip
    """The object as a tensor: shared memory where possible, a copy if asked for.

    Raises ValueError when `copy` is False and a copy could not be avoided.

    >>> import rushlight as torch
    >>> torch.asarray([1, 2])
    tensor([1, 2])
    """
    obj = _in_memory(obj, dtype)
    shared = as_tensor(obj, dtype, device)
    is_same = isinstance(obj, (Tensor, np.ndarray)) and np.shares_memory(
        shared._array, obj._array if isinstance(obj, Tensor) else obj
    )
    if copy and is_same:
        shared = wrap(shared._array.copy())
    if copy is False and not is_same:
        raise _not_shared(obj, dtype)
    if requires_grad:
        set_requires_grad(shared, True)
    return shared
