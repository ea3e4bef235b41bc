"""New arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

__all__ = [
    "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like",
    "linspace", "meshgrid", "ones", "ones_like", "tril", "triu", "zeros", "zeros_like",
]  # fmt: skip


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Any:
    """An array of numbers, nested lists, tensors, or what speaks DLPack or is a buffer."""
    if isinstance(obj, rl.Tensor):
        if dtype is not None and dtype != obj.dtype:
            if copy is False:
                raise ValueError("a copy is needed to change the data type, but copy=False")
            return obj.to(dtype)
        return obj.clone() if copy else obj
    if copy is False and not hasattr(obj, "__dlpack__") and not hasattr(obj, "__array__"):
        raise ValueError(f"cannot make an array of a {type(obj).__name__} without a copy")
    if isinstance(obj, (list, tuple)) and _holds_tensor(obj):
        obj = np.asarray(_unwrapped(obj))
    return rl.asarray(obj, dtype=dtype, device=device, copy=copy)


def _holds_tensor(obj: Any) -> bool:
    if isinstance(obj, (list, tuple)):
        return any(_holds_tensor(one) for one in obj)
    return isinstance(obj, rl.Tensor)


def _unwrapped(obj: Any) -> Any:
    if isinstance(obj, (list, tuple)):
        return [_unwrapped(one) for one in obj]
    return obj.detach().numpy() if isinstance(obj, rl.Tensor) else obj


def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None,
           device: Any = None) -> Any:  # fmt: skip
    """Evenly spaced values in [start, stop)."""
    if stop is None:
        start, stop = 0, start
    if dtype is None:
        whole = all(isinstance(bound, int) for bound in (start, stop, step))
        dtype = rl.int64 if whole else rl.get_default_dtype()
    if (stop - start) * step <= 0:
        return rl.empty((0,), dtype=dtype, device=device)
    return rl.arange(start, stop, step, dtype=dtype, device=device)


def linspace(start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None,
             endpoint: bool = True) -> Any:  # fmt: skip
    """`num` evenly spaced values from start to stop, with or without the end."""
    if dtype is None and (isinstance(start, complex) or isinstance(stop, complex)):
        dtype = rl.promote_types(rl.get_default_dtype(), rl.complex64)
    if endpoint:
        return rl.linspace(start, stop, num, dtype=dtype, device=device)
    return rl.linspace(start, stop, num + 1, dtype=dtype, device=device)[:-1]


def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """An array of unset values."""
    return rl.empty(_sizes(shape), dtype=dtype, device=device)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """An array of zeros."""
    return rl.zeros(_sizes(shape), dtype=dtype, device=device)


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """An array of ones."""
    return rl.ones(_sizes(shape), dtype=dtype, device=device)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """An array of one value."""
    return rl.full(_sizes(shape), fill_value, dtype=dtype, device=device)


def empty_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """Unset values in x's shape."""
    return rl.empty_like(x, dtype=dtype, device=device)


def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """Zeros in x's shape."""
    return rl.zeros_like(x, dtype=dtype, device=device)


def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    """Ones in x's shape."""
    return rl.ones_like(x, dtype=dtype, device=device)


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """One value in x's shape."""
    return rl.full_like(x, fill_value, dtype=dtype, device=device)


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None,
        device: Any = None) -> Any:  # fmt: skip
    """Ones on the k-th diagonal."""
    columns = n_rows if n_cols is None else n_cols
    result = rl.zeros((n_rows, columns), dtype=dtype, device=device)
    if -n_rows < k < columns:
        rl.diagonal(result, k).fill_(1)
    return result


def tril(x: Any, /, *, k: int = 0) -> Any:
    """The elements on and below the k-th diagonal, else zeros."""
    return rl.tril(x, k)


def triu(x: Any, /, *, k: int = 0) -> Any:
    """The elements on and above the k-th diagonal, else zeros."""
    return rl.triu(x, k)


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Any]:
    """The coordinates of a grid."""
    return list(rl.meshgrid(*arrays, indexing=indexing)) if arrays else []


def from_dlpack(x: Any, /, *, device: Any = None, copy: Any = None) -> Any:
    """An array over another library's memory."""
    return rl.from_dlpack(x, device=device, copy=copy)


def _sizes(shape: Any) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)
