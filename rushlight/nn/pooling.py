"""Pooling layers over windows of one size: max, average and power-average; and max unpooling."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module
from .sizes import repeated


class PoolNd(Module):
    """Calls the pooling function of its name and dimension."""

    _dims = 1
    _name = ""

    @property
    def _function(self) -> Any:
        return getattr(F, f"{self._name}{self._dims}d")


class _MaxPoolNd(PoolNd):
    __constants__ = [
        "kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode",
    ]  # fmt: skip
    _name = "max_pool"

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Any) -> Any:
        return self._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The largest value in each window of (N, C, L).

    Args: kernel_size, stride (kernel_size if None), padding (of -inf at both ends, at most half the
    kernel) and dilation (the step within a window); return_indices: also where the largest are, for
    MaxUnpool1d; ceil_mode: windows may reach over the end.
    Shapes: (N, C, L) or (C, L); each size becomes floor((size + 2 padding - dilation (kernel_size -
    1) - 1) / stride) + 1.
    Raises: RuntimeError for a larger padding, or windows that do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool1d.html

    >>> import rushlight as torch
    >>> torch.nn.MaxPool1d(2)(torch.tensor([[1.0, 3.0, 5.0, 7.0]]))
    tensor([[3., 7.]])
    """


class MaxPool2d(_MaxPoolNd):
    """The largest value in each window of (N, C, H, W).

    Args: kernel_size, stride (kernel_size if None), padding (of -inf at both ends, at most half the
    kernel) and dilation (the step within a window), a number or one per dimension; return_indices:
    also where the largest are, for MaxUnpool2d; ceil_mode: windows may reach over the end.
    Shapes: (N, C, H, W) or (C, H, W); each size becomes floor((size + 2 padding - dilation
    (kernel_size - 1) - 1) / stride) + 1.
    Raises: RuntimeError for a larger padding, or windows that do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html

    >>> import rushlight as torch
    >>> torch.nn.MaxPool2d(2)(torch.arange(16.0).reshape(1, 1, 4, 4))
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """

    _dims = 2


class MaxPool3d(_MaxPoolNd):
    """The largest value in each window of (N, C, D, H, W).

    Args: kernel_size, stride (kernel_size if None), padding (of -inf at both ends, at most half the
    kernel) and dilation (the step within a window), a number or one per dimension; return_indices:
    also where the largest are, for MaxUnpool3d; ceil_mode: windows may reach over the end.
    Shapes: (N, C, D, H, W) or (C, D, H, W); each size becomes floor((size + 2 padding - dilation
    (kernel_size - 1) - 1) / stride) + 1.
    Raises: RuntimeError for a larger padding, or windows that do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool3d.html

    >>> import rushlight as torch
    >>> torch.nn.MaxPool3d(2)(torch.zeros(1, 4, 4, 4)).shape
    torch.Size([1, 2, 2, 2])
    """

    _dims = 3


