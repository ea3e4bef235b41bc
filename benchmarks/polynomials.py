"""Coefficients of compile/code/math_tables.py: polynomials through Chebyshev nodes (mpmath).

Prints the table and, beside each row, the largest error relative to `weight`. Interpolation at
Chebyshev nodes is within a factor of two or three of the best polynomial, which one degree pays.
The pieces of tanh, which have no degree to spare, are the best there are but for rounding.
"""

from textwrap import fill, indent

import numpy as np
from mpmath import asin, atan, cos, erf, erfc, exp, log, log1p, mp, mpf, pi, sin, sqrt, tanh

mp.dps = 60


def through(function, low, high, degree):
    low, high = mpf(low), mpf(high)
    nodes = [
        (low + high) / 2 + (high - low) / 2 * cos(pi * (2 * k + 1) / (2 * degree + 2))
        for k in range(degree + 1)
    ]
    rows = mp.matrix([[x**k for k in range(degree + 1)] for x in nodes])
    return mp.lu_solve(rows, mp.matrix([function(x) for x in nodes]))


def error(function, weight, c, low, high):
    worst = mpf(0)
    for k in range(401):
        x = low + (high - low) * mpf(k) / 400
        worst = max(worst, abs((mp.polyval(list(c)[::-1], x) - function(x)) * weight(x)))
    return worst


def near_zero(function, rest, first):
    """`function`, or its series' first term where the formula would divide by zero."""
    return lambda x: function(x) if abs(x) > mpf(10) ** -18 else first + rest * x


half = log(mpf(2)) / 2 * mpf("1.001")
S2 = mpf("0.02945")
EXP = near_zero(lambda r: (exp(r) - 1 - r) / r**2, mpf(1) / 6, mpf(1) / 2)
LOG_S = near_zero(lambda z: (log((1 + sqrt(z)) / (1 - sqrt(z))) / sqrt(z) - 2) / z,
                  mpf(2) / 5, mpf(2) / 3)  # fmt: skip
LOG_F = near_zero(lambda f: (log1p(f) - f + f * f / 2) / f**3, -mpf(1) / 4, mpf(1) / 3)
SIN = near_zero(lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z, mpf(1) / 120, -mpf(1) / 6)
COS = near_zero(lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2, -mpf(1) / 720, mpf(1) / 24)
ATAN = near_zero(lambda z: (atan(sqrt(z)) / sqrt(z) - 1) / z, mpf(1) / 5, -mpf(1) / 3)
ASIN = near_zero(lambda z: (asin(sqrt(z)) / sqrt(z) - 1) / z, mpf(3) / 40, mpf(1) / 6)
TANH = near_zero(lambda z: (tanh(sqrt(z)) / sqrt(z) - 1) / z, mpf(2) / 15, -mpf(1) / 3)
ERF = near_zero(lambda z: erf(sqrt(z)) / sqrt(z) - 1, -2 / (3 * sqrt(pi)), 2 / sqrt(pi) - 1)
FALL = near_zero(
    lambda u: -log(erfc(1 + u) / erfc(1)) / u, mpf(1), 2 * exp(-1) / sqrt(pi) / erfc(1)
)


def tail(t):
    """e^(x^2) erfc(x) (1 + 2x) at x = 4 (1 + t) / (1 - t)."""
    x = 4 * (1 + t) / (1 - t)
    return exp(x * x) * erfc(x) * (1 + 2 * x)


def at(x):
    return (mpf(x) - 4) / (mpf(x) + 4)


ROWS = {
    "EXP": (EXP, -half, half, {24: 4, 32: 5, 48: 6, 64: 10}, lambda r: r * r),
    "EXP_SHORT": (EXP, -half / 16, half / 16, {32: 1}, lambda r: r * r),
    "LOG_S": (LOG_S, mpf(0), S2, {48: 3, 64: 8}, lambda z: z / 2),
    "LOG_F": (LOG_F, mpf("-0.2931"), mpf("0.4143"), {32: 8}, lambda f: f * f),
    "LOG_M": (LOG_F, mpf("-0.25"), mpf("0.5"), {32: 8}, lambda f: f * f),
    "SIN": (SIN, mpf(0), mpf("0.618"), {48: 3, 64: 6}, lambda z: z),
    "COS": (COS, mpf(0), mpf("0.618"), {48: 3, 64: 6}, lambda z: z * z),
    "ATAN": (ATAN, mpf(0), mpf("0.1717"), {48: 5, 64: 11}, lambda z: z),
    "ASIN": (ASIN, mpf(0), mpf("0.2501"), {48: 6, 64: 13}, lambda z: z),
    "ERF": (ERF, mpf(0), mpf(1), {32: 7, 48: 7, 64: 13}, lambda z: mpf(1)),
    "TANH": (TANH, mpf(0), mpf("0.815"), {32: 7}, lambda z: z),
    "ERFC_FALL": (FALL, mpf(0), mpf(3), {32: 8}, lambda u: 8 * u * erfc(1 + u)),
    "TAIL": (tail, at("0.45"), at(28), {48: 13, 64: 22}, lambda t: mpf(1)),
}  # fmt: skip


