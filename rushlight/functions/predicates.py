"""torch's questions about tensors: equality within tolerances, kinds, sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.batched import Batched, by_sample
from ..core import dtypes, elsewhere, shapes
from ..core.dispatch import result_type as common_type
from ..core.dispatch import scalar, scalar_type_name, wrap_array
from ..core.state import DEFAULTS
from ..core.tensor import Tensor
from ..ops import compare
from ..ops.contract import c_name
from .arguments import misfit
from .complex_parts import imag

__all__ = [
    "allclose", "can_cast", "equal", "is_complex", "is_conj",
    "is_floating_point", "is_inference", "is_neg", "is_nonzero", "is_same_size", "is_signed",
    "is_storage", "is_tensor", "isclose", "isreal", "numel", "result_type", "scalar_tensor",
]  # fmt: skip

can_cast = dtypes.can_cast


def is_tensor(obj: Any) -> bool:
    """Whether an object is a Tensor, of a subclass too.

    Args: obj, anything.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.is_tensor.html

    >>> import rushlight as torch
    >>> torch.is_tensor(torch.zeros(1)), torch.is_tensor([0.0])
    (True, False)
    """
    return isinstance(obj, Tensor)


def is_storage(obj: Any) -> bool:
    """Whether an object is a storage: the bare memory under a tensor."""
    return hasattr(obj, "_is_storage")


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element of a tensor is not zero.

    Raises: RuntimeError for a tensor of other than one element.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.is_nonzero.html

    >>> import rushlight as torch
    >>> torch.is_nonzero(torch.tensor([0.0]))
    False
    """
    size = input._array.size
    if size == 0:
        raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
    if size > 1:
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
    return bool(input._array.reshape(()))


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape.

    Args: other, a tensor.

    >>> import rushlight as torch
    >>> torch.is_same_size(torch.ones(2), torch.zeros(2))
    True
    """
    return input._array.shape == other._array.shape


def is_floating_point(input: Tensor) -> bool:
    """Whether the data type is one of floats: float64, float32, float16, bfloat16.

    Raises: TypeError for what is no tensor.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.is_floating_point.html

    >>> import rushlight as torch
    >>> torch.is_floating_point(torch.tensor([1, 2]))
    False
    """
    return input.dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the data type is one of complex numbers.

    Raises: TypeError for what is no tensor.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.is_complex.html

    >>> import rushlight as torch
    >>> torch.is_complex(torch.tensor([1j]))
    True
    """
    return input.dtype.is_complex


def is_signed(input: Tensor) -> bool:
    """Whether the data type has negative numbers: all but bool and unsigned integers.

    Raises: TypeError for what is no tensor.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.is_signed.html

    >>> import rushlight as torch
    >>> torch.is_signed(torch.tensor([1])), torch.is_signed(torch.tensor([True]))
    (True, False)
    """
    return input.dtype.is_signed


def is_conj(input: Tensor) -> bool:
    """False: conjugation is never pending here.

    >>> import rushlight as torch
    >>> torch.is_conj(torch.tensor([1j]))
    False
    """
    return False


def is_neg(input: Tensor) -> bool:
    """False: negation is never pending here.

    >>> import rushlight as torch
    >>> torch.is_neg(torch.tensor([1.0]))
    False
    """
    return False


def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made in inference mode.

    >>> import rushlight as torch
    >>> with torch.inference_mode():
    ...     x = torch.ones(1)
    >>> torch.is_inference(x)
    True
    """
    return input.is_inference()


def numel(input: Tensor) -> int:
    """The number of elements: the product of all sizes, 1 for a scalar.

    Raises: TypeError for what is no tensor.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.numel.html

    >>> import rushlight as torch
    >>> torch.numel(torch.zeros(2, 3))
    6
    """
    if not isinstance(input, Tensor):
        raise TypeError(
            f"numel(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    return input._array.size


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and equal elements.

    Returns: a bool, False for other shapes.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.equal.html

    >>> import rushlight as torch
    >>> torch.equal(torch.tensor([1, 2]), torch.tensor([1, 2]))
    True
    """
    if not isinstance(other, Tensor):
        raise misfit("equal", "other", 2, "Tensor", other)
    a, b = input._array, other._array
    if input.device.type == "meta":
        a.values("aten::equal")
    if a.shape != b.shape:
        return False
    if input.dtype is not other.dtype:
        return bool(compare.eq(input, other).all().item())
    return bool((a == b).all())


