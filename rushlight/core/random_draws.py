"""From random words to numbers: the arithmetic behind `random_engine`, without any state.

torch's CPU kernels are compiled with fused multiply-add (one rounding for `a * b + c`). NumPy has
no such operation, so it is built here from wider arithmetic; that is what makes the results equal
to torch's bit for bit, on every processor.
"""

from __future__ import annotations

import math
import sys
from functools import lru_cache
from typing import Any

import numpy as np

from . import heavy
from .numbers import anywhere, number

Words = Array = np.ndarray

_single = np.float32


def _constant(value: float, kind: Any) -> Array:
    """A number as NumPy takes it soonest: as an array of the type at hand."""
    found = np.array(value, kind)
    found.flags.writeable = False
    return found


_LOW_24, _LOW_21 = _constant(0xFFFFFF, np.uint32), np.uint32(0x1FFFFF)
_STEP_24 = _constant(2.0**-24, _single)
_ONE, _HALF_ONE = _constant(1, _single), _constant(0.5, _single)
_MINUS_TWO, _MINUS_HALF = _constant(-2, _single), _constant(-0.5, _single)
_MINUS_2, _1, _2, _23, _29, _30, _31 = (
    _constant(value, np.int32) for value in (-2, 1, 2, 23, 29, 30, 31)
)
_TWO_PI = _constant(2.0 * math.pi, _single)
_HALF = np.dtype("V32")  # eight float32: half a row
_ROWS = 2048  # rows of 16 normals handled at once, so that the scratch arrays stay in cache
FEW = 32  # whole numbers that are drawn faster one by one
_PAYS = 1 << 22  # words: from so many on, loading native code pays
_COMPILER = "rushlight.compile.code.llvm"


class _Native:
    """The same arithmetic in native code, to the last bit, for whoever draws much."""

    def __init__(self) -> None:
        self.left, self.pieces = _PAYS, heavy.Pieces("drawing")

    def after(self, count: int) -> Any:
        """The native code, if there is any, for another `count` words."""
        if self.left > 0:
            self.left -= count if _COMPILER not in sys.modules else 16 * count
        return self.found

    @property
    def found(self) -> Any:
        return None if self.left > 0 else self.pieces.found


NATIVE = _Native()


def unit32(words: Words) -> Array:
    """float32 in [0, 1) from the low 24 bits of each word."""
    # Through int32: its conversion is one vector instruction, that of uint32 is not.
    unit = (words & _LOW_24).view(np.int32).astype(_single)
    unit *= _STEP_24
    return unit


def unit64(words: Words) -> Array:
    """float64 in [0, 1) from the low 53 bits of each pair of words, the high word first."""
    unit = (words[0::2] & _LOW_21).astype(np.float64)
    unit *= 2.0**-21
    unit += words[1::2] * 2.0**-53
    return unit


def join64(words: Words) -> Array:
    """uint64 from each pair of words, the high word first."""
    wide = words[0::2].astype(np.uint64)
    wide <<= np.uint64(32)
    wide |= words[1::2]
    return wide


