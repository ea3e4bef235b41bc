"""Copies and pickles of tensors; deep copies share memory where their originals did."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ..core.inference import InferenceTensor
from ..core.state import STATE
from ..core.tape import LEAF, storage_of
from ..core.tensor import Tensor, hung_on
from ..core.values import Value


def memory_of(array: np.ndarray) -> tuple[np.ndarray, int] | None:
    """The flat bytes that an array looks into, and where it begins; None for foreign memory."""
    owner = storage_of(array)
    if owner.base is not None:  # a view, or foreign memory
        if owner is array or not owner.size:
            return None
        width = owner.itemsize
        length = 1 + sum((n - 1) * (s // width) for n, s in zip(owner.shape, owner.strides))
        flat = np.lib.stride_tricks.as_strided(owner, (length,), (width,))
        return flat.view(np.uint8), array.ctypes.data - owner.ctypes.data
    order = sorted(range(owner.ndim), key=lambda axis: -owner.strides[axis])
    dense = owner.transpose(order)
    if not dense.flags.c_contiguous:
        return None
    start = array.ctypes.data - owner.ctypes.data
    return dense.reshape(-1).view(np.uint8), start


def placed(memory: np.ndarray, like: np.ndarray, start: int) -> np.ndarray:
    """An array laid out like another, over other bytes."""
    return np.ndarray(like.shape, like.dtype, buffer=memory, offset=start, strides=like.strides)


def copied(array: Any, memo: dict[Any, Any]) -> Any:
    """A copy whose memory is shared with the copies of the array's other views."""
    if isinstance(array, Value):  # its memory is in tensors, or nowhere
        return array.copy(order="K")
    found = memory_of(array)
    if found is None or not array.size:
        return array.copy(order="K")
    memory, start = found
    key = ("memory", id(storage_of(array)))
    if key not in memo:
        memo[key] = memory.copy()
    return placed(memo[key], array, start)


def _content(self: Tensor, memo: dict[Any, Any]) -> Any:
    """The memory of a deep copy; in a compiled call that of a clone, or the trace ends."""
    tracer = STATE.tracer
    if tracer is not None:
        array = tracer.lift(self)
        if array.base is None and array.flags.c_contiguous:
            return array.copy()
        tracer.escape("copy.deepcopy()")
    return copied(self._array, memo)


def kind_of(x: Tensor) -> type[Tensor]:
    """The class of a copy or a pickle: that of `x`, whatever mode `x` was made in."""
    if not x._inference:
        return type(x)
    return InferenceTensor if STATE.inference else Tensor


def deepcopy(self: Tensor, memo: dict[Any, Any]) -> Tensor:
    if id(self) in memo:
        return memo[id(self)]
    if self._entry is not None and self._entry is not LEAF:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy"
            " protocol at the moment.  If you were attempting to deepcopy a module, this may be"
            " because of a torch.nn.utils.weight_norm usage, see"
            " https://github.com/pytorch/pytorch/pull/103001"
        )
    result = object.__new__(kind_of(self))
    memo[id(self)] = result
    result._array = _content(self, memo)
    result._entry = self._entry
    for name, value in hung_on(self).items():
        setattr(result, name, copy.deepcopy(value, memo))
    if self._grad is not None:
        result._grad = deepcopy(self._grad, memo)
    return result


def shallow_copy(self: Tensor) -> Tensor:
    """Another tensor over the same memory, with the same history and attributes."""
    result = object.__new__(kind_of(self))
    result._array, result._entry = self._array, self._entry
    result.__dict__.update(hung_on(self))
    return result


def reduce_for_pickle(self: Tensor, protocol: int) -> Any:
    if STATE.tracer is not None:
        STATE.tracer.escape("a pickle")
    if getattr(type(self._array), "shell", False):
        return self._array.pickled(self._entry is not None)
    kind = Tensor if self._inference else type(self)
    return _rebuild, (kind, self._array, self._entry is not None, hung_on(self))


def _rebuild(kind: type, array: np.ndarray, requires_grad: bool, extra: dict[str, Any]) -> Tensor:
    result = object.__new__(kind)
    result._array = array if array.flags.writeable else array.copy()
    result._entry = LEAF if requires_grad else None
    result.__dict__.update(extra)
    return result
