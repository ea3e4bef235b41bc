"""Losses of one element each, and the mean squared error."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...core.errors import fail
from ...core.families import elementwise, general
from ...core.heavy import heavy
from ...core.primitive import bake_elementwise, bake_general
from ...core.tape import INPUTS, PARAMS, PARENTS
from ..elementwise import sign, where
from ..transcendental import log, sigmoid
from .kernels import half, widened


def _logit_loss(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    x, t = np.asarray(x), np.asarray(t)
    if half(x):  # ops on short numbers in torch, each of which rounds
        wide = widened(x)
        y = np.minimum(wide, 0) - np.log1p(np.exp(-np.abs(wide)))
        return (x.dtype.type(1) - t) * x - y.astype(x.dtype)
    y = np.log1p(np.exp(-np.abs(x)))
    y += np.maximum(x, 0)
    y -= x * t
    return y


logit_loss = elementwise(
    "logit_loss", eval=_logit_loss, dtype="float", reads="x",
    partials=[lambda y, x, t: sigmoid(x) - t, lambda y, x, t: -x],
    node="BinaryCrossEntropyWithLogitsBackward0",
    doc="-(t log sigmoid(x) + (1 - t) log(1 - sigmoid(x))).",
)  # fmt: skip


def _refuse(x: np.ndarray, name: str) -> None:
    inside = (x >= 0) & (x <= 1)
    if not inside.all():
        at = tuple(int(i) for i in np.argwhere(~inside)[0])
        notes = [f"the value at {at[0] if len(at) == 1 else at} is {float(x[at]):g}"]
        if name == "input":
            notes.append("for scores that are no probabilities: binary_cross_entropy_with_logits")
        raise fail(RuntimeError, f"all elements of {name} should be between 0 and 1", *notes)


def _probability_loss(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    p, t = np.asarray(p), np.asarray(t)
    _refuse(p, "input")
    _refuse(t, "target")
    return (t - 1) * np.maximum(np.log1p(-p), -100) - t * np.maximum(np.log(p), -100)


def _by_probability(y: Any, p: Any, t: Any) -> Any:
    spread = p * (1 - p)
    return (p - t) / where(spread < 1e-12, 1e-12, spread)


_by_target = lambda y, p, t: log(1 - p) - log(p)
_derived_probability = bake_elementwise([_by_probability, _by_target], "x")


def _pull_probability_loss(g: Any, entry: Any) -> Any:
    """Of 16 bits op by op, as torch: each rounds."""
    p, t = entry[INPUTS]
    first, second = entry[PARENTS]
    alike = type(g) is type(p) is type(t) is np.ndarray and g.dtype is p.dtype is t.dtype
    if not alike or not half(g) or first is None or second is not None:
        return _derived_probability(g, entry)
    spread = (1 - p) * p
    least = np.maximum(widened(spread), np.float32(1e-12)).astype(g.dtype)
    return g * (p - t) / least, None


probability_loss = elementwise(
    "probability_loss", eval=_probability_loss, dtype="float", reads="x",
    refuses={"bool int complex": "binary_cross_entropy"},
    partials=[_by_probability, _by_target], pull=_pull_probability_loss,
    node="BinaryCrossEntropyBackward0", doc="-(t log p + (1 - t) log(1 - p)).",
)  # fmt: skip


def _mean_squared_error(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    d = np.subtract(x, t)
    if d.dtype.itemsize == 2:
        d = widened(d)
    flat = d.reshape(-1)
    found = flat.dot(flat) / (flat.size or np.nan)
    return np.asarray(found, None if found.dtype is x.dtype else x.dtype)


def _mean_squared_error_vjp(g: Any, y: Any, x: Any, t: Any) -> Any:
    d = x - t
    slope = d * (g * (2 / (_size(d) or 1)))
    return slope, -slope


_derived_pull = bake_general(_mean_squared_error_vjp, 2, True)


def _pull_mean_squared_error(g: Any, entry: Any) -> Any:
    """The pull without its generality, for arrays; the target seldom wants its gradient."""
    x, t = entry[INPUTS]
    if type(g) is not np.ndarray or g.dtype is not x.dtype or g.dtype.char not in "fd":
        return _derived_pull(g, entry)
    slope = np.subtract(x, t)
    slope *= g.item() * 2 / (slope.size or 1)
    first, second = entry[PARENTS]
    return None if first is None else slope, None if second is None else -slope


self_information = elementwise(
    "self_information", dtype="float", reads="x", partials=[lambda y, t: log(t) + 1],
    eval=lambda t: np.where(t == 0, 0, t * np.log(np.where(t == 0, 1, t))).astype(t.dtype),
    node="XlogyBackward0", doc="t log t, and 0 at 0.",
)  # fmt: skip


mean_squared_error = general(
    "mean_squared_error", eval=_mean_squared_error, dtype="promote", reads="x", arity=2,
    refuses={"bool int complex": "mse_cpu"},
    node="MseLossBackward0", vjp=_mean_squared_error_vjp, pull=_pull_mean_squared_error,
    doc="The mean of all (x - t)^2.",
)  # fmt: skip


def _size(x: Any) -> int:
    return prod(x.shape)


def _held_pull(name: str, slope: Any, scale: Any) -> Any:
    """The pull `g * slope(d)`, where the slope is d held between bounds, and scaled."""
    derived = bake_elementwise([slope], "x")

    def formula(g: Any, d: Any, bound: float) -> Any:
        return g * slope(None, d, bound)

    def back(g: np.ndarray, d: np.ndarray, bound: float) -> np.ndarray:
        return g * (np.clip(d, -bound, bound) * scale(bound)) if bound else formula(g, d, bound)

    large = heavy(f"{name}_back", back, formula, light=True)

    def pull(g: Any, entry: Any) -> Any:
        (d,), (bound,) = entry[INPUTS], entry[PARAMS]
        if type(g) is not np.ndarray or g.dtype is not d.dtype or g.dtype.char not in "fd":
            return derived(g, entry)
        return (large(g, d, bound),)

    return pull


def _smooth_l1(d: np.ndarray, beta: float) -> np.ndarray:
    size, kind = np.abs(d), d.dtype.type
    if not beta:
        return size
    near = np.minimum(size, kind(beta))  # d^2 / (2 beta) up to there, as much as |d| beyond
    size -= near
    near *= near
    near *= kind(0.5 / beta)
    size += near
    return size


def _smooth_l1_slope(y: Any, d: Any, beta: float) -> Any:
    if not beta:
        return sign(d)
    return where(d >= beta, 1.0, where(d <= -beta, -1.0, d * (1 / beta)))


smooth_l1 = elementwise(
    "smooth_l1", eval=heavy("smooth_l1", _smooth_l1, light=True), reads="x",
    refuses={"bool int complex": "smooth_l1_cpu"},
    node="SmoothL1LossBackward0", partials=[_smooth_l1_slope],
    pull=_held_pull("smooth_l1", _smooth_l1_slope, lambda beta: 1 / beta),
    doc="d^2 / (2 beta) where |d| < beta, else |d| - beta / 2.",
)  # fmt: skip


def _huber(d: np.ndarray, delta: float) -> np.ndarray:
    size, kind = np.abs(d), d.dtype.type
    near = np.minimum(size, kind(delta))
    size -= near
    size *= kind(delta)
    near *= near
    near *= kind(0.5)
    size += near
    return size


def _huber_slope(y: Any, d: Any, delta: float) -> Any:
    return where(d >= delta, delta, where(d <= -delta, -delta, d))


huber = elementwise(
    "huber", eval=heavy("huber", _huber, light=True), reads="x", node="HuberLossBackward0",
    refuses={"bool int complex": "huber_cpu"},
    partials=[_huber_slope], pull=_held_pull("huber", _huber_slope, lambda delta: 1),
    doc="d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2).",
)  # fmt: skip
