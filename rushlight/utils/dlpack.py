"""Sharing memory with other libraries by DLPack.

Source: https://pytorch.org/docs/stable/dlpack.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

__all__ = ["from_dlpack", "to_dlpack"]


class _Wrapped:
    """A bare capsule as the object that NumPy's import asks for."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **kwargs: Any) -> Any:
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


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Any:
    """A tensor over another library's memory; takes an object with `__dlpack__` or a capsule.

    >>> import numpy as np
    >>> import rushlight as torch
    >>> torch.utils.dlpack.from_dlpack(np.arange(3))
    tensor([0, 1, 2])
    """
    if not hasattr(ext_tensor, "__dlpack__"):
        return rl.from_numpy(np.asarray(_Writable(np.from_dlpack(_Wrapped(ext_tensor)))))
    return rl.from_dlpack(ext_tensor, device=device, copy=copy)


def to_dlpack(tensor: Any) -> Any:
    """A DLPack capsule of a tensor's memory, which another library, or `from_dlpack`, takes once.

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, 2.0])
    >>> torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(x))
    tensor([1., 2.])
    """
    return tensor.__dlpack__()