@by_sample
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """Where |input - other| <= atol + rtol |other|; equal infinities are close.

    Args: rtol and atol, |input - other| <= atol + rtol |other|; equal_nan: two nan are equal.
    Raises: RuntimeError for tensors of two types and for negative tolerances.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.isclose.html

    >>> import rushlight as torch
    >>> torch.isclose(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1]))
    tensor([ True, False])
    """
    for place, (label, x) in enumerate((("input", input), ("other", other))):
        if not isinstance(x, Tensor):
            raise misfit("isclose", label, place + 1, "Tensor", x)
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{_kind(input)} did not match {_kind(other)}")
    for place, (name, value) in enumerate((("rtol", rtol), ("atol", atol))):
        if isinstance(value, Tensor) and value.requires_grad:  # type: ignore[attr-defined]  # methods.py sets it
            raise misfit("isclose", name, place + 3, "float", value)
        if value < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value:g}")
    a, b = input._array, other._array
    if a.shape != b.shape:
        shapes.broadcast(a.shape, b.shape)
    if getattr(type(a), "shell", False) or getattr(type(b), "shell", False):
        return _by_operators(input, other, rtol, atol, equal_nan)
    close = a == b
    if a.dtype.kind in "fcV" and equal_nan:
        close = close | (np.isnan(a) & np.isnan(b))
    if rtol == 0 and atol == 0:
        return wrap_array(close)
    if a.dtype.kind in "iub":
        a, b = a.astype(DEFAULTS.dtype.numpy), b.astype(DEFAULTS.dtype.numpy)
    gap = np.abs(a - b)
    allowed = np.abs(b * a.dtype.type(rtol)) + a.dtype.type(atol)
    return wrap_array(close | (np.isfinite(gap) & (gap <= allowed)))


def _by_operators(x: Any, y: Any, rtol: float, atol: float, equal_nan: bool) -> Tensor:
    """`isclose` in the operators that classes with values of their own are asked for."""
    close = x == y
    if equal_nan and (x.dtype.is_floating_point or x.dtype.is_complex):
        close = close | ((x != x) & (y != y))
    if rtol == 0 and atol == 0:
        return close
    gap = (x - y).abs()
    return close | (gap.isfinite() & (gap <= (y * rtol).abs() + atol))


def _kind(x: Tensor) -> str:
    return scalar_type_name(x.dtype)


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether every |input - other| <= atol + rtol |other|.

    Args: rtol and atol, |input - other| <= atol + rtol |other|; equal_nan: two nan are equal.
    Raises: RuntimeError for tensors of two types and for negative tolerances.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.allclose.html

    >>> import rushlight as torch
    >>> torch.allclose(torch.tensor([1.0]), torch.tensor([1.0 + 1e-7]))
    True
    """
    if any(isinstance(x, Tensor) and type(x._array) is Batched for x in (input, other)):
        raise RuntimeError(
            "vmap over torch.allclose isn't supported yet. Please file an issue at"
            " https://github.com/pytorch/pytorch/issues if you need this feature."
        )
    return bool(isclose(input, other, rtol, atol, equal_nan)._array.all())


def isreal(input: Tensor) -> Tensor:
    """Where the imaginary part is zero: True everywhere for real numbers.

    Shapes: the input's; the result is of bools.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.isreal.html

    >>> import rushlight as torch
    >>> torch.isreal(torch.tensor([1 + 0j, 1j]))
    tensor([ True, False])
    """
    x = input._array
    return imag(input) == 0 if input.dtype.is_complex else wrap_array(np.ones(x.shape, bool))


def result_type(tensor1: Any, tensor2: Any) -> dtypes.dtype:
    """The data type that an operation on the two would give.

    >>> import rushlight as torch
    >>> torch.result_type(torch.tensor([1, 2]), 1.0)
    torch.float32
    """
    return common_type(tensor1, tensor2)


def scalar_tensor(
    s: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A 0-d tensor of one number, of the default type unless told otherwise.

    >>> import rushlight as torch
    >>> torch.scalar_tensor(3)
    tensor(3.)
    """
    result = wrap_array(scalar(s, dtype or DEFAULTS.dtype))
    if elsewhere.absent(device, layout):
        result = elsewhere.meta().moved(result)
    return result.requires_grad_() if requires_grad else result


def _assert(condition: Any, message: str) -> None:
    """Python's assert as a function, which torch.fx can note."""
    assert condition, message


def _assert_async(input: Tensor, assert_msg: str | None = None) -> None:
    """RuntimeError unless the one value is other than zero; it is looked at now."""
    if not bool(input):
        raise RuntimeError(assert_msg or "Expected Tensor with single nonzero value, but got zero")


def _assert_tensor_metadata(
    a: Tensor, size: Any = None, stride: Any = None, dtype: Any = None, *, device: Any = None,
    layout: Any = None,
) -> None:  # fmt: skip
    """RuntimeError unless a tensor has what is said of its sizes, strides and kind."""
    for name, wanted, found in (
        ("sizes", size and list(size), list(a.shape)),
        ("strides", stride and list(stride), list(a.stride())),
        ("dtype", dtype, a.dtype),
        ("device", device and dtypes.device(device), a.device),
        ("layout", layout, a.layout),
    ):  # fmt: skip
        if wanted is not None and wanted != found:
            if isinstance(wanted, dtypes.dtype):
                wanted, found = scalar_type_name(wanted), c_name(a._array)
            raise RuntimeError(f"Tensor {name} mismatch! Expected: {wanted}, Got: {found}")
