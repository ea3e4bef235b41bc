"""Error, gamma, Bessel and entropy functions, and the odd elementwise ones beside them."""

from __future__ import annotations

from math import log as log_of
from math import pi, sqrt
from typing import Any

import numpy as np

from ..core import special as kernels
from ..core.families import elementwise, general, plain
from ..core.heavy import heavy
from ..core.tape import INPUTS
from .elementwise import sgn, where
from .placing import kind_of
from .structure import cast, zero
from .transcendental import conj, cos, exp, exp2, log, log1p, sin, stepwise
from .transcendental import sqrt as sqrt_of


def _kernel(name: str) -> str:
    """The name by which torch says that complex numbers have no such function; sinc they have."""
    if name in ("erf", "erfc", "erfinv", "lgamma", "i0"):
        return f"{name}_vml_cpu"
    named = {"digamma": "digamma", "special_ndtr": "erf_vml_cpu", "sinc": ""}
    return named.get(name, f"{name.removeprefix('special_')}_cpu")


def _smooth(name: str, eval: Any, partial: Any, reads: str, doc: str, node: str = "",
            refuses: Any = (), steps: Any = None) -> Any:  # fmt: skip
    return elementwise(name, eval=eval, dtype="float", partials=[partial], reads=reads, doc=doc,
                       real=_kernel(name), refuses=dict(refuses), node=node or None,
                       pull=steps and stepwise(partial, reads, steps))  # fmt: skip


def _bell(factor: float, sign: int) -> Any:
    """factor e^(sign v^2) times a gradient, each op of which rounds."""
    return lambda r, g, v: r(factor * r(np.exp(sign * r(v * v)))) * g


def _special(name: str, eval: Any, partial: Any, reads: str, doc: str, part: str) -> Any:
    wide = {"half": f"{name}_cpu"} if name in ("ndtri", "erfcx", "log_ndtr") else {}
    return _smooth(f"special_{name}", eval, partial, reads, doc, f"Special{part}Backward0", wide)


_GAUSS = 2 / sqrt(pi)

erf = _smooth("erf", heavy("erf", kernels.erf, once=True), lambda y, x: _GAUSS * exp(-(x * x)),
              "x", "2/sqrt(pi) times the integral of e^(-t^2) from 0 to x.",
              steps=_bell(_GAUSS, -1))  # fmt: skip
erfc = _smooth("erfc", heavy("erfc", kernels.erfc, once=True),
               lambda y, x: -_GAUSS * exp(-(x * x)), "x", "1 - erf(x).",
               steps=_bell(-_GAUSS, -1))  # fmt: skip


def _quick_erfinv(x: Any) -> Any:
    """In single precision (Giles 2012, "Approximating the erfinv function", table 5)."""
    w = -log((1 - x) * (1 + x))
    near, far = w - 2.5, sqrt_of(where(w < 5, 5.0, w)) - 3
    p, q = _GILES[0]
    for c, d in _GILES[1:]:
        p, q = p * near + c, q * far + d
    y = where(w < 5, p, q) * x
    return where(w > 80, x * float("inf"), y)


# of powers of the logarithm in the middle, and of its root at both ends
_GILES = (
    (2.81022636e-08, -2.00214257e-04), (3.43273939e-07, 1.00950558e-04),
    (-3.5233877e-06, 1.34934322e-03), (-4.39150654e-06, -3.67342844e-03),
    (2.1858087e-04, 5.73950773e-03), (-1.25372503e-03, -7.6224613e-03),
    (-4.17768164e-03, 9.43887047e-03), (2.46640727e-01, 1.00167406e+00),
    (1.50140941e+00, 2.83297682e+00),
)  # fmt: skip
_large_erfinv = heavy("erfinv", kernels.erfinv, _quick_erfinv)


def _erfinv(x: np.ndarray) -> np.ndarray:
    return (_large_erfinv if x.dtype.char == "f" else kernels.erfinv)(x)


erfinv = _smooth("erfinv", _erfinv, lambda y, x: 0.5 * sqrt(pi) * exp(y * y), "y",
                 "The inverse of erf.", steps=_bell(0.5 * sqrt(pi), 1))  # fmt: skip
