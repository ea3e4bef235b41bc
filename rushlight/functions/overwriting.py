"""Functions under the names of in-place methods, and tensors laid out or filled as asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import numbers
from ..core.dispatch import named, wrap_array, write_out
from ..core.tensor import Tensor
from ..ops import structure as s
from .arguments import misfit
from .creation import empty
from .indexing import nonzero

__all__ = [
    "addmv_", "alias_copy", "as_strided_", "conj_physical_", "detach_", "empty_permuted", "fill",
    "fill_", "get_device", "index_put_", "nonzero_static", "resize_as_",
    "typename", "zero_",
]  # fmt: skip


def _by_method(name: str) -> Callable[..., Tensor]:
    def call(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if not isinstance(input, Tensor):
            raise misfit(name, "input", 1, "Tensor", input)
        return getattr(input, name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`input.{name}(...)`: the tensor itself, overwritten."
    return call


addmv_, as_strided_ = _by_method("addmv_"), _by_method("as_strided_")
conj_physical_, detach_ = _by_method("conj_physical_"), _by_method("detach_")
fill_, index_put_ = _by_method("fill_"), _by_method("index_put_")
resize_as_, zero_ = _by_method("resize_as_"), _by_method("zero_")


def fill(input: Tensor, value: Any) -> Tensor:
    """One value (a number or a 0-d tensor) in the shape and type of `input`.

    >>> import rushlight as torch
    >>> torch.fill(torch.zeros(2), 3)
    tensor([3., 3.])
    """
    if not isinstance(value, Tensor):
        kind = input._array.dtype
        value = wrap_array(np.asarray(numbers.held(value, kind), kind))
    if value._array.ndim:
        raise RuntimeError(
            "fill_ only supports 0-dimension value tensor but got tensor with"
            f" {value._array.ndim} dimensions."
        )
    return named(s.fill(input, s.cast(value, input.dtype)), "FillBackward0")


def alias_copy(input: Tensor, *, out: Any = None) -> Tensor:
    """A copy of the whole tensor.

    >>> import rushlight as torch
    >>> x = torch.ones(2)
    >>> torch.alias_copy(x).data_ptr() == x.data_ptr()
    False
    """
    result = named(s.clone(input), "AliasBackward0_copy")
    return result if out is None else write_out(result, out)


def empty_permuted(size: Any, physical_layout: Any, **options: Any) -> Tensor:
    """An uninitialised tensor whose dimensions lie in memory in the given order, outermost first.

    >>> import rushlight as torch
    >>> torch.empty_permuted((2, 3, 4), (0, 2, 1)).stride()
    (12, 1, 3)
    """
    size, order = tuple(size), tuple(physical_layout)
    if len(size) != len(order):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; i.e."
            f" len(size) = {len(size)} is not equal to len(physical_layout) = {len(order)}"
        )
    for place, dim in enumerate(order):
        if not 0 <= dim < len(size):
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(size) - 1}, but got"
                f" {dim} at index {place}).  NB: negative dims not currently supported; file an"
                " issue if you want it."
            )
    if len(set(order)) != len(order):
        raise RuntimeError("Duplicate dim not allowed")
    result = empty(tuple(size[dim] for dim in order), **options)
    result._array = result._array.transpose(np.argsort(order)) if order else result._array
    return result


def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """`nonzero` cut or filled up to `size` rows.

    >>> import rushlight as torch
    >>> torch.nonzero_static(torch.tensor([0, 5]), size=2)
    tensor([[ 1],
            [-1]])
    """
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    found = nonzero(input)._array[:size]
    result = np.full((size, input._array.ndim), fill_value, np.int64)
    result[: len(found)] = found
    return wrap_array(result)


def get_device(input: Tensor) -> int:
    """The number of the device: -1, as there is but the CPU.

    >>> import rushlight as torch
    >>> torch.get_device(torch.ones(1))
    -1
    """
    return -1


def typename(obj: Any) -> str:
    """The type's name in full: `torch.FloatTensor` for tensors, the module and name for others.

    >>> import rushlight as torch
    >>> torch.typename(torch.zeros(1))
    'torch.FloatTensor'
    """
    if isinstance(obj, Tensor):
        return obj.type()
    kind = type(obj)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
