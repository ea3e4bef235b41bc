"""Pooling layers: max, average, adaptive, fractional and power-average; and max unpooling."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import functional as F
from .module import Module
from .sizes import repeated


class _Pool(Module):
    """Calls the pooling function of its name and dimension."""

    _dims = 1
    _name = ""

    @property
    def _function(self) -> Any:
        return getattr(F, f"{self._name}{self._dims}d")


class _MaxPoolNd(_Pool):
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

    Also without N. stride: kernel_size if None; padding: of -inf at both ends, at most half the
    kernel; dilation: the step within a window; ceil_mode: windows may reach over the end;
    return_indices: with the places, for MaxUnpool1d. L_out = floor((L + 2 padding - dilation
    (kernel - 1) - 1) / stride) + 1.
    Raises: RuntimeError for a larger padding.

    >>> import rushlight as torch
    >>> torch.nn.MaxPool1d(2)(torch.tensor([[1.0, 3.0, 5.0, 7.0]]))
    tensor([[3., 7.]])
    """


class MaxPool2d(_MaxPoolNd):
    """The largest value in each window of (N, C, H, W).

    stride: kernel_size unless given. return_indices: also where it was, for MaxUnpool2d.

    >>> import rushlight as torch
    >>> torch.nn.MaxPool2d(2)(torch.arange(16.0).reshape(1, 1, 4, 4))
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """

    _dims = 2


class MaxPool3d(_MaxPoolNd):
    """The largest value in each window of (N, C, D, H, W).

    >>> import rushlight as torch
    >>> torch.nn.MaxPool3d(2)(torch.zeros(1, 4, 4, 4)).shape
    torch.Size([1, 2, 2, 2])
    """

    _dims = 3


class _MaxUnpoolNd(_Pool):
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

    >>> import rushlight as torch
    >>> torch.nn.MaxUnpool1d(2)(torch.tensor([[3.0]]), torch.tensor([[1]]))
    tensor([[0., 3.]])
    """


class MaxUnpool2d(_MaxUnpoolNd):
    """Put the maxima of MaxPool2d back where they were, zeros elsewhere.

    >>> import rushlight as torch
    >>> pool = torch.nn.MaxPool2d(2, return_indices=True)
    >>> torch.nn.MaxUnpool2d(2)(*pool(torch.tensor([[[1.0, 2.0], [4.0, 3.0]]])))
    tensor([[[0., 0.],
             [4., 0.]]])
    """

    _dims = 2


class MaxUnpool3d(_MaxUnpoolNd):
    """Put the maxima of MaxPool3d back where they were, zeros elsewhere.

    >>> import rushlight as torch
    >>> pool = torch.nn.MaxPool3d(2, return_indices=True)
    >>> torch.nn.MaxUnpool3d(2)(*pool(torch.rand(1, 4, 4, 4))).shape
    torch.Size([1, 4, 4, 4])
    """

    _dims = 3


class _AvgPoolNd(_Pool):
    _name = "avg_pool"
    kernel_size: Any
    stride: Any
    padding: Any

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """The mean of each window of (N, C, L).

    Also without N. stride: kernel_size if None; padding: of zeros at both ends, at most half the
    kernel, counted in the mean unless count_include_pad is False; ceil_mode: windows may reach over
    the end.
    L_out = floor((L + 2 padding - kernel) / stride) + 1. Raises: RuntimeError for a larger padding.

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

    count_include_pad: whether padding counts in the mean. divisor_override: divide by this instead.

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

    >>> import rushlight as torch
    >>> torch.nn.AvgPool3d(2)(torch.ones(1, 4, 4, 4)).shape
    torch.Size([1, 2, 2, 2])
    """

    _dims = 3


class _LPPoolNd(_Pool):
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

    >>> import rushlight as torch
    >>> torch.nn.LPPool1d(2, 2)(torch.tensor([[3.0, 4.0, 5.0, 12.0]]))
    tensor([[ 5., 13.]])
    """


