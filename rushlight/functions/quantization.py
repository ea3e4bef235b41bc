"""torch's rounding to the levels of a quantized type, for networks that are trained to bear it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import scalar_type_name, wrap_array
from ..core.shapes import dimension
from ..core.tensor import Tensor
from ..core.values import made, outside
from ..ops import quantization
from ..ops.structure import cast, reshape
from .arguments import combination, misfit

__all__ = ["fake_quantize_per_channel_affine", "fake_quantize_per_tensor_affine"]


def fake_quantize_per_tensor_affine(
    input: Tensor, scale: float | Tensor, zero_point: int | Tensor, quant_min: int, quant_max: int
) -> Tensor:
    """Each number at the nearest of a quantized type's levels, as a number of its own type.

        y = (clamp(round(x / scale) + zero_point, quant_min, quant_max) - zero_point) * scale

    The gradient is that of x where the level lies in quant_min..quant_max, elsewhere zero.

    Shape:
        input, result: any; scale, zero_point: numbers, or tensors of one element.
    Raises:
        RuntimeError: if quant_min is above quant_max, or the zero point (a number) not between.
    Source:
        Jacob et al., Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference (2018), https://arxiv.org/abs/1712.05877

    >>> import rushlight as torch
    >>> x = torch.tensor([-1.0, 0.04, 0.07, 9.0], requires_grad=True)
    >>> y = torch.fake_quantize_per_tensor_affine(x, 0.1, 0, -5, 5)
    >>> y.detach()
    tensor([-0.5000,  0.0000,  0.1000,  0.5000])
    >>> torch.autograd.grad(y.sum(), x)
    (tensor([0., 1., 1., 0.]),)
    """
    name = "fake_quantize_per_tensor_affine"
    given = (input, scale, zero_point, quant_min, quant_max)
    tensors = isinstance(scale, Tensor) and isinstance(zero_point, Tensor)
    if not isinstance(input, Tensor) or not _fit(given[1:], tensors):
        raise combination(name, given, {})
    _ordered(quant_min, quant_max)
    if tensors:
        _constant("_fake_quantize_per_tensor_affine_cachemask_tensor_qparams", scale, zero_point)
    else:
        _between(zero_point, quant_min, quant_max)
    op = quantization.by_tensors if tensors else quantization.by_numbers
    sizes = (1,) * input.ndim
    step, zero = _single(scale, sizes), _single(zero_point, sizes)
    return op(input, step, zero.trunc(), quant_min, quant_max, True)


def fake_quantize_per_channel_affine(
    input: Tensor, scale: Tensor, zero_point: Tensor, axis: int, quant_min: int, quant_max: int
) -> Tensor:
    """`fake_quantize_per_tensor_affine` with a scale and a zero point for each slice along `axis`.

    Shape:
        input, result: any; scale, zero_point: (input.shape[axis],).
    Raises:
        RuntimeError: if these are of other shapes or types, quant_min is above quant_max, or a
            zero point not between.

    >>> import rushlight as torch
    >>> x, zeros = torch.tensor([[0.26, 0.9], [0.26, 0.9]]), torch.zeros(2, dtype=torch.int32)
    >>> torch.fake_quantize_per_channel_affine(x, torch.tensor([0.1, 0.5]), zeros, 0, -5, 5)
    tensor([[0.3000, 0.5000],
            [0.5000, 1.0000]])
    """
    name = "fake_quantize_per_channel_affine"
    for place, one in enumerate((input, scale, zero_point)):
        if not isinstance(one, Tensor):
            argument = ("input", "scale", "zero_point")[place]
            raise misfit(name, argument, place + 1, "Tensor", one)
    _constant(f"{name}_cachemask", scale, zero_point)
    _of_channels(input, scale, zero_point, axis)
    _ordered(quant_min, quant_max)
    _between(zero_point, quant_min, quant_max)
    sizes = [1] * input.ndim
    sizes[axis] = input.shape[axis]
    step, zero = _float32(scale, sizes), _float32(zero_point, sizes)
    whole = not zero_point.is_floating_point()
    return quantization.by_channel(input, step, zero, quant_min, quant_max, whole)


def _fit(values: tuple[Any, ...], tensors: bool) -> bool:
    """Whether scale, zero point and bounds are of the types of one of torch's two forms."""
    scale, zero_point, *bounds = values
    if not all(type(bound) is int for bound in bounds):
        return False
    return tensors or (_number(scale, (int, float), True) and _number(zero_point, int, False))


def _number(x: Any, kinds: Any, real: bool) -> bool:
    """Whether x is a number, or a tensor that torch takes for one."""
    if not isinstance(x, Tensor):
        return isinstance(x, kinds) and not isinstance(x, bool)
    return x.ndim == 0 and not x.requires_grad and (real or not x.is_floating_point())


def _single(x: Any, sizes: tuple[int, ...]) -> Tensor:
    """A number, or a tensor of one element, to be met by a tensor of any type in float32."""
    if not isinstance(x, Tensor):
        return wrap_array(made(np.full(sizes, x, np.float32)))
    if x.numel() != 1:
        raise RuntimeError(f"a Tensor with {x.numel()} elements cannot be converted to Scalar")
    return _float32(x, sizes)


def _float32(x: Tensor, sizes: Any) -> Tensor:
    return reshape(cast(x, dtypes.float32), tuple(sizes))


def _constant(function: str, scale: Any, zero_point: Any) -> None:
    for name, one in (("scale", scale), ("zero_point", zero_point)):
        if one.requires_grad:
            raise RuntimeError(
                f"The function '{function}' is not differentiable with respect to argument"
                f" '{name}'. This input cannot have requires_grad True."
            )


def _ordered(low: int, high: int) -> None:
    if low > high:
        raise RuntimeError("`quant_min` should be less than or         equal to `quant_max`.")


def _between(zero_point: Any, low: int, high: int) -> None:
    if isinstance(zero_point, Tensor):
        wrong = not zero_point.is_floating_point() and outside(zero_point, low, high + 1)
    else:
        wrong = not low <= zero_point <= high
    if wrong:
        raise RuntimeError("`zero_point` must be between `quant_min` and `quant_max`.")


def _of_channels(input: Tensor, scale: Tensor, zero_point: Tensor, axis: int) -> None:
    """torch's errors for scales and zero points that do not fit the channels."""
    if scale.dtype not in (dtypes.float32, dtypes.bfloat16):
        found = scalar_type_name(scale.dtype)
        raise RuntimeError(f"Scale must be Float or BFloat16, found {found}")
    if zero_point.dtype not in (dtypes.int32, dtypes.float32, dtypes.float16):
        found = scalar_type_name(zero_point.dtype)
        raise RuntimeError(f"Zero-point must be Int32, Float or Half, found {found}")
    for one, name in ((scale, "scale"), (zero_point, "zero point")):
        if one.ndim != 1:
            raise RuntimeError(f"{name} should be a 1-D tensor")
    if len(scale) != len(zero_point):
        raise RuntimeError("scale and zero-point need to have the same dimensions")
    if not input.ndim:
        raise IndexError(f"Dimension specified as {axis} but tensor has no dimensions")
    place = dimension(axis, input.ndim)
    if input.shape[place] != len(scale):
        said = "dimensions of scale and zero-point are not consistent with input tensor"
        raise RuntimeError(said)
    if axis < 0:
        raise RuntimeError("`axis` must be between 0 and number of dimensions of input")
