"""Functions of the top namespace that name their choices by torch's numbers, or lie below others.

Reductions are 0 (each), 1 (mean) and 2 (sum); torch gives each loss here where none is named.
"""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...core.errors import warn_once
from ...functions import neural as n
from . import classification, distance, grids, margins, noise, regression, sparse
from . import convolution as convolutions
from .reduction import reduced

Tensor = rl.Tensor


def kind(reduction: int) -> str:
    """torch's numbers of reductions; any other number is none."""
    return {1: "mean", 2: "sum"}.get(reduction, "none")


def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0,
    reduction: int = 0, zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """`nn.functional.ctc_loss`, each sequence's, mean (1) or sum (2); lengths listed or tensors.

    reduction: 0, 1 or 2. All else, shapes and errors too, is as there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.ctc_loss.html

    >>> import rushlight as torch
    >>> torch.ctc_loss(torch.zeros(2, 1, 2), torch.tensor([[1]]), [2], [1], 0, 2)
    tensor(-1.0986)
    """
    return margins.ctc_loss(
        log_probs, targets, input_lengths, target_lengths, blank, kind(reduction), zero_infinity
    )


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """`nn.functional.cosine_embedding_loss`, each pair's, mean (1) or sum (2).

    reduction: 0, 1 or 2. All else, shapes and errors too, is as there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cosine_embedding_loss.html

    >>> import rushlight as torch
    >>> x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    >>> torch.cosine_embedding_loss(x, y, torch.tensor([1.0]))
    tensor([1.])
    """
    return distance.cosine_embedding_loss(input1, input2, target, margin, reduction=kind(reduction))


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 0
) -> Tensor:
    """`nn.functional.hinge_embedding_loss`, each element's, mean (1) or sum (2).

    reduction: 0, 1 or 2. All else, shapes and errors too, is as there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hinge_embedding_loss.html

    >>> import rushlight as torch
    >>> torch.hinge_embedding_loss(torch.tensor([3.0, 0.5]), torch.tensor([1.0, -1.0]))
    tensor([3.0000, 0.5000])
    """
    return regression.hinge_embedding_loss(input, target, margin, reduction=kind(reduction))


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """`nn.functional.margin_ranking_loss`, each pair's, mean (1) or sum (2).

    reduction: 0, 1 or 2. All else, shapes and errors too, is as there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.margin_ranking_loss.html

    >>> import rushlight as torch
    >>> x, y = torch.tensor([1.0, 5.0]), torch.tensor([2.0, 2.0])
    >>> torch.margin_ranking_loss(x, y, torch.ones(2))
    tensor([1., 0.])
    """
    return distance.margin_ranking_loss(input1, input2, target, margin, reduction=kind(reduction))


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int
) -> Tensor:
    """`nn.functional.poisson_nll_loss`, each element's (0), mean (1) or sum (2).

    reduction: 0, 1 or 2. All else, shapes and errors too, is as there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.poisson_nll_loss.html

    >>> import rushlight as torch
    >>> torch.poisson_nll_loss(torch.zeros(2), torch.ones(2), True, False, 1e-8, 0)
    tensor([1., 1.])
    """
    return regression.poisson_nll_loss(
        input, target, log_input, full, eps=eps, reduction=kind(reduction)
    )


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2.0,
    eps: float = 1e-6, swap: bool = False, reduction: int = 0,
) -> Tensor:  # fmt: skip
    """`nn.functional.triplet_margin_loss`, each triplet's, mean (1) or sum (2).

    reduction: 0, 1 or 2. All else, shapes and errors too, is as there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.triplet_margin_loss.html

    >>> import rushlight as torch
    >>> x = torch.zeros(1, 2)
    >>> torch.triplet_margin_loss(x, x, x)
    tensor([1.])
    """
    return distance.triplet_margin_loss(
        anchor, positive, negative, margin, p, eps, swap, reduction=kind(reduction)
    )


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, pos_weight: Tensor | None = None,
    reduction: int = 0,
) -> Tensor:  # fmt: skip
    """`nn.functional.binary_cross_entropy_with_logits`, each element's, mean (1) or sum (2).

    reduction: 0, 1 or 2. All else, shapes and errors too, is as there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.binary_cross_entropy_with_logits.html

    >>> import rushlight as torch
    >>> torch.binary_cross_entropy_with_logits(torch.zeros(2), torch.ones(2))
    tensor([0.6931, 0.6931])
    """
    return classification.binary_cross_entropy_with_logits(
        input, target, weight, reduction=kind(reduction), pos_weight=pos_weight
    )


def kl_div(
    input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False
) -> Tensor:
    """`nn.functional.kl_div`, each element's, mean (1) or sum (2).

    reduction: 0, 1 or 2. All else, shapes and errors too, is as there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.kl_div.html

    >>> import rushlight as torch
    >>> torch.kl_div(torch.tensor([0.0, -1.0]), torch.tensor([1.0, 1.0]), 2)
    tensor(1.)
    """
    pointwise = classification.kl_div(input, target, reduction="none", log_target=log_target)
    return reduced(pointwise, kind(reduction))


