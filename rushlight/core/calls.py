"""The short path of a call: one closure per op, specialised by arity.

A closure handles exact eager tensors over NumPy arrays of one data type without a further frame:
check, compute, wrap, record. Bare arrays (rules run on them) are computed at once. Whatever else it
is given goes to `dispatch.apply`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .dispatch import (
    FLOATS,
    OUTPUT_OF,
    USUAL,
    apply,
    apply_by_params,
    finish,
    is_operand,
    observe,
    write_out,
)
from .dispatch import evaluate as run
from .dtypes import KINDS
from .errors import Unfollowed
from .numbers import number
from .operands import joined, kept_beside, parents_of, refuse_numbers
from .overrides import OPS
from .primitive import CHOICES, Elementwise, Multilinear, Primitive
from .shortage import again, failed, refused
from .state import PAUSED, STATE, WATCHED
from .tape import LEAF, OUTPUT, SHAPE, tick
from .tensor import EAGER_TYPES, Tensor, link_view

NUMBERS = frozenset((float, int))
SINGLE = np.dtype(np.float32)  # what most tensors are: told faster than by a code
ALL_CODES = FLOATS | frozenset(np.typecodes["AllInteger"] + "?")
ndarray, asarray, new = np.ndarray, np.asarray, Tensor.__new__
# array classes that need no more of `apply` than the choice of what does an op on them
SHORT_WAYS: dict[type, Mapping[Primitive, Callable[..., Any]]] = {}


def make_op(prim: Primitive) -> Callable[..., Any]:
    """The callable of a primitive: the eager path specialised by arity."""
    if prim.arity is None:
        op = _sequence(prim)
    elif type(prim.rule) is Elementwise or prim.dtype in ("compare", "promote", "float"):
        op = {1: _unary, 2: _binary}.get(prim.arity or 0, _general)(prim)
    elif prim.arity == 1 and prim.outputs == 1:
        op = _unary_with_params(prim)
    elif prim.arity == 2 and prim.outputs == 1:
        op = _pair(prim)
    elif prim.arity == 3 and prim.outputs == 1 and prim.dtype == "first":
        op = _triple(prim)
    else:
        op = _general(prim)
    op.__name__ = op.__qualname__ = prim.name
    op.__doc__ = prim.doc or f"The op `{prim.name}`."
    op.primitive = prim
    OPS[prim.name] = op
    if prim.name in CHOICES:
        CHOICES[prim.name] = op
    return op


def _usual(prim: Primitive) -> Any:
    """The data type that is told fastest, where the op takes it."""
    return None if "float" in prim.refuses else SINGLE


def _taken(prim: Primitive) -> Any:
    """The type codes of what an op is evaluated on without promotion; None for any."""
    refused = frozenset("".join(KINDS[kind] for kind in prim.refuses))
    if prim.dtype == "float":
        return FLOATS - refused
    return ALL_CODES - refused if refused else None


def make_operator(op: Callable[..., Any]) -> Callable[..., Any]:
    """A binary op as Python's operator: foreign operands are left to their own methods."""
    prim = op.primitive
    elementwise = type(prim.rule) is Elementwise or prim.dtype in ("compare", "promote", "float")
    of_two = two(prim, _operator_long_way, kept_beside(prim)) if elementwise else None
    operator = of_two or _pair(prim, _among_tensors)
    operator.__name__ = operator.__qualname__ = prim.name
    operator.__doc__, operator.primitive = op.__doc__, prim
    return operator


