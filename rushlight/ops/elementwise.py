"""Arithmetic on each element: sums, products, powers, rounding, clamps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import named
from ..core.errors import fail
from ..core.families import elementwise, general, plain
from ..core.heavy import heavy
from ..core.numbers import HALVES, chosen, next_after, wide
from ..core.operands import bools_apart, refuse_bools, refuse_negative_powers, refuse_two_types
from ..core.primitive import ADDED, CHOSEN, CROSSED, DIVIDED, RAISED, bake_elementwise, bake_extreme
from ..core.tape import INPUTS, PARAMS, PARENTS, Entry
from . import quotients
from .transcendental import conj, log


def _boolean(x: Any) -> bool:
    return getattr(x, "dtype", None) == np.bool_


def _sub(x: Any, y: Any) -> Any:
    if _boolean(x) and _boolean(y):
        raise bools_apart(True)
    return np.subtract(x, y)


_NO_BOOLS = (
    "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a"
    " mask, use the `~` or `logical_not()` operator instead."
)

add = elementwise(
    "add", eval=np.add, partials=[1, 1], lower=lambda s, x, y: s.add(x, y),
    numbers="all", doc="x + y, broadcast and promoted.",
)  # fmt: skip

sub = elementwise(
    "sub", eval=np.subtract, partials=[1, -1], lower=lambda s, x, y: s.sub(x, y),
    numbers="all", forbids=refuse_bools, doc="x - y, broadcast and promoted.",
)  # fmt: skip


def _take_from(x: Any, number: Any) -> Any:
    if x.dtype.char in "eE":  # in float32 and rounded once, as torch does
        return (number - x.astype(np.float32)).astype(x.dtype)
    return number - x


take_from = elementwise(
    "take_from", eval=_take_from, partials=[-1],
    lower=lambda s, x, number: s.sub(number, x), node="RsubBackward1",
    doc="A number minus x, of a floating-point type.",
)  # fmt: skip
sub.primitive.eval = _sub  # the fast path takes floats only to the ufunc; bools need torch's error


def _pull_mul(g: Any, entry: Any) -> Any:
    """The derived pull without its generality: it is half of all backward calls."""
    if type(g) is not np.ndarray or g.dtype.char not in "fd":
        return _derived_pull_mul(g, entry)
    (pa, pb), (a, b) = entry[PARENTS], entry[INPUTS]
    return None if pa is None else g * b, None if pb is None else g * a


_MUL_PARTIALS = [lambda y, a, b: b, lambda y, a, b: a]
_derived_pull_mul = bake_elementwise(_MUL_PARTIALS, CROSSED)
mul = elementwise(
    "mul", eval=np.multiply, partials=_MUL_PARTIALS, reads=CROSSED, pull=_pull_mul, once=True,
    lower=lambda s, x, y: s.mul(x, y), numbers="all", doc="x * y, broadcast and promoted.",
)  # fmt: skip

_DIV_PARTIALS = [quotients.inverse, lambda y, a, b: -(a / b) / b]
div = elementwise(
    "div", eval=np.true_divide, dtype="float", once=True, numbers="all",
    partials=_DIV_PARTIALS, reads=DIVIDED,
    pull=quotients.divided(bake_elementwise(_DIV_PARTIALS, DIVIDED)),
    lower=lambda s, x, y: s.div(x, y), doc="x / y as real numbers.",
)  # fmt: skip


_FLOAT = np.dtype("f")


def _power(x: Any, p: Any) -> Any:
    if type(p) is np.ndarray and not p.ndim and type(x) is np.ndarray and x.dtype.char in "fd":
        p = p.item()  # traces make arrays of numbers, and give what eager calls give
    if getattr(x, "dtype", _FLOAT).char in HALVES and not np.ndim(p):
        if x.dtype.char == "E" and p in (3, -2):
            return _whole_power(x, p)  # torch's vectors of bfloat16 round each product
        p = float(p) if p in (2, 1, 0.5) else p
    if type(p) in (int, float):
        if p == 2:
            return np.square(x)
        if p == 1:
            return np.array(x)
        if p == 0.5:
            return np.sqrt(x)
        if type(x) is np.ndarray and x.dtype.char in "fd" and p == p // 1 and p:
            return _whole_power(x, p)
    if getattr(x, "dtype", None) is not None and x.dtype.kind in "iu":
        x, p = np.asarray(x), np.asarray(p)
        return np.where(p < 0, _negative_power(x, p), np.power(x, np.maximum(p, 0))).astype(x.dtype)
    return np.power(x, p)


def _whole_power(x: np.ndarray, p: Any) -> Any:
    """Of numbers of either sign: NumPy's own loop takes 25 times as long for negative ones."""
    if p == 3:
        return np.square(x) * x
    if p in (-1, -2):
        return np.reciprocal(x if p == -1 else np.square(x))
    y = np.power(np.abs(x), p)
    return np.copysign(y, x) if p % 2 else y


