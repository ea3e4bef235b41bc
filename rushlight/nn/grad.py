"""`torch.nn.grad`: the gradients of convolutions as functions, for layers written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl

from ..core.names import explain_missing as _explain_missing
from ..functions import neural as n
from .functional.convolution import tuple_of

__all__ = [
    "conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input",
    "conv3d_weight",
]  # fmt: skip

Tensor = rl.Tensor
Sizes = Sequence[int]


def _options(
    dims: int, input: Sizes, weight: Sizes, g: Tensor, options: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Numbers of each dimension, if a convolution with them has a result of the gradient's size."""
    names = ("stride", "padding", "dilation")
    stride, padding, dilation = (tuple_of(x, dims, name) for x, name in zip(options, names))
    wanted = [input[0], weight[0]] + [
        (i + 2 * p - d * (k - 1) - 1) // s + 1
        for i, p, d, k, s in zip(input[2:], padding, dilation, weight[2:], stride)
    ]
    for place, (size, found) in enumerate(zip(wanted, g.shape)):
        if size != found:
            raise RuntimeError(
                f"Expected a tensor of dimension {dims + 2} and tensor.size[{place}] == {size} but"
                f" got: dimension {g.ndim} and tensor.size[{place}] = {found}"
            )
    return stride, padding, dilation, options[3]


def _input(dims: int, size: Sizes, weight: Tensor, g: Tensor, *options: Any) -> Tensor:
    settled = _options(dims, size, weight.shape, g, options)
    return n.convolution_data(g, weight, tuple(size[2:]), *settled)


def _weight(dims: int, input: Tensor, size: Sizes, g: Tensor, *options: Any) -> Tensor:
    settled = _options(dims, input.shape, size, g, options)
    return n.convolution_weight(g, input, tuple(size[2:]), *settled)


def conv1d_input(
    input_size: Sizes, weight: Tensor, grad_output: Tensor, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """The gradient of `conv1d` with respect to an input of size `input_size`.

    >>> import rushlight as torch
    >>> w, g = torch.ones(1, 1, 2), torch.ones(1, 1, 3)
    >>> torch.nn.grad.conv1d_input((1, 1, 4), w, g).sum()
    tensor(6.)
    """
    return _input(1, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv1d_weight(
    input: Tensor, weight_size: Sizes, grad_output: Tensor, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """The gradient of `conv1d` with respect to a weight of size `weight_size`.

    >>> import rushlight as torch
    >>> x, g = torch.ones(1, 1, 4), torch.ones(1, 1, 3)
    >>> torch.nn.grad.conv1d_weight(x, (1, 1, 2), g).sum()
    tensor(6.)
    """
    return _weight(1, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv2d_input(
    input_size: Sizes, weight: Tensor, grad_output: Tensor, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """The gradient of `conv2d` with respect to an input of size `input_size`.

    >>> import rushlight as torch
    >>> w, g = torch.ones(1, 1, 2, 2), torch.ones(1, 1, 3, 3)
    >>> torch.nn.grad.conv2d_input((1, 1, 4, 4), w, g).sum()
    tensor(36.)
    """
    return _input(2, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv2d_weight(
    input: Tensor, weight_size: Sizes, grad_output: Tensor, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """The gradient of `conv2d` with respect to a weight of size `weight_size`.

    >>> import rushlight as torch
    >>> x, g = torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3)
    >>> torch.nn.grad.conv2d_weight(x, (1, 1, 2, 2), g).sum()
    tensor(36.)
    """
    return _weight(2, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv3d_input(
    input_size: Sizes, weight: Tensor, grad_output: Tensor, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """The gradient of `conv3d` with respect to an input of size `input_size`.

    >>> import rushlight as torch
    >>> w, g = torch.ones(1, 1, 2, 2, 2), torch.ones(1, 1, 3, 3, 3)
    >>> torch.nn.grad.conv3d_input((1, 1, 4, 4, 4), w, g).sum()
    tensor(216.)
    """
    return _input(3, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv3d_weight(
    input: Tensor, weight_size: Sizes, grad_output: Tensor, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """The gradient of `conv3d` with respect to a weight of size `weight_size`.

    >>> import rushlight as torch
    >>> x, g = torch.ones(1, 1, 4, 4, 4), torch.ones(1, 1, 3, 3, 3)
    >>> torch.nn.grad.conv3d_weight(x, (1, 1, 2, 2, 2), g).sum()
    tensor(216.)
    """
    return _weight(3, input, weight_size, grad_output, stride, padding, dilation, groups)


_explain_missing(__name__)
