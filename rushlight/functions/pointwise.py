"""torch's elementwise functions: most are ops as declared, the others settle arguments first."""

from __future__ import annotations

from typing import Any

from ..core import dtypes
from ..core.dispatch import (
    named,
    not_implemented,
    refuse,
    result_type,
    scalar,
    scalar_type_name,
    wrap_array,
    write_out,
)
from ..core.errors import DTypeError, fail, warn_once
from ..core.numbers import held
from ..core.operands import refuse_bools
from ..core.random_places import c_name
from ..core.tensor import Tensor
from ..ops import elementwise as e
from ..ops.compare import (
    bitwise_and,
    bitwise_left_shift,
    bitwise_not,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    eq,
    ge,
    gt,
    isfinite,
    isinf,
    isnan,
    isneginf,
    isposinf,
    le,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    ne,
    signbit,
)
from ..ops.elementwise import (
    abs,
    ceil,
    copysign,
    floor,
    floor_divide,
    fmax,
    fmin,
    fmod,
    frac,
    gcd,
    heaviside,
    hypot,
    lcm,
    maximum,
    minimum,
    mul,
    neg,
    nextafter,
    pow,
    reciprocal,
    remainder,
    sgn,
    sign,
    square,
    trunc,
)
from ..ops.structure import cast
from ..ops.transcendental import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    conj,
    cos,
    cosh,
    deg2rad,
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logaddexp2,
    rad2deg,
    relu,
    rsqrt,
    sigmoid,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)
from .arguments import combination, reordered
from .indexing import nonzero

__all__ = [
    "abs", "absolute", "acos", "acosh", "add", "addcdiv", "addcmul", "arccos", "arccosh",
    "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "asin", "asinh", "atan", "atan2",
    "atanh", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "ceil", "clamp", "clamp_max", "clamp_min", "clip",
    "conj", "copysign", "cos", "cosh", "deg2rad", "div", "divide", "eq", "exp", "exp2", "expm1",
    "fix", "float_power", "floor", "floor_divide", "fmax", "fmin", "fmod", "frac", "gcd", "ge",
    "greater", "greater_equal", "gt", "heaviside", "hypot", "isfinite", "isinf", "isnan",
    "isneginf", "isposinf", "lcm", "le", "lerp", "less", "less_equal", "log", "log10", "log1p",
    "log2", "logaddexp", "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor",
    "lt", "maximum", "minimum", "mul", "multiply", "ne", "neg", "negative", "nextafter",
    "not_equal", "positive", "pow", "rad2deg", "reciprocal", "relu", "remainder", "round",
    "rsqrt", "rsub", "sgn", "sigmoid", "sign", "signbit", "sin", "sinh", "sqrt", "square", "sub",
    "subtract", "tan", "tanh", "true_divide", "trunc", "where",
]  # fmt: skip

absolute, negative, multiply, fix = abs, neg, mul, trunc
arccos, arcsin, arctan, arctan2 = acos, asin, atan, atan2
arccosh, arcsinh, arctanh = acosh, asinh, atanh
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne


def _out(result: Any, out: Any) -> Any:
    return result if out is None else write_out(result, out)


def add(input: Any, other: Any, *late: Any, alpha: Any = 1, out: Any = None) -> Any:
    """input + alpha * other, broadcast and promoted.

    >>> import rushlight as torch
    >>> torch.add(torch.tensor([1, 2]), 3, alpha=2)
    tensor([7, 8])
    """
    if late:
        other, alpha = reordered("add", "alpha", (other, *late))
    if isinstance(alpha, (Tensor, bool)) or alpha != 1:
        if _halves(input, other):
            return _in_float32(e.add, input, other, alpha, out)
        other = _scaled(input, other, alpha)
    return e.add(input, other, out=out)


def _floats(a: Any, b: Any) -> bool:
    """Whether both are tensors of float32, or of float64: then there is no type to settle."""
    return _alike(a, b) and a._array.dtype.char in "fd"


def _halves(input: Any, other: Any) -> bool:
    """Whether both are tensors of one half-precision type."""
    if _floats(input, other) or not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        return False
    return input.dtype is other.dtype and input.dtype in (dtypes.float16, dtypes.bfloat16)