def _unary(prim: Primitive) -> Any:
    evaluate, keep_x, keep_y = prim.eval, "x" in prim.reads, "y" in prim.reads
    records, taken, usual = prim.rule is not None, _taken(prim), _usual(prim)
    any_type = taken is None

    def op(input: Any, *params: Any, out: Any = None) -> Any:
        if (type(input) is USUAL[0] or type(input) in EAGER_TYPES) and out is None:
            a = input._array
            if type(a) is ndarray and (any_type or a.dtype is usual or a.dtype.char in taken):
                try:
                    y = evaluate(a, *params) if params else evaluate(a)
                except (MemoryError, RuntimeWarning) as error:
                    y = again(error, refused, evaluate, a, *params)
                if type(y) is not ndarray:
                    y = asarray(y)
                result = new(Tensor)
                result._array = y
                parent = input._entry
                if parent is None or not records or (PAUSED and not STATE.grad):
                    result._entry = None
                    return result
                result._entry = [
                    prim, (input if parent is LEAF else parent,), (a,) if keep_x else None,
                    y if keep_y else None, params, y.shape, tick(), None,
                ]  # fmt: skip
                if WATCHED[0] and STATE.watchers:
                    observe(result._entry, y, (input,))
                return result
            if type(a) in SHORT_WAYS:
                return SHORT_WAYS[type(a)][prim](prim, (input,), params)
        elif type(input) is ndarray and (EAGER_TYPES or not params):  # they may be followed
            y = evaluate(input, *params)
            return y if type(y) is ndarray else asarray(y)
        result = apply(prim, (input,), params)
        return result if out is None else write_out(result, out, (input,))

    return op


def _unary_with_params(prim: Primitive) -> Any:
    evaluate, keep_x, keep_y = prim.eval, "x" in prim.reads, "y" in prim.reads
    records, taken, usual = prim.rule is not None, _taken(prim), _usual(prim)
    view = type(prim.rule) is Multilinear and prim.rule.view
    any_type = taken is None

    def op(input: Any, *params: Any) -> Any:
        if type(input) is USUAL[0] or type(input) in EAGER_TYPES:
            a = input._array
            if type(a) is ndarray and (any_type or a.dtype is usual or a.dtype.char in taken):
                try:
                    y = evaluate(a, *params) if params else evaluate(a)
                    if type(y) is not ndarray:
                        y = asarray(y)
                except Unfollowed as error:
                    return apply_by_params(prim, (input,), params, error)
                except (MemoryError, ValueError, RuntimeWarning) as error:
                    y = again(error, refused, evaluate, a, *params)
                result = new(Tensor)
                result._array = y
                if view:
                    link_view(result, input)
                parent = input._entry
                if parent is None or not records or (PAUSED and not STATE.grad):
                    result._entry = None
                    return result
                result._entry = [
                    prim, (input if parent is LEAF else parent,), (a,) if keep_x else None,
                    y if keep_y else None, params, y.shape, tick(), None,
                ]  # fmt: skip
                if WATCHED[0] and STATE.watchers:
                    observe(result._entry, y, (input,))
                return result
            if type(a) in SHORT_WAYS:
                return SHORT_WAYS[type(a)][prim](prim, (input,), params)
        elif type(input) is ndarray and (EAGER_TYPES or not params):  # they may be followed
            y = evaluate(input, *params)
            return y if type(y) is ndarray else asarray(y)
        return apply(prim, (input,), params)

    return op


def _binary(prim: Primitive) -> Any:
    long_way, short = the_long_way, two(prim, the_long_way, kept_beside(prim))

    def op(input: Any, other: Any, *params: Any, out: Any = None) -> Any:
        if out is None:
            return short(input, other, params)
        return long_way(prim, input, other, params, out)

    return op


# What operators call, who name no argument; `numbers` are as `kept_beside` has them.
def two(prim: Primitive, long_way: Any, numbers: dict[type, str]) -> Any:
    evaluate, keep_x, keep_y = prim.eval, "x" in prim.reads, "y" in prim.reads
    records, taken, usual = prim.rule is not None, _taken(prim), _usual(prim)
    plain, any_type = type(evaluate) is np.ufunc, taken is None

    def op(input: Any, other: Any, params: Any = ()) -> Any:
        if type(input) is USUAL[0] or type(input) in EAGER_TYPES:
            a, px = input._array, input._entry
            if (kind := type(other)) is USUAL[0] or kind in EAGER_TYPES:
                z, py = (b := other._array), other._entry
                fits = type(a) is ndarray and type(b) is ndarray and (dtype := a.dtype) is b.dtype
            else:
                z, py = (b := other), None
                fits = type(a) is ndarray and (dtype := a.dtype).char in numbers.get(kind, "")
                if fits and (b or kind is int) and (plain or dtype.char not in "fd"):
                    z = number(b, dtype)
            if fits and (any_type or dtype is usual or dtype.char in taken):
                try:
                    y = evaluate(a, z, *params) if params else evaluate(a, z)
                except (MemoryError, ValueError, RuntimeWarning) as error:
                    y = again(error, failed, evaluate, a, b, *params)
                result = new(Tensor)
                result._array = y = y if type(y) is ndarray else asarray(y)
                if (px is None and py is None) or not records or (PAUSED and not STATE.grad):
                    result._entry = None
                    return result
                result._entry = [
                    prim, (input if px is LEAF else px, other if py is LEAF else py),
                    (a, b) if keep_x else None, y if keep_y else None, params, y.shape, tick(), None
                ]  # fmt: skip
                if WATCHED[0] and STATE.watchers:
                    observe(result._entry, y, (input, other))
                return result
            ways = SHORT_WAYS.get(type(b) if type(a) is ndarray else type(a))
            if ways is not None and (
                kind in EAGER_TYPES or (kind in numbers and a.dtype.char in "fd")
            ):
                return ways[prim](prim, (input, other), params)
        return long_way(prim, input, other, params, None)

    return op


