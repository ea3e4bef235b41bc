"""Padding layers: constant, zero, reflected, replicated, circular; in one to three dimensions."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module
from .sizes import repeated


class _Pad(Module):
    """Pad the last `_dims` dimensions; `padding` counts from the last one backwards."""

    __constants__ = ["padding"]
    _dims = 1
    _mode = "constant"

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = repeated(2 * self._dims)(padding)

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(_Pad):
    __constants__ = ["padding", "value"]

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Pad (*, W) with `value`.

    padding: one number for all sides, or (left, right); negative ones cut off. Shapes: any with
    at least those dimensions, whose sizes grow by the numbers of their two sides.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConstantPad1d.html

    >>> import rushlight as torch
    >>> torch.nn.ConstantPad1d(1, 9.0)(torch.zeros(1, 2))
    tensor([[9., 0., 0., 9.]])
    """


class ConstantPad2d(_ConstantPadNd):
    """Pad (*, H, W) with `value`.

    padding: one number for all sides, or (left, right, top, bottom); negative ones cut off.
    Shapes: any with at least those dimensions, whose sizes grow by the numbers of their two
    sides.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConstantPad2d.html

    >>> import rushlight as torch
    >>> torch.nn.ConstantPad2d(1, 7.0)(torch.zeros(1, 1, 2))
    tensor([[[7., 7., 7., 7.],
             [7., 0., 0., 7.],
             [7., 7., 7., 7.]]])
    """

    _dims = 2


class ConstantPad3d(_ConstantPadNd):
    """Pad (*, D, H, W) with `value`.

    padding: one number for all sides, or (left, right, top, bottom, front, back); negative ones
    cut off. Shapes: any with at least those dimensions, whose sizes grow by the numbers of their
    two sides.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConstantPad3d.html

    >>> import rushlight as torch
    >>> torch.nn.ConstantPad3d((1, 2, 0, 0, 0, 0), 9.0)(torch.tensor([[[[1.0]]]]))
    tensor([[[[9., 1., 9., 9.]]]])
    """

    _dims = 3


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPadNd, ConstantPad1d):
    """Pad (*, W) with zeros.

    padding: one number for all sides, or (left, right); negative ones cut off. Shapes: any with
    at least those dimensions, whose sizes grow by the numbers of their two sides.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ZeroPad1d.html

    >>> import rushlight as torch
    >>> torch.nn.ZeroPad1d(1)(torch.ones(1, 2))
    tensor([[0., 1., 1., 0.]])
    """


class ZeroPad2d(_ZeroPadNd, ConstantPad2d):
    """Pad (*, H, W) with zeros.

    padding: one number for all sides, or (left, right, top, bottom); negative ones cut off.
    Shapes: any with at least those dimensions, whose sizes grow by the numbers of their two
    sides.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ZeroPad2d.html

    >>> import rushlight as torch
    >>> torch.nn.ZeroPad2d(1)
    ZeroPad2d((1, 1, 1, 1))
    """


class ZeroPad3d(_ZeroPadNd, ConstantPad3d):
    """Pad (*, D, H, W) with zeros.

    padding: one number for all sides, or (left, right, top, bottom, front, back); negative ones
    cut off. Shapes: any with at least those dimensions, whose sizes grow by the numbers of their
    two sides.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ZeroPad3d.html

    >>> import rushlight as torch
    >>> torch.nn.ZeroPad3d(1)(torch.ones(1, 2, 3, 4)).shape
    torch.Size([1, 4, 5, 6])
    """


class _ReflectionPadNd(_Pad):
    """Layers that mirror their input at its borders."""

    _mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """Mirror (*, W) at its ends, without repeating the ends.

    padding: one number for all sides, or (left, right); negative ones cut off. Shapes: (C, W) or
    (N, C, W). Raises: RuntimeError where a side's number is not below the size,
    NotImplementedError for other numbers of dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReflectionPad1d.html

    >>> import rushlight as torch
    >>> torch.nn.ReflectionPad1d(1)(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[2., 1., 2., 3., 2.]])
    """


