"""Dropout: zero elements, or whole channels, at random while training."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module


class _DropoutNd(Module):
    __constants__ = ["p", "inplace"]
    p: float
    inplace: bool

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Zero each element with probability p while training, and scale the rest by 1 / (1 - p).

    Args: p, from 0 to 1; inplace, whether to write the result over the input. In evaluation
    (`eval`) the input passes as it is.
    Shapes: any, and the same.
    Raises: ValueError for a p that is no probability.
    Source: Hinton et al., 2012 (arXiv:1207.0580).

    >>> import rushlight as torch
    >>> torch.nn.Dropout(0.5).eval()(torch.ones(2))
    tensor([1., 1.])
    """

    def forward(self, input: Any) -> Any:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """Zero whole channels with probability p while training, and scale the rest by 1 / (1 - p).

    Args: p, from 0 to 1; inplace, whether to write the result over the input.
    Shapes: (N, C, L) or (C, L), and the same.
    Raises: ValueError for a p that is no probability, RuntimeError for another number of
    dimensions.
    Source: Tompson et al., 2014 (arXiv:1411.4280).

    >>> import rushlight as torch
    >>> y = torch.nn.Dropout1d(0.5)(torch.ones(1, 100, 3))
    >>> y.sum(2).unique()
    tensor([0., 6.])
    """

    def forward(self, input: Any) -> Any:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """Zero whole channels with probability p while training, and scale the rest by 1 / (1 - p).

    Args: p, from 0 to 1; inplace, whether to write the result over the input.
    Shapes: (N, C, H, W), and the same.
    Raises: ValueError for a p that is no probability.
    Source: Tompson et al., 2014 (arXiv:1411.4280).

    >>> import rushlight as torch
    >>> torch.nn.Dropout2d(0.5)(torch.ones(1, 8, 2, 2)).std(dim=(2, 3)).max()
    tensor(0.)
    """

    def forward(self, input: Any) -> Any:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """Zero whole channels with probability p while training, and scale the rest by 1 / (1 - p).

    Args: p, from 0 to 1; inplace, whether to write the result over the input.
    Shapes: (N, C, D, H, W) or (C, D, H, W), and the same.
    Raises: ValueError for a p that is no probability.
    Source: Tompson et al., 2014 (arXiv:1411.4280).

    >>> import rushlight as torch
    >>> torch.nn.Dropout3d(0.5).eval()(torch.ones(1, 2, 1, 1, 1)).flatten()
    tensor([1., 1.])
    """

    def forward(self, input: Any) -> Any:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean 0 and variance 1 after SELU: elements are set to SELU's lowest value.

    Args: p, from 0 to 1; inplace is taken as torch takes it.
    Shapes: any, and the same.
    Raises: ValueError for a p that is no probability.
    Source: Klambauer et al., Self-Normalizing Neural Networks, 2017 (arXiv:1706.02515).

    >>> import rushlight as torch
    >>> y = torch.nn.AlphaDropout(0.2)(torch.randn(100_000))
    >>> abs(round(float(y.mean()), 1)), round(float(y.std()), 1)
    (0.0, 1.0)
    """

    def forward(self, input: Any) -> Any:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """AlphaDropout of whole channels: all elements of a channel are dropped or kept together.

    Args: p, from 0 to 1; inplace is taken as torch takes it.
    Shapes: (N, C, ...), and the same.
    Raises: ValueError for a p that is no probability.
    Source: Klambauer et al., 2017 (arXiv:1706.02515), for channels as Tompson et al., 2014.

    >>> import rushlight as torch
    >>> y = torch.nn.FeatureAlphaDropout(0.5)(torch.ones(1, 100, 4, 4, 4))
    >>> bool((y == y[..., :1, :1, :1]).all())
    True
    """

    def forward(self, input: Any) -> Any:
        return F.feature_alpha_dropout(input, self.p, self.training)