class _MaxUnpoolNd(PoolNd):
    _name = "max_unpool"

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        spread = repeated(self._dims)
        self.kernel_size = spread(kernel_size)
        self.stride = spread(stride if stride is not None else kernel_size)
        self.padding = spread(padding)

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        return self._function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Put the maxima of MaxPool1d back where they were, zeros elsewhere.

    Args: kernel_size, stride (kernel_size if None) and padding, as the pooling had them; called
    with the maxima, their indices and, where the pooling cut something off, output_size.
    Shapes: (N, C, L) or (C, L); each size becomes (size - 1) stride - 2 padding + kernel_size.
    Raises: ValueError for an output_size too far from that.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxUnpool1d.html

    >>> import rushlight as torch
    >>> torch.nn.MaxUnpool1d(2)(torch.tensor([[3.0]]), torch.tensor([[1]]))
    tensor([[0., 3.]])
    """


class MaxUnpool2d(_MaxUnpoolNd):
    """Put the maxima of MaxPool2d back where they were, zeros elsewhere.

    Args: kernel_size, stride (kernel_size if None) and padding, as the pooling had them; called
    with the maxima, their indices and, where the pooling cut something off, output_size.
    Shapes: (N, C, H, W) or (C, H, W); each size becomes (size - 1) stride - 2 padding +
    kernel_size.
    Raises: ValueError for an output_size too far from that.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxUnpool2d.html

    >>> import rushlight as torch
    >>> pool = torch.nn.MaxPool2d(2, return_indices=True)
    >>> torch.nn.MaxUnpool2d(2)(*pool(torch.tensor([[[1.0, 2.0], [4.0, 3.0]]])))
    tensor([[[0., 0.],
             [4., 0.]]])
    """

    _dims = 2


class MaxUnpool3d(_MaxUnpoolNd):
    """Put the maxima of MaxPool3d back where they were, zeros elsewhere.

    Args: kernel_size, stride (kernel_size if None) and padding, as the pooling had them; called
    with the maxima, their indices and, where the pooling cut something off, output_size.
    Shapes: (N, C, D, H, W) or (C, D, H, W); each size becomes (size - 1) stride - 2 padding +
    kernel_size.
    Raises: ValueError for an output_size too far from that.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxUnpool3d.html

    >>> import rushlight as torch
    >>> pool = torch.nn.MaxPool3d(2, return_indices=True)
    >>> torch.nn.MaxUnpool3d(2)(*pool(torch.rand(1, 4, 4, 4))).shape
    torch.Size([1, 4, 4, 4])
    """

    _dims = 3


class _AvgPoolNd(PoolNd):
    _name = "avg_pool"
    kernel_size: Any
    stride: Any
    padding: Any

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """The mean of each window of (N, C, L).

    Args: kernel_size, stride (kernel_size if None) and padding (of zeros at both ends, at most half
    the kernel); ceil_mode: windows may reach over the end; count_include_pad: whether padding
    counts in the mean.
    Shapes: (N, C, L) or (C, L); each size becomes floor((size + 2 padding - kernel_size) / stride)
    + 1.
    Raises: RuntimeError for a larger padding, or windows that do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool1d.html

    >>> import rushlight as torch
    >>> torch.nn.AvgPool1d(2)(torch.tensor([[1.0, 3.0, 5.0, 7.0]]))
    tensor([[2., 6.]])
    """

    __constants__ = ["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"]

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        spread = repeated(1)
        self.kernel_size = spread(kernel_size)
        self.stride = spread(stride if stride is not None else kernel_size)
        self.padding = spread(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Any) -> Any:
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )


class AvgPool2d(_AvgPoolNd):
    """The mean of each window of (N, C, H, W).

    Args: kernel_size, stride (kernel_size if None) and padding (of zeros at both ends, at most half
    the kernel), a number or one per dimension; ceil_mode: windows may reach over the end;
    count_include_pad: whether padding counts in the mean; divisor_override: divide sums by this
    instead.
    Shapes: (N, C, H, W) or (C, H, W); each size becomes floor((size + 2 padding - kernel_size) /
    stride) + 1.
    Raises: RuntimeError for a larger padding, or windows that do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html

    >>> import rushlight as torch
    >>> torch.nn.AvgPool2d(2)(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 3, 4, 4])
    """

    __constants__ = [
        "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override",
    ]  # fmt: skip
    _dims = 2

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Any) -> Any:
        return self._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool3d(AvgPool2d):
    """The mean of each window of (N, C, D, H, W).

    Args: kernel_size, stride (kernel_size if None) and padding (of zeros at both ends, at most half
    the kernel), a number or one per dimension; ceil_mode: windows may reach over the end;
    count_include_pad: whether padding counts in the mean; divisor_override: divide sums by this
    instead.
    Shapes: (N, C, D, H, W) or (C, D, H, W); each size becomes floor((size + 2 padding -
    kernel_size) / stride) + 1.
    Raises: RuntimeError for a larger padding, or windows that do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool3d.html

    >>> import rushlight as torch
    >>> torch.nn.AvgPool3d(2)(torch.ones(1, 4, 4, 4)).shape
    torch.Size([1, 2, 2, 2])
    """

    _dims = 3


class _LPPoolNd(PoolNd):
    __constants__ = ["norm_type", "kernel_size", "stride", "ceil_mode"]
    _name = "lp_pool"

    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Any) -> Any:
        return self._function(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """(sum x^p)^(1/p) over each window of (N, C, L).

    Args: norm_type, the p; kernel_size and stride (kernel_size if None); ceil_mode: windows may
    reach over the end.
    Shapes: (N, C, L) or (C, L); each size becomes floor((size - kernel_size) / stride) + 1.
    Raises: RuntimeError for windows that do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LPPool1d.html

    >>> import rushlight as torch
    >>> torch.nn.LPPool1d(2, 2)(torch.tensor([[3.0, 4.0, 5.0, 12.0]]))
    tensor([[ 5., 13.]])
    """


class LPPool2d(_LPPoolNd):
    """(sum x^p)^(1/p) over each window of (N, C, H, W).

    Args: norm_type, the p; kernel_size and stride (kernel_size if None), a number or one per
    dimension; ceil_mode: windows may reach over the end.
    Shapes: (N, C, H, W) or (C, H, W); each size becomes floor((size - kernel_size) / stride) + 1.
    Raises: RuntimeError for windows that do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LPPool2d.html

    >>> import rushlight as torch
    >>> torch.nn.LPPool2d(2, 2)(torch.ones(1, 2, 4))
    tensor([[[2., 2.]]])
    """

    _dims = 2


class LPPool3d(_LPPoolNd):
    """(sum x^p)^(1/p) over each window of (N, C, D, H, W).

    Args: norm_type, the p; kernel_size and stride (kernel_size if None), a number or one per
    dimension; ceil_mode: windows may reach over the end.
    Shapes: (N, C, D, H, W) or (C, D, H, W); each size becomes floor((size - kernel_size) / stride)
    + 1.
    Raises: RuntimeError for windows that do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LPPool3d.html

    >>> import rushlight as torch
    >>> torch.nn.LPPool3d(2, 2)(torch.ones(1, 2, 2, 2))
    tensor([[[[2.8284]]]])
    """

    _dims = 3