def below64(words: Words, p: float) -> Array:
    """`unit64(words) < p`, found by comparing integers instead of building the numbers."""
    limit, upper, lower = _limit64(p)
    if NATIVE.found is not None and words.size % 16 == 0:
        below = np.empty(words.size // 2, np.bool_)
        words = np.ascontiguousarray(words)
        NATIVE.found.below(words.ctypes.data, below.ctypes.data, below.size, limit)
        return below
    high, low = words[0::2] & _LOW_21, words[1::2]
    if limit >= 1 << 53:
        return np.ones(high.shape, np.bool_)
    below = high < upper
    tie = high == upper
    if anywhere(tie):
        below |= tie & (low < lower)
    return below


@lru_cache(64)
def _limit64(p: float) -> tuple[int, Array, Array]:
    """The first of 2^53 whole numbers that is not below p, and its words."""
    limit = math.ceil(p * 2.0**53)
    return limit, _constant(limit >> 32, np.uint32), _constant(limit & 0xFFFFFFFF, np.uint32)


def modulo(words: Array, span: int) -> Array:
    """`words % span`; NumPy's division by a scalar is vectorised, its remainder is not."""
    if words.size <= FEW:
        return np.remainder(words, number(span, words.dtype))
    if span & (span - 1) == 0:
        return words & words.dtype.type(span - 1)
    whole = words // words.dtype.type(span)
    whole *= words.dtype.type(span)
    return np.subtract(words, whole, out=whole)


def scaled(unit: Array, low: float, width: float) -> Array:
    """Uniforms stretched to [low, low + width)."""
    return unit if (low, width) == (0.0, 1.0) else affine(unit, width, low)


def affine(x: Array, scale: float, shift: float) -> Array:
    """`x * scale + shift` with a single rounding, in the precision of `x`."""
    if scale == 1.0 and shift == 0.0:
        return x + x.dtype.type(0)  # -0 becomes 0, as the addition of a zero mean does
    if x.dtype == _single:
        wide = x.astype(np.float64)  # holds a product of two float32 exactly
        wide *= float(_single(scale))
        wide += float(_single(shift))
        return wide.astype(_single)
    return _affine64(x, scale, shift)


def _affine64(x: Array, scale: float, shift: float) -> Array:
    """The same for float64: Dekker's exact product, then Knuth's exact sum."""
    product = x * scale
    if not 1e-250 < abs(scale) < 1e250:  # splitting would overflow or lose bits
        return product + shift
    scale_high = (scale * 134217729.0) - (scale * 134217729.0 - scale)
    scale_low = scale - scale_high
    carry = x * 134217729.0
    high = carry - (carry - x)
    low = x - high
    lost = high * scale_high - product + high * scale_low + low * scale_high + low * scale_low
    total = product + shift
    back = total - product
    return total + ((product - (total - back)) + (shift - back) + lost)


# --- Box-Muller in float32 ----------------------------------------------------------------------
# Polynomials of the Cephes library (Moshier, logf/sinf/cosf); rounded to float32, kept as float64.


def _rounded(*values: float) -> list[float]:
    return [float(_single(value)) for value in values]


_LOG = _rounded(
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
_LOG_STEPS = [_constant(value, np.float64) for value in _LOG]
_LN2_LOW, _LN2_HIGH = _constant(-2.12194440e-4, _single), _constant(0.693359375, _single)
_SQRT_HALF = _constant(0x3F3504F3, np.int32)  # the bits of float32(sqrt(1/2))
_PI_4 = [
    _constant(part, _single)
    for part in (-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8)
]
_FOUR_PI = _constant(1.27323954473516, _single)
_SIGN = _constant(-(1 << 31), np.int32)
_SINE = np.array(
    [
        _rounded(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1),
        _rounded(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2),
    ]
)
# Adding and taking away 1.5 * 2**(e + 29) rounds a float64 of exponent e to float32's grid. The
# exponents of these sums are known: row 0 is the sine's polynomial, row 1 the cosine's.
_GRID_1 = np.array([[1.5 * 2.0**22], [1.5 * 2.0**19]])
_GRID_2 = np.array([[1.5 * 2.0**26], [1.5 * 2.0**24]])
_START = _SINE[:, 0:1]
_STEP_1 = _SINE[:, 1:2] + _GRID_1
_STEP_2 = _SINE[:, 2:3] + _GRID_2


class _Scratch:
    """Work arrays of one size, so that the loop over blocks allocates nothing."""

    def __init__(self, size: int) -> None:
        self.wide, self.product = np.empty((2, size))
        self.x, self.y, self.z, self.exponent, self.spare = np.empty((5, size), _single)
        self.whole = np.empty(size, np.int32)
        self.series = np.empty((2, size))
        self.pair, self.values = np.empty((2, 2, size), _single)


def _log32(u: Array, work: _Scratch) -> Array:
    """Natural logarithm of float32 in (0, 1]."""
    wide, product, x, y, z = work.wide, work.product, work.x, work.y, work.z
    bits, power, exponent = u.view(np.int32), work.whole, work.exponent
    np.subtract(bits, _SQRT_HALF, out=power)
    power >>= _23  # u = x * 2**power with x in [sqrt(1/2), sqrt(2))
    exponent[:] = power
    power <<= _23
    np.subtract(bits, power, out=power)
    np.subtract(power.view(_single), _ONE, out=x)
    wide[:] = x
    y[:] = _LOG_STEPS[0]
    for coefficient in _LOG_STEPS[1:]:
        product[:] = y
        product *= wide
        product += coefficient
        y[:] = product
    y *= x
    np.multiply(x, x, out=z)
    np.multiply(y, z, out=product, dtype=np.float64)
    np.multiply(exponent, _LN2_LOW, out=work.spare)
    np.add(product, work.spare, out=y, casting="same_kind")
    z *= _HALF_ONE
    y -= z
    x += y
    exponent *= _LN2_HIGH  # exact: the constant has few bits
    x += exponent
    return x


def _sine_cosine32(theta: Array, work: _Scratch) -> tuple[Array, Array]:
    """Sine and cosine of float32 in [0, 2 pi)."""
    octant, turns, spare, square = work.whole, work.exponent, work.spare, work.wide
    np.multiply(theta, _FOUR_PI, out=spare)
    np.copyto(octant, spare, casting="unsafe")
    octant += _1
    octant &= _MINUS_2
    turns[:] = octant
    x, z = work.pair  # the angle within its octant, and its square
    np.multiply(turns, _PI_4[0], out=x)
    x += theta
    for part in _PI_4[1:]:
        np.multiply(turns, part, out=spare)
        x += spare
    np.multiply(x, x, out=z)
    square[:] = z
    series, values = work.series, work.values
    np.multiply(square, _START, out=series)
    series += _STEP_1
    series -= _GRID_1
    series *= square
    series += _STEP_2
    series -= _GRID_2
    values[:] = series
    values *= z
    np.multiply(values, work.pair, out=series, dtype=np.float64)
    z *= _MINUS_HALF
    np.add(series, work.pair, out=values, casting="same_kind")
    values[1] += _ONE
    return _quadrant(values, octant)


def _quadrant(values: Array, octant: Array) -> tuple[Array, Array]:
    """Give the two series of an octant their places and signs, by arithmetic on their bits."""
    bits = values.view(np.int32)
    swap = octant << _30
    swap >>= _31  # all ones where bit 1 is set
    swap &= bits[0] ^ bits[1]
    bits ^= swap
    np.left_shift(octant, _29, out=swap)
    swap &= _SIGN
    bits[0] ^= swap
    octant += _2
    np.left_shift(octant, _29, out=swap)
    swap &= _SIGN
    bits[1] ^= swap
    return values[0], values[1]


def box_muller32(unit: Array, mean: float, std: float) -> None:
    """Turn rows of 16 float32 uniforms into normals, in place: 8 radii, then 8 angles."""
    native = NATIVE.found and NATIVE.found.normals
    if native and unit.size and unit.flags.c_contiguous:
        native(unit.ctypes.data, unit.size // 16, mean, std)
        return
    rows = unit.reshape(-1, 2, 8)
    work = _Scratch(8 * min(len(rows), _ROWS))
    for start in range(0, len(rows), _ROWS):
        block = rows[start : start + _ROWS]
        if 8 * len(block) != work.whole.size:
            work = _Scratch(8 * len(block))
        halves = np.ascontiguousarray(block.view(_HALF).reshape(-1, 2).T).view(_single)
        radius = _log32(_ONE - halves[0], work)
        radius *= _MINUS_TWO
        np.sqrt(radius, out=radius)
        sine, cosine = _sine_cosine32(halves[1] * _TWO_PI, work)
        np.multiply(cosine, radius, out=halves[0])
        np.multiply(sine, radius, out=halves[1])
        found = affine(halves, std, mean)
        block.view(_HALF).reshape(-1, 2)[...] = found.view(_HALF).T


def box_muller64(unit: Array, mean: float, std: float) -> None:
    """The same for float64."""
    rows = unit.reshape(-1, 2, 8)
    radius = np.sqrt(-2.0 * np.log(1.0 - rows[:, 0]))
    theta = 2.0 * math.pi * rows[:, 1]
    rows[:, 0] = affine(radius * np.cos(theta), std, mean)
    rows[:, 1] = affine(radius * np.sin(theta), std, mean)


def few_pairs(unit: list[float]) -> list[float]:
    """Standard normals, two for each two uniforms: the angle's comes first."""
    values: list[float] = []
    for turn, u in zip(unit[0::2], unit[1::2]):
        radius, theta = math.sqrt(-2.0 * math.log1p(-u)), 2.0 * math.pi * turn
        values += (radius * math.cos(theta), radius * math.sin(theta))
    return values


def serial_pairs(unit: Array) -> Array:
    """The same for an array."""
    pairs = unit.reshape(-1, 2)
    radius, theta = np.sqrt(-2.0 * np.log1p(-pairs[:, 1])), 2.0 * math.pi * pairs[:, 0]
    return np.stack([radius * np.cos(theta), radius * np.sin(theta)], axis=1).ravel()


# --- Permutations -------------------------------------------------------------------------------


def swap_forward(partners: Array) -> Array:
    """The result of swapping items i and `partners[i] >= i` of 0..n-1, for i = 0, 1, ..., n-1."""
    n = partners.size
    if n < 1000:
        items = list(range(n))
        for i, j in enumerate(partners.tolist()):
            items[i], items[j] = items[j], items[i]
        return np.array(items, np.int64)
    return _swap_forward_all(partners)


def _swap_forward_all(partners: Array) -> Array:
    """The same without a loop over the items.

    Step i takes what lies at p = partners[i] and leaves there what lay at i. So p holds what an
    earlier step j with the same partner brought from its own place j, or p itself. What lay at
    place j was brought there in the same way: following such links to their end names the item.
    """
    n = partners.size
    if NATIVE.found is not None:
        items = np.arange(n)
        partners = np.ascontiguousarray(partners, np.int64)
        NATIVE.found.swap(partners.ctypes.data, items.ctypes.data, n)
        return items
    kind: Any = np.int32 if n < 1 << 31 else np.int64
    steps = np.arange(n, dtype=kind)
    partners = partners.astype(kind)
    # Sorting (partner, step) puts the steps that share a partner side by side, in order.
    shift = np.int64(n.bit_length())
    ordered = partners.astype(np.int64)
    ordered <<= shift
    ordered |= steps
    ordered.sort()
    step = (ordered & ((np.int64(1) << shift) - 1)).astype(kind)
    ordered >>= shift
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    # The last step before i that left something at i; step i itself does not count.
    link = steps.copy()
    moved = np.flatnonzero(partners != steps)
    link[partners[moved]] = moved  # of repeated indices the last one stays
    open_ends = np.flatnonzero(link != steps)
    while open_ends.size:
        near = link[open_ends]
        far = link[near]
        link[open_ends] = far
        open_ends = open_ends[far != near]
    items = partners.astype(np.int64)
    items[step[same + 1]] = link[step[same]]
    return items
