"""Derive the coefficients of rushlight/core/special_coefficients.py (needs mpmath).

Every table is a rational function p(t)/q(t) that interpolates its target at Chebyshev nodes, which
is within a small factor of the minimax one.  Run: python tests/parity/fit_special.py
"""

from pathlib import Path

import mpmath as mp

mp.mp.dps = 60
HEADER = '''"""Coefficients of the special functions, highest power first: (numerator, denominator).

Written by tests/parity/fit_special.py: rational interpolation at Chebyshev nodes, computed with
sixty digits.  Each comment gives the interval and the relative error of the fit.
"""

# fmt: off
'''


def nodes(low, high, count):
    """The Chebyshev nodes of the first kind, mapped to [low, high]."""
    middle, half = (high + low) / 2, (high - low) / 2
    return [middle + half * mp.cos(mp.pi * (2 * k + 1) / (2 * count)) for k in range(count)]


def fit(target, low, high, top, bottom):
    """Coefficients of p/q through the nodes, highest power first, and the relative error."""
    low, high = mp.mpf(low), mp.mpf(high)
    points = nodes(low, high, top + bottom + 1)
    values = [target(t) for t in points]
    rows = [
        [t**k for k in range(top + 1)] + [-v * t**k for k in range(1, bottom + 1)]
        for t, v in zip(points, values)
    ]
    solved = mp.lu_solve(mp.matrix(rows), mp.matrix(values))
    p = [solved[k] for k in range(top, -1, -1)]
    q = [solved[k] for k in range(top + bottom, top, -1)] + [mp.mpf(1)]
    checks = [low + (high - low) * (mp.mpf(k) + 0.37) / 60 for k in range(60)]
    truth = [target(t) for t in checks]
    worst = max(abs(mp.polyval(p, t) / mp.polyval(q, t) - v) for t, v in zip(checks, truth))
    return p, q, worst / max(abs(v) for v in truth)


def erf_small(z):
    """erf(x)/x - 1, z = x**2."""
    return mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1


def erf_tail(d):
    """log(erfc(1+d) / erfc(1)) / d."""
    return mp.log(mp.erfc(1 + d) / mp.erfc(1)) / d


def erfcx(x):
    return mp.exp(x * x) * mp.erfc(x)


def erfcx_mapped(t):
    """(1 + 2x) erfcx(x) over the half line, x = 3.75 (1+t)/(1-t): Shepherd & Laframboise 1981."""
    if t == 1:
        return 2 / mp.sqrt(mp.pi)
    x = mp.mpf("3.75") * (1 + t) / (1 - t)
    if x > 1e4:
        series = mp.nsum(lambda k: mp.fac2(2 * k - 1) * (-1) ** k / (2 * x * x) ** k, [0, 6])
        return (1 + 2 * x) * series / (x * mp.sqrt(mp.pi))
    return (1 + 2 * x) * erfcx(x)


def log_gamma_one(z):
    """lgamma(1+z) over its two zeros z and z-1."""
    return mp.loggamma(1 + z) / (z * (z - 1)) if abs(z) > 1e-25 else mp.euler


def log_gamma_two(w):
    """lgamma(2+w) over its two zeros w and w+1."""
    return mp.loggamma(2 + w) / (w * (w + 1)) if abs(w) > 1e-25 else 1 - mp.euler


def stirling(v):
    """x times what Stirling's leading terms miss, v = 1/x**2."""
    x = 1 / mp.sqrt(v)
    return x * (mp.loggamma(x) - (x - 0.5) * mp.log(x) + x - mp.log(2 * mp.pi) / 2)


def digamma_root():
    return mp.findroot(mp.digamma, mp.mpf("1.4616321449683623"))


def digamma_middle(s):
    x = s + 1.5
    return mp.digamma(x) / (x - digamma_root())


def digamma_tail(v):
    x = 1 / mp.sqrt(v)
    return (mp.log(x) - 0.5 / x - mp.digamma(x)) * x * x


def trigamma_tail(v):
    x = 1 / mp.sqrt(v)
    return (mp.polygamma(1, x) - 1 / x - 0.5 / (x * x)) * x**3


