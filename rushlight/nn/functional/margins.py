"""Margin losses over several classes or labels, and the loss of unaligned sequences."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...functions import neural as n
from .reduction import checked_reduction, reduced

__all__ = [
    "ctc_loss", "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss",
]  # fmt: skip

Tensor = rl.Tensor
_AT_ONCE = 1 << 19  # pairs of a label and a class whose gaps are taken at a time
_WIDE_ONLY = "bool int uint8 float16 bfloat16 complex"  # what kernels for float and double refuse


@n.goes_by("MultiMarginLossBackward0")
def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Any = None,
    size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """mean over the other classes of max(0, margin - x[label] + x[class]) ** p.

    Shapes: input (N, C) or (C), target (N) or ().
    weight (C): a factor for each label; reduction: "mean", "sum" or "none". Raises: ValueError for
    other powers than 1 and 2, RuntimeError for labels out of range.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.multi_margin_loss.html

    >>> import rushlight as torch
    >>> torch.nn.functional.multi_margin_loss(torch.tensor([[0.0, 2.0]]), torch.tensor([1]))
    tensor(0.)
    """
    reduction = checked_reduction(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    _check_scores(input)
    single = input.ndim < 2
    scores = input.reshape(1, -1) if single else input
    if target.numel() != scores.shape[0] or target.ndim > 1:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input"
            f" samples (batch size). Expected target size [{scores.shape[0]}], but got"
            f" {list(target.shape)}. Input has shape {list(input.shape)}."
        )
    classes = scores.shape[1]
    if weight is not None and weight.numel() != classes:
        raise RuntimeError(
            f"inconsistent weight size, expected {classes} but got {list(weight.shape)}"
        )
    if target.dtype is not rl.int64:
        raise RuntimeError(f"expected scalar type Long but found {n.type_name(target)}")
    n.refuse(input, _WIDE_ONLY, "multi_margin_loss_cpu_kernel")
    labels = target.reshape(-1, 1)
    if n.outside(labels, 0, classes):
        raise RuntimeError("target out of range")
    excess = (margin - scores.gather(1, labels) + scores).clamp_min(0)
    if p == 2:
        excess = excess * excess
    if weight is not None:
        excess = excess * weight[labels]
    others = rl.arange(classes) != labels
    loss = (excess * others).sum(1) / classes
    whole = single and reduction == "none"
    return loss.reshape(target.shape) if whole else reduced(loss, reduction)


def _check_scores(input: Tensor) -> None:
    if input.ndim > 2 or 0 in (input.shape[1:] if input.ndim > 1 else input.shape):
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got:"
            f" {list(input.shape)}"
        )


def _behind_labels(scores: Tensor, labels: Tensor) -> Tensor:
    """The loss of each row of scores."""
    listed = (labels < 0).long().cumsum(1) == 0  # up to the first -1
    safe = labels.clamp_min(0)
    is_label = rl.zeros_like(labels).scatter_add(1, safe, listed.to(labels.dtype)) > 0
    own = scores.gather(1, safe)
    # (N, labels, classes): the margin of each label over each class
    gaps = (1 - (own.unsqueeze(2) - scores.unsqueeze(1))).clamp_min(0)
    counted = listed.unsqueeze(2) & ~is_label.unsqueeze(1)
    return (gaps * counted).sum((1, 2)) / scores.shape[1]


@n.goes_by("MultilabelMarginLossBackward0")
def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """sum over labels y and other classes i of max(0, 1 - (x[y] - x[i])) / classes.

    Shapes: input (N, C) or (C), target the same: labels first, then -1.

    >>> import rushlight as torch
    >>> x, y = torch.tensor([[0.1, 0.2, 0.4, 0.8]]), torch.tensor([[3, 0, -1, 1]])
    >>> torch.nn.functional.multilabel_margin_loss(x, y)
    tensor(0.8500)
    """
    reduction = checked_reduction(reduction, size_average, reduce)
    _check_scores(input)
    if input.shape != target.shape:
        raise RuntimeError(
            f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}"
        )
    n.refuse(input, _WIDE_ONLY, "multilabel_margin_loss_forward_out_frame")
    if n.outside(target, -1, input.shape[-1] if input.ndim else 1):
        raise RuntimeError("argument #2 'target' is out of range")
    single = input.ndim < 2
    scores, labels = (x.reshape(1, -1) if single else x for x in (input, target))
    classes = scores.shape[1]
    rows = max(1, _AT_ONCE // classes**2)
    if scores.shape[0] <= rows or n.STATE.tracer is not None:  # a program makes no such arrays
        loss = _behind_labels(scores, labels)
    else:
        parts = zip(scores.split(rows), labels.split(rows))
        loss = rl.cat([_behind_labels(*part) for part in parts])
    return loss.reshape(()) if single and reduction == "none" else reduced(loss, reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Any = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The mean over classes of -(y log sigmoid(x) + (1 - y) log sigmoid(-x)).

    Args: target, 0 or 1 for each class; weight (C,), of the classes; reduction over the N rows.
    Shapes: (N, C) twice to (), or to (N,) where the reduction is "none".
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.multilabel_soft_margin_loss.html

    >>> import rushlight as torch
    >>> torch.nn.functional.multilabel_soft_margin_loss(torch.zeros(1, 3), torch.ones(1, 3))
    tensor(0.6931)
    """
    reduction = checked_reduction(reduction, size_average, reduce)
    loss = -(target * n.log_sigmoid(input) + (1 - target) * n.log_sigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduced(n.named(loss.mean(-1), "DivBackward0"), reduction)


def _numbers(lengths: Any, name: str) -> list[int]:
    if n.holds_tensor(lengths) and lengths.dtype.category != rl.int64.category:
        raise RuntimeError(f"{name} must be integral")
    found = lengths.tolist() if n.holds_tensor(lengths) else list(lengths)
    return [int(one) for one in (found if isinstance(found, list) else [found])]


def _check_ctc(
    times: list[int], targets: list[int], steps: int, batch: int, classes: int, blank: int
) -> None:
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    for name, found in (("input_lengths", times), ("target_lengths", targets)):
        if len(found) != batch:
            raise RuntimeError(f"{name} must be of size batch_size")
    for length in targets:
        if length < 0:
            raise RuntimeError(
                f"Expected target_lengths to have value at least 0, but got value {length}{_WHERE}"
            )
    for length in times:
        if not 0 <= length <= steps:
            limit = "at least 0" if length < 0 else f"at most {steps}"
            raise RuntimeError(
                f"Expected input_lengths to have value {limit}, but got value {length}{_WHERE}"
            )


_WHERE = " (while checking arguments for ctc_loss_allocate_outputs)"


def _check_room(targets: Tensor, lengths: list[int]) -> None:
    """Refuse fewer labels than the lengths tell of."""
    rows = targets.shape[0]
    if targets.ndim == 1:
        wanted, dim, kind = sum(lengths), 0, "size"
    elif rows != len(lengths):
        wanted, dim, kind = len(lengths), 0, "size"
    else:
        wanted, dim, kind = max(lengths, default=0), 1, "size at least"
    found = targets.shape[dim]
    fits = found >= wanted if dim else found == wanted
    if not fits:
        raise RuntimeError(
            f"Expected tensor to have {kind} {wanted} at dimension {dim}, but got size {found} for"
            f" argument #2 'targets'{_WHERE}"
        )


def _padded_labels(targets: Tensor, lengths: list[int], blank: int) -> Tensor:
    """Labels as (B, S): joined sequences are cut apart, what lies beyond a length is blank."""
    longest = max(lengths, default=0)
    if not longest:
        return rl.full((len(lengths), 0), blank, dtype=rl.int64)
    counts, steps = rl.tensor(lengths).unsqueeze(1), rl.arange(longest)
    if targets.ndim == 1:
        places = (counts.cumsum(0) - counts + steps).clamp_max(targets.shape[0] - 1)
        labels = targets[places]
    else:
        labels = targets[:, :longest]
    if min(lengths) < longest:
        labels = rl.where(steps < counts, labels, blank)
    return labels.long()


def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0,
    reduction: str = "mean", zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """Minus the log-probability of each label sequence, summed over all ways to align it.

    Shapes: log_probs (T, N, C) or (T, C), targets (N, S), (S) or joined (sum of lengths). The mean
    divides each loss by its target length first.
    Source: Graves et al. 2006, https://www.cs.toronto.edu/~graves/icml_2006.pdf

    >>> import rushlight as torch
    >>> torch.nn.functional.ctc_loss(torch.zeros(2, 1, 2), torch.tensor([[1]]), [2], [1])
    tensor(-1.0986)
    """
    reduction = checked_reduction(reduction)
    single = log_probs.ndim == 2
    if single:
        log_probs = log_probs.unsqueeze(1)
        targets = targets.reshape(1, -1)
    times = _numbers(input_lengths, "input_lengths")
    lengths = _numbers(target_lengths, "target_lengths")
    steps, batch, classes = log_probs.shape
    _check_ctc(times, lengths, steps, batch, classes, blank)
    n.refuse(log_probs, _WIDE_ONLY, "ctc_loss_cpu")
    _check_room(targets, lengths)
    labels = _padded_labels(targets, lengths, blank)
    counts = rl.tensor(lengths)
    loss = n.ctc(log_probs, labels, rl.tensor(times), counts, blank, bool(zero_infinity))
    if zero_infinity:
        n.named(loss, "WhereBackward0")
    if reduction == "mean":
        return (loss / counts.clamp_min(1).to(loss.dtype)).mean()
    if reduction == "sum":
        return loss.sum()
    return loss.squeeze(0) if single else loss