def _negative_power(x: np.ndarray, p: np.ndarray) -> np.ndarray:
    return np.where(x == 1, 1, np.where(x == -1, np.where(p % 2 == 0, 1, -1), 0))


def _power_by_base(y: Any, x: Any, p: Any) -> Any:
    if type(p) in (int, float):
        return 0.0 * x if p == 0 else 2 * x if p == 2 else p * pow(x, p - 1)
    return where(p == 0, 0.0, p * pow(x, p - 1))


def _power_by_exponent(y: Any, x: Any, p: Any) -> Any:
    if type(x) in (int, float):
        return where(y == np.inf, -y, 0.0) if x == 0 else float(np.log(x) if x > 0 else "nan") * y
    return where((x == 0) & (p.real >= 0), 0.0, y * log(x))


def _power_node(entry: Entry) -> str:
    """torch numbers its nodes by which of base and exponent is a plain number."""
    base, exponent = entry[PARENTS]
    kept = entry[INPUTS]
    if base is not None and exponent is not None:
        return "PowBackward1"
    if type(kept) is not tuple:  # given back: what gets no gradient was most likely a number
        return "PowBackward0" if exponent is None else "PowBackward2"
    plain = [
        isinstance(x, (int, float, complex)) or (x.ndim == 0 and x.dtype.char in "eEFD")
        for x in kept  # beside these a number is kept as an array
    ]
    return "PowBackward0" if plain[1] else "PowBackward2" if plain[0] else "PowBackward1"


def _power_edges(entry: Any) -> tuple[int, ...]:
    return {"PowBackward0": (0,), "PowBackward2": (1,)}.get(_power_node(entry), (0, 1))


pow = elementwise(
    "pow", eval=_power, partials=[_power_by_base, _power_by_exponent], reads=RAISED,
    lower=lambda s, x, y: s.pow(x, y), node=_power_node, edges=_power_edges, doc="x ** p.",
    refuses={"bool": "pow"}, beside="fd", forbids=refuse_negative_powers,
)  # fmt: skip

neg = elementwise("neg", eval=np.negative, refuses={"bool": _NO_BOOLS}, partials=[-1],
                  lower=lambda s, x: s.neg(x), doc="-x.")  # fmt: skip

where = general(
    "where", eval=chosen, arity=3, reads=CHOSEN, edges=lambda entry: (1, 2),
    vjp=lambda g, y, c, a, b: (None, where(c, g, 0.0), where(c, 0.0, g)),
    lower=lambda s, c, a, b: s.where(c, a, b),
    doc="x where the condition holds, y elsewhere (operands already of one type).",
)  # fmt: skip


def _abs(x: Any) -> Any:
    return x.copy() if _boolean(x) else np.absolute(x)