def bessel_i(order):
    return lambda z: mp.besseli(order, mp.sqrt(z)) / mp.sqrt(z) ** order


def bessel_i_tail(order):
    return lambda u: mp.besseli(order, 1 / u) * mp.exp(-1 / u) / mp.sqrt(u)


def bessel_k0_small(z):
    x = mp.sqrt(z)
    return mp.besselk(0, x) + mp.log(x) * mp.besseli(0, x)


def bessel_k1_small(z):
    x = mp.sqrt(z)
    return x * (mp.besselk(1, x) - mp.log(x) * mp.besseli(1, x))


def bessel_k_tail(order):
    return lambda u: mp.besselk(order, 1 / u) * mp.exp(1 / u) / mp.sqrt(u)


def bessel_j_small(order):
    """J_n(x) / x**n over its first zero, z = x**2."""
    zero = mp.besseljzero(order, 1) ** 2

    def target(z):
        x = mp.sqrt(z)
        return mp.besselj(order, x) / x**order / (z - zero)

    return target


def bessel_y0_small(z):
    x = mp.sqrt(z)
    return mp.bessely(0, x) - 2 / mp.pi * mp.log(x) * mp.besselj(0, x)


def bessel_y1_small(z):
    x = mp.sqrt(z)
    return (mp.bessely(1, x) - 2 / mp.pi * (mp.log(x) * mp.besselj(1, x) - 1 / x)) / x


def hankel(order, second):
    """P or x Q of Hankel's expansion (Abramowitz & Stegun 9.2.5-10), v = 1/x**2."""

    def target(v):
        x = 1 / mp.sqrt(v)
        angle = x - (2 * order + 1) * mp.pi / 4
        j, y = mp.besselj(order, x), mp.bessely(order, x)
        scale = mp.sqrt(mp.pi * x / 2)
        if second:
            return x * scale * (y * mp.cos(angle) - j * mp.sin(angle))
        return scale * (j * mp.cos(angle) + y * mp.sin(angle))

    return target


def airy_decay(u):
    """2 sqrt(pi) x**(1/4) exp(zeta) Ai(x), u = 1/zeta, zeta = 2/3 x**(3/2)."""
    zeta = 1 / u
    x = (zeta * 3 / 2) ** (mp.mpf(2) / 3)
    return 2 * mp.sqrt(mp.pi) * x**0.25 * mp.exp(zeta) * mp.airyai(x)


def airy_wave(second):
    """Ai(-x) = (P sin(a) - Q cos(a)) / (sqrt(pi) x**(1/4)), a = zeta + pi/4, v = 1/zeta**2."""

    def target(v):
        zeta = 1 / mp.sqrt(v)
        x = (zeta * 3 / 2) ** (mp.mpf(2) / 3)
        scale, angle = mp.sqrt(mp.pi) * x**0.25, zeta + mp.pi / 4
        a, b = mp.airyai(-x) * scale, mp.airybi(-x) * scale
        if second:
            return zeta * (b * mp.sin(angle) - a * mp.cos(angle))
        return a * mp.sin(angle) + b * mp.cos(angle)

    return target


def centred(target, low, high):
    """The target as a function of t in [-1, 1]: short sums of powers that do not cancel."""
    low, high = mp.mpf(low), mp.mpf(high)
    return lambda t: target((high + low) / 2 + (high - low) / 2 * t)