lgamma = _smooth("lgamma", kernels.lgamma, lambda y, x: digamma(x), "x", "log |Gamma(x)|.")
digamma = _smooth("digamma", kernels.digamma, lambda y, x: polygamma(x, 1), "x",
                  "The derivative of log Gamma(x).")  # fmt: skip
polygamma = general(
    "polygamma", eval=lambda x, n: kernels.polygamma(n, x) if n else kernels.digamma(x),
    dtype="float", reads="x", vjp=lambda g, y, x, n: g * polygamma(x, n + 1), real="polygamma",
    doc="The n-th derivative of digamma.",
)  # fmt: skip


def _multivariate_vjp(g: Any, y: Any, x: Any, p: int) -> Any:
    total = digamma(x)
    for j in range(1, p):
        total = total + digamma(x - j / 2)
    return g * total


mvlgamma = general(
    "mvlgamma", eval=kernels.multigammaln, dtype="float", reads="x", vjp=_multivariate_vjp,
    real="arange_cpu",
    doc="The logarithm of the multivariate gamma function of dimension p.",
)  # fmt: skip


def _sinc_slope(y: Any, x: Any) -> Any:
    zero = x == 0
    turn = pi * where(zero, 1.0, x)
    return where(zero, 0.0, pi * (cos(turn) * turn - sin(turn)) / (turn * turn))


def _sinc(x: np.ndarray) -> np.ndarray:
    return np.sinc(x).astype(x.dtype) if x.dtype.kind == "c" else kernels.sinc(x)


sinc = _smooth("sinc", heavy("sinc", _sinc), _sinc_slope, "x", "sin(pi x) / (pi x), and 1 at 0.")


def _logit_vjp(g: Any, y: Any, x: Any, eps: float | None) -> Any:
    low, high = (0.0, 1.0) if eps is None else (eps, 1 - eps)
    outside = (x < low) | (x > high)
    slope = g / (x * (1 - x))
    return where(outside, float("nan") if eps is None else 0.0, slope)


logit = general(
    "logit", eval=heavy("logit", kernels.logit), vjp=_logit_vjp, reads="x",
    dtype="float", real="logit_cpu",
    doc="log(x / (1 - x)), x first held in [eps, 1 - eps] if eps is given.",
)  # fmt: skip

i0 = _smooth("i0", kernels.i0, lambda y, x: i1(x), "x", "The modified Bessel function I0.")


def _i1_slope(y: Any, x: Any) -> Any:
    zero = x == 0
    return where(zero, 0.5, i0(x) - y / where(zero, 1.0, x))


def _i1e_slope(y: Any, x: Any) -> Any:
    zero = x == 0
    return where(zero, 0.5, i0e(x) - y * (sgn(x) + 1 / where(zero, 1.0, x)))


i1 = _special("i1", kernels.i1, _i1_slope, "xy", "The modified Bessel function I1.", "I1")
i0e = _special("i0e", kernels.i0e, lambda y, x: i1e(x) - sgn(x) * y, "xy",
               "e^(-|x|) I0(x).", "I0E")  # fmt: skip
i1e = _special("i1e", kernels.i1e, _i1e_slope, "xy", "e^(-|x|) I1(x).", "I1E")
ndtri = _special("ndtri", kernels.ndtri, lambda y, x: sqrt(2 * pi) * exp(0.5 * y * y), "y",
                 "The quantiles of the normal distribution.", "Ndtri")  # fmt: skip
ndtr = _smooth(
    "special_ndtr", kernels.ndtr, lambda y, x: exp(-0.5 * x * x) * (1 / sqrt(2 * pi)), "x",
    "The normal distribution function.", "MulBackward1",
)  # fmt: skip
erfcx = _special("erfcx", kernels.erfcx, lambda y, x: 2 * x * y - _GAUSS, "xy",
                 "e^(x^2) erfc(x).", "Erfcx")  # fmt: skip
log_ndtr = _special(
    "log_ndtr", kernels.log_ndtr, lambda y, x: sqrt(2 / pi) / erfcx(x * -sqrt(0.5)), "x",
    "The logarithm of the normal distribution function.", "LogNdtr",
)  # fmt: skip
entr = _special("entr", heavy("special_entr", kernels.entr),
                lambda y, x: -1 - log(x), "x", "-x log x, 0 at 0, -inf below.", "Entr")  # fmt: skip