def _in_float32(op: Any, input: Tensor, other: Tensor, alpha: Any, out: Any) -> Any:
    """op(input, alpha * other), rounded to half precision once; alpha itself is rounded too."""
    rounded = alpha if isinstance(alpha, Tensor) else float(scalar(alpha, input.dtype))
    result = op(input.float(), e.mul(other.float(), rounded)).to(input.dtype)
    return result if out is None else write_out(result, out)


def _scaled(input: Any, other: Any, alpha: Any) -> Any:
    """alpha * other in the type of the result, which alpha has no part in."""
    if type(alpha) in (float, int) and _floats(input, other):
        held(alpha, other._array.dtype)
        return e.mul(other, alpha)
    kind = result_type(input, other)
    if isinstance(alpha, Tensor):
        return e.mul(other, alpha) if isinstance(other, Tensor) else other * alpha
    _check_alpha(alpha, kind)
    if not isinstance(other, Tensor):
        return bool(other and alpha) if kind is dtypes.bool_ else other * alpha
    if kind is dtypes.bool_:
        return e.mul(other, bool(alpha))
    return e.mul(cast(other, kind) if other.dtype.category < kind.category else other, alpha)


def _check_alpha(alpha: Any, kind: dtypes.dtype) -> None:
    if isinstance(alpha, bool) and kind is not dtypes.bool_:
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if isinstance(alpha, (float, complex)) and kind.category < dtypes.FLOAT:
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    if isinstance(alpha, complex) and not kind.is_complex:
        raise RuntimeError(
            "For non-complex input tensors, argument alpha must not be a complex number."
        )
    held(alpha, kind.numpy)


def sub(input: Any, other: Any, *late: Any, alpha: Any = 1, out: Any = None) -> Any:
    """input - alpha * other, broadcast and promoted.

    >>> import rushlight as torch
    >>> torch.sub(torch.tensor([1, 2]), 3)
    tensor([-2, -1])
    """
    if late:
        other, alpha = reordered("sub", "alpha", (other, *late))
    if isinstance(alpha, (Tensor, bool)) or alpha != 1:
        if _halves(input, other):
            return _in_float32(e.sub, input, other, alpha, out)
        refuse_bools(input, other)
        other = _scaled(input, other, alpha)
    try:
        return e.sub(input, other, out=out)
    except TypeError:  # NumPy's, for two of bools
        refuse_bools(input, other)
        raise


subtract = sub


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """other - alpha * input.

    >>> import rushlight as torch
    >>> torch.rsub(torch.tensor([1.0, 2.0]), 10)
    tensor([9., 8.])
    """
    if not isinstance(input, Tensor):
        raise combination("rsub", (input, other), {})
    node = f"RsubBackward{int(not isinstance(other, Tensor))}"
    return named(sub(other, input, alpha=alpha), node)


def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """input / other as real numbers, or rounded down ('floor') or towards zero ('trunc').

    >>> import rushlight as torch
    >>> torch.div(torch.tensor([7, -7]), 2, rounding_mode="floor")
    tensor([ 3, -4])
    """
    if rounding_mode is None:
        return e.div(input, other, out=out)
    ops = {"floor": e.floor_quotient, "trunc": e.trunc_divide}
    if rounding_mode not in ops:
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found"
            f" '{rounding_mode}'"
        )
    return ops[rounding_mode](input, other, out=out)


divide = true_divide = div


_PLAIN = frozenset((int, float, type(None)))


