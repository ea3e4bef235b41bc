"""Sliding blocks of an image to columns and back: Unfold and Fold."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module


class Fold(Module):
    """Sum columns (N, C * prod(kernel), L) back into an image of `output_size`.

    Arguments: one number or one for each dimension. Raises: RuntimeError for columns that do not
    fit. Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Fold.html

    >>> import rushlight as torch
    >>> torch.nn.Fold((3, 3), (2, 2))(torch.ones(1, 4, 4)).shape
    torch.Size([1, 1, 3, 3])
    """

    __constants__ = ["output_size", "kernel_size", "dilation", "padding", "stride"]

    def __init__(
        self,
        output_size: Any,
        kernel_size: Any,
        dilation: Any = 1,
        padding: Any = 0,
        stride: Any = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Any) -> Any:
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.__constants__)


class Unfold(Module):
    """Every block under a sliding kernel as a column: (N, C, *) to (N, C * prod(kernel), L).

    Arguments: one number or one for each dimension; L is the number of places of the kernel.
    Raises: RuntimeError for other than three or four dimensions, or a kernel that is too large.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Unfold.html

    >>> import rushlight as torch
    >>> torch.nn.Unfold(2)(torch.zeros(1, 3, 4, 4)).shape
    torch.Size([1, 12, 9])
    """

    __constants__ = ["kernel_size", "dilation", "padding", "stride"]

    def __init__(
        self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Any) -> Any:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.__constants__)