abs = elementwise(
    "abs", eval=_abs, partials=[lambda y, x: sgn(x)], reads="x", dtype="first",
    pull=lambda g, entry: (g * sgn(entry[INPUTS][0]),),  # not conjugated: the result is real
    lower=lambda s, x: s.abs(x), refuses={"bool": "abs_cpu"}, doc="|x|; the gradient at 0 is 0.",
)  # fmt: skip

complex_sgn = general(
    "sgn", eval=np.sign, reads="xy", vjp=lambda g, y, x: _sgn_vjp(g, y, x),
    doc="z / |z|, and 0 at 0.",
)  # fmt: skip


def _sgn_vjp(g: Any, y: Any, x: Any) -> Any:
    size = abs(x)
    turned = (g - y * (g * y.conj()).real) / where(size == 0, 1.0, size)
    return where(size == 0, 0.0, turned)


def _sign(x: Any) -> Any:
    if _boolean(x):
        return x.copy()
    if x.dtype.kind not in "fV":
        return np.sign(x)
    # nan has no sign in torch; NumPy's own sign keeps it
    return (np.greater(x, 0).view(np.int8) - np.less(x, 0).view(np.int8)).astype(x.dtype)


_SIGN = (
    "NotImplementedError: Unlike NumPy, torch.sign is not intended to support complex numbers."
    " Please use torch.sgn instead."
)
sign = elementwise("sign", eval=heavy("sign", _sign, light=True), partials=[0.0], real=_SIGN,
                   lower=lambda s, x: s.sign(x), doc="-1, 0 or 1.")  # fmt: skip


def sgn(input: Any, *, out: Any = None) -> Any:
    """-1, 0 or 1; for complex numbers z / |z|.

    >>> import rushlight as torch
    >>> torch.sgn(torch.tensor([-2.0, 0.0]))
    tensor([-1.,  0.])
    """
    array = input if isinstance(input, (np.ndarray, np.generic)) else input._array
    if array.dtype.char in dtypes.COMPLEX_CODES:
        return complex_sgn(input)
    y = sign(input, out=out) if out is not None else sign(input)
    return y if isinstance(y, np.ndarray) else named(y, "SgnBackward0")


square = elementwise(
    "square", eval=lambda x: x.astype(np.int64) if _boolean(x) else np.square(x),
    partials=[lambda y, x: 2 * x], reads="x", node="PowBackward0",
    lower=lambda s, x: s.mul(x, x), doc="x * x.",
)  # fmt: skip
reciprocal = elementwise(
    "reciprocal", eval=np.reciprocal, dtype="float", partials=[lambda y, x: -y * y], reads="y",
    lower=lambda s, x: s.div(1.0, x), doc="1 / x.",
)  # fmt: skip


def _remainder(x: Any, y: Any) -> Any:
    _refuse_zero(y, x)
    found = quotients.exactly(x, y, np.floor, True)
    rest = np.remainder(x, y) if found is None else found
    if getattr(rest, "dtype", None) is None or rest.dtype.kind != "f":
        return rest
    return quotients.signed_zeros(np.asarray(rest), x)


def _refuse_zero(y: Any, x: Any) -> None:
    kind = getattr(x, "dtype", None)
    if kind is not None and kind.kind in "iub" and not np.all(y):
        raise fail(RuntimeError, "ZeroDivisionError", "an integer tensor was divided by zero")


def _floor_divide(x: Any, y: Any) -> Any:
    _refuse_zero(y, x)
    found = quotients.exactly(x, y, np.floor, False)
    if found is not None:
        return found
    if getattr(x, "dtype", None) is not None and x.dtype.kind == "f":
        return np.where(y == 0, np.true_divide(x, y), np.floor_divide(x, y)).astype(x.dtype)
    return np.floor_divide(x, y)


def _trunc_divide(x: Any, y: Any) -> Any:
    _refuse_zero(y, x)
    if getattr(x, "dtype", None) is not None and x.dtype.kind in "iub":
        quotient = np.floor_divide(x, y)
        return quotient + ((quotient < 0) & (quotient * y != x)).astype(x.dtype)
    return np.trunc(np.true_divide(x, y))