class LPPool2d(_LPPoolNd):
    """(sum x^p)^(1/p) over each window of (N, C, H, W).

    >>> import rushlight as torch
    >>> torch.nn.LPPool2d(2, 2)(torch.ones(1, 2, 4))
    tensor([[[2., 2.]]])
    """

    _dims = 2


class LPPool3d(_LPPoolNd):
    """(sum x^p)^(1/p) over each window of (N, C, D, H, W).

    >>> import rushlight as torch
    >>> torch.nn.LPPool3d(2, 2)(torch.ones(1, 2, 2, 2))
    tensor([[[[2.8284]]]])
    """

    _dims = 3


class _AdaptiveAvgPoolNd(_Pool):
    __constants__ = ["output_size"]
    _name = "adaptive_avg_pool"

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Any) -> Any:
        return self._function(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Means over windows chosen so that (N, C, L) becomes (N, C, output_size).

    >>> import rushlight as torch
    >>> torch.nn.AdaptiveAvgPool1d(2)(torch.tensor([[1.0, 3.0, 5.0, 7.0]]))
    tensor([[2., 6.]])
    """


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Means over windows chosen so that (N, C, H, W) becomes (N, C, *output_size).

    A size of None keeps that dimension.

    >>> import rushlight as torch
    >>> torch.nn.AdaptiveAvgPool2d((1, 1))(torch.zeros(2, 8, 5, 7)).shape
    torch.Size([2, 8, 1, 1])
    """

    _dims = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Means over windows chosen so that the volume becomes output_size.

    >>> import rushlight as torch
    >>> torch.nn.AdaptiveAvgPool3d(2)(torch.ones(1, 5, 6, 7)).shape
    torch.Size([1, 2, 2, 2])
    """

    _dims = 3


class _AdaptiveMaxPoolNd(_Pool):
    __constants__ = ["output_size", "return_indices"]
    _name = "adaptive_max_pool"

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Any) -> Any:
        return self._function(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Maxima over windows chosen so that (N, C, L) becomes (N, C, output_size).

    >>> import rushlight as torch
    >>> torch.nn.AdaptiveMaxPool1d(2)(torch.arange(6.0).reshape(1, 6))
    tensor([[2., 5.]])
    """


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Maxima over windows chosen so that (N, C, H, W) becomes (N, C, *output_size).

    >>> import rushlight as torch
    >>> torch.nn.AdaptiveMaxPool2d(2)(torch.zeros(2, 8, 5, 7)).shape
    torch.Size([2, 8, 2, 2])
    """

    _dims = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Maxima over windows chosen so that the volume becomes output_size.

    >>> import rushlight as torch
    >>> torch.nn.AdaptiveMaxPool3d((1, 2, None))(torch.zeros(4, 5, 6, 7)).shape
    torch.Size([4, 1, 2, 7])
    """

    _dims = 3


class _FractionalMaxPoolNd(_Pool):
    __constants__ = ["kernel_size", "return_indices", "output_size", "output_ratio"]
    _name = "fractional_max_pool"

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        spread = repeated(self._dims)
        self.kernel_size = spread(kernel_size)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = spread(output_size) if output_size is not None else None
        self.output_ratio = spread(output_ratio) if output_ratio is not None else None
        ratio: Any = output_ratio
        if output_size is None and output_ratio is None:
            raise ValueError(
                f"{type(self).__name__} requires specifying either an output size, or a pooling "
                "ratio"
            )
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            given = ratio if isinstance(ratio, Iterable) else float(ratio)
            raise ValueError(f"output_ratio must be between 0 and 1 (got {given})")

    def forward(self, input: Any) -> Any:
        return self._function(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """Maxima over windows at random places. Source: Graham, 2014.

    >>> import rushlight as torch
    >>> torch.nn.FractionalMaxPool2d(2, output_ratio=0.5)(torch.rand(1, 8, 8)).shape
    torch.Size([1, 4, 4])
    """

    _dims = 2


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """Maxima over windows at random places, in three dimensions.

    >>> import rushlight as torch
    >>> torch.nn.FractionalMaxPool3d(2, output_size=(2, 3, 4))(torch.rand(1, 8, 8, 8)).shape
    torch.Size([1, 2, 3, 4])
    """

    _dims = 3
