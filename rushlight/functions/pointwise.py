"""torch's elementwise functions: most are ops as declared, the others settle arguments first."""

from __future__ import annotations

from typing import Any

from ..core import dtypes
from ..core.dispatch import (
    named,
    not_implemented,
    refuse,
    result_type,
    scalar_type_name,
)
from ..core.errors import fail, warn_once
from ..core.numbers import held
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
from .arguments import combination
from .arithmetic import alike, into, typed
from .indexing import nonzero

__all__ = [
    "abs", "absolute", "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan",
    "arctan2", "arctanh", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil",
    "clamp", "clamp_max", "clamp_min", "clip", "conj", "copysign", "cos", "cosh", "deg2rad", "eq",
    "exp", "exp2", "expm1", "fix", "floor", "floor_divide", "fmax", "fmin", "fmod", "frac", "gcd",
    "ge", "greater", "greater_equal", "gt", "heaviside", "hypot", "isfinite", "isinf", "isnan",
    "isneginf", "isposinf", "lcm", "le", "less", "less_equal", "log", "log10", "log1p", "log2",
    "logaddexp", "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor", "lt",
    "maximum", "minimum", "mul", "multiply", "ne", "neg", "negative", "nextafter", "not_equal",
    "positive", "pow", "rad2deg", "reciprocal", "relu", "remainder", "round", "rsqrt", "sgn",
    "sigmoid", "sign", "signbit", "sin", "sinh", "sqrt", "square", "tan", "tanh", "trunc", "where",
]  # fmt: skip

absolute, negative, multiply, fix = abs, neg, mul, trunc
arccos, arcsin, arctan, arctan2 = acos, asin, atan, atan2
arccosh, arcsinh, arctanh = acosh, asinh, atanh
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne


_PLAIN = frozenset((int, float, type(None)))


def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Any = None) -> Any:
    """Every element held between `min` and `max`: min(max(x, min), max).

    Args: min and max, both numbers or both tensors; one may be missing. Where min > max, max holds.
    Shapes: bounds that are tensors broadcast with the input.
    Gradient: 1 where the input is within the bounds, else 0.
    Raises: RuntimeError for no bound at all, NotImplementedError for complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.clamp.html

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
        return into(named(result, "ClampBackward0"), out)
    kind = result_type(input, *(bound for bound in (min, max) if bound is not None))
    if kind.is_complex:
        raise NotImplementedError("clamp is not supported for complex types")
    min, max = (None if bound is None else held(bound, kind.numpy) for bound in (min, max))
    return e.clamp(input if input.dtype is kind else cast(input, kind), min, max, out=out)


clip = clamp


def clamp_min(input: Tensor, min: Any, *, out: Any = None) -> Any:
    """Every element at least `min`, a number or a tensor: max(x, min).

    Shapes: a bound that is a tensor broadcasts with the input.
    Raises: NotImplementedError for complex numbers, TypeError for an input that is no tensor.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.clamp.html

    >>> import rushlight as torch
    >>> torch.clamp_min(torch.tensor([1.0, 4.0]), 2)
    tensor([2., 4.])
    """
    if not isinstance(input, Tensor):
        raise combination("clamp_min", (input, min), {})
    node = f"ClampMinBackward{int(isinstance(min, Tensor))}"
    return named(clamp(input, min=min, out=out), node)


def clamp_max(input: Tensor, max: Any, *, out: Any = None) -> Any:
    """Every element at most `max`, a number or a tensor: min(x, max).

    Shapes: a bound that is a tensor broadcasts with the input.
    Raises: NotImplementedError for complex numbers, TypeError for an input that is no tensor.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.clamp.html

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

    Args: decimals, places behind the point; negative ones, before it.
    Shapes: the result has the input's shape and type.
    Raises: NotImplementedError for bools, complex numbers, and whole numbers with `decimals`.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.round.html

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

    Args: condition, a tensor of bools; input and other, tensors or numbers.
    Shapes: those of all three broadcast together; with one argument, a tuple of one index vector
    for each dimension, as `nonzero(as_tuple=True)` gives.
    Types: input and other are promoted together.
    Raises: RuntimeError for a condition that is not of bools, or shapes that do not broadcast,
    TypeError for one that is no tensor.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.where.html

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
            f" {scalar_type_name(condition.dtype)}",
            "compare first, as in x > 0, or use condition.bool()",
        )
    a, b = input, other
    if not alike(a, b):
        kind = result_type(input, other)
        a, b = typed(input, kind), typed(other, kind)
    if condition.dtype is not dtypes.bool_:
        warn_once(_BYTES)
        condition = cast(condition, dtypes.bool_)
    return into(e.where(condition, a, b), out, (condition, input, other))


def positive(input: Tensor) -> Tensor:
    """The tensor itself, as +x; only a tensor of bools is refused.

    Raises: RuntimeError for bools.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.positive.html

    >>> import rushlight as torch
    >>> torch.positive(torch.tensor([1.0, -2.0]))
    tensor([ 1., -2.])
    """
    if input.dtype is dtypes.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input
