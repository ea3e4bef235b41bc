"""The constructors that declarations call: each fills in what its family can derive.

elementwise   y[i] = f(x[i], ...)           partials
multilinear   linear in each operand        adjoints
linear        one operand, linear           adjoint
view          linear, sharing memory        adjoint
general       anything else                 vjp (and jvp)
plain         without a derivative
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .calls import make_op
from .primitive import (
    Elementwise,
    General,
    Multilinear,
    Primitive,
    bake_elementwise,
    bake_general,
    bake_multilinear,
)

Op = Callable[..., Any]


def elementwise(
    name: str, *, eval: Op, partials: Sequence[Any], reads: str = "", **fields: Any
) -> Op:
    """An op on each element; `partials[i](y, *xs)` is dy/dx_i, or a number."""
    pull = fields.pop("pull", None) or bake_elementwise(partials, reads)
    fields.setdefault("dtype", "promote")
    return make_op(
        Primitive(name, eval=eval, rule=Elementwise(partials), reads=reads, pull=pull,
                  arity=len(partials), **fields)
    )  # fmt: skip


def multilinear(name: str, *, eval: Op, adjoints: Sequence[Any], **fields: Any) -> Op:
    """An op linear in each operand; `adjoints[i](g, *xs, *params)` is the gradient of operand i."""
    fields.setdefault("reads", "x")
    pull = fields.pop("pull", None) or bake_multilinear(adjoints, "x" in fields["reads"])
    return make_op(
        Primitive(name, eval=eval, rule=Multilinear(adjoints), pull=pull,
                  arity=len(adjoints), **fields)
    )  # fmt: skip


def linear(name: str, *, eval: Op, adjoint: Op, **fields: Any) -> Op:
    """A linear op of one operand; its rule may ask only the operand's shape."""
    return multilinear(name, eval=eval, adjoints=[adjoint], reads="", **fields)


def view(name: str, *, eval: Op, adjoint: Op, **fields: Any) -> Op:
    """A linear op whose result shares the operand's memory."""
    pull = bake_multilinear([adjoint], False)
    return make_op(
        Primitive(name, eval=eval, rule=Multilinear([adjoint], view=True), pull=pull, arity=1,
                  **fields)
    )  # fmt: skip


def general(
    name: str, *, eval: Op, vjp: Op, jvp: Op | None = None, arity: int | None = 1,
    view: bool = False, **fields: Any,
) -> Op:  # fmt: skip
    """An op with a rule of its own: `vjp(g, y, *xs, *params)` gives a gradient per operand.

    Operands that `reads` does not name arrive as shapes only. With several outputs `g` and `y` are
    tuples (`outputs` is their number, or None where it varies). The push-forward is derived from
    the pull unless `jvp` is given.
    """
    pull = fields.pop("pull", None) or bake_general(vjp, arity, "x" in fields.get("reads", ""))
    return make_op(
        Primitive(name, eval=eval, rule=General(vjp, jvp, view), pull=pull, arity=arity, **fields)
    )


def plain(name: str, *, eval: Op, arity: int | None = 1, **fields: Any) -> Op:
    """An op that has no derivative (comparisons, indices, rounding)."""
    return make_op(Primitive(name, eval=eval, rule=None, arity=arity, **fields))
