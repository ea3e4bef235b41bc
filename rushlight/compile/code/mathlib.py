"""Elementary functions as IR: which formula serves which type, written in place or called.

float32 functions that training spends its time in have formulas for float32 lanes and are written
where they are used. The others are functions of the module, one per name and type, made on first
use; float32 ones compute in float64 lanes, which is the cheapest way to the last bit. So do all of
them where multiplications and additions do not fuse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import math_error, math_exp, math_inverse, math_log, math_trig
from .algebra import N
from .emit import Function, Module, Type, Value

# name -> formula(x, precise)
FORMULAS: dict[str, Callable[..., N]] = {
    "exp": math_exp.exp, "exp2": math_exp.exp2, "expm1": math_exp.expm1,
    "sigmoid": math_exp.sigmoid, "tanh": math_exp.tanh, "sinh": math_exp.sinh,
    "cosh": math_exp.cosh, "log": math_log.log64, "log1p": math_log.log1p, "log2": math_log.log2,
    "log10": math_log.log10, "pow": math_log.power, "sin": math_trig.sin, "cos": math_trig.cos,
    "tan": math_trig.tan, "asin": math_inverse.asin, "acos": math_inverse.acos,
    "atan": math_inverse.atan, "atan2": math_inverse.atan2, "asinh": math_inverse.asinh,
    "acosh": math_inverse.acosh, "atanh": math_inverse.atanh, "erf": math_error.erf,
    "erfc": math_error.erfc, "normal_cdf": math_error.normal_cdf,
}  # fmt: skip
UNARY = tuple(name for name in FORMULAS if name not in ("pow", "atan2"))
# name -> formula(x) for float32 lanes
FAST: dict[str, Callable[[N], N]] = {
    "exp": lambda x: math_exp.exp(x, 32), "exp2": lambda x: math_exp.exp2(x, 32),
    "expm1": lambda x: math_exp.expm1(x, 32), "sigmoid": math_exp.sigmoid_fast,
    "tanh": math_exp.tanh_fast, "log": math_log.log_fast, "log1p": math_log.log1p_fast,
    "erf": math_error.erf_fast, "normal_cdf": math_error.normal_cdf_fast,
}  # fmt: skip


def call(f: Function, name: str, *operands: Value) -> Value:
    """The function `name` of floating-point values of one type."""
    type = operands[0].type
    if type.bits == 32 and name in FAST and f.module.fused:
        return FAST[name](N(f, operands[0])).value
    return f.call(_function(f.module, name, type, len(operands)), type, *operands)


def _function(module: Module, name: str, type: Type, arity: int) -> str:
    """The name of the module's function, which is written now if it is not there."""
    full = f"rushlight_{name}_{type.suffix}"
    if full not in module.functions:
        arguments = [(f"x{k}", type) for k in range(arity)]
        f = module.function(full, arguments, type, internal=True)
        f.ret(write(f, name, *f.arguments))
    return full


def write(f: Function, name: str, *operands: Value) -> Value:
    """The formula itself, in float64 lanes."""
    formula: Any = FORMULAS[name]
    if operands[0].type.bits == 64:
        return formula(*(N(f, x) for x in operands), 64).value
    wide = [N(f, f.convert("fpext", x, "float64")) for x in operands]
    return f.convert("fptrunc", formula(*wide, 48).value, "float32")