def _fmod(x: Any, y: Any) -> Any:
    _refuse_zero(y, x)
    found = quotients.exactly(x, y, np.trunc, True)
    return np.fmod(x, y) if found is None else quotients.signed_zeros(found, x)


def _no_derivative(name: str) -> Any:
    """What stands for the derivatives of an op that torch records but cannot differentiate."""

    def refuse(*_: Any) -> Any:
        raise RuntimeError(f"derivative for aten::{name} is not implemented")

    return [refuse, refuse]


floor_divide = elementwise("floor_divide", eval=_floor_divide,
                           refuses={"bool complex": "div_floor_cpu"}, numbers="all",
                           partials=_no_derivative("floor_divide"), node="NotImplemented",
                           lower=lambda s, x, y: s.floor_div(x, y),
                           doc="The quotient rounded down.")  # fmt: skip
trunc_divide = elementwise(
    "trunc_divide", eval=_trunc_divide, partials=[0.0, 0.0],
    refuses={"bool complex": "div_trunc_cpu"},
    node="DivBackward2", doc="The quotient rounded towards zero.",
)  # fmt: skip
floor_quotient = elementwise(
    "floor_quotient", eval=_floor_divide, partials=[0.0, 0.0],
    refuses={"bool complex": "div_floor_cpu"},
    lower=lambda s, x, y: s.floor_div(x, y), node="DivBackward2",
    doc="div(x, y, rounding_mode='floor').",
)  # fmt: skip


def _by_tensor(entry: Entry) -> int:
    """1 where the divisor was a tensor, 0 where it was a number."""
    kept = entry[INPUTS]
    divisor = kept[1] if type(kept) is tuple else entry[PARENTS][1]
    return int(divisor is not None and not isinstance(divisor, (int, float)))


remainder = elementwise(
    "remainder", eval=_remainder, refuses={"bool complex": "remainder_cpu"},
    partials=[1, lambda y, a, b: -floor_quotient(a, b)],
    reads=DIVIDED, node=lambda entry: f"RemainderBackward{_by_tensor(entry)}",
    doc="x - floor(x / y) * y: the sign of the divisor.",
)  # fmt: skip
fmod = elementwise(
    "fmod", eval=_fmod, refuses={"bool complex": "fmod_cpu"}, reads=DIVIDED, numbers="second",
    partials=[1, lambda y, a, b: -trunc_divide(a, b)],
    lower=lambda s, x, y: s.fmod(x, y), node=lambda entry: f"FmodBackward{_by_tensor(entry)}",
    doc="x - trunc(x / y) * y: the sign of the dividend.",
)  # fmt: skip


def _half(mask: Any, tie: Any) -> Any:  # 1 where `mask`, a half at ties, else 0
    return where(tie, 0.5, where(mask, 1.0, 0.0))


maximum = elementwise(
    "maximum", eval=np.maximum, reads="x", real="maximum not implemented for complex tensors.",
    lower=lambda s, x, y: s.max(x, y), numbers="none",
    pull=bake_extreme(lambda a, b: a < b),
    partials=[lambda y, a, b: _half(a > b, a == b), lambda y, a, b: _half(b > a, a == b)],
    doc="The larger of x and y; nan if either is; the gradient of a tie is shared.",
)  # fmt: skip
minimum = elementwise(
    "minimum", eval=np.minimum, reads="x", real="minimum not implemented for complex tensors.",
    lower=lambda s, x, y: s.min(x, y), numbers="none",
    pull=bake_extreme(lambda a, b: a > b),
    partials=[lambda y, a, b: _half(a < b, a == b), lambda y, a, b: _half(b < a, a == b)],
    doc="The smaller of x and y; nan if either is; the gradient of a tie is shared.",
)  # fmt: skip
fmax = elementwise(
    "fmax", eval=np.fmax, reads="x", real="fmax not implemented for complex tensors.",
    partials=[lambda y, a, b: (a >= b) | (b != b), lambda y, a, b: ~((a >= b) | (b != b))],
    numbers="none", doc="The larger of x and y, ignoring nan.",
)  # fmt: skip
fmin = elementwise(
    "fmin", eval=np.fmin, reads="x", real="fmin not implemented for complex tensors.",
    partials=[lambda y, a, b: (a <= b) | (b != b), lambda y, a, b: ~((a <= b) | (b != b))],
    numbers="none", doc="The smaller of x and y, ignoring nan.",
)  # fmt: skip


