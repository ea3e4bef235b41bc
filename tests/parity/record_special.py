"""Record torch's answers and the true values of the special functions (needs torch and mpmath).

Run: python tests/parity/record_special.py
"""

import json
import math
from pathlib import Path

import mpmath as mp
import numpy as np
import torch

mp.mp.dps = 40
INF, NAN = math.inf, math.nan
EDGES = [0.0, -0.0, 1.0, -1.0, INF, -INF, NAN, 2.0, -2.0, 0.5, -0.5, 1e-30, -1e-30]
WHOLE = [(-1.0, 1.0), (-4.0, 4.0), (-30.0, 30.0)]
RIGHT = [(1e-6, 1.0), (1.0, 6.0), (6.0, 60.0)]
UNIT = [(0.0, 0.01), (0.02, 0.98), (0.99, 1.0)]
UNARY = {
    "erf": WHOLE, "erfc": [(-5.0, 0.5), (0.5, 3.0), (3.0, 9.0)], "erfcx": [(-5.0, 0.0), *RIGHT],
    "erfinv": [(-0.9, 0.9), (0.9, 1.0), (-1.0, -0.99)], "ndtr": [(-9.0, -1.0), (-1.0, 5.0)],
    "ndtri": UNIT, "log_ndtr": [(-40.0, -1.0), (-1.0, 1.0), (1.0, 5.0)],
    "gammaln": [*RIGHT, (-0.9, -0.1), (1e3, 1e6)], "digamma": [*RIGHT, (-3.9, -3.1), (1e3, 1e6)],
    "entr": RIGHT, "expit": WHOLE, "logit": UNIT, "sinc": [(-1.0, 1.0), (-4.0, 4.0)],
    "i0": WHOLE, "i0e": WHOLE, "i1": WHOLE, "i1e": WHOLE,
    "bessel_j0": WHOLE, "bessel_j1": WHOLE, "bessel_y0": RIGHT, "bessel_y1": RIGHT,
    "modified_bessel_i0": WHOLE, "modified_bessel_i1": WHOLE,
    "modified_bessel_k0": RIGHT, "modified_bessel_k1": RIGHT,
    "scaled_modified_bessel_k0": RIGHT, "scaled_modified_bessel_k1": RIGHT,
    "spherical_bessel_j0": WHOLE, "airy_ai": [(-5.0, 0.0), (0.0, 2.0), (2.0, 9.0)],
}  # fmt: skip
HALF = {"erf", "erfc", "gammaln", "digamma", "expit", "i0", "i0e", "ndtr", "sinc", "logit", "entr"}
POLYNOMIALS = [
    *(f"{kind}chebyshev_polynomial_{k}" for kind in ("", "shifted_") for k in "tuvw"),
    "hermite_polynomial_h", "hermite_polynomial_he",
    "laguerre_polynomial_l", "legendre_polynomial_p",
]  # fmt: skip