def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Any = None) -> Any:
    """Every element held between `min` and `max` (numbers, tensors or None).

    >>> import rushlight as torch
    >>> torch.clamp(torch.tensor([-1.0, 0.5, 2.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if input._array.dtype.char in "fd" and type(min) in _PLAIN and type(max) in _PLAIN:
        return e.clamp(input, min, max, out=out)
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        if isinstance(min, (int, float)) or isinstance(max, (int, float)):
            raise combination("clamp", (input, min, max), {})
        kind = result_type(input, *(bound for bound in (min, max) if bound is not None))
        if kind.is_complex:
            raise NotImplementedError("clamp is not supported for complex types")
        if kind is dtypes.bool_ and min is not None and max is not None:
            raise not_implemented("clamp_cpu", kind)
        input = input if input.dtype is kind else cast(input, kind)  # or the bounds meet alone
        result = input if min is None else e.maximum(input, min)
        result = result if max is None else e.minimum(result, max)
        return _out(named(result, "ClampBackward0"), out)
    kind = result_type(input, *(bound for bound in (min, max) if bound is not None))
    if kind.is_complex:
        raise NotImplementedError("clamp is not supported for complex types")
    min, max = (None if bound is None else held(bound, kind.numpy) for bound in (min, max))
    return e.clamp(input if input.dtype is kind else cast(input, kind), min, max, out=out)


clip = clamp


def clamp_min(input: Tensor, min: Any, *, out: Any = None) -> Any:
    """Every element at least `min`.

    >>> import rushlight as torch
    >>> torch.clamp_min(torch.tensor([1.0, 4.0]), 2)
    tensor([2., 4.])
    """
    if not isinstance(input, Tensor):
        raise combination("clamp_min", (input, min), {})
    node = f"ClampMinBackward{int(isinstance(min, Tensor))}"
    return named(clamp(input, min=min, out=out), node)


def clamp_max(input: Tensor, max: Any, *, out: Any = None) -> Any:
    """Every element at most `max`.

    >>> import rushlight as torch
    >>> torch.clamp_max(torch.tensor([1.0, 4.0]), 2)
    tensor([1., 2.])
    """
    if not isinstance(input, Tensor):
        raise combination("clamp_max", (input, max), {})
    node = f"ClampMaxBackward{int(isinstance(max, Tensor))}"
    return named(clamp(input, max=max, out=out), node)


def round(input: Tensor, *, decimals: int | None = None, out: Any = None) -> Any:
    """The nearest integer, halves to even; or rounded to `decimals` places.

    >>> import rushlight as torch
    >>> torch.round(torch.tensor([0.5, 1.5, 2.5]))
    tensor([0., 2., 2.])
    """
    if decimals is None:
        return e.round(input, 0, out=out)
    refuse(input, "int uint8", "round_cpu" if decimals else "round_vml_cpu")
    if decimals:
        refuse(input, "bool complex", "round_cpu")
    return named(e.round(input, decimals, out=out), "RoundBackward1")


_BYTES = (
    "where received a uint8 condition tensor. This behavior is deprecated and will be removed in a"
    " future version of PyTorch. Use a boolean condition instead."
)


def where(condition: Tensor, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """input where the condition holds, other elsewhere; with one argument, the places it holds at.

    >>> import rushlight as torch
    >>> torch.where(torch.tensor([True, False]), 1.0, torch.tensor([5.0, 6.0]))
    tensor([1., 6.])
    """
    if input is None:
        return nonzero(condition, as_tuple=True)
    if not isinstance(condition, Tensor):
        raise combination("where", (condition, input, other), {})
    if condition._array.dtype.kind not in "b" and condition.dtype is not dtypes.uint8:
        raise fail(
            RuntimeError,
            "where expected condition to be a boolean tensor, but got a tensor with dtype"
            f" {_title(condition.dtype)}",
            "compare first, as in x > 0, or use condition.bool()",
        )
    a, b = input, other
    if not _alike(a, b):
        kind = result_type(input, other)
        a, b = _typed(input, kind), _typed(other, kind)
    if condition.dtype is not dtypes.bool_:
        warn_once(_BYTES)
        condition = cast(condition, dtypes.bool_)
    return _out(e.where(condition, a, b), out)


def _alike(a: Any, b: Any) -> bool:
    """Whether both are tensors of one data type, which nothing promotes."""
    tensors = isinstance(a, Tensor) and isinstance(b, Tensor)
    return tensors and a._array.dtype is b._array.dtype


def _title(kind: dtypes.dtype) -> str:
    return scalar_type_name(kind)


def _typed(value: Any, kind: dtypes.dtype) -> Tensor:
    if isinstance(value, Tensor):
        return cast(value, kind)
    if kind not in (dtypes.float16, dtypes.bfloat16):  # whose numbers go by way of double
        held(value, kind.numpy)
    return wrap_array(scalar(value, kind))


def lerp(input: Any, end: Any, weight: Any, *, out: Any = None) -> Any:
    """input + weight (end - input).

    >>> import rushlight as torch
    >>> torch.lerp(torch.tensor([0.0]), torch.tensor([10.0]), 0.25)
    tensor([2.5000])
    """
    if type(weight) is float and _floats(input, end):
        return _out(e.lerp(input, end, weight), out)
    if not isinstance(end, Tensor):
        raise TypeError("lerp() ends at a tensor")
    for name, x in (("end", end), ("weight", weight)):
        if isinstance(x, Tensor) and x.dtype is not input.dtype and (name == "end" or x.ndim):
            raise DTypeError(
                f"expected dtype {c_name(input._array.dtype)} for `{name}` but got dtype"
                f" {c_name(x._array.dtype)}"
            )
    if not isinstance(weight, Tensor) and _halves(input, end):
        return _out(e.lerp(input.float(), end.float(), weight).to(input.dtype), out)
    if not isinstance(weight, Tensor):
        refuse(input, "bool int uint8", "lerp_kernel_scalar")
    y = e.lerp(input, end, weight)
    return _out(named(y, "LerpBackward1") if isinstance(weight, Tensor) else y, out)


def addcmul(
    input: Any, tensor1: Any, tensor2: Any, *late: Any, value: Any = 1, out: Any = None
) -> Any:
    """input + value * tensor1 * tensor2.

    >>> import rushlight as torch
    >>> torch.addcmul(torch.zeros(2), torch.ones(2), torch.tensor([2.0, 4.0]), value=2)
    tensor([4., 8.])
    """
    if not (late or (isinstance(tensor1, Tensor) and isinstance(tensor2, Tensor))):
        raise TypeError("addcmul() multiplies tensors")
    if late:
        tensor1, tensor2, value = reordered("addcmul", "value", (tensor1, tensor2, *late))
    if isinstance(value, Tensor):
        return _out(e.add(input, e.mul(value, e.mul(tensor1, tensor2))), out)
    if type(value) is float and result_type(input, tensor1, tensor2).category < dtypes.FLOAT:
        value = int(value)
    return _out(e.addcmul(input, tensor1, tensor2, value), out)


_WHOLE_ADDCDIV = (
    "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will"
    " perform a true division of tensor1 and tensor2. The historic addcdiv behavior can be"
    " implemented as (input + value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer"
    " inputs and as (input + value * tensor1 / tensor2) for float inputs. The future addcdiv"
    " behavior is just the latter implementation: (input + value * tensor1 / tensor2), for all"
    " dtypes."
)


def addcdiv(
    input: Any, tensor1: Any, tensor2: Any, *late: Any, value: Any = 1, out: Any = None
) -> Any:
    """input + value * tensor1 / tensor2.

    >>> import rushlight as torch
    >>> torch.addcdiv(torch.zeros(2), torch.ones(2), torch.tensor([2.0, 4.0]), value=2)
    tensor([1.0000, 0.5000])
    """
    if not (late or (isinstance(tensor1, Tensor) and isinstance(tensor2, Tensor))):
        raise TypeError("addcdiv() divides tensors")
    if late:
        tensor1, tensor2, value = reordered("addcdiv", "value", (tensor1, tensor2, *late))
    if isinstance(value, Tensor):
        return _out(e.add(input, e.mul(value, e.div(tensor1, tensor2))), out)
    if not _floats(tensor1, tensor2) and result_type(tensor1, tensor2).category < dtypes.FLOAT:
        raise RuntimeError(_WHOLE_ADDCDIV)
    return _out(e.addcdiv(input, tensor1, tensor2, value), out)


def positive(input: Tensor) -> Tensor:
    """The tensor itself; only a bool tensor is refused.

    >>> import rushlight as torch
    >>> torch.positive(torch.tensor([1.0, -2.0]))
    tensor([ 1., -2.])
    """
    if input.dtype is dtypes.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def float_power(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """input ** exponent in double precision.

    >>> import rushlight as torch
    >>> torch.float_power(torch.tensor([2, 3]), 2)
    tensor([4., 9.], dtype=torch.float64)
    """
    if not isinstance(input, Tensor) and not isinstance(exponent, Tensor):
        raise combination("float_power", (input, exponent), {})
    kind = result_type(input, exponent)
    wide = dtypes.complex128 if kind.is_complex else dtypes.float64
    if isinstance(out, Tensor) and out.dtype is not wide:
        raise DTypeError(
            f"the output given to float_power has dtype {_title(out.dtype)} but the operation's"
            f" result requires dtype {_title(wide)}"
        )
    base, power = (_typed(x, wide) if isinstance(x, Tensor) else x for x in (input, exponent))
    return _out(e.pow(base, power), out)
