"""Losses for classification: negative log-likelihood and cross entropy."""

from __future__ import annotations

import warnings
from math import prod
from typing import Any

import rushlight as rl

from ...core.errors import fail
from ...functions import neural as n
from .reduction import checked_reduction

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "kl_div",
    "linear_cross_entropy", "nll_loss",
]  # fmt: skip

Tensor = rl.Tensor


def _check_weight(weight: Any, classes: int) -> None:
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but"
            " got"
            f" weight tensor of shape: {list(weight.shape)}"
        )


def _batch_misfit(input: Tensor, target: Tensor) -> BaseException:
    rows = target.shape[0] if target.ndim else 0
    error = fail(
        ValueError,
        f"Expected input batch_size ({input.shape[0]}) to match target batch_size ({rows}).",
        f"the scores have shape {tuple(input.shape)}, the labels {tuple(target.shape)}",
    )
    if input.ndim == 2 and target.shape == (1, input.shape[0]):
        error.add_note("a row of labels: use target.squeeze(0)")
    return error


def _check_labels(input: Tensor, target: Tensor) -> None:
    """torch's errors for labels whose shape does not fit the scores'."""
    sizes, places = input._array.shape, target._array.shape
    if len(sizes) == 2 and places == sizes[:1]:
        return
    if input.ndim == 1:
        if target.ndim > 1:
            raise _multi(target)
        if target.ndim == 1 and target.shape[0] != 1:
            raise ValueError(
                f"For 1D input, 1D target must have size 1, but got target size: {target.shape[0]}"
            )
    elif input.ndim == 2:
        if target.shape[:1] != input.shape[:1]:
            raise _batch_misfit(input, target)
        if target.ndim > 1:
            raise _multi(target)
    else:
        _check_places(input, target)


def _multi(target: Tensor) -> BaseException:
    error = RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    error.add_note(f"the labels have shape {tuple(target.shape)}")
    if target.ndim == 2 and target.shape[1] == 1:
        error.add_note("a column of labels: use target.squeeze(1)")
    return error


def _check_places(input: Tensor, target: Tensor) -> None:
    wanted = (input.shape[0], *input.shape[2:])
    found = tuple(target.shape)
    if found == wanted:
        return
    if target.shape[:1] != input.shape[:1]:
        raise _batch_misfit(input, target)
    if input.ndim == 4 and target.ndim != 3:
        raise RuntimeError(
            "only batches of spatial targets supported (3D tensors) but got targets of dimension:"
            f" {target.ndim}"
        )
    if input.ndim == 4:
        raise RuntimeError(
            f"size mismatch (got input: {list(input.shape)} , target: {list(target.shape)}"
        )
    raise RuntimeError(f"Expected target size {list(wanted)}, got {list(found)}")


def _by_rows(
    op: Any, input: Tensor, target: Tensor, weight: Any, ignore: int, reduction: str
) -> Any:
    """Run a loss of (rows, classes[, places]) scores on scores of any number of dimensions."""
    _check_labels(input, target)
    labels = n.labels_of(target)
    if weight is not None:
        _check_weight(weight, input.shape[0 if input.ndim == 1 else 1])
        n.same_type(input, weight)
    shape, ndim = labels._array.shape, len(input._array.shape)
    if ndim == 1:  # one example, whether its label stands in a row or alone
        input, labels, shape = input.unsqueeze(0), labels.reshape(1), ()
    elif ndim > 2:
        places = prod(input.shape[2:])
        input = input.reshape(*input.shape[:2], places)
        labels = labels.reshape(labels.shape[0], places)
    loss = op(input, labels, weight, ignore, reduction)
    if reduction != "none" or len(shape) == 1:
        return loss
    y = loss.reshape(shape)
    if len(shape) == 2:
        return y
    return n.whole(y, "NllLoss2DBackward0" if shape else "NllLossBackward0")


