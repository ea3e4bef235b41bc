"""What the ops do to sparse tensors: to their values, to their places, or to both.

A rule gets the op's operands as Tensors, of which at least one is sparse, and its parameters. It is
made of ops on the dense tensor of values, so derivatives of any kind follow from theirs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dispatch import ARRAYS, WRAPPERS
from ..core.overrides import OPS
from ..core.primitive import Primitive
from ..core.sparse import EAGERLY, Sparse, refusal, sparse, wrapped
from ..core.state import STATE
from ..core.tensor import wrap
from ..core.values import raw
from . import sparse_arithmetic, sparse_places
from .sparse_rules import RULES, as_layout, coalesced, is_sparse, masked, to_dense

__all__ = ["apply", "as_layout", "coalesced", "is_sparse", "masked", "to_dense"]
assert sparse_arithmetic
assert sparse_places  # the two declare the rules
# ops that are zero where their operand is; the linear ones work on places that stand twice
KEEP_ZERO = """abs asin asinh atan atanh ceil deg2rad erf erfinv expm1 floor frac isinf isnan
    isneginf isposinf log1p rad2deg relu round sgn sign signbit sin sinh sqrt square tan tanh
    trunc threshold""".split()
LINEAR = """cast cast_to_integer clone conj contiguous_copy imag kept_gradient neg positive
    real""".split()


def apply(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """What an op gives on operands of which some are sparse."""
    if STATE.tracer is not None:
        STATE.tracer.stop(EAGERLY)
    inputs = tuple([wrapped(x) if type(x) is Sparse else x for x in inputs])
    name = prim.name
    if name in RULES:
        return RULES[name](*((inputs,) if prim.arity is None else inputs), *params)
    x = inputs[0]
    if name in KEEP_ZERO:
        x = coalesced(x)
    elif name not in LINEAR:
        raise refusal(name, next(one._array.layout for one in inputs if is_sparse(one)))
    return sparse(x._array.over(OPS[name](x._array.entries, *params)))


def _on_raw(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    inputs = tuple([wrap(x) if isinstance(x, np.ndarray) else x for x in inputs])
    return raw(apply(prim, inputs, params))


ARRAYS[Sparse] = apply
WRAPPERS[Sparse] = _on_raw
