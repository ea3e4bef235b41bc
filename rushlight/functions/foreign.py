"""Objects of other libraries as tensors over the same memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import scalar_type_name
from ..core.state import DEFAULTS
from ..core.tensor import Tensor, set_requires_grad, wrap
from .from_data import as_tensor, frombuffer, numpy_kind
from .protocol import exported

__all__ = ["asarray"]


def _in_memory(obj: Any, dtype: Any) -> Any:
    """An object with memory as a tensor or array over it; any other as it is."""
    if isinstance(obj, (Tensor, np.ndarray, np.generic, float, int, complex, list, tuple)):
        return obj
    if hasattr(obj, "__array__"):
        return np.asarray(obj)
    if type(obj).__name__ == "PyCapsule":
        return np.from_dlpack(exported(obj))
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
