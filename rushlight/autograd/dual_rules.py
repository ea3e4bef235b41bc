"""What forward mode computes on bare arrays: a tangent from tangents, operands and the result.

Sums and products of tangents are made in memory of their own where there is some: a pass over fresh
memory costs twice a pass over old.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from sys import getrefcount
from typing import Any

import numpy as np

from ..core.heavy import SWITCH, heavy
from ..core.numbers import number
from ..core.overrides import OPS
from ..core.primitive import Primitive
from ..core.references import VARIABLE

ndarray, asarray, add, multiply = np.ndarray, np.asarray, np.add, np.multiply
Push = Callable[[Primitive, Any, Any, Any, Any], Any]
Tangent = Callable[[Any, Any, Any, Any, Any], Any]
_NUMBERS = frozenset((float, int))


# where one pass for value and tangent is worth a program of its own (for sin and cos NumPy's two
# are as fast)
_AT_ONCE = frozenset("div exp expm1 log log1p mul reciprocal relu rsqrt sigmoid sqrt tanh".split())


@functools.cache
def at_once(prim: Primitive) -> Any:
    """(operands, tangents) -> (value, tangent) of an op on equal shapes in one pass, or None."""
    if prim.name not in _AT_ONCE:
        return None
    rule: Any = prim.rule
    count, op = len(rule.partials), OPS[prim.name]

    def evaluate(*args: Any) -> Any:
        xs, ts = args[:count], args[count:]
        y = prim.eval(*xs)
        return y, by_partials(prim, ts, xs, y, ())

    def formula(*args: Any) -> Any:
        xs, ts = args[:count], args[count:]
        y = op(*xs)
        terms = [t * partial(y, *xs) for t, partial in zip(ts, rule.partials)]
        return y, functools.reduce(operator.add, terms)

    return heavy(f"push {prim.name}", evaluate, formula, light=True)


def by_partials(prim: Primitive, tangents: Any, xs: Any, y: Any, params: Any) -> Any:
    """The sum of t_i * partial_i."""
    total, own = None, False
    for t, partial in zip(tangents, prim.rule.partials):  # type: ignore[union-attr]  # elementwise
        if t is None or partial is None:
            continue
        d = partial(y, *xs, *params) if callable(partial) else partial
        if type(d) is ndarray:
            if d.dtype is not y.dtype:
                d = d.astype(y.dtype)
            fits = d.shape == y.shape and getrefcount(d) == VARIABLE and d.base is None
            term = multiply(t, d, d) if fits and t.shape == d.shape else t * d
        elif type(d) not in _NUMBERS:
            term = t * d
        elif d == 0:
            continue
        else:
            term = t if d == 1 else t * d
        if total is None:
            own = type(term) is ndarray and term is not t and term.shape == y.shape
            total = term
        elif own:
            add(total, term, total)
        else:
            total = total + term
    return total


def by_eval(prim: Primitive, tangents: Any, xs: Any, y: Any, params: Any) -> Any:
    """The sum over operands of the op with one operand replaced by its tangent."""
    total = None
    for place, t in enumerate(tangents):
        if t is not None:
            given = list(xs)
            given[place] = t
            term = prim.eval(*given, *params)
            if total is None:
                total = term
            elif type(total) is ndarray and getrefcount(total) == VARIABLE and total.base is None:
                add(total, term, total)
            else:
                total = total + term
    return total


def by_pull(prim: Primitive, tangents: Any, xs: Any, y: Any, params: Any) -> Any:
    """An op with a symmetric Jacobian: its pull."""
    return prim.rule.vjp(tangents[0], y, *xs, *params)  # type: ignore[union-attr]  # not elementwise


def _added(t: Any, u: Any, a: Any, b: Any, y: Any) -> Any:
    return u if t is None else t if u is None else t + u


def _subtracted(t: Any, u: Any, a: Any, b: Any, y: Any) -> Any:
    return t if u is None else -u if t is None else t - u


def _multiplied(t: Any, u: Any, a: Any, b: Any, y: Any) -> Any:
    if t is None:
        return u * a
    term = t * b
    if u is not None:
        other = term if u is t and a is b else u * a  # of a square they are the same
        fits = type(term) is ndarray  # products of 0-d are scalars
        term = add(term, other, term) if fits else term + other
    return term


def _divided(t: Any, u: Any, a: Any, b: Any, y: Any) -> Any:
    if u is None:
        return t / b
    term = y * u
    return (-term if t is None else t - term) / b


def _chosen(prim: Primitive, larger: Any) -> Tangent:
    """The tangent of the operand that an extremum of two took; ties are left to the rule."""
    where = OPS["where"].primitive.eval

    def tangent(t: Any, u: Any, a: Any, b: Any, y: Any) -> Any:
        if np.count_nonzero(np.equal(a, b)):
            return by_partials(prim, (t, u), (a, b), asarray(y), ())
        nothing = number(0, y.dtype)
        return where(larger(a, b), nothing if t is None else t, nothing if u is None else u)

    return tangent


# the tangents of the commonest ops of two operands, in as few steps as can be
TANGENTS: dict[str, Tangent] = {
    "add": _added, "sub": _subtracted, "mul": _multiplied, "div": _divided,
    "maximum": _chosen(OPS["maximum"].primitive, np.greater),
    "minimum": _chosen(OPS["minimum"].primitive, np.less),
}  # fmt: skip


def _push_view(prim: Primitive, tangents: Any, xs: Any, y: Any, params: Any) -> Any:
    return tangents[0].reshape(y.shape)


def _push_log_softmax(prim: Primitive, tangents: Any, xs: Any, y: Any, params: Any) -> Any:
    (t,), (dim,) = tangents, params
    share = np.exp(y)
    share *= t
    return t - (add.reduce(share, dim, keepdims=True) if y.ndim else share)


def _push_softmax(prim: Primitive, tangents: Any, xs: Any, y: Any, params: Any) -> Any:
    if not y.ndim or y.size >= SWITCH.light:
        return by_pull(prim, tangents, xs, y, params)
    share = y * tangents[0]
    total = add.reduce(share, params[0], keepdims=True)
    return np.subtract(share, y * total, share)


def _push_linear_bias(prim: Primitive, tangents: Any, xs: Any, y: Any, params: Any) -> Any:
    (x, w, _), (t, tw, tb), total = xs, tangents, None
    for left, right in ((t, w), (x, tw)):
        if left is not None and right is not None:
            term = np.matmul(left, right.T)
            total = term if total is None else total + term
    return total if tb is None else tb if total is None else total + tb


def _push_abs(prim: Primitive, tangents: Any, xs: Any, y: Any, params: Any) -> Any:
    sign = OPS["sign"].primitive.eval(xs[0])
    return multiply(tangents[0], sign, sign if type(sign) is ndarray else None)


# of ops whose push is written out for Tensors, the commonest on arrays
OWN: dict[str, Push] = {
    "view": _push_view, "unsafe_view": _push_view, "log_softmax": _push_log_softmax,
    "softmax": _push_softmax, "linear_bias": _push_linear_bias, "abs": _push_abs,
}  # fmt: skip
