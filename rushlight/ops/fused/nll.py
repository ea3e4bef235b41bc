"""The negative log-likelihood of labels: picking one log-probability per row, and cross entropy.

Labels are int64 operands without a gradient. Scores have shape (rows, classes) or
(rows, classes, places); labels (rows) or (rows, places).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ...core.errors import fail, warn_of_nothing
from ...core.families import general, multilinear
from ...core.heavy import LEAST, able, heavy
from ...core.numbers import number
from ...core.tape import INPUTS
from ..reduce import few_rows, ones, row_starts
from ..reduce import sum as sum_of
from .kernels import half, need_float, raw, widened
from .softmax import below_top, log_softmax, softmax

FEW = 64
_BITS = {4: np.dtype(np.int32), 8: np.dtype(np.int64)}  # whole numbers of as many bytes
_UNSIGNED = np.dtype(np.uint64)  # a class NumPy looks up at each call
_OF_BITS = {4: np.dtype("f"), 8: np.dtype("d")}


def _refuse(labels: np.ndarray, wrong: np.ndarray, classes: int, ignore: int) -> None:
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    label = int(labels[place])
    where = f"row {place[0]}" if len(place) == 1 else f"position {place}"
    notes = [f"label {label} at {where}; {classes} classes are 0..{classes - 1}"]
    if label < 0:
        notes.append(f"labels to be skipped must equal ignore_index, which is {ignore}")
    raise fail(IndexError, f"Target {label} is out of bounds.", *notes)


def _checked(labels: np.ndarray, classes: int, ignore: int) -> tuple[np.ndarray, Any]:
    """Labels that can be looked up, and which of them count (None: all do)."""
    if not labels.size:
        return labels, None
    # one pass: seen without sign, a negative label is larger than any class
    seen = labels.view(_UNSIGNED)
    high = seen.item(seen.argmax())
    if high < classes and not 0 <= ignore <= high:
        return labels, None
    counts = labels != ignore
    wrong = counts & ((labels < 0) | (labels >= classes))
    if wrong.any():
        _refuse(labels, wrong, classes, ignore)
    return np.where(counts, labels, 0), counts


@lru_cache(64)
def _first_places(rows: int, classes: int, places: int) -> np.ndarray:
    """Where the scores of the first class stand, of all places."""
    found = (np.arange(rows) * (classes * places))[:, None] + np.arange(places)
    found.flags.writeable = False
    return found


def _flat(x: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """Where the scores at the labels stand in memory; None if x does not lie in its order."""
    if not x.size or not x.flags.c_contiguous:
        return None
    if x.ndim == 3:
        first = _first_places if labels.size <= LEAST else _first_places.__wrapped__
        return labels * x.shape[2] + first(*x.shape)
    rows, classes = x.shape
    starts = row_starts if rows <= LEAST else row_starts.__wrapped__
    return starts(rows, classes) + labels


def _key(labels: np.ndarray) -> Any:
    """An index of the scores at their labels."""
    if labels.ndim == 1:
        return np.arange(len(labels)), labels
    rows, places = np.ogrid[: labels.shape[0], : labels.shape[1]]
    return rows, labels, places


def _factors(labels: np.ndarray, counts: Any, weight: Any, like: np.ndarray) -> Any:
    """The weight of each row: one number for all where possible."""
    if weight is not None:
        found = weight.take(labels)
        return found if counts is None else found * counts
    return None if counts is None else counts.astype(like.dtype)


def _total(factors: Any, labels: np.ndarray) -> Any:
    if factors is None:
        return labels.size
    return _in_turn(factors) if half(factors) else factors.sum()


def _in_turn(rows: np.ndarray) -> Any:
    """A sum of short numbers as torch makes it: one after the other, each sum rounded.

    The first number waits; of all others 16 are summed, 16 such sums, and so on. At the end come
    what is left of the 16, of their 16, ..., and the first.
    """
    found, flat = np.zeros((), rows.dtype), rows.reshape(-1)
    first, rest = flat[:1], flat[1:]
    while rest.size:
        whole = rest.size // 16 * 16
        left = rest[whole:]
        if left.size:
            found = found + np.add.accumulate(left)[-1]
        rest = np.add.accumulate(rest[:whole].reshape(-1, 16), 1)[:, -1]
    return found + first[0] if first.size else found


def _reduced(rows: np.ndarray, factors: Any, labels: np.ndarray, reduction: str) -> Any:
    if factors is not None:
        rows = rows * factors
        if not factors.all():
            rows = np.where(factors == 0, 0, rows)
    if reduction == "none":
        return rows
    few = rows.ndim == 1 and 0 < rows.size <= FEW
    if half(rows):
        total = _in_turn(rows)
    else:
        total = rows.dot(ones(rows.size, rows.dtype)) if few else np.add.reduce(rows, None)
    if reduction == "sum":
        return total
    count = _total(factors, labels)
    if not count:
        warn_of_nothing("no label counts" if labels.size else "no rows")
        return total * np.nan
    return total / total.dtype.type(count) if half(total) else total / count


def _scales(g: np.ndarray, counts: Any, weight: Any, labels: Any, reduction: str) -> np.ndarray:
    """How much each row's score moves the loss: the gradient per row (0-d where all are equal)."""
    factors = _factors(labels, counts, weight, g)
    if reduction == "mean":
        count = _total(factors, labels)
        if factors is None and count:
            return np.asarray(g / number(count, g.dtype))
        g = np.asarray(g / g.dtype.type(count) if count else g * np.nan)
    return g if factors is None else np.where(factors == 0, 0, g * factors)


