"""Tangents of large arrays by native programs: of ops whose pushes pass over their arrays often.

A push says in ops what a tangent is; `core/heavy.py` has a program of that made where an array is
large, one pass over the memory in the place of five to twenty. The value itself is the op's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.heavy import SWITCH, heavy
from ..core.primitive import Primitive
from ..ops.compare import eq
from ..ops.elementwise import where
from ..ops.reduce import spread
from ..ops.reduce import sum as sum_of
from .pushes import PUSHES

Push = Callable[..., Any]
ndarray = np.ndarray


def _extremum(ts: Any, y: Any, x: Any, dims: Any = None, keep: bool = False) -> Any:
    """The mean of the tangents of all elements that attain the extremum."""
    hit = eq(x, spread(y, x, dims))
    one = where(hit, 1.0, x)  # in the type of x, whatever numbers there are
    count = sum_of(where(hit, one, 0.0), dims, keep)
    return sum_of(where(hit, ts[0], 0.0), dims, keep) / count


def _norm(ts: Any, y: Any, x: Any, order: float, dims: Any, keep: bool) -> Any:
    """The sum of t x / |x|, zero where x is; of the second order."""
    scale = where(eq(y, 0.0), 0.0, 1.0 / y)
    return sum_of(ts[0] * (x * spread(scale, x, dims)), dims, keep)


# what is a push of its own in a program; all other names stand for what `pushes` has
_OWN: dict[str, Push] = {
    "amax": _extremum, "amin": _extremum, "max_all": _extremum, "min_all": _extremum,
    "linalg_vector_norm": _norm,
}  # fmt: skip
_ONLY = {"linalg_vector_norm": lambda order, *_: order == 2}  # parameters that it takes
WORTH = frozenset(_OWN).union(
    """standardise root_mean_square log_softmax mean_squared_error where lerp addcmul affine
logsumexp var std mish logit""".split()
)


def natively(prim: Primitive, push: Push) -> Push:
    """The push (tangents, result, *operands, *params) with a program in its place if it pays."""
    name, count, outputs = prim.name, prim.arity or 0, prim.outputs
    if name not in WORTH:
        return push
    formula, takes = _OWN.get(name) or PUSHES[name], _ONLY.get(name)

    def laid_out(run: Push) -> Callable[..., Any]:
        """The same of arguments in a row: operands, their tangents, results, parameters."""

        def of_row(*args: Any) -> Any:
            xs, ts, rest = args[:count], args[count : 2 * count], args[2 * count :]
            ys = rest[0] if outputs == 1 else rest[:outputs]
            return run(ts, ys, *xs, *rest[outputs:])

        return of_row

    run = heavy(f"tangent {name}", laid_out(push), laid_out(formula), chosen=True)

    def of_arrays(ts: Any, y: Any, *operands: Any) -> Any:
        xs = operands[:count]
        small = max([x.size for x in xs if type(x) is ndarray]) < SWITCH.least
        if small or (takes and not takes(*operands[count:])):
            return push(ts, y, *operands)
        ys = (y,) if outputs == 1 else y
        return run(*xs, *ts, *ys, *operands[count:])

    return of_arrays


def by_prim(prim: Primitive, push: Push) -> Push:
    """The same of a push (op, tangents, operands, result, parameters)."""
    if prim.name not in WORTH:
        return push
    run = natively(prim, lambda ts, y, x, *params: push(prim, ts, (x,), y, params))
    return lambda prim, ts, xs, y, params: run(ts, y, *xs, *params)