def _chance(p: float) -> None:
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p:g}")


def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`nn.functional.dropout`; torch wants all three arguments here.

    p: how likely an element is dropped; train: whether any is. Shapes: any, and the result the
    same. Raises: RuntimeError for p outside of 0..1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html

    >>> import rushlight as torch
    >>> torch.dropout(torch.ones(1000), 0.5, True).unique()
    tensor([0., 2.])
    """
    _chance(p)
    return noise.dropout(input, p, train)


def dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """`dropout` in place.

    p: how likely an element is dropped; train: whether any is. Shapes: any, and the result the
    same. Raises: RuntimeError for p outside of 0..1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html

    >>> import rushlight as torch
    >>> torch.dropout_(torch.ones(1000), 0.5, True).unique()
    tensor([0., 2.])
    """
    _chance(p)
    return noise.dropout(input, p, train, inplace=True)


def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`nn.functional.alpha_dropout`.

    p: how likely an element is dropped; train: whether any is. Shapes: any, and the result the
    same. Raises: RuntimeError for p outside of 0..1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.alpha_dropout.html

    >>> import rushlight as torch
    >>> torch.alpha_dropout(torch.ones(3), 0.5, False)
    tensor([1., 1., 1.])
    """
    _chance(p)
    return noise.alpha_dropout(input, p, train)


def alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """`alpha_dropout` in place.

    p: how likely an element is dropped; train: whether any is. Shapes: any, and the result the
    same. Raises: RuntimeError for p outside of 0..1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.alpha_dropout.html

    >>> import rushlight as torch
    >>> torch.alpha_dropout_(torch.ones(3), 0.5, False)
    tensor([1., 1., 1.])
    """
    _chance(p)
    return noise.alpha_dropout(input, p, train, inplace=True)


def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Whole channels of (N, C, ...) zeroed with probability `p`, for any number of dimensions.

    train: whether any is. The rest is divided by 1 - p. Raises: RuntimeError for fewer than two
    dimensions, and for p outside of 0..1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout2d.html

    >>> import rushlight as torch
    >>> torch.feature_dropout(torch.ones(1, 100, 3), 0.5, True).sum(2).unique()
    tensor([0., 6.])
    """
    _chance(p)
    return noise.whole_channels(input, p, train, inplace=False)


def feature_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """`feature_dropout` in place.

    Arguments, shapes and errors are the same.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout2d.html

    >>> import rushlight as torch
    >>> torch.feature_dropout_(torch.ones(1, 2), 0.5, False)
    tensor([[1., 1.]])
    """
    _chance(p)
    return noise.whole_channels(input, p, train, inplace=True)


def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`nn.functional.feature_alpha_dropout`.

    p: how likely a channel is dropped; train: whether any is. Shapes: (N, C, *), and the
    result the same. Raises: RuntimeError for p outside of 0..1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.feature_alpha_dropout.html

    >>> import rushlight as torch
    >>> torch.feature_alpha_dropout(torch.ones(1, 2), 0.5, False)
    tensor([[1., 1.]])
    """
    _chance(p)
    return noise.feature_alpha_dropout(input, p, train)


def feature_alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """`feature_alpha_dropout` in place.

    p: how likely a channel is dropped; train: whether any is. Shapes: (N, C, *), and the
    result the same. Raises: RuntimeError for p outside of 0..1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.feature_alpha_dropout.html

    >>> import rushlight as torch
    >>> torch.feature_alpha_dropout_(torch.ones(1, 2), 0.5, False)
    tensor([[1., 1.]])
    """
    _chance(p)
    return noise.feature_alpha_dropout(input, p, train, inplace=True)


def embedding_renorm_(
    input: Tensor, indices: Tensor, max_norm: float, norm_type: float
) -> Tensor:  # fmt: skip
    """Scale the rows of a table that `indices` name, in place, to norms of at most `max_norm`.

    norm_type: the p of the norm. Shapes: a table (rows, width) and indices of any shape.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html

    >>> import rushlight as torch
    >>> table = torch.tensor([[3.0, 4.0], [6.0, 8.0]])
    >>> torch.embedding_renorm_(table, torch.tensor([0]), 1.0, 2.0)
    tensor([[0.6000, 0.8000],
            [6.0000, 8.0000]])
    """
    sparse.renormalised(input, indices, max_norm, norm_type)
    return input