def _operator_long_way(prim: Primitive, input: Any, other: Any, params: Any, out: Any) -> Any:
    if not is_operand(other):
        return NotImplemented
    return the_long_way(prim, input, other, params, out)


def _among_tensors(prim: Primitive, input: Any, other: Any, params: Any, out: Any) -> Any:
    if type(input) in NUMBERS or type(other) in NUMBERS:
        return NotImplemented
    return _operator_long_way(prim, input, other, params, out)


def the_long_way(prim: Primitive, input: Any, other: Any, params: tuple[Any, ...], out: Any) -> Any:
    if SHORT_WAYS and out is None and type(input) in NUMBERS and type(other) in EAGER_TYPES:
        ways = SHORT_WAYS.get(type(other._array))
        if ways is not None and other._array.dtype.char in "fd":
            return ways[prim](prim, (input, other), params)
    if type(input) is ndarray and type(other) is ndarray and (EAGER_TYPES or not params):
        y = prim.eval(input, other, *params)
        return y if type(y) is ndarray else asarray(y)
    if type(input) in NUMBERS and type(other) in EAGER_TYPES and out is None:
        b = other._array  # type: ignore[union-attr]  # a Tensor
        code, taken = b.dtype.char if type(b) is ndarray else "", _taken(prim) or ALL_CODES
        if code and code in kept_beside(prim)[type(input)]:  # 2.0 * x: none to promote
            refuse_numbers(prim, (input, other))
            if code in taken:
                a: Any = input
                arrays = (a if code in "fd" else number(a, b.dtype)), b
                return finish(prim, (input, other), arrays, run(prim, arrays, params), params)
    result = apply(prim, (input, other), params)
    read = () if prim.dtype == "first" else (input, other)
    return result if out is None else write_out(result, out, read)


def _pair(prim: Primitive, long_way: Any = None) -> Any:
    """Two operands of whatever types the op itself checks (matmul, linear)."""
    long_way = long_way or the_long_way
    evaluate, keep_x, keep_y = prim.eval, "x" in prim.reads, "y" in prim.reads
    records, taken, usual = prim.rule is not None, _taken(prim), _usual(prim)
    any_type = taken is None

    def op(input: Any, other: Any, *params: Any) -> Any:
        if type(input) in EAGER_TYPES and type(other) in EAGER_TYPES:
            a, b = input._array, other._array
            if type(a) is ndarray and type(b) is ndarray and (
                any_type or a.dtype is usual or a.dtype.char in taken
            ):  # fmt: skip
                try:
                    y = evaluate(a, b, *params) if params else evaluate(a, b)
                    if type(y) is not ndarray:
                        y = asarray(y)
                except Unfollowed as error:
                    return apply_by_params(prim, (input, other), params, error)
                except (MemoryError, ValueError, RuntimeWarning) as error:
                    y = again(error, refused, evaluate, a, b, *params)
                result = new(Tensor)
                result._array = y
                px, py = input._entry, other._entry
                if (px is None and py is None) or not records or (PAUSED and not STATE.grad):
                    result._entry = None
                    return result
                result._entry = [
                    prim, (input if px is LEAF else px, other if py is LEAF else py),
                    (a, b) if keep_x else None, y if keep_y else None, params,
                    y.shape, tick(), None,
                ]  # fmt: skip
                if WATCHED[0] and STATE.watchers:
                    observe(result._entry, y, (input, other))
                return result
            if type(a) is ndarray:
                a = b
            if type(a) in SHORT_WAYS:
                return SHORT_WAYS[type(a)][prim](prim, (input, other), params)
        return long_way(prim, input, other, params, None)

    return op