def _two_way(
    name: str, eval: Any, partials: Any, doc: str, node: Any, others: str = "", numbers: str = ""
) -> Any:
    return elementwise(name, eval=eval, dtype="float", partials=partials, reads="x", doc=doc,
                       refuses={f"{others} complex": _kernel(name)}, node=node,
                       numbers=numbers)  # fmt: skip


def _log(x: Any) -> Any:
    """The logarithm of an operand that may be a Python number."""
    return float(np.log(x)) if type(x) in (int, float) else log(x)


def _with_numbers(name: str) -> Any:
    """torch counts its node 0 for two tensors, 1 and 2 where the first or second is a number."""

    def node(entry: Any) -> str:
        inputs = entry[INPUTS] if isinstance(entry[INPUTS], tuple) else ()
        numbers = [place for place, x in enumerate(inputs) if type(x) in (int, float)]
        return f"{name}{numbers[0] + 1 if numbers else 0}"

    return node


xlogy = _two_way(
    "xlogy", kernels.xlogy,
    [lambda y, a, b: where((a == 0) & (b <= 0), 0.0, _log(b)), lambda y, a, b: a / b],
    "x log y, 0 where x is 0.", _with_numbers("XlogyBackward"),
)  # fmt: skip
xlog1py = _two_way(
    "special_xlog1py", kernels.xlog1py,
    [lambda y, a, b: where((a == 0) & (b <= -1), 0.0, _log(b + 1) if type(b) in (int, float)
                           else log1p(b)), lambda y, a, b: a / (b + 1)],
    "x log(1 + y), 0 where x is 0.", _with_numbers("SpecialXlog1PyBackward"),
)  # fmt: skip


def _no_derivative(operand: str) -> Any:
    def refuse(*_: Any) -> Any:
        raise NotImplementedError(f"the derivative for '{operand}' is not implemented")

    return refuse


zeta = _two_way(
    "special_zeta", kernels.zeta,
    [_no_derivative("self"), lambda y, a, b: -a * zeta(a + 1, b)],
    "The Hurwitz zeta function.", "SpecialZetaBackward0", "half",
)  # fmt: skip


def _gamma_density(a: Any, x: Any) -> Any:
    return exp(log(x) * (a - 1) - x - lgamma(a))


igamma = _two_way(
    "igamma", kernels.gammainc,
    [_no_derivative("input"), lambda y, a, b: _gamma_density(a, b)],
    "The regularised lower incomplete gamma function.", "IgammaBackward0", "bool int",
    "none",
)  # fmt: skip
igammac = _two_way(
    "igammac", kernels.gammaincc,
    [_no_derivative("input"), lambda y, a, b: -_gamma_density(a, b)],
    "The regularised upper incomplete gamma function.", "IgammacBackward0", "bool int",
    "none",
)  # fmt: skip


def _nan_to_num(x: Any, nan: Any, posinf: Any, neginf: Any, finite: np.ndarray) -> np.ndarray:
    if finite.all():
        return x.copy()
    if x.dtype.kind == "c":
        y = np.empty_like(x)
        y.real, y.imag = (
            _nan_to_num(part, nan, posinf, neginf, finite) for part in (x.real, x.imag)
        )
        return y
    kind = x.dtype.type
    # bfloat16's limits are not in np.finfo: they are read off its largest finite bit pattern
    top = np.finfo(x.dtype).max if x.dtype.kind == "f" else np.array(0x7F7F, "u2").view(x.dtype)[()]
    y = np.where(np.isnan(x), kind(0.0 if nan is None else nan), x)
    y = np.where(y == kind(np.inf), kind(top if posinf is None else posinf), y)
    return np.where(y == kind(-np.inf), kind(-top if neginf is None else neginf), y)


nan_to_num = general(
    "nan_to_num", eval=_nan_to_num,
    vjp=lambda g, y, x, nan, posinf, neginf, finite: where(finite, g, 0.0),
    doc="nan and infinities replaced by numbers.",
)  # fmt: skip


