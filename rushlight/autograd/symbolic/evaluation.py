"""Expressions evaluated on tensors through the ops themselves: results can be differentiated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...core import dtypes
from ...core.errors import fail
from ...core.holes import fill, has_hole
from ...core.operands import of_tensors
from ...core.overrides import OPS
from ...core.primitive import Elementwise, Primitive
from ...core.tensor import Tensor, wrap
from .expressions import (
    CONSTANT,
    DETACH,
    OUTPUT,
    VARIABLE,
    Expr,
    first_hole,
    order,
)


def fed(expr: Expr, value: Any) -> Tensor:
    """The value for a variable, checked against the shape and type it was declared with."""
    if not isinstance(value, Tensor):
        value = wrap(np.asarray(value, None if expr.open else expr.dtype))
    if expr.open:
        return value
    if tuple(value._array.shape) != expr.shape:
        raise fail(
            ValueError,
            f"{expr.name} was declared with shape {list(expr.shape)}, but the value has shape"
            f" {list(value._array.shape)}",
            *([f"declared at {expr.line}"] if expr.line else []),
        )
    if value._array.dtype != expr.dtype:
        raise fail(
            TypeError,
            f"{expr.name} was declared as {dtypes.of(np.empty(0, expr.dtype))}, but the value is"
            f" {value.dtype}",
            f"convert it with .to({dtypes.of(np.empty(0, expr.dtype))})",
        )
    return value


def fed_all(outputs: Sequence[Expr], values: Mapping[str, Any]) -> dict[Expr, Tensor]:
    """A value for every variable of the outputs, by name."""
    wanted = [x for x in order(outputs) if x.op == VARIABLE]
    missing = [x.name for x in wanted if x.name not in values]
    if missing:
        raise fail(
            KeyError, f"no value for {', '.join(missing)}",
            f"the expression reads {', '.join(x.name for x in wanted) or 'no variable'}; given:"
            f" {', '.join(values) or 'none'}",
        )  # fmt: skip
    found = {x: fed(x, values[x.name]) for x in wanted}
    sizes = {tuple(v._array.shape) for x, v in found.items() if x.open}
    if len(sizes) > 1:
        raise fail(
            ValueError,
            "variables declared without a shape must all be given the same one, got"
            f" {', '.join(str(list(one)) for one in sorted(sizes))}",
            "declare shapes to broadcast: sym.var(name, shape=(...))",
        )
    return found


def evaluate(outputs: Sequence[Expr], feed: Mapping[Expr, Tensor]) -> list[Tensor]:
    """The values of the outputs, given those of the variables (or of any inner expression)."""
    values: dict[Expr, Any] = {}
    for expr in order(outputs, feed):
        values[expr] = feed[expr] if expr in feed else _one(expr, values)
    return [_tensor(values[x], x) for x in outputs]


def _tensor(value: Any, expr: Expr) -> Any:
    if isinstance(value, Tensor) or value is None:
        return value
    return wrap(np.full(expr.shape, value, expr.dtype))


def _one(expr: Expr, values: Mapping[Expr, Any]) -> Any:
    if expr.op == CONSTANT:
        value = expr.value
        if isinstance(value, np.ndarray):
            return wrap(value)
        return value if value is None or not expr.shape else _tensor(value, expr)
    args = [values[x] for x in expr.args]
    if expr.op in OPS and not by_element(OPS[expr.op].primitive):
        args = [v if x.weak else _tensor(v, x) for v, x in zip(args, expr.args)]
    if expr.op == OUTPUT:
        return args[0][expr.params[0]]
    if expr.op == DETACH:
        return args[0].detach()
    if of_tensors(OPS.get(expr.op)) or not any(isinstance(x, Tensor) for x in args):
        args = [_tensor(value, x) for value, x in zip(args, expr.args)]
    if has_hole(expr.params):
        params = fill(expr.params, [x._array if isinstance(x, Tensor) else x for x in args])
        return run(expr.op, args[: _operands(expr)], params)
    return run(expr.op, args, expr.params)


def _operands(expr: Expr) -> int:
    """How many of its operands are the op's own; the others stand in holes of its parameters."""
    arity = OPS[expr.op].primitive.arity
    return arity if arity is not None else min(first_hole(expr.params), len(expr.args))


def by_element(prim: Primitive) -> bool:
    """Whether operands are promoted, so that numbers may stand beside tensors."""
    return type(prim.rule) is Elementwise or prim.dtype in ("compare", "promote", "float")


def run(name: str, args: Sequence[Any], params: Sequence[Any]) -> Any:
    """Call an op of the registry on tensors and numbers."""
    op = OPS[name]
    if op.primitive.arity is None:
        return op(tuple(args), *params)
    return op(*args, *params)