def _nll(x: np.ndarray, labels: np.ndarray, weight: Any, ignore: int, reduction: str) -> Any:
    labels, counts = _checked(labels, x.shape[1], ignore)
    flat = _flat(x, labels)
    rows = x[_key(labels)] if flat is None else x.take(flat)
    if reduction != "none" and counts is weight is None:  # one number is negated sooner
        return np.asarray(0.0 - _reduced(rows, None, labels, reduction), x.dtype)
    rows = np.negative(rows)
    found = _reduced(rows, _factors(labels, counts, weight, rows), labels, reduction)
    return np.asarray(found, x.dtype)


def _nll_back(
    g: np.ndarray, labels: np.ndarray, weight: Any, shape: Any, ignore: int, reduction: str
) -> np.ndarray:
    labels, counts = _checked(labels, shape[1], ignore)
    dx = np.zeros(shape, g.dtype)
    scale, flat = np.negative(_scales(g, counts, weight, labels, reduction)), _flat(dx, labels)
    if flat is None:
        dx[_key(labels)] = scale
    else:
        dx.reshape(-1)[flat] = scale
    return dx


def _nll_node(entry: Any) -> str:
    """torch tells labels of rows from labels of places."""
    kept = entry[INPUTS]
    labels = kept[1] if type(kept) is tuple else None
    places = len(getattr(labels, "shape", ())) > 1
    return "NllLoss2DBackward0" if places else "NllLossBackward0"


def _nll_kernel(x: Any, labels: Any, *_: Any) -> str:
    """torch's kernel; rules of the op, which is linear, give it complex gradients too."""
    places = len(getattr(labels, "shape", ())) > 1
    return "nll_loss2d_forward_out_frame" if places else "nll_loss_out_frame"


nll = multilinear(
    "nll_loss", eval=_nll, node=_nll_node, refuses={"bool int": _nll_kernel},
    adjoints=[lambda g, x, labels, weight, ignore, reduction:
              nll_back(g, labels, weight, x.shape, ignore, reduction), None, None],
    doc="Minus the scores at their labels, weighted, then averaged, summed or kept.",
)  # fmt: skip
nll_back = multilinear(
    "nll_loss_back", eval=_nll_back, node="NllLossBackwardBackward0",
    adjoints=[lambda g, g0, labels, weight, shape, ignore, reduction:
              nll(g, labels, weight, ignore, reduction), None, None],
    doc="The adjoint of `nll_loss`: zeros but at the labels.",
)  # fmt: skip


def _cross_entropy(
    x: np.ndarray, labels: np.ndarray, weight: Any, ignore: int, reduction: str
) -> Any:
    if x.dtype.char not in "fd":
        need_float(x, "log_softmax_lastdim_kernel_impl")
    if half(x):  # two ops in torch: the second reads rounded numbers, and so does the gradient
        y = log_softmax.primitive.eval(x, 1)
        loss = nll.primitive.eval(y, labels, weight, ignore, reduction)
        p = np.exp(widened(y))
        return loss, p.view(_BITS[p.itemsize])
    if x.size < LEAST:
        loss, p = _loss_and_softmax(x, labels, weight, ignore, reduction)
    else:
        _checked(labels, x.shape[1], ignore)  # a program does not say which label is wrong
        loss, p = _large(x, labels, weight, ignore, reduction)
    # kept as bits: an output of integers takes no gradient
    return loss, p.view(_BITS[p.itemsize])


