"""The short way of forward mode: value and tangent on bare arrays, where nothing else is at work.

It serves real operands of one data type over NumPy arrays without a history, at one level, for the
families whose push follows from the declaration alone. All else goes through `Dual.apply`. Sums and
products of tangents are made in memory of their own where there is some: a pass over fresh memory
costs twice a pass over old.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from sys import getrefcount
from typing import Any

import numpy as np

from ..core.calls import SHORT_WAYS
from ..core.dispatch import ARRAYS
from ..core.errors import Unfollowed
from ..core.heavy import SWITCH, heavy
from ..core.overrides import OPS
from ..core.primitive import Elementwise, General, Multilinear, Primitive
from ..core.references import VARIABLE
from ..core.tensor import EAGER_TYPES, Tensor, link_view, wrap
from .dual import Dual
from .levels import route, values_in
from .pushes import PUSHES, SYMMETRIC

ndarray, asarray = np.ndarray, np.asarray
new = object.__new__  # Tensor.__new__ is what users construct by
new_dual = Dual.__new__
add, multiply = np.add, np.multiply
Push = Callable[[Primitive, Any, Any, Any, Any], Any]
Way = Callable[[Primitive, tuple[Any, ...], tuple[Any, ...]], Any]
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
        return y, _by_partials(prim, ts, xs, y, ())

    def formula(*args: Any) -> Any:
        xs, ts = args[:count], args[count:]
        y = op(*xs)
        terms = [t * partial(y, *xs) for t, partial in zip(ts, rule.partials)]
        return y, functools.reduce(operator.add, terms)

    return heavy(f"push {prim.name}", evaluate, formula, light=True)


def _by_partials(prim: Primitive, tangents: Any, xs: Any, y: Any, params: Any) -> Any:
    """The sum of t_i * partial_i."""
    total, own = None, False
    for t, partial in zip(tangents, prim.rule.partials):  # type: ignore[union-attr]
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


def _by_eval(prim: Primitive, tangents: Any, xs: Any, y: Any, params: Any) -> Any:
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


def _by_pull(prim: Primitive, tangents: Any, xs: Any, y: Any, params: Any) -> Any:
    """An op with a symmetric Jacobian: its pull."""
    return prim.rule.vjp(tangents[0], y, *xs, *params)  # type: ignore[union-attr]


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
        fits = type(term) is ndarray and term.shape == other.shape  # products of 0-d are scalars
        term = add(term, other, term) if fits else term + other
    return term


def _divided(t: Any, u: Any, a: Any, b: Any, y: Any) -> Any:
    if u is None:
        return t / b
    term = y * u
    return (-term if t is None else t - term) / b


# the tangents of the commonest ops of two operands, in as few steps as can be
_TANGENTS = {"add": _added, "sub": _subtracted, "mul": _multiplied, "div": _divided}


def _push_view(prim: Primitive, tangents: Any, xs: Any, y: Any, params: Any) -> Any:
    return tangents[0].reshape(y.shape)


def _push_log_softmax(prim: Primitive, tangents: Any, xs: Any, y: Any, params: Any) -> Any:
    (t,), (dim,) = tangents, params
    share = np.exp(y)
    share *= t
    return t - (add.reduce(share, dim, keepdims=True) if y.ndim else share)


def _push_linear_bias(prim: Primitive, tangents: Any, xs: Any, y: Any, params: Any) -> Any:
    (x, w, _), (t, tw, tb), total = xs, tangents, None
    for left, right in ((t, w), (x, tw)):
        if left is not None and right is not None:
            term = np.matmul(left, right.T)
            total = term if total is None else total + term
    return total if tb is None else tb if total is None else total + tb


# of ops whose push is written out for Tensors, the commonest on arrays
_OWN: dict[str, Push] = {
    "view": _push_view, "unsafe_view": _push_view, "log_softmax": _push_log_softmax,
    "linear_bias": _push_linear_bias,
}  # fmt: skip


def begun(level: Any, x: Tensor, t: Tensor) -> Tensor:
    """A dual tensor, on bare arrays where it can be."""
    a, b = x._array, t._array
    plain = type(a) is ndarray and type(b) is ndarray and x._entry is None and t._entry is None
    if not plain or a.dtype is not b.dtype or a.dtype.char not in "fd":
        return wrap(Dual(level, x, t))
    result = new(Tensor)
    result._entry = None
    result._array = value = new_dual(Dual)
    value.level, value.a, value.t = level, a, b
    return result


def _operand(x: Any, level: Any) -> Any:
    """(level, array, tangent or None) of an operand, or None if it needs the general way.

    A tangent has the shape and type of its array, float32 or float64.
    """
    if type(x) in EAGER_TYPES and x._entry is None:
        array = x._array
        if type(array) is ndarray:
            return level, array, None
        if type(array) is Dual and (level is None or array.level is level):
            if array.t is not None:
                return array.level, array.a, array.t
            primal, tangent = array.primal, array.tangent
            if primal._entry is None and tangent._entry is None:
                a, t = primal._array, tangent._array
                fits = type(a) is ndarray and type(t) is ndarray and a.dtype.char in "fd"
                if fits and a.dtype is t.dtype and a.shape == t.shape:
                    return array.level, a, t
        return None
    return (level, x, None) if type(x) in _NUMBERS else None


def _two(x: Any, z: Any) -> Any:
    """(level, array, tangent or None, array, tangent or None) of two operands of one type."""
    level = t = u = None
    a, b = x, z
    if type(x) in EAGER_TYPES:
        a = x._array
        if type(a) is Dual:
            level, t, a = a.level, a.t, a.a
            if t is None:
                return _two_settled(x, z)
        if x._entry is not None or type(a) is not ndarray:
            return None
    elif type(x) not in _NUMBERS:
        return None
    if type(z) in EAGER_TYPES:
        b = z._array
        if type(b) is Dual:
            if level is not None and b.level is not level:
                return None
            level, u, b = b.level, b.t, b.a
            if u is None:
                return _two_settled(x, z)
        if z._entry is not None or type(b) is not ndarray:
            return None
        if type(a) is ndarray and a.dtype is not b.dtype:
            return None
    elif type(z) not in _NUMBERS:
        return None
    return level, a, t, b, u


def _two_settled(x: Any, z: Any) -> Any:
    """The same where one of them holds Tensors."""
    first = _operand(x, None)
    second = first and _operand(z, first[0])
    if not second:
        return None
    (_, a, t), (level, b, u) = first, second  # type: ignore[misc]  # both are duals
    fits = type(a) is not ndarray or type(b) is not ndarray or a.dtype is b.dtype
    return (level, a, t, b, u) if fits else None


def _unary(prim: Primitive) -> Way:
    """An elementwise op of one operand, without a loop."""
    evaluate, partial = prim.eval, prim.rule.partials[0]  # type: ignore[union-attr]
    if not callable(partial) and prim.name != "neg":
        return _any_number(prim, _by_partials)
    large, least = at_once(prim), SWITCH.light

    def way(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        x = inputs[0]
        value: Any = x._array if type(x) in EAGER_TYPES else None
        if type(value) is Dual and value.t is not None and x._entry is None and not params:
            level, a, t = value.level, value.a, value.t
        else:
            found = None if params else _operand(x, None)
            if found is None:
                return route(prim, inputs, params)
            level, a, t = found
        if not level.alive:
            return route(prim, inputs, params)
        if large is not None and a.size >= least:
            return _result(prim, level, inputs, *large(a, t))
        y = evaluate(a)
        if type(y) is not ndarray:
            y = asarray(y)
        d = partial(y, a) if callable(partial) else partial
        if type(d) is ndarray and d.dtype is t.dtype:
            t = multiply(t, d, d) if d.base is None and getrefcount(d) == VARIABLE else t * d
        elif type(d) in _NUMBERS and d == 0:
            t = None
        elif type(d) is int and d == -1:
            t = -t
        else:
            t = t * d
        if type(t) is not ndarray or t.dtype is not y.dtype:
            return _result(prim, level, inputs, y, t)
        result = new(Tensor)
        result._entry = None
        result._array = value = new_dual(Dual)
        value.level, value.a, value.t = level, y, t
        return result

    return way


def _binary(prim: Primitive) -> Way:
    """An elementwise op of two operands, without a loop."""
    evaluate, large, least = prim.eval, at_once(prim), SWITCH.light
    tangent = _TANGENTS.get(prim.name)

    def way(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        found = None if params else _two(*inputs)
        if found is None or not found[0].alive:
            return route(prim, inputs, params)
        level, a, t, b, u = found
        if t is not None is not u and large and a.size >= least and a.shape == b.shape:
            return _result(prim, level, inputs, *large(a, b, t, u))
        try:
            y = evaluate(a, b)
        except ValueError:
            return route(prim, inputs, params)
        if type(y) is not ndarray:
            y = asarray(y)
        if tangent is None:
            t = _by_partials(prim, (t, u), (a, b), y, ())
        else:
            t = tangent(t, u, a, b, y)
        if type(t) is not ndarray or t.dtype is not y.dtype or t.shape != y.shape:
            return _result(prim, level, inputs, y, t)
        result = new(Tensor)
        result._entry = None
        result._array = value = new_dual(Dual)
        value.level, value.a, value.t = level, y, t
        return result

    return way


def _bilinear(prim: Primitive) -> Way:
    """A product of two operands."""
    evaluate = prim.eval

    def way(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        found = None if params and _hidden(params) else _two(*inputs)
        if found is None:
            return route(prim, inputs, params)
        level, a, t, b, u = found
        if not level.alive:
            return route(prim, inputs, params)
        try:
            y = evaluate(a, b, *params)
        except (ValueError, Unfollowed):
            return route(prim, inputs, params)
        if type(y) is not ndarray:
            y = asarray(y)
        total = None if t is None else evaluate(t, b, *params)
        if u is not None:
            term = evaluate(a, u, *params)
            fits = type(total) is ndarray and total.base is None
            total = term if total is None else add(total, term, total) if fits else total + term
        return _result(prim, level, inputs, y, total)

    return way


_NO_VALUES = frozenset((int, float, bool, str, type(None)))


def _hidden(params: tuple[Any, ...]) -> bool:
    """Whether values may be among parameters."""
    for one in params:
        if type(one) not in _NO_VALUES and (type(one) is not tuple or _hidden(one)):
            return bool(values_in(params))
    return False


def _linear(prim: Primitive) -> Way:
    """A linear op of one operand: a sum, a view."""
    evaluate = prim.eval

    def way(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        found = _operand(inputs[0], None)
        if found is None or (params and _hidden(params)):
            return route(prim, inputs, params)
        level, a, t = found
        if not level.alive:
            return route(prim, inputs, params)
        try:
            y = evaluate(a, *params)
        except (ValueError, Unfollowed):
            return route(prim, inputs, params)
        if type(y) is not ndarray:
            y = asarray(y)
        if y.dtype.char not in "fd":
            return route(prim, inputs, params)
        return _result(prim, level, inputs, y, evaluate(t, *params))

    return way


def _any_number(prim: Primitive, push: Push) -> Way:
    """An op of any number of operands."""

    def way(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        level = kind = None
        xs, tangents = [], []
        for x in inputs:
            found = _operand(x, level)
            if found is None:
                return route(prim, inputs, params)
            level, array, t = found
            if type(array) is ndarray:
                if kind is None:
                    kind = array.dtype
                elif array.dtype is not kind:
                    return route(prim, inputs, params)
            xs.append(array)
            tangents.append(t)
        assert level is not None and kind is not None
        if kind.char not in "fd" or not level.alive or (params and _hidden(params)):
            return route(prim, inputs, params)
        try:
            y = prim.eval(*xs, *params)
        except (ValueError, Unfollowed):
            return route(prim, inputs, params)
        if type(y) is not ndarray:
            y = asarray(y)
        if y.dtype.char not in "fd":
            return route(prim, inputs, params)
        return _result(prim, level, inputs, y, push(prim, tangents, xs, y, params))

    return way


def _result(prim: Primitive, level: Any, inputs: Any, y: Any, t: Any) -> Any:
    """A dual tensor of two arrays."""
    result = new(Tensor)
    result._entry = None
    if t is None:
        result._array = y
        return result
    if type(t) is not ndarray:
        t = asarray(t)
    if t.shape != y.shape or t.dtype is not y.dtype:
        t = t if t.dtype is y.dtype else t.astype(y.dtype)
        t = t if t.shape == y.shape else np.broadcast_to(t, y.shape)
    result._array = value = new_dual(Dual)
    value.level, value.a, value.t = level, y, t
    if prim in _VIEWS:
        link_view(result, inputs[0])
    return result


_VIEWS: set[Primitive] = set()


def _general(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    return route(prim, inputs, params)


SHORT: dict[Primitive, Way] = {}


def _way(prim: Primitive) -> Way:
    """How an op on duals is done, settled at its first use."""
    rule, found = prim.rule, _general
    if prim.outputs == 1 and prim.arity is not None and prim.dtype != "compare":
        if prim.name in _OWN:
            found = _any_number(prim, _OWN[prim.name])
        elif type(rule) is General and prim.name in SYMMETRIC:
            found = _any_number(prim, _by_pull)
        elif prim.name not in PUSHES and type(rule) is Elementwise:
            ways = {1: _unary, 2: _binary}
            found = ways.get(prim.arity, lambda prim: _any_number(prim, _by_partials))(prim)
        elif prim.name not in PUSHES and type(rule) is Multilinear:
            ways = {1: _linear, 2: _bilinear}
            found = ways.get(prim.arity, lambda prim: _any_number(prim, _by_eval))(prim)
    if type(rule) is Multilinear and rule.view:
        _VIEWS.add(prim)
    SHORT[prim] = found
    return found


def apply_dual(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """An op of which an operand is dual."""
    way = SHORT[prim] if prim in SHORT else _way(prim)
    return way(prim, inputs, params)


ARRAYS[Dual] = SHORT_WAYS[Dual] = apply_dual