def _frexp(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mantissa, exponent = np.frexp(x)
    return mantissa, np.asarray(exponent, np.int32)


def _frexp_vjp(g: Any, y: Any, x: Any) -> Any:
    kind = kind_of(g[0])
    return g[0] * cast(exp2(cast(-y[1], kind)), kind)


frexp = general("frexp", eval=_frexp, vjp=_frexp_vjp, reads="y", outputs=2,
                doc="Mantissas in [1/2, 1) and binary exponents.")  # fmt: skip


ldexp = elementwise(
    "ldexp", eval=lambda x, n: x * np.exp2(n), dtype="float", reads="xy", numbers="none",
    partials=[lambda y, x, n: exp2(n), lambda y, x, n: y * log_of(2)], doc="x times 2^n.",
)  # fmt: skip


def _angle_of_real(x: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(x), x, np.where(x < 0, x.dtype.type(pi), x.dtype.type(0)))


def _angle_vjp(g: Any, y: Any, x: Any) -> Any:
    zero = x == 0
    return where(zero, 0.0, 1j * g / conj(where(zero, 1.0, x)))


angle = general("angle", eval=np.angle, vjp=_angle_vjp, reads="x",
                doc="The angle of a complex number.")  # fmt: skip
angle_of_real = general(
    "angle_of_real", eval=_angle_of_real, vjp=lambda g, y, x: zero(g), node="AngleBackward0",
    doc="0 for positive numbers, pi for negative ones.",
)  # fmt: skip


def _flat(name: str, doc: str, arity: int = 1) -> Any:
    return plain(
        f"special_{name}",
        eval=getattr(kernels, name),
        arity=arity,
        dtype="float",
        doc=doc,
        refuses={"half complex": f"{name}_cpu"},
    )


airy_ai = _flat("airy_ai", "The Airy function Ai.")
bessel_j0 = _flat("bessel_j0", "The Bessel function of the first kind of order 0.")
bessel_j1 = _flat("bessel_j1", "The Bessel function of the first kind of order 1.")
bessel_y0 = _flat("bessel_y0", "The Bessel function of the second kind of order 0.")
bessel_y1 = _flat("bessel_y1", "The Bessel function of the second kind of order 1.")
modified_bessel_i0 = _flat("modified_bessel_i0", "The modified Bessel function I0.")
modified_bessel_i1 = _flat("modified_bessel_i1", "The modified Bessel function I1.")
modified_bessel_k0 = _flat("modified_bessel_k0", "The modified Bessel function K0.")
modified_bessel_k1 = _flat("modified_bessel_k1", "The modified Bessel function K1.")
scaled_modified_bessel_k0 = _flat("scaled_modified_bessel_k0", "e^x K0(x).")
scaled_modified_bessel_k1 = _flat("scaled_modified_bessel_k1", "e^x K1(x).")
spherical_bessel_j0 = _flat("spherical_bessel_j0", "The spherical Bessel function of order 0.")
_POLYNOMIALS = {
    "chebyshev_polynomial_t": "The Chebyshev polynomial T_n(x).",
    "chebyshev_polynomial_u": "The Chebyshev polynomial U_n(x).",
    "chebyshev_polynomial_v": "The Chebyshev polynomial V_n(x).",
    "chebyshev_polynomial_w": "The Chebyshev polynomial W_n(x).",
    "shifted_chebyshev_polynomial_t": "T_n(2x - 1).",
    "shifted_chebyshev_polynomial_u": "U_n(2x - 1).",
    "shifted_chebyshev_polynomial_v": "V_n(2x - 1).",
    "shifted_chebyshev_polynomial_w": "W_n(2x - 1).",
    "hermite_polynomial_h": "The physicist's Hermite polynomial H_n(x).",
    "hermite_polynomial_he": "The probabilist's Hermite polynomial He_n(x).",
    "laguerre_polynomial_l": "The Laguerre polynomial L_n(x).",
    "legendre_polynomial_p": "The Legendre polynomial P_n(x).",
}
POLYNOMIALS = {name: _flat(name, doc, 2) for name, doc in _POLYNOMIALS.items()}
