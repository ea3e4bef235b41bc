"""What the package's general path calls where an array is traced, or while any trace runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import dispatch
from ...core.primitive import Primitive
from ...core.state import STATE
from ...core.tensor import Tensor
from .numpy_calls import masks, rounded, typed, value_of
from .traced import Traced, traced_in

ndarray = np.ndarray


def handle(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """An op on tensors of which some hold traced arrays, or any op while a trace runs."""
    tracer = STATE.tracer
    if tracer is None or tracer.closed:
        for x in inputs:
            if issubclass(type(x), Tensor) and type(x._array) is Traced:
                x._array = x._array.value
        return dispatch.apply_plain(prim, tuple(map(value_of, inputs)), value_of(params))
    if tracer.watch.looks:
        return tracer.watch.unseen(_handled, tracer, prim, inputs, params)
    return _handled(tracer, prim, inputs, params)


def _handled(tracer: Any, prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    if not _alike(prim, inputs):
        inputs = dispatch.promote(prim, inputs, params)
    # a list: to end a trace looks at all objects, and a tuple must not be seen half filled
    operands = tuple([tracer.lift(x) if isinstance(x, Tensor) else x for x in inputs])
    if tracer.closed:  # two inputs share memory: the trace ended while lifting
        return handle(prim, inputs, params)
    if prim.name == "where":
        operands = _chosen(operands)
    elif prim.name == "index" and masks(params):
        params = tracer.unmasked(params)
    return dispatch.finish(prim, inputs, operands, tracer.call(prim, operands, params), params)


def _alike(prim: Primitive, inputs: tuple[Any, ...]) -> bool:
    """Whether all operands are tensors of one type of floats, or none has to change."""
    kind = None
    for x in inputs:
        if not isinstance(x, Tensor):
            return False
        of = x._array.dtype
        if kind is not None and of is not kind:
            return False
        kind = of
    return kind is not None and kind.char in "fd"


def _chosen(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The operands of `where`: a number takes the other value's type."""
    if any(isinstance(x, (ndarray, np.generic)) for x in inputs[1:]):
        return inputs[0], *typed(inputs[1:])
    return inputs


def handle_raw(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """An op on bare arrays of which some are traced: a rule at work."""
    tracer = traced_in((inputs, params))[0].tracer
    if tracer.closed:
        values = value_of(inputs)
        y = prim.eval(*((values,) if prim.arity is None else values), *value_of(params))
        if prim.outputs != 1:
            return tuple(map(np.asarray, y))
        return y if type(y) is ndarray else np.asarray(y)
    given = inputs
    if type(prim.rule).__name__ == "Elementwise" or prim.dtype in ("compare", "promote", "float"):
        inputs = typed(inputs)
    elif prim.name == "where":
        inputs = _chosen(inputs)
    if tracer.watch.looks:
        return rounded(tracer.watch.unseen(tracer.call, prim, inputs, params), given)
    return rounded(tracer.call(prim, inputs, params), given)


dispatch.ARRAYS[Traced] = handle
dispatch.WRAPPERS[Traced] = handle_raw
