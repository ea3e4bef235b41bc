"""The short way of forward mode: value and tangent on bare arrays, where nothing else is at work.

It serves real operands of one data type over NumPy arrays without a history, at one level, for the
families whose push follows from the declaration alone. All else goes through `Dual.apply`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.calls import SHORT_WAYS
from ..core.dispatch import ARRAYS
from ..core.errors import Unfollowed
from ..core.heavy import SWITCH
from ..core.numbers import number
from ..core.primitive import Elementwise, General, Multilinear, Primitive
from ..core.state import SMALL
from ..core.tensor import EAGER_TYPES, Tensor, link_view, wrap
from .dual import Dual, steps
from .dual_choices import AT_ONCE, on_arrays
from .dual_native import by_prim, natively
from .dual_programs import NUMBERS, written
from .dual_rules import OWN, TANGENTS, Push, at_once, by_eval, by_partials, by_pull
from .levels import route, values_in
from .pushes import ON_ARRAYS, PUSHES, SYMMETRIC

ndarray, asarray = np.ndarray, np.asarray
new = object.__new__  # Tensor.__new__ is what users construct by
new_dual = Dual.__new__
add, multiply = np.add, np.multiply
Way = Callable[[Primitive, tuple[Any, ...], tuple[Any, ...]], Any]
_NOTHING: tuple[Any, Any, Any] = (None, None, None)


def begun(level: Any, primals: Any, tangents: Any) -> list[Tensor] | None:
    """Dual tensors on bare arrays, of two tuples; None where one of them cannot be one."""
    if not (type(primals) is tuple is type(tangents) and len(primals) == len(tangents)):
        return None
    found = []
    for x, t in zip(primals, tangents):
        if type(x) not in EAGER_TYPES or type(t) not in EAGER_TYPES:
            return None
        a, b = x._array, t._array
        if type(a) is not ndarray or type(b) is not ndarray or a.shape != b.shape:
            return None
        kind = a.dtype
        if kind is not b.dtype or kind.char not in "fd" or not (x._entry is None is t._entry):
            return None
        dual = new(Tensor)
        dual._entry = None
        dual._array = value = new_dual(Dual)
        value.level, value.a, value.t = level, a, b
        found.append(dual)
    return found


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
    return (level, x, None) if type(x) in NUMBERS else None


def _two(x: Any, z: Any) -> Any:
    """(level, array, tangent or None, array, tangent or None) of two operands of one type."""
    a, b, level, t, u = x, z, None, None, None
    if type(x) in EAGER_TYPES:
        a = x._array
        if type(a) is Dual:
            level, t, a = a.level, a.t, a.a
            if t is None:
                return _two_settled(x, z)
        elif type(a) is not ndarray:
            return None
        if x._entry is not None:
            return None
    elif type(x) not in NUMBERS:
        return None
    if type(z) in EAGER_TYPES:
        b = z._array
        if type(b) is Dual:
            if t is not None and b.level is not level:
                return None
            level, u, b = b.level, b.t, b.a
            if u is None:
                return _two_settled(x, z)
        elif type(b) is not ndarray:
            return None
        if z._entry is not None or (a is not x and a.dtype is not b.dtype):
            return None
    elif type(z) not in NUMBERS:
        return None
    return level, a, t, b, u


def _two_settled(x: Any, z: Any) -> Any:
    """The same where one of them holds Tensors."""
    first = _operand(x, None)
    second = first and _operand(z, first[0])
    if not second:
        return None
    (_, a, t), (level, b, u) = first, second
    fits = type(a) is not ndarray or type(b) is not ndarray or a.dtype is b.dtype
    return (level, a, t, b, u) if fits else None


def _unary(prim: Primitive) -> Way:
    """An elementwise op of one operand, without a loop."""
    # `_one` begins the same way: to begin in a function of its own costs each op a call
    evaluate, partial = prim.eval, prim.rule.partials[0]  # type: ignore[union-attr]  # elementwise
    large, least, flat = at_once(prim), SWITCH.light, steps(prim)
    programs: dict[Any, Any] = {}  # by type, of arrays without a dimension and of others

    def way(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        x = inputs[0]
        value: Any = x._array if type(x) in EAGER_TYPES else None
        if type(value) is Dual and value.t is not None and x._entry is None:
            level, a, t = value.level, value.a, value.t
        else:
            found = _operand(x, None)
            if found is None:
                return route(prim, inputs, params)
            level, a, t = found
        if not level.alive or (params and _hidden(params)):
            return route(prim, inputs, params)
        if large is not None and a.size >= least:
            return _result(level, *large(a, t))
        y = evaluate(a, *params) if params else evaluate(a)
        if flat and level.kind == "dual":
            return _result(level, y, np.zeros(a.shape, a.dtype))
        key = a.dtype.char if a.ndim else a.dtype
        if key not in programs:
            programs[key] = written(partial, a.dtype, not a.ndim)
        if programs[key] is None or (params and callable(partial)):
            return _result(level, y, by_partials(prim, (t,), (a,), y, params))
        t = programs[key](t, y, a)
        if type(t) is not ndarray:
            return _result(level, y, t)
        result = new(Tensor)
        result._entry = None
        result._array = value = new_dual(Dual)
        value.level, value.a, value.t = level, y, t
        return result

    return way


def _binary(prim: Primitive) -> Way:
    """An elementwise op of two operands, without a loop."""
    evaluate, large, least = prim.eval, at_once(prim), SWITCH.light
    plain, tangent, mixed = type(evaluate) is np.ufunc, TANGENTS.get(prim.name), _mixed(prim)
    if tangent is None:
        return mixed

    def way(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        x, z = inputs
        level, t, u = _NOTHING
        a: Any = x._array if type(x) in EAGER_TYPES and x._entry is None else x
        b: Any = z._array if type(z) in EAGER_TYPES and z._entry is None else z
        if type(a) is Dual:
            level, t, a = a.level, a.t, a.a
        if type(b) is Dual:
            level, u, b = b.level, b.t, b.a if level is None or b.level is level else None
        if type(b) in NUMBERS and plain and b and t is not None:
            b = number(b, a.dtype)
        elif type(a) in NUMBERS and plain and a and u is not None:
            a = number(a, b.dtype)
        bare = type(a) is ndarray and type(b) is ndarray and a.dtype is b.dtype and level.alive
        if not bare or params:
            return mixed(prim, inputs, params)
        if large and t is not None is not u and a.size >= least and a.shape == b.shape:
            return _result(level, *large(a, b, t, u))
        try:
            y = evaluate(a, b)
        except ValueError:
            return route(prim, inputs, params)
        if type(y) is not ndarray:  # a number of NumPy's, which operators serve faster
            return _result(level, y, _of_numbers(tangent, t, u, a, b, y))
        narrow = (t is None and a.ndim) or (u is None and b.ndim)  # it may be
        t = tangent(t, u, a, b, y)
        if narrow and t.shape != y.shape:
            return _result(level, y, t)
        result = new(Tensor)
        result._entry = None
        result._array = value = new_dual(Dual)
        value.level, value.a, value.t = level, y, t
        return result

    return way


def _of_numbers(tangent: Any, t: Any, u: Any, a: Any, b: Any, y: Any) -> Any:
    """The tangent where no array has a dimension."""
    t, u = t if t is None else t[()], u if u is None else u[()]
    return tangent(t, u, a[()], b[()], y)


def _mixed(prim: Primitive) -> Way:
    """The same for whatever operands there are."""
    evaluate, tangent = prim.eval, TANGENTS.get(prim.name) or functools.partial(_by_rule, prim)
    flat = steps(prim)

    def way(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        found = None if params else _two(*inputs)
        if found is None or not found[0].alive:
            return route(prim, inputs, params)
        level, a, t, b, u = found
        try:
            y = evaluate(a, b)
        except ValueError:
            return route(prim, inputs, params)
        if flat and level.kind == "dual":
            return _result(level, y, np.zeros_like(y))
        return _result(level, y, tangent(t, u, a, b, y))

    return way


def _by_rule(prim: Primitive, t: Any, u: Any, a: Any, b: Any, y: Any) -> Any:
    """The tangent of an op of two operands by its partials."""
    if type(b) in NUMBERS and b and t is not None:
        program = _with_number(prim, b, a.dtype, not a.ndim)
        if program is not None:
            return program(t, y, a)
    return by_partials(prim, (t, u), (a, b), asarray(y), ())


@functools.lru_cache(256)
def _with_number(prim: Primitive, b: float, kind: np.dtype, flat: bool) -> Any:
    partial: Any = prim.rule.partials[0]  # type: ignore[union-attr]  # elementwise
    return written(lambda y, x: partial(y, x, b), kind, flat) if callable(partial) else None


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
        return _result(level, y, total)

    return way


_NO_VALUES = frozenset((int, float, bool, str, type(None)))


def _hidden(params: tuple[Any, ...]) -> bool:
    """Whether values may be among parameters."""
    for one in params:
        if type(one) not in _NO_VALUES and (type(one) is not tuple or _hidden(one)):
            return bool(values_in(params))
    return False


def _one(prim: Primitive, push: Push | None = None) -> Way:
    """An op of one operand with a push of its own; without one it is linear: a sum, a view."""
    evaluate, view = prim.eval, getattr(prim.rule, "view", False)

    def way(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        x = inputs[0]
        value: Any = x._array if type(x) in EAGER_TYPES else None
        if type(value) is Dual and value.t is not None and x._entry is None:
            level, a, t = value.level, value.a, value.t
        else:
            found = _operand(x, None)
            if found is None:
                return route(prim, inputs, params)
            level, a, t = found
        if not level.alive or (params and _hidden(params)):
            return route(prim, inputs, params)
        try:
            y = evaluate(a, *params)
        except (ValueError, Unfollowed):
            return route(prim, inputs, params)
        if type(y) is not ndarray:
            y = asarray(y)
        if y.dtype.char not in "fd":
            return route(prim, inputs, params)
        t = evaluate(t, *params) if push is None else push(prim, (t,), (a,), y, params)
        if type(t) is not ndarray:
            t = asarray(t)
        if push is not None and (t.shape != y.shape or t.dtype is not y.dtype):
            return _result(level, y, t)
        result = new(Tensor)
        result._entry = None
        result._array = value = new_dual(Dual)
        value.level, value.a, value.t = level, y, t
        return link_view(result, x) if view else result

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
        return _result(level, y, push(prim, tangents, xs, y, params))

    return way


def _pushed(prim: Primitive, push: Callable[..., Any]) -> Way:
    """An op whose push is written for Tensors and arrays alike."""
    sequence, several = prim.arity is None, prim.outputs != 1
    view, both = getattr(prim.rule, "view", False), AT_ONCE.get(prim.name)

    def way(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        found = None if params and _hidden(params) else _bare(inputs, prim.dtype == "first")
        if found is None:
            return route(prim, inputs, params)
        level, xs, tangents = found
        given = (xs,) if sequence else xs
        made = both and both(tangents, *given, *params)
        try:
            y = made[0] if made else prim.eval(*given, *params)
        except (ValueError, Unfollowed):
            return route(prim, inputs, params)
        if not several:
            y = y if type(y) is ndarray else asarray(y)
            return _result(level, y, push(tangents, y, *given, *params))
        ys = tuple([one if type(one) is ndarray else asarray(one) for one in y])
        ts = made[1] if made else push(tangents, ys, *given, *params) or (None,) * len(ys)
        results = tuple([
            _result(level, one, t if one.dtype.char in "fd" else None)
            for one, t in zip(ys, ts)
        ])  # fmt: skip
        return tuple([link_view(one, inputs[0]) for one in results]) if view else results

    return way


def _bare(inputs: tuple[Any, ...], mixed: bool) -> Any:
    """(level, arrays, tangents) of operands whose floats are of one type; else None.

    `mixed`: operands of other types (places, masks) stay what they are, as does None.
    """
    level = kind = None
    xs: list[Any] = []
    tangents: list[Any] = []
    for x in inputs:
        if x is None and mixed:
            xs.append(None)
            tangents.append(None)
            continue
        found = _operand(x, level)
        if found is None or type(found[1]) is not ndarray:
            return None
        level, array, t = found
        if array.dtype is not kind and (not mixed or array.dtype.char not in "lbB?"):
            if kind is not None or array.dtype.char not in "fd":
                return None
            kind = array.dtype
        xs.append(array)
        tangents.append(t)
    return (level, tuple(xs), tuple(tangents)) if level is not None and level.alive else None


def _result(level: Any, y: Any, t: Any) -> Any:
    """A dual tensor of two arrays, or of NumPy's numbers."""
    if type(y) is not ndarray:
        y = asarray(y)
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
    return result


