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
from ..core.tensor import EAGER_TYPES, Tensor, link_view
from .dual import Dual
from .levels import route, values_in
from .pushes import PUSHES, SYMMETRIC

ndarray, asarray, new = np.ndarray, np.asarray, Tensor.__new__
new_dual = Dual.__new__
add, multiply = np.add, np.multiply
Push = Callable[[Primitive, Any, Any, Any, Any], Any]
Way = Callable[[Primitive, tuple[Any, ...], tuple[Any, ...]], Any]
_NUMBERS = frozenset((float, int))
_FRESH = 2  # references to an array that one variable alone holds, while they are counted


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
            fits = d.shape == y.shape and getrefcount(d) == _FRESH and d.base is None
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
            elif type(total) is ndarray and getrefcount(total) == _FRESH and total.base is None:
                add(total, term, total)
            else:
                total = total + term
    return total


def _by_pull(prim: Primitive, tangents: Any, xs: Any, y: Any, params: Any) -> Any:
    """An op with a symmetric Jacobian: its pull."""
    return prim.rule.vjp(tangents[0], y, *xs, *params)  # type: ignore[union-attr]


def _operand(x: Any, level: Any) -> Any:
    """(level, array, tangent or None) of an operand, or None if it needs the general way."""
    if type(x) in EAGER_TYPES and x._entry is None:
        array = x._array
        if type(array) is ndarray:
            return level, array, None
        if type(array) is Dual and (level is None or array.level is level):
            t = array.t
            if t is not None:
                return array.level, array.a, t
            primal, tangent = array.primal, array.tangent
            if primal._entry is None and tangent._entry is None:
                a, t = primal._array, tangent._array
                if type(a) is ndarray and type(t) is ndarray:
                    return array.level, a, t
        return None
    return (level, x, None) if type(x) in _NUMBERS else None


def _unary(prim: Primitive) -> Way:
    """An elementwise op of one operand, without a loop."""
    evaluate, partial = prim.eval, prim.rule.partials[0]  # type: ignore[union-attr]
    if not callable(partial):
        return _any_number(prim, _by_partials)
    large, least = at_once(prim), SWITCH.light

    def way(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        x = inputs[0]
        found = None if params else _operand(x, None)
        if found is None:
            return route(prim, inputs, params)
        level, a, t = found
        if a.dtype.char not in "fd" or not level.alive:
            return route(prim, inputs, params)
        if large is not None and a.size >= least and t.dtype is a.dtype and t.shape == a.shape:
            return _result(prim, level, inputs, *large(a, t))
        y = evaluate(a)
        if type(y) is not ndarray:
            y = asarray(y)
        d = partial(y, a)
        if type(d) is ndarray and d.dtype is t.dtype:
            fits = d.base is None and getrefcount(d) == _FRESH
            t = multiply(t, d, d) if fits else t * d
        elif type(d) in _NUMBERS and d == 0:
            t = None
        else:
            t = t * d
        return _result(prim, level, inputs, y, t)

    return way


def _binary(prim: Primitive) -> Way:
    """An elementwise op of two operands, without a loop."""
    evaluate, large, least = prim.eval, at_once(prim), SWITCH.light

    def way(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        x, z = inputs
        first = None if params else _operand(x, None)
        second = first and _operand(z, first[0])
        if not second:
            return route(prim, inputs, params)
        (_, a, t), (level, b, u) = first, second  # type: ignore[misc]
        if type(a) is ndarray:
            kind = a.dtype
            fits = type(b) is not ndarray or b.dtype is kind
        else:
            kind, fits = b.dtype, True
        if not fits or kind.char not in "fd" or not level.alive:
            return route(prim, inputs, params)
        if large is not None and t is not None is not u and a.size >= least and (
            a.shape == b.shape == t.shape == u.shape and t.dtype is u.dtype is kind
        ):  # fmt: skip
            return _result(prim, level, inputs, *large(a, b, t, u))
        try:
            y = evaluate(a, b)
        except ValueError:
            return route(prim, inputs, params)
        if type(y) is not ndarray:
            y = asarray(y)
        if y.dtype is not kind:
            return route(prim, inputs, params)
        return _result(prim, level, inputs, y, _by_partials(prim, (t, u), (a, b), y, ()))

    return way


def _linear(prim: Primitive) -> Way:
    """A linear op of one operand: a sum, a view."""
    evaluate = prim.eval

    def way(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        found = _operand(inputs[0], None)
        if found is None or (params and values_in(params)):
            return route(prim, inputs, params)
        level, a, t = found
        if a.dtype.char not in "fd" or not level.alive:
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
        if kind.char not in "fd" or not level.alive or (params and values_in(params)):
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
    if t.dtype is not y.dtype:
        t = t.astype(y.dtype)
    if t.shape != y.shape:
        t = np.broadcast_to(t, y.shape)
    value = new_dual(Dual)
    value.level, value.a, value.t = level, y, t
    result._array = value
    if type(prim.rule) is Multilinear and prim.rule.view:
        link_view(result, inputs[0])
    return result


def _general(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    return route(prim, inputs, params)


SHORT: dict[Primitive, Way] = {}


def _way(prim: Primitive) -> Way:
    """How an op on duals is done, settled at its first use."""
    rule, found = prim.rule, _general
    if prim.outputs == 1 and prim.arity is not None and prim.dtype != "compare":
        if type(rule) is General and prim.name in SYMMETRIC:
            found = _any_number(prim, _by_pull)
        elif prim.name not in PUSHES and type(rule) is Elementwise:
            ways = {1: _unary, 2: _binary}
            found = ways.get(prim.arity, lambda prim: _any_number(prim, _by_partials))(prim)
        elif prim.name not in PUSHES and type(rule) is Multilinear:
            found = _linear(prim) if prim.arity == 1 else _any_number(prim, _by_eval)
    SHORT[prim] = found
    return found


def apply_dual(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """An op of which an operand is dual."""
    way = SHORT[prim] if prim in SHORT else _way(prim)
    return way(prim, inputs, params)


ARRAYS[Dual] = SHORT_WAYS[Dual] = apply_dual