def _triple(prim: Primitive) -> Any:
    """Three operands of whatever types the op itself checks (a layer's input, weight, bias)."""
    evaluate, records, taken, usual = prim.eval, prim.rule is not None, _taken(prim), _usual(prim)
    keep_x, keep_y = "x" in prim.reads, "y" in prim.reads

    def op(input: Any, other: Any, third: Any, *params: Any) -> Any:
        fits = third is None or type(third) in EAGER_TYPES
        if fits and type(input) in EAGER_TYPES and type(other) in EAGER_TYPES:
            a, b = input._array, other._array
            c, pz = (None, None) if third is None else (third._array, third._entry)
            if type(a) is ndarray and type(b) is ndarray and (c is None or type(c) is ndarray):
                if taken is not None and a.dtype is not usual and a.dtype.char not in taken:
                    return apply(prim, (input, other, third), params)
                try:
                    y = evaluate(a, b, c, *params)
                except Unfollowed as error:
                    return apply_by_params(prim, (input, other, third), params, error)
                except (MemoryError, ValueError, RuntimeWarning) as error:
                    y = again(error, refused, evaluate, a, b, c, *params)
                result = new(Tensor)
                result._array = y = y if type(y) is ndarray else asarray(y)
                px, py = input._entry, other._entry
                if px is py is pz is None or not records or (PAUSED and not STATE.grad):
                    result._entry = None
                    return result
                result._entry = [
                    prim, (input if px is LEAF else px, other if py is LEAF else py,
                           third if pz is LEAF else pz),
                    (a, b, c) if keep_x else None, y if keep_y else None, params,
                    y.shape, tick(), None,
                ]  # fmt: skip
                if WATCHED[0] and STATE.watchers:
                    observe(result._entry, y, (input, other, third))
                return result
            for array in (a, b, c):
                if type(array) is not ndarray and array is not None:
                    if type(array) in SHORT_WAYS:
                        return SHORT_WAYS[type(array)][prim](prim, (input, other, third), params)
                    break
        return apply(prim, (input, other, third), params)

    return op


def _general(prim: Primitive) -> Any:
    """Any fixed number of operands; a loop over plain tensors, else `apply`."""
    if prim.dtype == "promote":
        return joined(prim, _taken(prim) or ALL_CODES, _wrapped(prim), apply)
    if prim.outputs == 1:
        return _of_operands(prim, _wrapped(prim), apply, lambda result: result)
    op = _of_operands(prim, _several(prim), apply, lambda results: results)
    if prim.outputs and not getattr(prim.rule, "view", False):
        alone = lambda prim, inputs, params: apply(prim, inputs, params)[0]
        op.first = _of_operands(prim, _several(prim, alone=True), alone, lambda results: results[0])
    return op


def _of_operands(prim: Primitive, wrap: Any, long_way: Any, chosen: Any) -> Any:
    """The op as a loop over its operands: `wrap` ends the short way, `long_way` is any other.

    `chosen` takes what the caller gets from an op's results.
    """
    arity = prim.arity or 0
    evaluate, direct, records = prim.eval, prim.dtype == "first", prim.rule is not None
    single, taken = prim.outputs == 1, _taken(prim) if direct else None

    def op(*arguments: Any) -> Any:
        inputs, params = arguments[:arity], arguments[arity:]
        arrays, wanted = [], False
        for x in inputs:
            if x is None:
                arrays.append(None)
                continue
            if not direct or type(x) not in EAGER_TYPES:
                return long_way(prim, inputs, params)
            if type(x._array) is not ndarray:
                ways = SHORT_WAYS.get(type(x._array))
                if ways is not None:
                    return chosen(ways[prim](prim, inputs, params))
                return long_way(prim, inputs, params)
            arrays.append(x._array)
            wanted = wanted or x._entry is not None
        if taken is not None and arrays[0].dtype.char not in taken:
            return long_way(prim, inputs, params)
        try:
            y = evaluate(*arrays, *params)
            if single and type(y) is not ndarray:
                y = asarray(y)
        except Unfollowed as error:
            return chosen(apply_by_params(prim, inputs, params, error))
        except (MemoryError, ValueError, RuntimeWarning) as error:
            y = again(error, refused, evaluate, *arrays, *params)
        parents = parents_of(inputs) if wanted and records and (not PAUSED or STATE.grad) else None
        return wrap(y, inputs, arrays, params, parents)

    return op


