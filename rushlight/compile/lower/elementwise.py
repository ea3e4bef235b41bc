"""Elementwise ops whose declaration does not say how they are lowered."""

from __future__ import annotations

from math import inf, log, pi, sqrt
from typing import Any

import numpy as np

from .value import Value

_LOG2 = log(2)


def _remainder(s: Any, x: Any, y: Any) -> Any:
    """The sign of the divisor, also of a zero."""
    x, y = s.same(x, y)
    rest = s.fmod(x, y)
    if x.dtype.kind != "f":
        return rest if x.dtype.kind == "u" else s.where(rest < 0, rest + y, rest)
    zero = s.eq(rest, 0)
    rest = s.where((rest < 0) ^ (y < 0), rest + y, rest)
    return s.where(zero, s.copysign(s.constant(0, x.dtype), y), rest)


def _trunc_divide(s: Any, x: Any, y: Any) -> Any:
    x, y = s.same(x, y)
    if x.dtype.kind == "f":
        return s.trunc(x / y)
    quotient = s.floor_div(x, y)
    if x.dtype.kind == "u":
        return quotient
    short = (quotient < 0) & s.ne(quotient * y, x)
    return quotient + s.cast(short, x.dtype)


def _fmax(s: Any, x: Any, y: Any) -> Any:
    x, y = s.same(x, y)
    return s.where(s.isnan(x), y, s.where(s.isnan(y), x, s.max(x, y)))


def _fmin(s: Any, x: Any, y: Any) -> Any:
    x, y = s.same(x, y)
    return s.where(s.isnan(x), y, s.where(s.isnan(y), x, s.min(x, y)))


def _round(s: Any, x: Any, decimals: int = 0) -> Any:
    if decimals and x.dtype.kind == "f":
        scale = 10.0 ** abs(decimals)
        return s.round(x * scale) / scale if decimals > 0 else s.round(x / scale) * scale
    return s.round(x)


def _signbit(s: Any, x: Any) -> Any:
    return s.copysign(s.constant(1, x.dtype), x) < 0 if x.dtype.kind == "f" else x < 0


def _hypot(s: Any, x: Any, y: Any) -> Any:
    """The larger taken out, so that no square overflows."""
    x, y = (s.abs(one) for one in s.floats(x, y))
    large, small = s.max(x, y), s.min(x, y)
    ratio = s.where(s.eq(large, 0), 0.0, small / large)
    endless = s.eq(x, inf) | s.eq(y, inf)
    return s.where(endless, inf, large * s.sqrt(1 + ratio * ratio))


def _lerp(s: Any, a: Any, b: Any, w: Any) -> Any:
    near = s.abs(w) < 0.5
    return s.where(near, a + w * (b - a), b - (b - a) * (1 - w))


def _addcmul(s: Any, x: Any, a: Any, b: Any, value: Any = 1) -> Any:
    return x + (a * b if type(value) in (int, float) and value == 1 else a * value * b)


def _log_add(s: Any, x: Any, y: Any, base: float) -> Any:
    """log(base^x + base^y) from the larger and the (never positive) difference."""
    x, y = s.floats(x, y)
    large = s.max(x, y)
    gap = -s.abs(x - y)
    step = s.log1p(s.exp(gap)) if base != 2 else s.log1p(s.exp2(gap)) * (1 / _LOG2)
    return s.where(s.eq(x, y), x + (1.0 if base == 2 else _LOG2), large + step)


def _xlogy(s: Any, x: Any, y: Any, one_more: bool = False) -> Any:
    x, y = s.floats(x, y)
    power = s.log1p(y) if one_more else s.log(y)
    return s.where(s.eq(x, 0) & ~s.isnan(y), 0.0, x * power)


def _entr(s: Any, x: Any) -> Any:
    (x,) = s.floats(x)
    y = s.where(s.eq(x, 0), 0.0, -x * s.log(x))
    return s.where(x < 0, -inf, y)