def _compared(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """A comparison of two operands, which has no tangent."""
    found = None if params else _two(*inputs)
    if found is None or not found[0].alive:
        return route(prim, inputs, params)
    _, a, _, b, _ = found
    try:
        y = prim.eval(a, b)
    except (ValueError, OverflowError):
        return route(prim, inputs, params)
    return wrap(y if type(y) is ndarray else asarray(y))


def _general(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    return route(prim, inputs, params)


class _Ways(dict[Primitive, Way]):
    """How each op on duals is done, settled at its first use."""

    def __missing__(self, prim: Primitive) -> Way:
        self[prim] = found = _way(prim)
        return found


def _way(prim: Primitive) -> Way:
    rule, name = prim.rule, prim.name
    if prim.dtype == "compare":
        return _compared if prim.arity == 2 else _general
    if steps(prim):
        return _unary(prim) if prim.arity == 1 else _mixed(prim)
    own = OWN.get(name) or (by_pull if type(rule) is General and name in SYMMETRIC else None)
    if own is not None and prim.arity == 1:
        return _one(prim, by_prim(prim, own))
    if own is not None:
        return _any_number(prim, own)
    if name in ON_ARRAYS:
        return _pushed(prim, natively(prim, on_arrays(prim)))
    if name in PUSHES or prim.outputs != 1 or prim.arity is None:
        return _general
    if type(rule) is Elementwise:
        ways = {1: _unary, 2: _binary}
        return ways.get(prim.arity, lambda prim: _any_number(prim, by_partials))(prim)
    if type(rule) is Multilinear:
        ways = {1: _one, 2: _bilinear}
        return ways.get(prim.arity, lambda prim: _any_number(prim, by_eval))(prim)
    return _general


WAYS = _Ways()


def apply_dual(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """An op of which an operand is dual."""
    return WAYS[prim](prim, inputs, params)


ARRAYS[Dual], SHORT_WAYS[Dual] = apply_dual, WAYS
SMALL.add(Dual, WAYS)
