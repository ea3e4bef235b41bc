"""Losses: of one element each, and of labels.

A label is found by comparing it with the class number, so that the score is picked in the same pass
that sums the row's exponentials. A label out of range, which the eager op refuses with an error,
makes its row nan here.
"""

from __future__ import annotations

from math import nan, prod
from typing import Any

from .activations import shifted
from .value import NotNative


def _logit_loss(s: Any, x: Any, t: Any) -> Any:
    x, t = s.floats(x, t)
    return s.log1p(s.exp(-s.abs(x))) + s.max(x, 0) - x * t


def _probability_loss(s: Any, p: Any, t: Any) -> Any:
    p, t = s.floats(p, t)
    y = (t - 1) * s.max(s.log1p(-p), -100) - t * s.max(s.log(p), -100)
    inside = (p >= 0) & (p <= 1) & (t >= 0) & (t <= 1)
    return s.where(inside, y, nan)


def _float(x: Any) -> Any:
    if x.dtype.kind != "f":
        raise NotNative("a loss of integers")
    return x


def _smooth_l1(s: Any, d: Any, beta: float) -> Any:
    size = s.abs(_float(d))
    if beta == 0:
        return size
    return s.where(size < beta, size * size * (0.5 / beta), size - 0.5 * beta)


def _huber(s: Any, d: Any, delta: float) -> Any:
    size = s.abs(_float(d))
    return s.where(size <= delta, size * size * 0.5, (size - delta / 2) * delta)


# -- labels ------------------------------------------------------------------------------------


class Labels:
    """Labels beside scores (rows, classes, ...): what counts, where they hit, their weights."""

    def __init__(self, s: Any, labels: Any, shape: Any, weight: Any, ignore: int) -> None:
        classes = shape[1]
        self.s, self.size = s, labels.size
        column = s.reshape(labels, (labels.shape[0], 1, *labels.shape[1:]))
        self.hit = s.eq(s.iota((1, classes, *(1,) * (len(shape) - 2)), 1), column)
        self.counts = s.ne(labels, ignore)
        self.valid = (labels >= 0) & (labels < classes)
        self.ignores = 0 <= ignore < classes
        self.weight = weight

    def picked(self, x: Any) -> Any:
        """The score at each label; nan for a label out of range that counts."""
        zero = self.s.constant(0, x.dtype)
        found = self.s.sum(self.s.where(self.hit, x, zero), 1)
        return self.s.where(self.valid, found, nan)

    def factors(self, dtype: Any) -> Any:
        """The weight of each row: 0 for a label that is ignored."""
        s = self.s
        if self.weight is None:
            return s.cast(self.counts, dtype)
        weight = s.reshape(s.cast(self.weight, dtype), (-1, *(1,) * (self.hit.ndim - 2)))
        found = s.sum(s.where(self.hit, weight, s.constant(0, dtype)), 1)
        return s.where(self.counts, found, s.constant(0, dtype))

    def reduced(self, rows: Any, reduction: str) -> Any:
        """Rows of losses weighted, then kept, summed or averaged."""
        s, factors = self.s, self.factors(rows.dtype)
        weighted = rows if self.weight is None else rows * factors
        kept = self.counts if self.weight is None else s.ne(factors, 0) | (
            self.counts & ~self.valid)  # fmt: skip
        rows = s.where(kept, weighted, s.constant(0, rows.dtype))
        if reduction == "none":
            return rows
        return s.sum(rows) if reduction == "sum" else s.sum(rows) / s.sum(factors)

    def scales(self, g: Any, reduction: str) -> Any:
        """How much each row's score moves the loss."""
        s, factors, zero = self.s, self.factors(g.dtype), self.s.constant(0, g.dtype)
        if reduction == "mean":
            g = g / s.sum(factors)
        if self.weight is None:
            return s.where(self.counts, g, zero)
        return s.where(s.ne(factors, 0), g * factors, zero)


def _labelled(x_shape: Any, labels: Any, weight: Any, dtype: Any) -> None:
    if dtype.kind != "f" or len(x_shape) < 2 or not prod(x_shape) or not labels.size:
        raise NotNative("scores of integers, or none")
    if labels.shape != (x_shape[0], *x_shape[2:]) or labels.dtype.kind not in "iu":
        raise NotNative("labels of another shape")
    if weight is not None and (weight.dtype.kind != "f" or weight.shape != (x_shape[1],)):
        raise NotNative("weights of another kind")


def _nll(s: Any, x: Any, labels: Any, weight: Any, ignore: int, reduction: str) -> Any:
    _labelled(x.shape, labels, weight, x.dtype)
    found = Labels(s, labels, x.shape, weight, ignore)
    return found.reduced(-found.picked(x), reduction)


def _nll_back(
    s: Any, g: Any, labels: Any, weight: Any, shape: Any, ignore: int, reduction: str
) -> Any:
    """Zeros but for minus the gradient at each label."""
    _labelled(shape, labels, weight, g.dtype)
    found = Labels(s, labels, shape, weight, ignore)
    scale = found.scales(g, reduction)
    column = s.reshape(-scale, (labels.shape[0], 1, *labels.shape[1:]))
    return s.where(found.hit, column, s.constant(0, g.dtype))


def _cross_entropy_softmax(
    s: Any, x: Any, labels: Any, weight: Any, ignore: int, reduction: str
) -> Any:
    """The loss, and the softmax that its gradient is made of."""
    _labelled(x.shape, labels, weight, x.dtype)
    found = Labels(s, labels, x.shape, weight, ignore)
    low, total = shifted(s, x, 1)
    logs = s.reshape(s.log(total), labels.shape)
    return found.reduced(logs - found.picked(low), reduction), s.exp(low) / total


def _cross_entropy_back(
    s: Any, p: Any, g: Any, labels: Any, weight: Any, ignore: int, reduction: str
) -> Any:
    _labelled(p.shape, labels, weight, p.dtype)
    found = Labels(s, labels, p.shape, weight, ignore)
    scale = found.scales(g, reduction)
    column = s.reshape(scale, (labels.shape[0], 1, *labels.shape[1:]))
    return s.where(found.hit, p - 1, p) * column


def _cross_entropy(s: Any, x: Any, labels: Any, weight: Any, ignore: int, reduction: str) -> Any:
    """The second output, the softmax as bits, only the op itself makes."""
    _labelled(x.shape, labels, weight, x.dtype)
    found = Labels(s, labels, x.shape, weight, ignore)
    low, total = shifted(s, x, 1)
    logs = s.reshape(s.log(total), labels.shape)
    return found.reduced(logs - found.picked(low), reduction), None


TABLE: dict[str, Any] = {
    "logit_loss": _logit_loss, "probability_loss": _probability_loss, "smooth_l1": _smooth_l1,
    "huber": _huber, "nll_loss": _nll, "nll_loss_back": _nll_back,
    "cross_entropy": _cross_entropy,
}  # fmt: skip
# programs of eager mode that are no ops
EAGER: dict[str, Any] = {
    "cross_entropy_softmax": _cross_entropy_softmax, "cross_entropy_back": _cross_entropy_back,
}  # fmt: skip
