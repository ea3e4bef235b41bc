"""Activation functions of each element, written over their input."""

from __future__ import annotations

import rushlight as rl

from ...functions import neural as n
from .activation import celu, counted, elu, hardtanh, leaky_relu, relu, rrelu, selu

__all__ = [
    "celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_", "threshold_",
]  # fmt: skip

Tensor = rl.Tensor


def relu_(input: Tensor) -> Tensor:
    """The same as `relu`, written over the input, which is returned.

    Raises: as `relu`; RuntimeError for a leaf that requires a gradient.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.relu_.html

    >>> import rushlight as torch
    >>> x = torch.tensor([-1.0, 2.0])
    >>> torch.nn.functional.relu_(x) is x, x
    (True, tensor([0., 2.]))
    """
    return relu(input, True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """The same as `hardtanh`, written over the input, which is returned.

    Raises: as `hardtanh`; RuntimeError for a leaf that requires a gradient.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hardtanh_.html

    >>> import rushlight as torch
    >>> torch.nn.functional.hardtanh_(torch.tensor([-3.0, 0.5]), -2, 2)
    tensor([-2.0000,  0.5000])
    """
    return hardtanh(input, min_val, max_val, True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """The same as `leaky_relu`, written over the input, which is returned.

    Raises: as `leaky_relu`; RuntimeError for a leaf that requires a gradient, and for
    bools and whole numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.leaky_relu_.html

    >>> import rushlight as torch
    >>> torch.nn.functional.leaky_relu_(torch.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    return leaky_relu(input, negative_slope, True)


def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """The same as `rrelu`, written over the input, which is returned.

    Raises: as `rrelu`; RuntimeError for a leaf that requires a gradient, and for
    bools and whole numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.rrelu_.html

    >>> import rushlight as torch
    >>> x = torch.tensor([-8.0, 2.0])
    >>> torch.nn.functional.rrelu_(x, lower=0.25, upper=0.25)
    tensor([-2.,  2.])
    """
    return rrelu(input, lower, upper, training, True)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """The same as `elu`, written over the input, which is returned.

    Raises: as `elu`; RuntimeError for a leaf that requires a gradient, and for
    bools and whole numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.elu_.html

    >>> import rushlight as torch
    >>> torch.nn.functional.elu_(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return elu(input, alpha, True)


def selu_(input: Tensor) -> Tensor:
    """The same as `selu`, written over the input, which is returned.

    Raises: as `selu`; RuntimeError for a leaf that requires a gradient, and for
    bools and whole numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.selu_.html

    >>> import rushlight as torch
    >>> torch.nn.functional.selu_(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.0507])
    """
    return selu(input, True)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """The same as `celu`, written over the input, which is returned.

    Raises: as `celu`; RuntimeError for a leaf that requires a gradient, and for
    bools and whole numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.celu_.html

    >>> import rushlight as torch
    >>> torch.nn.functional.celu_(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return celu(input, alpha, True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """The same as `threshold`, written over the input, which is returned.

    Raises: as `threshold`; RuntimeError for a leaf that requires a gradient.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.threshold_.html

    >>> import rushlight as torch
    >>> torch.nn.functional.threshold_(torch.tensor([0.1, 2.0]), 1.0, 9.0)
    tensor([9., 2.])
    """
    return counted(n.threshold_(input, threshold, value), "Threshold", True)