def _loss_and_softmax(
    wide: np.ndarray, labels: np.ndarray, weight: Any, ignore: int, reduction: str
) -> Any:
    labels, counts = _checked(labels, wide.shape[1], ignore)
    flat = _flat(wide, labels) if wide.ndim == 2 and wide.size < LEAST else None
    rows, p = _rows_by_key(wide, labels) if flat is None else _rows_of_few(wide, flat)
    loss = _reduced(rows, _factors(labels, counts, weight, rows), labels, reduction)
    if p.size >= LEAST and able():  # as a program lays it out
        p = np.ascontiguousarray(p)
    return np.asarray(loss, p.dtype), p


def _rows_by_key(wide: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The loss of each row, and the softmax."""
    # few classes: rows too short for vectors, so work on a copy with the examples innermost
    p = np.array(wide.T, order="C").T if wide.ndim == 2 and wide.shape[1] <= FEW else wide.copy()
    if p.size:
        p -= np.maximum.reduce(p, 1, keepdims=True)
    at_label = p[_key(labels)]
    np.exp(p, p)
    sums = np.add.reduce(p, 1, keepdims=True)
    p /= sums
    return np.log(sums[:, 0]) - at_label, p


def _rows_of_few(wide: np.ndarray, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of a small matrix, where the number of calls counts.

    A product with ones takes a third of a sum's time, and a square of ones spares the column.
    """
    p = below_top(wide)
    at_label = p.take(flat)
    np.exp(p, p)
    few = few_rows(p, 1)
    if few is None:
        sums = p.dot(ones(p.shape[1], p.dtype))
        np.divide(p, sums.reshape(-1, 1), p)
    else:
        spread = p.dot(few[1])
        np.divide(p, spread, p)
        sums = spread[:, 0]
    return np.subtract(np.log(sums, sums), at_label, at_label), p


def _cross_entropy_vjp(
    g: Any, y: Any, x: Any, labels: Any, weight: Any, ignore: int, reduction: str
) -> Any:
    """dx = (softmax(x) - one_hot) * scale per row; on arrays from the softmax already at hand."""
    g = g[0]
    if not raw(g, x):
        picked = nll_back(g, labels, weight, x.shape, ignore, reduction)
        return picked - softmax(x, 1) * sum_of(picked, (1,), True), None, None
    return _cross_entropy_back(g, y[1], labels, weight, ignore, reduction), None, None


def _cross_entropy_back(
    g: np.ndarray, bits: np.ndarray, labels: Any, weight: Any, ignore: int, reduction: str
) -> np.ndarray:
    p = bits.view(_OF_BITS[bits.itemsize])
    if g.dtype is p.dtype:
        return _large_back(p, g, labels, weight, ignore, reduction)
    picked = widened(nll_back.primitive.eval(g, labels, weight, p.shape, ignore, reduction))
    return (picked - p * np.add.reduce(picked, 1, keepdims=True)).astype(g.dtype)


def _from_softmax(
    p: np.ndarray, g: np.ndarray, labels: Any, weight: Any, ignore: int, reduction: str
) -> np.ndarray:
    labels, counts = _checked(labels, p.shape[1], ignore)
    scale = _scales(g, counts, weight, labels, reduction)
    dx = p * (np.expand_dims(scale, 1) if scale.ndim else scale)
    flat = _flat(dx, labels)
    if flat is None:
        dx[_key(labels)] -= scale
    else:
        dx.reshape(-1)[flat] -= scale
    return dx


_large = heavy("cross_entropy_softmax", _loss_and_softmax)
_large_back = heavy("cross_entropy_back", _from_softmax)


cross_entropy = general(
    "cross_entropy", eval=_cross_entropy, vjp=_cross_entropy_vjp, arity=3, outputs=2, reads="xz",
    node=_nll_node, edges=lambda entry: (("LogSoftmaxBackward0", 0),),
    doc="`nll_loss` of `log_softmax` in one op; the second output is the softmax, as bits.",
)  # fmt: skip