def nll_loss(
    input: Tensor, target: Tensor, weight: Any = None, size_average: bool | None = None,
    ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Minus the log-probability at each label, weighted by class.

    Shapes: input (C), (N, C) or (N, C, d1, ...); target (), (N) or (N, d1, ...), int64. Raises
    IndexError naming the first label out of range.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.nll_loss.html

    >>> import rushlight as torch
    >>> torch.nn.functional.nll_loss(torch.tensor([[-0.5, -1.0]]), torch.tensor([1]))
    tensor(1.)
    """
    reduction = checked_reduction(reduction, size_average, reduce)
    if input._array.ndim == 0:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if input._array.dtype.kind == "c":
        kernel = "nll_loss_out_frame" if input.ndim < 3 else "nll_loss2d_forward_out_frame"
        raise n.not_implemented(kernel, input.dtype)
    return _by_rows(n.nll, input, target, weight, ignore_index, reduction)


def cross_entropy(
    input: Tensor, target: Tensor, weight: Any = None, size_average: bool | None = None,
    ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """Cross entropy between scores (not yet normalised) and labels or class probabilities.

    Shapes: input (C), (N, C) or (N, C, d1, ...); target int64 labels without the class dimension,
    or probabilities of input's shape. Raises IndexError naming the first label out of range.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html

    >>> import rushlight as torch
    >>> torch.nn.functional.cross_entropy(torch.zeros(1, 2), torch.tensor([1]))
    tensor(0.6931)
    """
    reduction = checked_reduction(reduction, size_average, reduce)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    if input._array.shape == target._array.shape:
        if ignore_index >= 0 and target.is_floating_point():
            raise RuntimeError("ignore_index is not supported for floating point target")
        return _to_probabilities(input, target, weight, reduction, label_smoothing)
    if label_smoothing == 0.0:
        return _by_rows(n.cross_entropy.first, input, target, weight, ignore_index, reduction)
    return _smoothed(input, target, weight, ignore_index, reduction, label_smoothing)


def linear_cross_entropy(
    input: Tensor, linear_weight: Tensor, target: Tensor, *, linear_bias: Any = None,
    weight: Any = None, reduction: str = "mean", ignore_index: int | None = None,
    label_smoothing: float = 0.0, options: Any = None,
) -> Tensor:  # fmt: skip
    """`cross_entropy` of `linear(input, linear_weight, linear_bias)`.

    Shapes: input (N, F) or (F), linear_weight (C, F), or (C, d1, ..., F) for more dimensions,
    linear_bias the same without F; target as for scores (N, C, d1, ...). `options` (torch computes
    in chunks by them) changes nothing here.

    >>> import rushlight as torch
    >>> x, w = torch.ones(3, 2), torch.zeros(4, 2)
    >>> torch.nn.functional.linear_cross_entropy(x, w, torch.tensor([0, 1, 2]))
    tensor(1.3863)
    """
    shape = _linear_scores(input, linear_weight, linear_bias)
    if target.shape == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    rows = linear_weight.reshape(-1, input.shape[-1])
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    scores = n.linear(input, rows, bias).reshape(shape)
    ignore = -100 if ignore_index is None else ignore_index
    return cross_entropy(scores, target, weight, None, ignore, None, reduction, label_smoothing)


def _linear_scores(input: Tensor, weight: Tensor, bias: Any) -> tuple[int, ...]:
    """The shape of the scores of `linear_cross_entropy`; torch's errors for what does not fit."""
    if input.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if weight.ndim < 2:
        raise RuntimeError(
            f"expected linear_weight with dimensionality at least 2, got {weight.ndim}"
        )
    features, classes, extra = input.shape[-1], weight.shape[0], tuple(weight.shape[1:-1])
    if features != weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got"
            f" {features} and {weight.shape[-1]}, respectively"
        )
    if bias is not None and tuple(bias.shape) != (classes, *extra):
        raise RuntimeError(
            f"expected linear_bias shape {(classes, *extra)}, got {tuple(bias.shape)}"
        )
    if extra and input.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(weight.shape)} requires"
            f" batched input, (N, {features}), got unbatched input with shape {tuple(input.shape)}"
        )
    return (*input.shape[:-1], classes, *extra)


def _weight_view(weight: Tensor, ndim: int) -> Tensor:
    """One weight per class, broadcast against scores of `ndim` dimensions."""
    return weight if ndim == 1 else weight.reshape((1, -1) + (1,) * (ndim - 2))


def _to_probabilities(
    input: Tensor, target: Tensor, weight: Any, reduction: str, smoothing: float
) -> Tensor:
    if not target.is_floating_point():
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, got"
            f" {n.type_name(target)}"
        )
    dim = 0 if input.ndim == 1 else 1
    classes = input.shape[dim]
    _check_weight(weight, classes)
    if smoothing > 0.0:
        target = target * (1 - smoothing) + smoothing / classes
    scores = n.log_softmax(input, dim)
    if weight is not None:
        scores = scores * _weight_view(weight, input.ndim)
    loss = scores * target
    if reduction == "none":
        return -loss.sum(dim)
    if reduction == "sum":
        return -loss.sum()
    rows = input.numel() // classes if classes else 0
    return n.named(-loss.sum() / rows, "DivBackward1")


