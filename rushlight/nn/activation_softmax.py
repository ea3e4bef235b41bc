"""Layers that make numbers to probabilities: softmax, its logarithm, and softmin."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .activation_arguments import AlongDim
from .module import Module


class Softmin(AlongDim):
    """e^-x_i / sum_j e^-x_j along `dim`: softmax(-x).

    Args: dim, along which the results sum to 1 (None warns, and takes one by the number of
    dimensions).
    Shapes: any, and the same.
    Raises: NotImplementedError for whole and complex numbers, RuntimeError for bools, IndexError
    for a dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmin.html

    >>> import rushlight as torch
    >>> torch.nn.Softmin(0)(torch.tensor([0.0, 1.0]))
    tensor([0.7311, 0.2689])
    """

    def forward(self, input: Any) -> Any:
        return F.softmin(input, self.dim, _stacklevel=5)


class Softmax(AlongDim):
    """e^x_i / sum_j e^x_j along `dim`.

    Args: dim, along which the results sum to 1 (None warns, and takes one by the number of
    dimensions).
    Shapes: any, and the same.
    Raises: NotImplementedError for bools, whole numbers and complex numbers, IndexError for a
    dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmax.html

    >>> import rushlight as torch
    >>> torch.nn.Softmax(dim=0)(torch.zeros(2))
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Any) -> Any:
        return F.softmax(input, self.dim, _stacklevel=5)


class LogSoftmax(AlongDim):
    """x_i - log(sum_j e^x_j) along `dim`: the logarithm of softmax(x), without overflow.

    Args: dim, along which the exponentials of the results sum to 1 (None warns, and takes one by
    the number of dimensions).
    Shapes: any, and the same.
    Raises: NotImplementedError for bools, whole numbers and complex numbers, IndexError for a
    dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LogSoftmax.html

    >>> import rushlight as torch
    >>> torch.nn.LogSoftmax(dim=0)(torch.zeros(2))
    tensor([-0.6931, -0.6931])
    """

    def forward(self, input: Any) -> Any:
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """Softmax over the channels of images: e^x_c / sum_d e^x_d at each place.

    Shapes: (N, C, H, W) or (C, H, W), and the same.
    Raises: ValueError for other than three or four dimensions, NotImplementedError for bools, whole
    numbers and complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmax2d.html

    >>> import rushlight as torch
    >>> torch.nn.Softmax2d()(torch.zeros(2, 1, 1)).flatten()
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Any) -> Any:
        if input.dim() not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead"
            )
        return F.softmax(input, -3, _stacklevel=5)