def _wrapped(prim: Primitive) -> Any:
    """What wraps the output of an op, and records it if it has parents."""
    keep_x, keep_y = "x" in prim.reads, "y" in prim.reads

    def wrap(y: Any, inputs: Any, arrays: Any, params: Any, parents: Any) -> Any:
        result = new(Tensor)
        result._array = y
        if parents is None:
            result._entry = None
            return result
        result._entry = [
            prim, parents, tuple(arrays) if keep_x else None, y if keep_y else None, params,
            y.shape, tick(), None,
        ]  # fmt: skip
        if WATCHED[0] and STATE.watchers:
            observe(result._entry, y, inputs)
        return result

    return wrap


def _several(prim: Primitive, alone: bool = False) -> Any:
    """What wraps the outputs of an op that has several, and records them if it has parents.

    `alone` is for callers who drop all but the first: no tensors are made of the rest.
    """
    keep_x, keep_y, keep_rest = (what in prim.reads for what in "xyz")
    view = getattr(prim.rule, "view", False)

    def wrap(ys: Any, inputs: Any, arrays: Any, params: Any, parents: Any) -> Any:
        entry: Any = None
        if parents is not None:
            kept = tuple(arrays) if keep_x else None
            entry = [prim, parents, kept, None, params, None, tick(), None]
        results, found, sizes = [], [], []
        for y in ys[:1] if alone and entry is None else ys:
            if type(y) is not ndarray:
                y = asarray(y)
            if entry is not None:
                found.append(y)
                sizes.append(y.shape)
            if alone and results:
                continue
            result = new(Tensor)
            result._array = y
            result._entry = None
            if view:
                link_view(result, inputs[0])
            if entry is not None and y.dtype.char in FLOATS:
                place = (len(results),)
                result._entry = [OUTPUT_OF, (entry,), None, None, place, y.shape, tick(), None]
            results.append(result)
        if entry is not None:
            entry[SHAPE] = tuple(sizes)
            if keep_y or keep_rest:
                entry[OUTPUT] = tuple(found) if keep_y else (None, *found[1:])
            if WATCHED[0] and STATE.watchers:
                observe(entry, tuple(found), inputs)
        return results[0] if alone else tuple(results)

    return wrap


def _sequence(prim: Primitive) -> Any:
    """Any number of operands of one data type; else `apply`."""
    direct, evaluate = prim.dtype in ("promote", "first"), prim.eval
    records, wrap = prim.rule is not None, _wrapped(prim)

    def op(tensors: Any, *params: Any) -> Any:
        inputs = tuple(tensors)
        arrays: list[Any] = []
        kind, wanted = None, False
        for x in inputs:
            if type(x) not in EAGER_TYPES:
                return apply(prim, inputs, params)
            array = x._array
            if kind is None and direct and type(array) is ndarray:
                kind = array.dtype
            if type(array) is not ndarray or array.dtype is not kind:
                ways = SHORT_WAYS.get(type(array))
                if ways is not None:
                    return ways[prim](prim, inputs, params)
                return apply(prim, inputs, params)
            arrays.append(array)
            wanted = wanted or x._entry is not None
        try:
            y = evaluate(tuple(arrays), *params)
        except Unfollowed as error:
            return apply_by_params(prim, inputs, params, error)
        except (MemoryError, ValueError, RuntimeWarning):
            return apply(prim, inputs, params)  # which knows how to say it
        wanted = wanted and records and (not PAUSED or STATE.grad) and y.dtype.char in FLOATS
        return wrap(y, inputs, arrays, params, parents_of(inputs) if wanted else None)

    return op