def _smoothed(
    input: Tensor, target: Tensor, weight: Any, ignore: int, reduction: str, smoothing: float
) -> Tensor:
    dim = 0 if input.ndim == 1 else 1
    classes = input.shape[dim]
    scores = n.log_softmax(input, dim)
    sharp = _by_rows(n.nll, scores, target, weight, ignore, reduction)
    labels = n.labels_of(target)
    if input.ndim == 1:
        labels = labels.reshape(())
    spread = scores if weight is None else scores * _weight_view(weight, input.ndim)
    even = -spread.sum(dim)
    ignored = labels == ignore
    even = even.masked_fill(ignored, 0.0)
    if reduction == "none":
        even = even.reshape(target.shape)
    elif reduction == "sum":
        even = even.sum()
    elif weight is None:
        even = even.sum() / (ignored.numel() - ignored.sum())
    else:
        counted = weight[labels.masked_fill(ignored, 0)].masked_fill(ignored, 0.0)
        even = even.sum() / counted.sum()
    return sharp * (1 - smoothing) + even * (smoothing / classes)


def _same_but_for_ones(input: Tensor, target: Tensor) -> list[str]:
    """How a column of scores and a row of targets, or the other way round, come to one shape."""
    if [size for size in input.shape if size != 1] != [size for size in target.shape if size != 1]:
        return []
    return [f"the same numbers in another shape: target.reshape({tuple(input.shape)}) fits"]


@n.goes_by("BinaryCrossEntropyBackward0")
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Any = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """-(t log p + (1 - t) log(1 - p)) for probabilities p; logarithms are held above -100.

    Raises RuntimeError naming the first element outside of 0..1.

    >>> import rushlight as torch
    >>> torch.nn.functional.binary_cross_entropy(torch.tensor([0.5]), torch.tensor([1.0]))
    tensor(0.6931)
    """
    reduction = checked_reduction(reduction, size_average, reduce)
    if target.shape != input.shape:
        raise fail(
            ValueError,
            f"Using a target size ({target.shape}) that is different to the input size"
            f" ({input.shape}) is deprecated. Please ensure they have the same size.",
            *_same_but_for_ones(input, target),
        )
    if target.dtype is not input.dtype:
        raise fail(
            RuntimeError,
            f"Found dtype {n.type_name(target)} but expected {n.type_name(input)}",
            f"targets are probabilities: use target.to({input.dtype})",
        )
    loss = n.probability_loss(input, target)
    if weight is not None:
        loss = loss * weight
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


@n.goes_by("BinaryCrossEntropyWithLogitsBackward0")
def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Any = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean", pos_weight: Any = None,
) -> Tensor:  # fmt: skip
    """`binary_cross_entropy` of sigmoid(input), without overflow; `pos_weight` weighs the ones.

    Args: target, weight and pos_weight, tensors that broadcast with the input; reduction, "mean"
        over all elements, "sum", or "none" for a loss each.
    Raises: ValueError where target and input are of different shapes or for another reduction.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.binary_cross_entropy_with_logits.html

    >>> import rushlight as torch
    >>> F = torch.nn.functional
    >>> F.binary_cross_entropy_with_logits(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor(0.6931)
    """
    reduction = checked_reduction(reduction, size_average, reduce)
    if target.shape != input.shape:
        raise fail(
            ValueError,
            f"Target size ({target.shape}) must be the same as input size ({input.shape})",
            *_same_but_for_ones(input, target),
        )
    n.refuse(input, "bool int uint8 complex", "log_sigmoid_cpu")
    if not target.is_floating_point():
        raise fail(
            RuntimeError,
            f"result type {n.type_name(input)} can't be cast to the desired output type"
            f" {n.type_name(target)}",
            "targets are probabilities: use target.float()",
        )
    if pos_weight is None:
        loss = n.logit_loss(input, target)
    else:
        ones = (pos_weight - 1) * target + 1
        loss = (1 - target) * input - ones * n.log_sigmoid(input)
    if weight is not None:
        loss = loss * weight
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


def kl_div(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", log_target: bool = False,
) -> Tensor:  # fmt: skip
    """target (log target - input), with input (and target, if `log_target`) in logarithms.

    `reduction="batchmean"` divides the sum by the batch size, as the definition has it.

    >>> import rushlight as torch
    >>> p = torch.tensor([[0.5, 0.5]])
    >>> torch.nn.functional.kl_div(p.log(), p, reduction="batchmean")
    tensor(0.)
    """
    batch = reduction == "batchmean" and size_average is None and reduce is None
    reduction = "sum" if batch else checked_reduction(reduction, size_average, reduce)
    for x in (input, target):
        n.refuse(x, "bool int uint8", "kl_div: Integral inputs not supported.")
        n.refuse(x, "complex", "kl_div: Complex inputs not supported.")
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math"
            " definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    if log_target:
        loss = target.exp() * (target - input)
    else:
        loss = n.self_information(target) - target * input
    loss = loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss
    return loss / input.shape[0] if batch and input.ndim else loss
