"""Methods of Tensor that few programs use: older ones, and the type that a gradient is kept in."""

from __future__ import annotations

import importlib
import itertools
import warnings
from math import prod
from typing import Any

from ..autograd.leaves import look_after
from ..core.dispatch import named, scalar_type_name
from ..core.dtypes import dtype, memory_format
from ..core.errors import levels_out
from ..core.handles import attached_to_leaf
from ..core.tape import LEAF
from ..core.tensor import Tensor
from ..ops.contract import c_name
from ..ops.structure import reshape
from .statistics import hash_tensor


def prelu(self: Tensor, weight: Tensor) -> Tensor:
    """`torch.prelu(self, weight)`.

    >>> import rushlight as torch
    >>> torch.tensor([-4.0, 2.0]).prelu(torch.tensor([0.25]))
    tensor([-1.,  2.])
    """
    return importlib.import_module("rushlight.nn.functional").prelu(self, weight)


def resize(self: Tensor, *sizes: int) -> Tensor:
    """The values in another shape; torch warns that the name is old.

    Raises: RuntimeError where the shape has another number of elements.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.ones(4).resize(2, 2).shape
    torch.Size([2, 2])
    """
    return _resized("resize", self, sizes)


def resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """The values in the shape of another tensor; torch warns that the name is old.

    Raises: RuntimeError where the shape has another number of elements.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.ones(4).resize_as(torch.ones(2, 2)).shape
    torch.Size([2, 2])
    """
    return _resized("resize_as", self, tuple(tensor._array.shape))


def const_data_ptr(self: Tensor) -> int:
    """The address of the first element, for who will not write there.

    >>> import rushlight as torch
    >>> x = torch.ones(2)
    >>> x.const_data_ptr() == x.data_ptr()
    True
    """
    return self.data_ptr()


def dequantize(self: Tensor) -> Tensor:
    """The values as numbers of type float32, as which all but quantised types have them.

    >>> import rushlight as torch
    >>> torch.tensor([1, 2]).dequantize()
    tensor([1., 2.])
    """
    return self.float()


def dim_order(self: Tensor, *, ambiguity_check: Any = False) -> tuple[int, ...]:
    """The dimensions by how their elements lie in memory, those far apart first.

    Args: ambiguity_check, True to refuse a tensor that lies so in several orders, or a list of
    memory formats of which it has to have one. Raises: RuntimeError for what lies in several.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.dim_order.html

    >>> import rushlight as torch
    >>> torch.zeros(2, 3).dim_order(), torch.zeros(2, 3).t().dim_order()
    ((0, 1), (1, 0))
    """
    formats = ambiguity_check if isinstance(ambiguity_check, list) else []
    if not isinstance(ambiguity_check, (bool, list)) or not all(
        isinstance(one, memory_format) for one in formats
    ):
        raise TypeError("The ambiguity_check argument must be a bool or a list of memory formats.")
    sizes, steps = self._array.shape, self._array.strides
    doubtful = 1 in sizes or any(a == b for a, b in itertools.pairwise(steps))
    if ambiguity_check is not False:
        fitting: Any = self
        if doubtful and sum(fitting.is_contiguous(memory_format=one) for one in formats) != 1:
            raise RuntimeError(
                "The tensor does not have unique dim order, or cannot map to exact one of the given"
                " memory formats."
            )
        if 0 in steps:
            raise RuntimeError("The tensor does not have unique dim order.")
    return tuple(sorted(range(len(steps)), key=lambda dim: -steps[dim]))


def storage_type(self: Tensor) -> Any:
    """The class that `storage()` gives, as older code names it: `torch.FloatStorage`.

    >>> import rushlight as torch
    >>> torch.ones(2, dtype=torch.int64).storage_type()
    <class 'torch.LongStorage'>
    """
    home = importlib.import_module("rushlight.functions.typed_storages")
    return getattr(home, self.storage().pickle_storage_type())


def _without(kind: str, error: type[Exception], text: str) -> Any:
    def move(self: Tensor, *_: Any, **__: Any) -> Tensor:
        raise error(text)

    move.__name__ = move.__qualname__ = kind
    move.__doc__ = f"""Raises: {error.__name__}, for there is no such device here.

    >>> import rushlight as torch
    >>> torch.ones(1).{kind}()
    Traceback (most recent call last):
    {error.__name__}: {text}
    """
    return move