def frobenius_norm(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """sqrt(sum of |x|^2) over `dim`; torch has deprecated it for `linalg.vector_norm`.

    dim: one or several; keepdim: they stay, with size 1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.vector_norm.html

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.frobenius_norm(torch.tensor([[3.0, 4.0]]), 1)
    tensor([5.])
    """
    warn_once(
        "at::frobenius_norm is deprecated and it is just left for JIT compatibility. It will be"
        " removed in a future PyTorch release. Please use `linalg.vector_norm(A, 2., dim, keepdim)`"
        " instead"
    )
    return n.named(rl.linalg.vector_norm(input, 2, dim, keepdim), "NormBackward1")


def nuclear_norm(input: Tensor, dim: Any = (-2, -1), keepdim: bool = False) -> Tensor:
    """The sum of singular values of matrices in `dim`; a bool there is keepdim.

    torch has deprecated it for `linalg.matrix_norm`.
    keepdim: the two dimensions stay, with size 1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_norm.html

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.nuclear_norm(torch.eye(3))
    tensor(3.)
    """
    warn_once(
        "at::nuclear_norm is deprecated and it is just left for JIT compatibility. It will be"
        " removed in a future PyTorch release. Please use"
        " `linalg.matrix_norm(A, 'nuc', dim, keepdim)` instead"
    )
    if isinstance(dim, bool):
        dim, keepdim = (-2, -1), dim
    return rl.linalg.matrix_norm(input, "nuc", dim, keepdim)


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm of each slice along the first or last dimension; of all for -1.

    Shapes: (C, ...) gives (C, 1, ..., 1); weight normalisation divides by it.
    v: the weight; pow: the p of the norm.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.weight_norm.html

    >>> import rushlight as torch
    >>> torch.norm_except_dim(torch.tensor([[3.0, 4.0], [6.0, 8.0]]))
    tensor([[ 5.],
            [10.]])
    """
    if dim == -1:
        return n.named(v.norm(pow), "NormBackward0")
    sizes = [v.shape[dim] if place == dim else 1 for place in range(v.ndim)]
    return v.transpose(0, dim).reshape(v.shape[dim], -1).norm(pow, 1).reshape(sizes)


_INTERPOLATIONS = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`nn.functional.grid_sample` with numbers: bilinear, nearest, bicubic; zeros, border, reflect.

    The numbers count those words from 0. Shapes: (N, C, *sizes) and a grid (N, *out,
    dimensions) give (N, C, *out). Raises: IndexError for other numbers, else as there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.grid_sample.html

    >>> import rushlight as torch
    >>> image, middle = torch.arange(4.0).reshape(1, 1, 2, 2), torch.zeros(1, 1, 1, 2)
    >>> torch.grid_sampler(image, middle, 0, 0, False).item()
    1.5
    """
    mode, padding = _INTERPOLATIONS[interpolation_mode], _PADDINGS[padding_mode]
    return grids.grid_sample(input, grid, mode, padding, align_corners)


def grid_sampler_2d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`grid_sampler` of pictures.

    Shapes: (N, C, height, width) and (N, *out, 2) give (N, C, *out).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.grid_sample.html

    >>> import rushlight as torch
    >>> torch.grid_sampler_2d(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 1, 2), 0, 0, False).item()
    1.0
    """
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def grid_sampler_3d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`grid_sampler` of volumes.

    Shapes: (N, C, depth, height, width) and (N, *out, 3) give (N, C, *out).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.grid_sample.html

    >>> import rushlight as torch
    >>> volume, place = torch.ones(1, 1, 2, 2, 2), torch.zeros(1, 1, 1, 1, 3)
    >>> torch.grid_sampler_3d(volume, place, 0, 0, False).item()
    1.0
    """
    return grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def affine_grid_generator(theta: Tensor, size: Any, align_corners: bool) -> Tensor:
    """`nn.functional.affine_grid`.

    theta: (N, 2, 3) or (N, 3, 4); size: that of the pictures, (N, C, *sizes). Arguments and
    errors are those of the function there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.affine_grid.html

    >>> import rushlight as torch
    >>> torch.affine_grid_generator(torch.eye(2, 3)[None], (1, 1, 4, 5), False).shape
    torch.Size([1, 4, 5, 2])
    """
    return grids.affine_grid(theta, size, align_corners)


def convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any,
    transposed: bool, output_padding: Any, groups: int,
) -> Tensor:  # fmt: skip
    """The convolution of as many dimensions as the weight has, transposed or not.

    >>> import rushlight as torch
    >>> x, w = torch.ones(1, 1, 4), torch.ones(1, 1, 2)
    >>> torch.convolution(x, w, None, [1], [0], [1], False, [0], 1)
    tensor([[[2., 2., 2.]]])
    """
    dims = weight.ndim - 2
    if not 1 <= dims <= 3:
        raise RuntimeError("weight should have at least three dimensions")
    if transposed:
        function = getattr(convolutions, f"conv_transpose{dims}d")
        return function(input, weight, bias, stride, padding, output_padding, groups, dilation)
    function = getattr(convolutions, f"conv{dims}d")
    return function(input, weight, bias, stride, padding, dilation, groups)


__all__ = [
    "affine_grid_generator", "alpha_dropout", "alpha_dropout_", "binary_cross_entropy_with_logits",
    "convolution", "cosine_embedding_loss", "ctc_loss", "dropout", "dropout_", "embedding_renorm_",
    "feature_alpha_dropout", "feature_alpha_dropout_", "feature_dropout", "feature_dropout_",
    "frobenius_norm", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d",
    "hinge_embedding_loss", "kl_div", "margin_ranking_loss",
    "norm_except_dim", "nuclear_norm", "poisson_nll_loss", "triplet_margin_loss",
]  # fmt: skip