LONG = 1024  # elements from which a pass costs more than a call


def _clamp(x: Any, low: Any, high: Any) -> Any:
    if x.dtype.kind == "V":  # bfloat16, which NumPy would widen to meet a number
        low, high = (None if one is None else x.dtype.type(one) for one in (low, high))
    elif x.size >= LONG and x.dtype.kind == "f":  # minima with one number are slower by themselves
        return x.clip(-np.inf if low is None else low, np.inf if high is None else high)
    if low is not None:
        x = np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def _within(x: Any, low: Any, high: Any) -> Any:
    if low is None:
        return x <= high
    return x >= low if high is None else (x >= low) & (x <= high)


clamp = elementwise(
    "clamp", eval=_clamp, reads="x",
    real="NotImplementedError: clamp is not supported for complex types",
    refuses={"bool": "clamp_cpu"},
    partials=[lambda y, x, low, high: _within(x, low, high)],
    lower=lambda s, x, low, high: s.clamp(x, low, high), node="ClampBackward1",
    doc="min(max(x, low), high) for numbers; the gradient passes inside and on the bounds.",
)  # fmt: skip


def _truncate(x: Any) -> Any:
    return x.copy() if x.dtype.kind in "iub" else np.trunc(x)


def _integral(ufunc: Any) -> Any:
    """Rounding leaves integers as they are (NumPy would make floats of them in older versions)."""
    return lambda x: x.copy() if x.dtype.kind in "iub" else ufunc(x)


floor = elementwise("floor", eval=_integral(np.floor), partials=[0.0],
                    real="NotImplementedError: floor is not supported for complex inputs",
                    refuses={"bool": "floor_vml_cpu"},
                    lower=lambda s, x: s.floor(x), doc="Rounded down.")  # fmt: skip
ceil = elementwise("ceil", eval=_integral(np.ceil), partials=[0.0],
                   real="NotImplementedError: ceil is not supported for complex inputs",
                   refuses={"bool": "ceil_vml_cpu"},
                   lower=lambda s, x: s.ceil(x), doc="Rounded up.")  # fmt: skip
trunc = elementwise("trunc", eval=_truncate, partials=[0.0], lower=lambda s, x: s.trunc(x),
                    real="NotImplementedError: trunc is not supported for complex inputs",
                    refuses={"bool": "trunc_vml_cpu"},
                    doc="Rounded towards zero.")  # fmt: skip
frac = elementwise("frac", eval=lambda x: x - np.trunc(x), partials=[1],
                   refuses={"bool int complex": "frac_cpu"},
                   lower=lambda s, x: s.sub(x, s.trunc(x)), doc="x - trunc(x).")  # fmt: skip


def _round(x: Any, decimals: int) -> Any:
    if x.dtype.kind in "iub":
        return x.copy()
    return np.rint(x) if decimals == 0 else np.around(x, decimals)


round = elementwise(
    "round", eval=_round, partials=[0.0], refuses={"bool complex": "round_vml_cpu"},
    node=lambda entry: f"RoundBackward{int(entry[PARAMS][0] != 0)}",
    doc="The nearest integer (halves to even), or to `decimals` places.",
)  # fmt: skip


def _conjugate(value: Any) -> Any:
    """The conjugate of a tensor, or of a number in its place."""
    return value.conjugate() if isinstance(value, (int, float, complex)) else conj(value)


