"""Similarities and distances, and the losses made of them."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...functions import neural as n
from .reduction import checked_reduction, reduced

__all__ = [
    "cosine_embedding_loss", "cosine_similarity", "margin_ranking_loss", "pairwise_distance",
    "pdist", "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip

Tensor = rl.Tensor


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (|x1| |x2|) along `dim`, each norm held above `eps`.

    Shapes: such as broadcast; the result has them without `dim`.
    Raises: RuntimeError for whole numbers.

    >>> import rushlight as torch
    >>> a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]])
    >>> torch.nn.functional.cosine_similarity(a, b)
    tensor([0.7071])
    """
    kind = rl.promote_types(x1.dtype, x2.dtype)
    if not kind.is_floating_point:
        raise RuntimeError(
            "expected common dtype to be floating point, yet common dtype is"
            f" {n.type_name(x1 if x1.dtype is kind else x2)}"
        )
    shape = n.broadcast(x1.shape, x2.shape)
    x1, x2 = x1.to(kind).expand(shape), x2.to(kind).expand(shape)
    # the bound holds the norms' values alone, as in torch: the gradient takes the norms as they are
    sizes = [x.norm(2, dim, keepdim=True) for x in (x1, x2)]
    sizes = [size + (size.detach().clamp_min(eps) - size.detach()) for size in sizes]
    return ((x1 / sizes[0]) * (x2 / sizes[1])).sum(dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last dimension.

    Args: eps, added to each difference; keepdim: the last dimension stays, at size 1.
    Shapes: (*, D) twice, broadcast together, to (*).
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.pairwise_distance.html

    >>> import rushlight as torch
    >>> torch.nn.functional.pairwise_distance(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
    tensor([5.0000])
    """
    return n.named((x1 - x2 + eps).norm(p, -1, keepdim=keepdim), "NormBackward1")


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm between every two rows of a matrix, as one vector: (N (N - 1) / 2).

    In the order (0, 1), (0, 2), ..., (N - 2, N - 1). Raises: RuntimeError for other than two
    dimensions. Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.pdist.html

    >>> import rushlight as torch
    >>> torch.nn.functional.pdist(torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 4.0]]))
    tensor([5., 4., 3.])
    """
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    n.refuse(input, "bool int uint8 complex", "pdist only supports floating-point dtypes")
    n.refuse(input, "float16 bfloat16", "pdist")
    return n.pair_norms(input, float(p))


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0,
    size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1.

    Args: target, 1 or -1 for each pair; reduction, "mean", "sum" or "none". Shapes: (N, D) twice
        and (N,), or (D,) twice and ().
    Raises: RuntimeError for other shapes, ValueError for another reduction.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.cosine_embedding_loss.html

    >>> import rushlight as torch
    >>> torch.nn.functional.cosine_embedding_loss(torch.ones(1, 2), torch.ones(1, 2), torch.ones(1))
    tensor(0.)
    """
    reduction = checked_reduction(reduction, size_average, reduce)
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if not input1.ndim == input2.ndim == target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found"
            f" inputs with sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    # in place of cosine_similarity: torch adds to the squares here instead of bounding the norms
    dots = (input1 * input2).sum(-1)
    first, second = (x.square().sum(-1) + 1e-12 for x in (input1, input2))
    cosine = dots / (first * second).sqrt()
    zero = rl.zeros_like(cosine)
    near = rl.where(target == 1, 1 - cosine, zero)
    return reduced(near + rl.where(target == -1, (cosine - margin).clamp_min(0), zero), reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0,
    size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, -y (x1 - x2) + margin).

    Args: target y, 1 where input1 is to be larger, -1 where input2 is; reduction, "mean", "sum",
        "none".
    Raises: RuntimeError where the three differ in their number of dimensions.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.margin_ranking_loss.html

    >>> import rushlight as torch
    >>> torch.nn.functional.margin_ranking_loss(torch.zeros(1), torch.ones(1), torch.ones(1))
    tensor(1.)
    """
    reduction = checked_reduction(reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes:"
            f" input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    apart = input1 - input2  # first: what cannot be subtracted is refused as such
    margin = margin if isinstance(margin, float) else float(margin)
    return reduced((-target * apart + margin).clamp_min(0), reduction)


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2,
    eps: float = 1e-6, swap: bool = False, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d the p-norm of the difference.

    anchor, positive, negative: (n, features) or (features). swap: the distance of the negative is
    the smaller of those to anchor and positive. Raises ValueError for a margin that is not above 0.
    Source: V. Balntas and others, "Learning local feature descriptors with triplets and shallow
    convolutional neural networks" (2016).

    >>> import rushlight as torch
    >>> anchor, far = torch.zeros(1, 2), torch.full((1, 2), 5.0)
    >>> torch.nn.functional.triplet_margin_loss(anchor, anchor, far)
    tensor(0.)
    """
    reduction = checked_reduction(reduction, size_average, reduce)
    return _triplet(
        anchor, positive, negative, lambda a, b: pairwise_distance(a, b, p, eps), margin, swap,
        reduction,
    )  # fmt: skip


def _triplet(
    anchor: Tensor, positive: Tensor, negative: Tensor, distance: Any, margin: float, swap: bool,
    reduction: str,
) -> Tensor:  # fmt: skip
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of"
            f" dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative"
            f" {negative.ndim}D inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = rl.minimum(far, distance(positive, negative))
    return reduced((near - far + margin).clamp_min(0), reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *, distance_function: Any = None,
    margin: float = 1.0, swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """`triplet_margin_loss` with a distance of one's own (by default `pairwise_distance`).

    distance_function: of two tensors of the operands' shape, a distance for each pair of rows.

    >>> import rushlight as torch
    >>> anchor, far = torch.zeros(1, 2), torch.full((1, 2), 5.0)
    >>> torch.nn.functional.triplet_margin_with_distance_loss(
    ...     anchor, anchor, far, distance_function=lambda a, b: (a - b).abs().sum(1), margin=11.0)
    tensor(1.)
    """
    reduction = checked_reduction(reduction)
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)