def normal(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


TRUTH = {
    "erf": (mp.erf, [(-3.0, 3.0), (1e-9, 1e-3)]), "erfc": (mp.erfc, [(-3.0, 3.0), (3.0, 9.0)]),
    "erfcx": (lambda x: mp.exp(x * x) * mp.erfc(x), [(-3.0, 3.0), (3.0, 90.0)]),
    "erfinv": (mp.erfinv, [(-0.99, 0.99)]), "ndtr": (normal, [(-9.0, 5.0)]),
    "log_ndtr": (lambda x: mp.log1p(-normal(-x)), [(-9.0, 5.0)]),
    "gammaln": (mp.loggamma, [(1e-3, 0.9), (1.1, 1.9), (2.1, 8.0), (8.0, 1e5)]),
    "digamma": (mp.digamma, [(1e-3, 1.0), (1.0, 2.0), (2.0, 8.0), (8.0, 1e5)]),
    "expit": (lambda x: 1 / (1 + mp.exp(-x)), [(-30.0, 30.0)]),
    "i0": (lambda x: mp.besseli(0, x), [(0.0, 8.0), (8.0, 80.0)]),
    "i1": (lambda x: mp.besseli(1, x), [(0.0, 8.0), (8.0, 80.0)]),
    "bessel_j0": (lambda x: mp.besselj(0, x), [(0.0, 4.0)]),
    "bessel_j1": (lambda x: mp.besselj(1, x), [(0.0, 4.0)]),
    "modified_bessel_k0": (lambda x: mp.besselk(0, x), [(0.01, 1.0), (1.0, 60.0)]),
    "modified_bessel_k1": (lambda x: mp.besselk(1, x), [(0.01, 1.0), (1.0, 60.0)]),
    "airy_ai": (mp.airyai, [(-2.0, 2.0), (2.0, 9.0)]),
    "log1mexp": (lambda x: mp.log(-mp.expm1(-x)), [(1e-9, 1.0), (1.0, 30.0)]),
    "log1pexp": (lambda x: mp.log1p(mp.exp(x)), [(-30.0, 30.0)]),
    "log_expit": (lambda x: -mp.log1p(mp.exp(-x)), [(-30.0, 30.0)]),
}  # fmt: skip

# Near their zeros these are exact to a unit of 0.3, not of themselves.
WAVES = {
    "bessel_j0": lambda x: mp.besselj(0, x), "bessel_j1": lambda x: mp.besselj(1, x),
    "bessel_y0": lambda x: mp.bessely(0, x), "bessel_y1": lambda x: mp.bessely(1, x),
    "airy_ai": lambda x: mp.airyai(-x),
}  # fmt: skip


def lower(a, x):
    return mp.gammainc(a, 0, x, regularized=True)


def upper(a, x):
    return mp.gammainc(a, x, regularized=True)


def plain(values):
    """A flat list that JSON keeps exactly: float32 in short form, inf and nan as words."""
    out = []
    for v in values:
        v = float(np.format_float_positional(v, unique=True)) if np.isfinite(v) else float(v)
        out.append(v if math.isfinite(v) else str(v))
    return out


class Recorder:
    """Collects cases: function, dtype, argument lists, answer, and whether zeros carry signs."""

    def __init__(self):
        self.random = np.random.default_rng(20)
        self.cases = []

    def draw(self, low, high, dtype, count=6):
        return self.random.uniform(low, high, count).astype(dtype)

    def torch(self, name, dtype, *args, **options):
        """One answer of torch.special."""
        arrays = [np.asarray(a, dtype) for a in args]
        tensors = [torch.from_numpy(a) for a in arrays]
        if name == "polygamma":
            answer = torch.special.polygamma(options["n"], *tensors)
        else:
            answer = getattr(torch.special, name)(*tensors, **options)
        self.add("torch", name, dtype, arrays, answer.numpy(), options)

    def add(self, kind, name, dtype, arrays, answer, options):
        row = [kind, name, np.dtype(dtype).name, [plain(a) for a in arrays], plain(answer)]
        self.cases.append([*row, options])

    def unary(self):
        for name, ranges in UNARY.items():
            halves = [np.float16] if name in HALF else []
            for dtype in [np.float64, np.float32, *halves]:
                edges = [e for e in EDGES if not (dtype == np.float16 and 0 < abs(e) < 1e-9)]
                self.torch(name, dtype, edges)
                for low, high in ranges:
                    if dtype != np.float16 or high < 60:
                        self.torch(name, dtype, self.draw(low, high, dtype))

    def binary(self):
        pairs = [(a, x) for a in (0.0, 1.0, 0.5, 2.0, -1.0, INF, NAN) for x in EDGES[:10]]
        left, right = (list(v) for v in zip(*pairs, strict=True))
        for dtype in (np.float64, np.float32):
            for name in ("xlogy", "xlog1py", "gammainc", "gammaincc"):
                self.torch(name, dtype, left, right)
            finite = [(a, x) for a, x in pairs if math.isfinite(a) and not math.isinf(x)]
            self.torch("zeta", dtype, *(list(v) for v in zip(*finite, strict=True)))
            for low, high in ((1.1, 3.0), (3.0, 20.0)):
                for start, stop in ((0.1, 1.0), (1.0, 30.0), (30.0, 1e4)):
                    s, q = self.draw(low, high, dtype), self.draw(start, stop, dtype)
                    self.torch("zeta", dtype, s, q)
            self.torch("zeta", dtype, [2.0, 3.0, 4.0, 5.0], [-0.5, -1.25, -2.5, -7.75])
            for low, high in ((0.01, 1.0), (1.0, 20.0), (20.0, 150.0), (150.0, 2000.0)):
                for factor in (0.2, 0.7, 1.0, 1.3, 2.0):
                    a = self.draw(low, high, dtype)
                    x = (a * self.draw(0.9 * factor, 1.1 * factor, dtype)).astype(dtype)
                    self.torch("gammainc", dtype, a, x)
                    self.torch("gammaincc", dtype, a, x)

    def whole(self):
        for dtype in (np.float64, np.float32):
            for n in range(5):
                edges = [0.0, 1.0, 2.0, 0.5, NAN, *([-0.0, -2.0] if n != 1 else [])]
                self.torch("polygamma", dtype, edges, n=n)
                for low, high in ((0.01, 1.0), (1.0, 5.0), (5.0, 50.0)):
                    self.torch("polygamma", dtype, self.draw(low, high, dtype), n=n)
            for p in (1, 2, 5):
                self.torch("multigammaln", dtype, self.draw(p, 9.0, dtype), p=p)
            for eps in (0.1, 1e-6, 0.6):
                self.torch("logit", dtype, [-1.0, 0.0, 0.05, 0.3, 0.95, 1.0, 2.0, NAN], eps=eps)

    def polynomials(self):
        for name in POLYNOMIALS:
            for dtype in (np.float64, np.float32):
                for low, high in ((-1.0, 1.0), (1.0, 3.0)):
                    x = self.draw(low, high, dtype, 8)
                    self.torch(name, dtype, x, [-1.0, 0.0, 1.0, 2.0, 3.5, 6.0, 9.0, 12.0])
                self.torch(name, dtype, [1.0, -1.0, 0.0, 1.0, -1.0, 0.0], [3, 3, 3, 10, 10, 10])

    def truth(self):
        for name, (function, ranges) in TRUTH.items():
            for dtype in (np.float64, np.float32):
                for low, high in ranges:
                    x = self.draw(low, high, dtype, 12)
                    answer = [float(mp.re(function(mp.mpf(float(v))))) for v in x]
                    self.add("truth", name, dtype, [x], np.array(answer), {})
        for name, function in WAVES.items():
            for dtype in (np.float64, np.float32):
                for low, high in ((2.0, 8.0), (8.0, 60.0)):
                    x = self.draw(low, high, dtype, 12)
                    answer = [float(function(mp.mpf(float(v)))) for v in x]
                    signed = -x if name == "airy_ai" else x
                    self.add("truth", name, dtype, [signed], np.array(answer), {"floor": 0.3})

    def truth_of_two(self):
        for low, high in ((0.01, 1.0), (1.0, 25.0), (25.0, 200.0), (200.0, 900.0)):
            for factor in (0.7, 1.0, 1.4):
                a = self.draw(low, high, np.float64)
                x = a * self.draw(0.9 * factor, 1.1 * factor, np.float64)
                for name, function in (("gammainc", lower), ("gammaincc", upper)):
                    answer = [float(function(mp.mpf(s), mp.mpf(t))) for s, t in zip(a, x)]
                    self.add("truth", name, np.float64, [a, x], np.array(answer), {})


def main():
    """Write the data file, one case a line."""
    recorder = Recorder()
    recorder.unary()
    recorder.binary()
    recorder.whole()
    recorder.polynomials()
    recorder.truth()
    recorder.truth_of_two()
    path = Path(__file__).parent / "data/special.json"
    lines = [json.dumps(case, separators=(",", ":")) for case in recorder.cases]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(len(lines), "cases,", path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