def _lerp(a: Any, b: Any, w: Any) -> Any:
    if w.ndim:
        y = np.where(np.abs(w) < 0.5, a + w * (b - a), b - (b - a) * (1 - w))
    else:
        y = a + w * (b - a) if np.abs(w) < 0.5 else b - (b - a) * (1 - w)
    return np.asarray(y, a.dtype)


lerp = general(
    "lerp", arity=3, dtype="promote", reads="x", refuses={"bool int": "lerp_kernel_tensor"},
    eval=heavy("lerp", _lerp, light=True),
    vjp=lambda g, y, a, b, w: (g * (1 - _conjugate(w)), g * _conjugate(w), g * conj(b - a)),
    doc="a + w (b - a).",
)  # fmt: skip
addcmul = general(
    "addcmul", arity=3, dtype="promote", reads=ADDED, refuses={"bool": "addcmul_cpu_out"},
    eval=wide(lambda x, a, b, value: x + (a * b if value == 1 else value * a * b)),
    vjp=lambda g, y, x, a, b, value: (
        g, g * conj(b) * _conjugate(value), g * conj(a) * _conjugate(value),
    ),
    doc="x + value * a * b.",
)  # fmt: skip
addcdiv = general(
    "addcdiv", arity=3, dtype="promote", reads=ADDED,
    eval=heavy("addcdiv", wide(lambda x, a, b, value: x + value * (a / b)), light=True),
    vjp=lambda g, y, x, a, b, value: (
        g, g * _conjugate(value) / conj(b), -g * _conjugate(value) * conj(a / (b * b)),
    ),
    doc="x + value * a / b.",
)  # fmt: skip
hypot = elementwise(
    "hypot", eval=heavy("hypot", np.hypot, light=True), dtype="float",
    refuses={"bool int complex": "hypot_cpu"},
    reads="xy", numbers="none",
    partials=[lambda y, a, b: a / y, lambda y, a, b: b / y], doc="sqrt(x^2 + y^2).",
)  # fmt: skip


def _copysign_node(entry: Entry) -> str:
    kept = entry[INPUTS]
    number = type(kept) is tuple and isinstance(kept[1], (int, float))
    return "CopysignBackward1" if number else "CopysignBackward0"


copysign = elementwise(
    "copysign", eval=np.copysign, dtype="float", real="copysign_cpu", reads="xy",
    node=_copysign_node, numbers="second",
    partials=[lambda y, a, b: where(a == 0, 0.0, y / where(a == 0, 1.0, a)), 0.0],
    lower=lambda s, x, y: s.copysign(x, y),
    doc="|x| with the sign of y.",
)  # fmt: skip
nextafter = elementwise("nextafter", eval=next_after, partials=[1, 0.0],
                        refuses={"bool int complex": "nextafter_cpu"}, numbers="none",
                  doc="The next number after x towards y.")  # fmt: skip
gcd = plain("gcd", eval=np.gcd, arity=2, dtype="promote",
            refuses={"bool half float complex": "gcd_cpu"}, numbers="none",
            doc="Greatest common divisor.")  # fmt: skip


def _lcm(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    wide = a.dtype if a.dtype.itemsize >= 4 else np.dtype(np.int32)  # as C computes small ones
    return np.abs(np.lcm(a.astype(wide), b.astype(wide))).astype(a.dtype)


lcm = plain("lcm", eval=_lcm, arity=2, dtype="promote",
            refuses={"bool half float complex": "lcm_cpu"}, numbers="none",
            doc="Least common multiple.")  # fmt: skip
heaviside = elementwise(
    "heaviside", eval=lambda x, y: np.where(x == 0, y, x > 0).astype(x.dtype),
    real="heaviside is not yet implemented for complex tensors.",
    partials=_no_derivative("heaviside"), node="NotImplemented", numbers="none: values",
    forbids=refuse_two_types, doc="0 below zero, 1 above, y at zero.",
)  # fmt: skip