def _self_information(s: Any, t: Any) -> Any:
    (t,) = s.floats(t)
    zero = s.eq(t, 0)
    return s.where(zero, 0.0, t * s.log(s.where(zero, 1.0, t)))


def _logit(s: Any, x: Any, eps: float | None = None) -> Any:
    (x,) = s.floats(x)
    if eps is not None:
        x = s.where(x < eps, eps, s.where(x > 1 - eps, 1 - eps, x))
    middle = s.log1p((x * 2 - 1) / (1 - x))
    return s.where(s.abs(x - 0.5) < 0.25, middle, s.log(x / (1 - x)))


def _nan_to_num(s: Any, x: Any, nan: Any, posinf: Any, neginf: Any, finite: Any) -> Any:
    if x.dtype.kind != "f":
        return x
    top = float(np.finfo(x.dtype).max)
    y = s.where(s.isnan(x), 0.0 if nan is None else float(nan), x)
    y = s.where(s.eq(y, inf), top if posinf is None else float(posinf), y)
    return s.where(s.eq(y, -inf), -top if neginf is None else float(neginf), y)


def _sinc(s: Any, x: Any) -> Any:
    (x,) = s.floats(x)
    turn = x * pi
    zero = s.eq(x, 0)
    return s.where(zero, 1.0, s.sin(turn) / s.where(zero, 1.0, turn))


def _masked_fill(s: Any, x: Any, mask: Any, value: Any) -> Any:
    if not isinstance(value, Value):
        value = np.asarray(value)
    value = s.cast(s.wrap(value), x.dtype)
    return s.where(s.wrap(mask), value, x)


def _heaviside(s: Any, x: Any, y: Any) -> Any:
    x, y = s.same(x, y)
    steps = s.where(x > 0, s.constant(1, x.dtype), s.constant(0, x.dtype))
    return s.where(s.eq(x, 0), y, steps)


def _ldexp(s: Any, x: Any, n: Any) -> Any:
    return s.mul(*s.floats(x, s.exp2(n)))


TABLE: dict[str, Any] = {
    "scaled": lambda s, x, factor: x * factor, "halved": lambda s, x: x / 2,
    "masked_fill": _masked_fill,
    "masked_fill_tensor": lambda s, x, value, mask: _masked_fill(s, x, mask, value),
    "trunc_divide": _trunc_divide,
    "remainder": _remainder, "fmax": _fmax, "fmin": _fmin,
    "round": _round,
    "signbit": _signbit, "hypot": _hypot,
    "lerp": _lerp, "addcmul": _addcmul,
    "addcdiv": lambda s, x, a, b, value=1: x + a / b * value, "heaviside": _heaviside,
    "logaddexp": lambda s, x, y: _log_add(s, x, y, 0.0),
    "logaddexp2": lambda s, x, y: _log_add(s, x, y, 2.0),
    "erf": lambda s, x: s.erf(x), "erfc": lambda s, x: s.erfc(x),
    "special_ndtr": lambda s, x: s.erfc(x * -sqrt(0.5)) * 0.5,
    "xlogy": _xlogy, "special_xlog1py": lambda s, x, y: _xlogy(s, x, y, True),
    "special_entr": _entr, "self_information": _self_information, "logit": _logit,
    "nan_to_num": _nan_to_num, "sinc": _sinc, "ldexp": _ldexp,
    "angle_of_real": lambda s, x: s.where(
        s.isnan(x), x, s.where(x < 0, s.constant(pi, x.dtype), s.constant(0, x.dtype))),
    "conj_physical": lambda s, x: x, "conj": lambda s, x: x,
    **dict.fromkeys(
        ("uniform_noise", "normal_noise", "normal_around", "exponential_noise", "cauchy_noise",
         "log_normal_noise", "geometric_noise", "integer_noise", "bernoulli_noise", "bernoulli_by",
         "poisson_by"), lambda s, x, values: s.wrap(values)),
}  # fmt: skip