FITS = [
    # name, target, low, high, numerator degree, denominator degree
    ("ERF_SMALL", erf_small, 0, 1, 6, 4),
    ("ERF_TAIL", erf_tail, 0, 5, 9, 7),
    ("ERFCX", erfcx_mapped, -1, 1, 24, 0),
    ("ERF_SMALL_32", erf_small, 0, 1, 6, 0),
    ("ERF_TAIL_32", erf_tail, 0, 3, 6, 0),
    ("ERFCX_32", erfcx_mapped, -1, 1, 8, 4),
    ("LGAMMA_ONE", log_gamma_one, -0.25, 0.5, 7, 6),
    ("LGAMMA_TWO", log_gamma_two, -0.5, 1, 7, 7),
    ("LGAMMA_STIRLING", stirling, 0, mp.mpf(1) / 9, 5, 5),
    ("DIGAMMA_MIDDLE", digamma_middle, -0.5, 0.5, 6, 6),
    ("DIGAMMA_TAIL", digamma_tail, 0, 0.25, 8, 8),
    ("TRIGAMMA_TAIL", trigamma_tail, 0, 0.25, 9, 8),
    ("I0_SMALL", bessel_i(0), 0, 64, 15, 0),
    ("I0_TAIL", centred(bessel_i_tail(0), 0, mp.mpf(1) / 8), -1, 1, 25, 0),
    ("I1_SMALL", bessel_i(1), 0, 64, 15, 0),
    ("I1_TAIL", centred(bessel_i_tail(1), 0, mp.mpf(1) / 8), -1, 1, 25, 0),
    ("K0_SMALL", bessel_k0_small, 0, 1, 7, 0),
    ("K0_TAIL", bessel_k_tail(0), 0, 1, 11, 11),
    ("K1_SMALL", bessel_k1_small, 0, 1, 8, 0),
    ("K1_TAIL", bessel_k_tail(1), 0, 1, 11, 11),
    ("J0_SMALL", centred(bessel_j_small(0), 0, 16), -1, 1, 11, 0),
    ("J1_SMALL", centred(bessel_j_small(1), 0, 16), -1, 1, 11, 0),
    ("Y0_SMALL", centred(bessel_y0_small, 0, 16), -1, 1, 12, 0),
    ("Y1_SMALL", centred(bessel_y1_small, 0, 16), -1, 1, 12, 0),
    ("J0_P", hankel(0, False), 0, mp.mpf(1) / 16, 9, 8),
    ("J0_Q", hankel(0, True), 0, mp.mpf(1) / 16, 9, 8),
    ("J1_P", hankel(1, False), 0, mp.mpf(1) / 16, 9, 8),
    ("J1_Q", hankel(1, True), 0, mp.mpf(1) / 16, 9, 8),
    ("AIRY_MIDDLE", centred(mp.airyai, -2, 1), -1, 1, 21, 0),
    ("AIRY_DECAY", airy_decay, 0, 1.5, 12, 11),
    ("AIRY_P", airy_wave(False), 0, 0.3, 13, 12),
    ("AIRY_Q", airy_wave(True), 0, 0.3, 14, 13),
]


def literal(values):
    """The coefficients as one wrapped tuple."""
    lines, line = [], "    ("
    for value in values:
        word = repr(float(value)) + ", "
        if len(line) + len(word) > 96:
            lines.append(line.rstrip())
            line = "     "
        line += word
    lines.append(line.rstrip().rstrip(",") + ("," if len(values) == 1 else "") + "),")
    return "\n".join(lines)


def split(value):
    """A constant as a double and the double of what is left."""
    high = float(value)
    return high, float(value - mp.mpf(high))


def main(path):
    """Write every table and print its error."""
    parts = [HEADER]
    pairs = {"DIGAMMA_ROOT": digamma_root()}
    for order in (0, 1):
        pairs[f"J{order}_ZERO"] = mp.besseljzero(order, 1)
    for name, value in pairs.items():
        high, low = split(value)
        parts.append(f"{name} = ({high!r}, {low!r})\n")
    for name, target, low, high, top, bottom in FITS:
        p, q, error = fit(target, low, high, top, bottom)
        roots = [] if bottom == 0 else mp.polyroots(q, maxsteps=500, extraprec=500)
        bad = [r for r in roots if abs(mp.im(r)) < 1e-20 and low <= mp.re(r) <= high]
        print(f"{name:20s} {float(error):.2e}", "POLE" if bad else "", flush=True)
        body = f"{literal(p)}\n{literal(q)}"
        parts.append(f"\n# [{float(low):.4g}, {float(high):.4g}], error {float(error):.1e}\n")
        parts.append(f"{name} = (\n{body}\n)\n")
    path.write_text("".join(parts))


if __name__ == "__main__":
    main(Path(__file__).parents[2] / "rushlight/core/special_coefficients.py")
