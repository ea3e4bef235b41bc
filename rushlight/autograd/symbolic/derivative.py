"""The derivative of an expression, as an expression: the ops' own rules, run on expressions.

The walk is reverse mode's, from the output back; the rules are the ones `backward` uses, so there
is one source of derivatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.errors import fail
from ...core.holes import fill
from ...core.primitive import REGISTRY, Elementwise
from ...core.tensor import Tensor
from ...ops.structure import sum_to
from .expressions import (
    CONSTANT,
    DETACH,
    OUTPUT,
    Expr,
    constant,
    first_hole,
    is_number,
    make,
    order,
)
from .values import Expression, SymbolicError, wrap


def depending(outputs: Sequence[Expr], wrt: Sequence[Expr]) -> set[Expr]:
    """Every expression in the outputs through which some of `wrt` acts differentiably."""
    found = set(wrt)
    for x in order(outputs):
        if x.op != DETACH and any(a in found for a in x.args):
            found.add(x)
    return found


def gradients(output: Expr, wrt: Sequence[Expr], seed: Expr | None = None) -> list[Expr]:
    """seed * d(output)/d(each of wrt); zeros where it does not depend on it."""
    if seed is None:
        if output.shape != ():
            raise fail(
                SymbolicError,
                f"a gradient needs a scalar, but the expression has shape {list(output.shape)}",
                "reduce it with .sum() or .mean(), or ask for sym.jacobian",
            )
        seed = constant(1.0, output.dtype)
    needed = depending([output], wrt)
    waiting: dict[Expr, Any] = {output: wrap(seed)}
    for expr in reversed(order([output])):
        if expr not in waiting or expr not in needed:
            continue
        g = waiting[expr]
        if expr.op == OUTPUT:
            _deliver_output(waiting, expr, g)
        elif expr.args:
            for x, one in zip(expr.args, pulled(expr, g, needed)):
                if one is not None and x in needed:
                    _deliver(waiting, x, one)
    return [
        waiting[x]._array if x in waiting else constant(0.0, x.dtype, x.shape) for x in wrt
    ]  # fmt: skip


def _deliver(waiting: dict[Expr, Any], x: Expr, g: Any) -> None:
    if not isinstance(g, Tensor):
        g = wrap(constant(g, x.dtype))
    if tuple(g.shape) != x.shape and not x.open:
        g = sum_to(g, x.shape)
    waiting[x] = g + waiting[x] if x in waiting else g  # the order in which they were written


def _deliver_output(waiting: dict[Expr, Any], expr: Expr, g: Any) -> None:
    base, place = expr.args[0], expr.params[0]
    before = waiting.setdefault(base, [None] * len(base.shape))
    before[place] = g if before[place] is None else before[place] + g


def pulled(expr: Expr, g: Any, needed: set[Expr]) -> Sequence[Any]:
    """What the op's rule gives for each operand, on symbolic tensors."""
    prim = REGISTRY[expr.op]
    if prim.rule is None or prim.pull is None:
        return (None,) * len(expr.args)
    numbers = type(prim.rule) is Elementwise
    count = min(first_hole(expr.params), len(expr.args))
    inputs = tuple(operand(x, numbers) for x in expr.args[:count])
    parents = tuple(wrap(x) if x in needed else None for x in expr.args[:count])
    params = fill(expr.params, expr.args)
    if prim.outputs == 1:
        y: Any = wrap(expr)
    else:
        y = tuple(wrap(_output(expr, place)) for place in range(len(expr.shape)))
        g = tuple(_zeros(expr, place) if one is None else one for place, one in enumerate(g))
    return prim.pull(g, [prim, parents, inputs, y, params, expr.shape, 0, None])


def _output(expr: Expr, place: int) -> Expr:
    return make(OUTPUT, (expr,), (place,), expr.shape[place], expr.dtype[place], expr.line)


def _zeros(expr: Expr, place: int) -> Expression:
    return wrap(constant(0.0, expr.dtype[place], expr.shape[place]))


def operand(x: Expr, numbers: bool) -> Any:
    """An operand as a rule takes it: numbers as numbers where they were given as such."""
    if x.op == CONSTANT and (x.weak or (numbers and not x.shape and is_number(x))):
        return x.value
    return wrap(x)
