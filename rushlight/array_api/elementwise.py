"""Functions of single elements; of two arrays, either may be a Python number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

from .data_types import result_type

UNARY = {
    name: getattr(rl, name) for name in (
        "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "exp",
        "expm1", "imag", "isfinite", "isinf", "isnan", "log", "log1p", "log2", "log10",
        "logical_not", "negative", "positive", "reciprocal", "signbit", "sin", "sinh",
        "sqrt", "square", "tan", "tanh",
    )
}  # fmt: skip
UNARY |= {"bitwise_invert": rl.bitwise_not, "sign": rl.sgn}
BINARY = {
    name: getattr(rl, name) for name in (
        "add", "atan2", "bitwise_and", "bitwise_left_shift", "bitwise_or",
        "bitwise_right_shift", "bitwise_xor", "copysign", "divide", "floor_divide", "greater",
        "greater_equal", "hypot", "less", "less_equal", "logaddexp", "logical_and",
        "logical_or", "logical_xor", "maximum", "minimum", "multiply", "nextafter", "not_equal",
        "pow", "remainder", "subtract",
    )
}  # fmt: skip
BINARY["equal"] = rl.eq
__all__ = [*UNARY, *BINARY, "ceil", "clip", "conj", "floor", "real", "round", "trunc"]  # pyright: ignore  # by table


def _unary(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(x: Any, /) -> Any:
        return function(x)

    wrapped.__name__ = wrapped.__qualname__ = name
    wrapped.__doc__ = f"The standard's `{name}`."
    return wrapped


def both(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Two operands as tensors of one type: 0-d arrays promote as any, numbers only by kind."""
    if isinstance(x1, rl.Tensor) and isinstance(x2, rl.Tensor) and x1.dtype == x2.dtype:
        return x1, x2
    kind = result_type(x1, x2)
    return _operand(x1, kind), _operand(x2, kind)


def _operand(x: Any, kind: Any) -> Any:
    if isinstance(x, rl.Tensor):
        return x if x.dtype == kind else x.to(kind)
    return rl.tensor(x, dtype=kind)


def _binary(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(x1: Any, x2: Any, /) -> Any:
        return function(*both(x1, x2))

    wrapped.__name__ = wrapped.__qualname__ = name
    wrapped.__doc__ = f"The standard's `{name}`."
    return wrapped


globals().update({name: _unary(name, function) for name, function in UNARY.items()})
globals().update({name: _binary(name, function) for name, function in BINARY.items()})


def _whole(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A rounding: integers are whole already."""

    def wrapped(x: Any, /) -> Any:
        if x.is_floating_point():
            return function(x)
        if x.is_complex():
            return rl.complex(function(rl.real(x)), function(rl.imag(x)))
        return x.clone()

    wrapped.__name__ = wrapped.__qualname__ = name
    wrapped.__doc__ = f"The standard's `{name}`."
    return wrapped


ceil, floor = _whole("ceil", rl.ceil), _whole("floor", rl.floor)
trunc, round = _whole("trunc", rl.trunc), _whole("round", rl.round)


def conj(x: Any, /) -> Any:
    """The complex conjugate."""
    return rl.conj(x).resolve_conj() if x.is_complex() else x.clone()


def real(x: Any, /) -> Any:
    """The real part."""
    return rl.real(x)


def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:
    """Values held between two bounds, in x's type."""
    if min is None and max is None:
        return x.clone()
    bounds = [None if b is None else _operand(b, x.dtype) for b in (min, max)]
    return rl.clamp(x, *bounds)