class ReflectionPad2d(_ReflectionPadNd):
    """Mirror (*, H, W) at its edges, without repeating the edges.

    padding: one number for all sides, or (left, right, top, bottom); negative ones cut off.
    Shapes: (C, H, W) or (N, C, H, W). Raises: RuntimeError where a side's number is not below the
    size, NotImplementedError for other numbers of dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReflectionPad2d.html

    >>> import rushlight as torch
    >>> torch.nn.ReflectionPad2d(1)(torch.arange(4.0).reshape(1, 2, 2))
    tensor([[[3., 2., 3., 2.],
             [1., 0., 1., 0.],
             [3., 2., 3., 2.],
             [1., 0., 1., 0.]]])
    """

    _dims = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Mirror (*, D, H, W) at its faces, without repeating them.

    padding: one number for all sides, or (left, right, top, bottom, front, back); negative ones
    cut off. Shapes: (C, D, H, W) or (N, C, D, H, W). Raises: RuntimeError where a side's number
    is not below the size, NotImplementedError for other numbers of dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReflectionPad3d.html

    >>> import rushlight as torch
    >>> torch.nn.ReflectionPad3d((2, 0, 0, 0, 0, 0))(torch.tensor([[[[1.0, 2.0, 3.0]]]]))
    tensor([[[[3., 2., 1., 2., 3.]]]])
    """

    _dims = 3


class _ReplicationPadNd(_Pad):
    """Layers that repeat the borders of their input."""

    _mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """Repeat the ends of (*, W).

    padding: one number for all sides, or (left, right); negative ones cut off. Shapes: (C, W) or
    (N, C, W). Raises: NotImplementedError for other numbers of dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReplicationPad1d.html

    >>> import rushlight as torch
    >>> torch.nn.ReplicationPad1d(1)(torch.tensor([[1.0, 2.0]]))
    tensor([[1., 1., 2., 2.]])
    """


class ReplicationPad2d(_ReplicationPadNd):
    """Repeat the edges of (*, H, W).

    padding: one number for all sides, or (left, right, top, bottom); negative ones cut off.
    Shapes: (C, H, W) or (N, C, H, W). Raises: NotImplementedError for other numbers of
    dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReplicationPad2d.html

    >>> import rushlight as torch
    >>> torch.nn.ReplicationPad2d(1)(torch.arange(4.0).reshape(1, 2, 2))
    tensor([[[0., 0., 1., 1.],
             [0., 0., 1., 1.],
             [2., 2., 3., 3.],
             [2., 2., 3., 3.]]])
    """

    _dims = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Repeat the faces of (*, D, H, W).

    padding: one number for all sides, or (left, right, top, bottom, front, back); negative ones
    cut off. Shapes: (C, D, H, W) or (N, C, D, H, W). Raises: NotImplementedError for other
    numbers of dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ReplicationPad3d.html

    >>> import rushlight as torch
    >>> torch.nn.ReplicationPad3d((2, 1, 0, 0, 0, 0))(torch.tensor([[[[1.0, 2.0]]]]))
    tensor([[[[1., 1., 1., 2., 2.]]]])
    """

    _dims = 3


class _CircularPadNd(_Pad):
    _mode = "circular"

    def forward(self, input: Any) -> Any:
        self._check_input_dim(input)
        return F.pad(input, self.padding, "circular")

    def _check_input_dim(self, input: Any) -> None:
        low = self._dims + 1
        if input.dim() not in (low, low + 1):
            raise ValueError(f"expected {low}D or {low + 1}D input (got {input.dim()}D input)")


class CircularPad1d(_CircularPadNd):
    """Pad (*, W) with its other end.

    padding: one number for all sides, or (left, right); negative ones cut off. Shapes: (C, W) or
    (N, C, W). Raises: RuntimeError where a side's number is above the size, ValueError for other
    numbers of dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.CircularPad1d.html

    >>> import rushlight as torch
    >>> torch.nn.CircularPad1d(1)(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 1., 2., 3., 1.]])
    """


class CircularPad2d(_CircularPadNd):
    """Pad (*, H, W) with its opposite edges.

    padding: one number for all sides, or (left, right, top, bottom); negative ones cut off.
    Shapes: (C, H, W) or (N, C, H, W). Raises: RuntimeError where a side's number is above the
    size, ValueError for other numbers of dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.CircularPad2d.html

    >>> import rushlight as torch
    >>> torch.nn.CircularPad2d((1, 0, 0, 0))(torch.arange(4.0).reshape(1, 2, 2))
    tensor([[[1., 0., 1.],
             [3., 2., 3.]]])
    """

    _dims = 2


class CircularPad3d(_CircularPadNd):
    """Pad (*, D, H, W) with its opposite faces.

    padding: one number for all sides, or (left, right, top, bottom, front, back); negative ones
    cut off. Shapes: (C, D, H, W) or (N, C, D, H, W). Raises: RuntimeError where a side's number
    is above the size, ValueError for other numbers of dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.CircularPad3d.html

    >>> import rushlight as torch
    >>> torch.nn.CircularPad3d((1, 1, 0, 0, 0, 0))(torch.tensor([[[[1.0, 2.0, 3.0]]]]))
    tensor([[[[3., 1., 2., 3., 1.]]]])
    """

    _dims = 3
