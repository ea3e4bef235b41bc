"""Pooling layers whose windows follow from the size of the result: adaptive and fractional."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .pooling import PoolNd
from .sizes import repeated


class _AdaptiveAvgPoolNd(PoolNd):
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

    Args: output_size, a number.
    Shapes: (N, C, L) or (C, L), with output_size in the place of L; window i of n covers floor(i
    size / n) to ceil((i + 1) size / n).
    Raises: RuntimeError for a negative size.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool1d.html

    >>> import rushlight as torch
    >>> torch.nn.AdaptiveAvgPool1d(2)(torch.tensor([[1.0, 3.0, 5.0, 7.0]]))
    tensor([[2., 6.]])
    """


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Means over windows chosen so that (N, C, H, W) becomes (N, C, *output_size).

    Args: output_size, a number or one per dimension; None keeps a dimension's size.
    Shapes: (N, C, H, W) or (C, H, W), with output_size in the place of H, W; window i of n covers
    floor(i size / n) to ceil((i + 1) size / n).
    Raises: RuntimeError for a negative size.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html

    >>> import rushlight as torch
    >>> torch.nn.AdaptiveAvgPool2d((1, 1))(torch.zeros(2, 8, 5, 7)).shape
    torch.Size([2, 8, 1, 1])
    """

    _dims = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Means over windows chosen so that (N, C, D, H, W) becomes (N, C, *output_size).

    Args: output_size, a number or one per dimension; None keeps a dimension's size.
    Shapes: (N, C, D, H, W) or (C, D, H, W), with output_size in the place of D, H, W; window i of n
    covers floor(i size / n) to ceil((i + 1) size / n).
    Raises: RuntimeError for a negative size.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool3d.html

    >>> import rushlight as torch
    >>> torch.nn.AdaptiveAvgPool3d(2)(torch.ones(1, 5, 6, 7)).shape
    torch.Size([1, 2, 2, 2])
    """

    _dims = 3


class _AdaptiveMaxPoolNd(PoolNd):
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

    Args: output_size, a number; return_indices: also where the maxima are, for MaxUnpool1d.
    Shapes: (N, C, L) or (C, L), with output_size in the place of L; window i of n covers floor(i
    size / n) to ceil((i + 1) size / n).
    Raises: RuntimeError for a negative size.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool1d.html

    >>> import rushlight as torch
    >>> torch.nn.AdaptiveMaxPool1d(2)(torch.arange(6.0).reshape(1, 6))
    tensor([[2., 5.]])
    """


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Maxima over windows chosen so that (N, C, H, W) becomes (N, C, *output_size).

    Args: output_size, a number or one per dimension; None keeps a dimension's size; return_indices:
    also where the maxima are, for MaxUnpool2d.
    Shapes: (N, C, H, W) or (C, H, W), with output_size in the place of H, W; window i of n covers
    floor(i size / n) to ceil((i + 1) size / n).
    Raises: RuntimeError for a negative size.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool2d.html

    >>> import rushlight as torch
    >>> torch.nn.AdaptiveMaxPool2d(2)(torch.zeros(2, 8, 5, 7)).shape
    torch.Size([2, 8, 2, 2])
    """

    _dims = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Maxima over windows chosen so that (N, C, D, H, W) becomes (N, C, *output_size).

    Args: output_size, a number or one per dimension; None keeps a dimension's size; return_indices:
    also where the maxima are, for MaxUnpool3d.
    Shapes: (N, C, D, H, W) or (C, D, H, W), with output_size in the place of D, H, W; window i of n
    covers floor(i size / n) to ceil((i + 1) size / n).
    Raises: RuntimeError for a negative size.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool3d.html

    >>> import rushlight as torch
    >>> torch.nn.AdaptiveMaxPool3d((1, 2, None))(torch.zeros(4, 5, 6, 7)).shape
    torch.Size([4, 1, 2, 7])
    """

    _dims = 3


class _FractionalMaxPoolNd(PoolNd):
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
    """Maxima over windows of one size whose places are drawn at random.

    Args: kernel_size; either output_size, or output_ratio, between 0 and 1, of the input's size: a
    number or one per dimension; return_indices: also where the maxima are, for MaxUnpool2d.
    Shapes: (N, C, H, W) or (C, H, W), with output_size in the place of H, W.
    Raises: ValueError for neither or both of size and ratio, or a ratio outside (0, 1).
    Source: Graham, Fractional Max-Pooling, 2014 (arXiv:1412.6071).

    >>> import rushlight as torch
    >>> torch.nn.FractionalMaxPool2d(2, output_ratio=0.5)(torch.rand(1, 8, 8)).shape
    torch.Size([1, 4, 4])
    """

    _dims = 2


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """Maxima over windows of one size whose places are drawn at random.

    Args: kernel_size; either output_size, or output_ratio, between 0 and 1, of the input's size: a
    number or one per dimension; return_indices: also where the maxima are, for MaxUnpool3d.
    Shapes: (N, C, D, H, W) or (C, D, H, W), with output_size in the place of D, H, W.
    Raises: ValueError for neither or both of size and ratio, or a ratio outside (0, 1).
    Source: Graham, Fractional Max-Pooling, 2014 (arXiv:1412.6071).

    >>> import rushlight as torch
    >>> torch.nn.FractionalMaxPool3d(2, output_size=(2, 3, 4))(torch.rand(1, 8, 8, 8)).shape
    torch.Size([1, 2, 3, 4])
    """

    _dims = 3