def powers():
    """2^(k / 16) as floats, and what these lack, over them."""
    exact = [mpf(2) ** (mpf(k) / 16) for k in range(16)]
    floats = [rounded(x) for x in exact]
    return floats, [rounded(x / y - 1) for x, y in zip(exact, floats)]


def rounded(x):
    return float(np.float32(float(x)))


def centre(low, high):
    """A float near the middle whose tanh is a float but for 2^-34 of it, or nearly so."""
    best = (1.0, 0.0)
    for k in range(4000):
        c = rounded((low + high) / 2 + (high - low) * (k // 2) * (1 - k % 2 * 2) / 8000)
        y = tanh(mpf(c))
        best = min(best, (float(abs(rounded(y) - y) / y), c))
        if best[0] < 2.0**-34:
            break
    return best[1]


def fitted(values, columns, weights):
    """Factors of the columns with the least largest weighted error (Lawson's algorithm)."""
    share = np.ones(len(values))
    for _ in range(300):
        by = np.sqrt(share) * weights
        c = np.linalg.lstsq(columns * by[:, None], values * by, rcond=None)[0]
        share *= np.abs(values - columns @ c) * weights
        share /= share.sum()
    return c


def piece(low, high):
    """c, tanh(c), and the coefficients of q: tanh(c + d) = tanh(c) + d q(d)."""
    if low >= 10:
        return [low, 1.0, *[0.0] * 5]
    c = centre(low, high) if low else 0.0
    x = np.linspace(low or 1e-3, high, 400)
    d = x[np.abs(x - c) > 1e-3 * (high - low)] - c
    exact = [tanh(mpf(c + step)) for step in d]
    start = rounded(tanh(mpf(c)))
    weights = np.abs(d) / np.array(exact, float)
    slopes = np.array([(y - start) / mpf(step) for y, step in zip(exact, d)], float)
    if not low:  # x itself stands for the first term, and the function is odd
        third, fifth = fitted(slopes - 1, np.stack([d**2, d**4], 1), weights)
        return [0.0, 0.0, 0.0, 0.0, rounded(third), 0.0, rounded(fifth)]
    scale = (high - low) ** np.arange(5.0)
    found = fitted(slopes, d[:, None] ** np.arange(5) / scale, weights) / scale
    return [c, start, *map(rounded, found)]


def pieces():
    """The columns of the table for tanh, whose first row is that of x from 2 on."""
    edges = [2.0**power * (1 + part / 4) for power in range(-4, 4) for part in range(4)]
    rows = [piece(low, high) for low, high in zip([0.0, *edges[1:]], [*edges[1:], 16.0])]
    return np.roll(rows, 12, 0).T


def show(name, values):
    inside = " ".join(f"{float(x)!r}," for x in values)
    print(f"{name} = (\n{indent(fill(inside, 96), ' ' * 4)}\n)  # fmt: skip")


def main():
    print(f"ERFC_1 = {float(erfc(1))!r}")
    for name, (function, low, high, degrees, weight) in ROWS.items():
        for bits, degree in degrees.items():
            c = through(function, low, high, degree)
            worst = error(function, weight, c, low, high)
            print(f"{name}_{bits} = (  # 2^{float(mp.log(worst, 2)):.1f}")
            for value in c:
                print(f"    {float(value)!r},")
            print(")")
    for name, values in zip(("POWER_32", "POWER_32_REST"), powers()):
        show(name, values)
    for name, values in zip(("AT", "THERE", *"12345"), pieces()):
        show(f"TANH_{name}", values)


if __name__ == "__main__":
    main()
