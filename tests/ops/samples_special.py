"""Samples of the error, gamma, Bessel and other special functions."""

import numpy as np
from sampling import Sample, integers, uniform

from rushlight.ops.special import POLYNOMIALS

u = uniform


def one(low=-2.0, high=2.0, *params):
    return [
        Sample((u(3, 4, low=low, high=high),), params),
        Sample((u(low=low, high=high),), params),
    ]


def two(low, high):
    return [Sample((u(3, 4, low=low, high=high), u(3, 4, low=low, high=high, seed=1)))]


DEGREES = [Sample((u(3, 4, low=-0.9, high=0.9), integers(3, 4, low=0, high=6).astype(float)))]
NANS = np.array([1.0, np.nan, np.inf, -np.inf, -2.0])
Z = u(3, 4) + 1j * u(3, 4, seed=1)

SAMPLES = {
    "erf": one(), "erfc": one(), "erfinv": one(-0.9, 0.9), "lgamma": one(0.3, 4),
    "digamma": one(0.3, 4),
    "polygamma": one(0.3, 4, 1) + one(0.3, 4, 2), "mvlgamma": one(1.2, 4, 2), "sinc": one(0.1, 2),
    "logit": [*one(0.1, 0.9, None), *one(0.2, 0.8, 0.1),
              Sample((u(5, low=0.3, high=0.6),), (0.7,), False)],
    "i0": one(), "special_i1": one(0.2, 2), "special_i0e": one(0.2, 2), "special_i1e": one(0.2, 2),
    "special_ndtri": one(0.1, 0.9), "special_ndtr": one(), "special_erfcx": one(),
    "special_log_ndtr": one(),
    "special_entr": one(0.2, 2), "xlogy": two(0.2, 2), "special_xlog1py": two(0.2, 2),
    "special_zeta": [Sample((2.0, u(3, 4, low=0.5, high=2)))],
    "igamma": [Sample((np.array(2), u(3, 4, low=0.5, high=2)))],
    "igammac": [Sample((np.array(2), u(3, 4, low=0.5, high=2)))],
    "nan_to_num": [Sample((NANS,), (0.5, 9.0, -9.0, np.isfinite(NANS)), False),
                   Sample((u(3),), (None, None, None, np.ones(3, bool)))],
    "frexp": [Sample((u(3, 4, low=0.6, high=0.9),))], "ldexp": [Sample((u(3, 4), u(3, 4, seed=1)))],
    "angle": [Sample((Z,), smooth=False)], "angle_of_real": one(0.2, 2),
    **{f"special_{name}": one(0.2, 2) for name in (
        "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "modified_bessel_i0",
        "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1",
        "scaled_modified_bessel_k0", "scaled_modified_bessel_k1", "spherical_bessel_j0")},
    **{f"special_{name}": DEGREES for name in POLYNOMIALS},
}  # fmt: skip
