"""Dropout: elements, or whole channels, set to zero at random while training."""

from __future__ import annotations

import warnings

import rushlight as rl

from ...functions import neural as n

__all__ = [
    "alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d",
    "feature_alpha_dropout",
]  # fmt: skip

Tensor = rl.Tensor


def _check(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _scaled(input: Tensor, shape: tuple[int, ...], p: float, inplace: bool) -> Tensor:
    """input times noise of the given shape: 0 with probability p, else 1 / (1 - p)."""
    if p == 1:
        return input.mul_(0.0) if inplace else input * 0.0
    if not (input.is_floating_point() or input.is_complex()):
        raise RuntimeError("result type Float can't be cast to the desired output type"
                           f" {n.type_name(input)}")  # fmt: skip
    noise = n.dropout_noise(input, shape, p)
    return input.mul_(noise) if inplace else input * noise


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each element 0 with probability `p`, else divided by 1 - p; the input itself in evaluation.

    The draws are torch's, for the same seed. Raises ValueError unless 0 <= p <= 1.
    Source: Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html

    >>> import rushlight as torch
    >>> torch.nn.functional.dropout(torch.ones(2), 0.5, training=False)
    tensor([1., 1.])
    """
    _check(p)
    if p == 0 or not training or input.numel() == 0:
        return input
    return _scaled(input, tuple(input.shape), p, inplace)


def whole_channels(input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    """Channels of (N, C, ...) zeroed with probability `p`, of tensors of two dimensions or more."""
    if p == 0 or not training or input.numel() == 0:
        return input
    if input.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return _scaled(input, (*input.shape[:2], *(1,) * (input.ndim - 2)), p, inplace)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Whole channels of (N, C, L) or (C, L) zeroed with probability `p`.

    Arguments: `training` False gives the input itself; `inplace` writes to it. What is left is
    divided by 1 - p; the draws are torch's for the same seed.
    Raises: ValueError unless 0 <= p <= 1; RuntimeError for other numbers of dimensions.
    Source: Tompson et al. 2015, https://arxiv.org/abs/1411.4280

    >>> import rushlight as torch
    >>> torch.nn.functional.dropout1d(torch.ones(1, 100, 3), 0.5).sum(2).unique()
    tensor([0., 6.])
    """
    _check(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that"
            " dropout1d exists to provide channel-wise dropout on inputs with 1 spatial dimension,"
            " a channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs)."
        )
    if input.ndim == 3:
        return whole_channels(input, p, training, inplace)
    y = whole_channels(input.unsqueeze_(0) if inplace else input.unsqueeze(0), p, training, inplace)
    return y.squeeze_(0) if inplace else y.squeeze(0)


def _warn_dims(name: str, ndim: int, spatial: int) -> None:
    if ndim not in (spatial + 1, spatial + 2):
        warnings.warn(
            f"{name}: Received a {ndim}-D input to {name}, which is deprecated and will result in"
            " an"
            " error in a future release. To retain the behavior and silence this warning, please"
            " use"
            f" dropout instead. Note that {name} exists to provide channel-wise dropout on inputs"
            f" with {spatial} spatial dimensions, a channel dimension, and an optional batch"
            f" dimension (i.e. {spatial + 1}D or {spatial + 2}D inputs).",
            stacklevel=3,
        )


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Whole channels of (N, C, H, W) zeroed with probability `p`.

    Arguments: `training` False gives the input itself; `inplace` writes to it. What is left is
    divided by 1 - p; the draws are torch's for the same seed.
    Other numbers of dimensions are taken with a warning, as in torch.
    Raises: ValueError unless 0 <= p <= 1.
    Source: Tompson et al. 2015, https://arxiv.org/abs/1411.4280

    >>> import rushlight as torch
    >>> torch.nn.functional.dropout2d(torch.ones(1, 2, 1, 1), training=False).shape
    torch.Size([1, 2, 1, 1])
    """
    _check(p)
    _warn_dims("dropout2d", input.ndim, 2)
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout"
            " behavior is desired - input is interpreted as shape (N, C, L), where C is the channel"
            " dim. This behavior will change in a future release to interpret the input as one"
            " without a batch dimension, i.e. shape (C, H, W). To maintain the 1D channel-wise"
            " dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return whole_channels(input, p, training, inplace)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Whole channels of (N, C, D, H, W) zeroed with probability `p`.

    Arguments: `training` False gives the input itself; `inplace` writes to it. What is left is
    divided by 1 - p; the draws are torch's for the same seed.
    Other numbers of dimensions are taken with a warning, as in torch.
    Raises: ValueError unless 0 <= p <= 1.
    Source: Tompson et al. 2015, https://arxiv.org/abs/1411.4280

    >>> import rushlight as torch
    >>> torch.nn.functional.dropout3d(torch.ones(1, 100, 1, 1, 3), 0.5).sum(4).unique()
    tensor([0., 6.])
    """
    _check(p)
    _warn_dims("dropout3d", input.ndim, 3)
    if input.ndim == 5:
        return whole_channels(input, p, training, inplace)
    y = whole_channels(input.unsqueeze_(0) if inplace else input.unsqueeze(0), p, training, inplace)
    return y.squeeze_(0) if inplace else y.squeeze(0)


_SATURATION = 1.7580993408473766  # selu's limit for large negative inputs, negated


def _alpha(input: Tensor, shape: tuple[int, ...], p: float, inplace: bool) -> Tensor:
    if p == 1:
        return input.mul_(0.0) if inplace else input * 0.0
    kept = n.bernoulli_noise(input, shape, 1 - p)
    scale = 1.0 / ((_SATURATION * _SATURATION * p + 1) * (1 - p)) ** 0.5
    shift = (kept - 1) * (_SATURATION * scale) + _SATURATION * scale * p
    kept = kept * scale
    return input.mul_(kept).add_(shift) if inplace else input * kept + shift


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout to selu's lower limit, rescaled so that mean and variance stay.

    p: the share of elements that are dropped; training: without it the input itself.
    Raises: ValueError for a `p` outside [0, 1].
    Source: Klambauer et al. 2017, https://arxiv.org/abs/1706.02515

    >>> import rushlight as torch
    >>> y = torch.nn.functional.alpha_dropout(torch.randn(100_000), 0.2, training=True)
    >>> abs(round(float(y.mean()), 1)), round(float(y.std()), 1)
    (0.0, 1.0)
    """
    _check(p)
    if p == 0 or not training or input.numel() == 0:
        return input
    return _alpha(input, tuple(input.shape), p, inplace)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels.

    Shapes: (N, C, ...), as the result. Arguments: `training` False gives the input itself.
    Raises: ValueError unless 0 <= p <= 1; RuntimeError for fewer than two dimensions.
    Source: Klambauer et al. 2017, https://arxiv.org/abs/1706.02515

    >>> import rushlight as torch
    >>> torch.nn.functional.feature_alpha_dropout(torch.ones(1, 2, 3), 0.5, training=False)
    tensor([[[1., 1., 1.],
             [1., 1., 1.]]])
    """
    _check(p)
    if p == 0 or not training or input.numel() == 0:
        return input
    if input.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return _alpha(input, (*input.shape[:2], *(1,) * (input.ndim - 2)), p, inplace)