xpu = _without("xpu", AssertionError, "Torch not compiled with XPU enabled")
mtia = _without("mtia", AssertionError, "Torch not compiled with MTIA enabled")
ipu = _without("ipu", RuntimeError, "PyTorch is not linked with support for ipu devices")


def module_load(self: Tensor, other: Tensor, assign: bool = False) -> Tensor:
    """What `load_state_dict` swaps this parameter or buffer with, where it swaps.

    It swaps after `torch.__future__.set_swap_module_params_on_conversion(True)`. other: the tensor
    of the checkpoint; assign: as given to `load_state_dict`. Subclasses answer otherwise through
    `__torch_function__`: a new tensor, neither `self` nor `other`. Here it is `other` detached, or
    this tensor with the values of `other` written into it.

    >>> import rushlight as torch
    >>> w = torch.zeros(2)
    >>> w.module_load(torch.ones(2)), w
    (tensor([1., 1.]), tensor([1., 1.]))
    """
    return other.detach() if assign else self.copy_(other).detach()


def _resized(name: str, x: Tensor, sizes: Any) -> Tensor:
    warnings.warn(f"non-inplace {name} is deprecated", UserWarning, levels_out())
    count = prod(sizes) if all(isinstance(size, int) for size in sizes) else None
    if count != x._array.size:
        wanted = "x".join(map(str, sizes))
        have = "x".join(map(str, x._array.shape))
        raise RuntimeError(
            f"requested resize to {wanted} ({wanted if count is None else count} elements in"
            f" total), but the given tensor has a size of {have} ({x._array.size} elements)."
            " autograd's resize can only change the shape of a given tensor, while preserving the"
            " number of elements. "
        )
    return named(reshape(x, sizes), "ResizeBackward")


def _grad_dtype(self: Tensor) -> Any:
    """The type that `.grad` has: the tensor's own until another is set; None for any.

    Raises: RuntimeError for tensors that are no leaves.

    >>> import rushlight as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> w.grad_dtype = torch.float64
    >>> (3 * w).sum().backward()
    >>> w.grad
    tensor([3., 3.], dtype=torch.float64)
    """
    if self._entry is not None and self._entry is not LEAF:
        raise RuntimeError("grad_dtype can only be accessed on leaf tensors.")
    return self.__dict__.get("_gradient_type", self.dtype)


def _set_grad_dtype(self: Tensor, wanted: Any) -> None:
    if self._entry is not None and self._entry is not LEAF:
        raise RuntimeError("grad_dtype can only be set on leaf tensors.")
    if not (wanted is None or isinstance(wanted, dtype)):
        raise RuntimeError(
            f"grad_dtype must be a torch.dtype or None, but got {type(wanted).__name__}"
        )
    if wanted is not None and self._grad is not None and self._grad.dtype is not wanted:
        raise RuntimeError(
            f"Cannot set grad_dtype to '{scalar_type_name(wanted)}' because there is already a"
            f" gradient with dtype '{c_name(self._grad._array)}'. Please clear the gradient (.grad"
            " = None) before changing grad_dtype, or ensure the new grad_dtype matches the existing"
            " gradient's dtype."
        )
    if "_gradient_type" not in self.__dict__ and wanted is not self.dtype:
        if self._post_accumulate_hooks is None:
            self._post_accumulate_hooks = {}
        look_after(self)
        attached_to_leaf(self._post_accumulate_hooks, _converted)
    self.__dict__["_gradient_type"] = wanted


def _converted(leaf: Tensor) -> None:
    """The first gradient of a leaf in the type that is wanted; later ones are added to it."""
    wanted = leaf.__dict__.get("_gradient_type")
    if wanted is not None and leaf._grad is not None and leaf._grad.dtype is not wanted:
        leaf._grad = leaf._grad.to(wanted)


METHODS: dict[str, Any] = {
    "prelu": prelu, "resize": resize, "resize_as": resize_as,
    "hash_tensor": hash_tensor, "grad_dtype": property(_grad_dtype, _set_grad_dtype),
    "module_load": module_load, "const_data_ptr": const_data_ptr, "dequantize": dequantize,
    "storage_type": storage_type, "dim_order": dim_order, "xpu": xpu, "mtia": mtia, "ipu": ipu,
}  # fmt: skip
