"""Numbers out of bytes, eight characters at a time, for many cells at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

FRONT = 24  # bytes that stand before the first cell, at which no reading begins
RUN = 16384
EXACT = 2**53
CLOSE = 2.0**-48  # far more than the rounding of a correction
# what to divide by: [places], and from 32 on the same for negative numbers
POWERS = np.array([float(f"1e{max(k - 1, 0)}") for k in range(32)])
DIVISORS = np.concatenate([POWERS, -POWERS])


def _bytes(value: int) -> np.uint64:
    return np.uint64(int.from_bytes(bytes([value]) * 8, "little"))


ZEROS, TOP, ABOVE_NINE = _bytes(ord("0")), _bytes(0x80), _bytes(0x7F - 9)
ONE, SEVEN, EIGHT, ALL = np.uint64(1), np.uint64(7), np.uint64(8), np.uint64(64)
UNUSED = np.arange(64, -1, -8).astype(np.uint64)  # bits of a word without so many characters
# neighbouring digits, pairs and fours are joined by one product each
JOINS = tuple(
    (np.uint64(mask), np.uint64(10**count * 2 ** (8 * count) + 1), np.uint64(8 * count))
    for mask, count in ((2**64 - 1, 1), (0x00FF00FF00FF00FF, 2), (0x0000FFFF0000FFFF, 4))
)


class Numbers(NamedTuple):
    """Cells as digits: only where `plain` do the others mean anything."""

    plain: np.ndarray  # [-]digits[.digits] of at most 24 characters, below 9 * 10 ** 18
    places: np.ndarray  # digits behind the point, and one more for the point; 0: there is none
    minus: np.ndarray
    whole: np.ndarray  # all the digits as one whole number, without sign and point

    def columns(self, rows: int) -> list[Numbers]:
        """The same column by column."""
        parts = [part.reshape(-1, rows) if len(part) else part for part in self]
        return [
            Numbers(*(part[at] if len(part) else part for part in parts))
            for at in range(len(parts[0]))
        ]

    def integers(self) -> np.ndarray:
        """The values as int64."""
        if not self.minus.any():
            return self.whole.copy()
        return np.where(self.minus, -self.whole, self.whole)

    def reals(self) -> tuple[np.ndarray, np.ndarray]:
        """The nearest float64 to each, and where that is in doubt.

        Below 2 ** 53 the quotient of two exact numbers is rounded once. Above, what `whole` has
        beyond a float64 and what the quotient left over (its product with the divisor taken
        exactly: Dekker, Numer. Math. 18, 1971) correct it, unless that is close to half a step.
        """
        index = self.places + self.minus * np.uint8(32)
        divisor, high = DIVISORS.take(index, mode="clip"), self.whole.astype(np.float64)
        value = high / divisor
        large = np.flatnonzero(self.plain & (self.whole >= EXACT))
        if not len(large):
            return value, large
        divisor, high, near = divisor[large], high[large], value[large]
        beyond = (self.whole[large] - high.astype(np.int64)).astype(np.float64)
        (a, b), (c, d), product = _halves(near), _halves(divisor), near * divisor
        error = ((a * c - product) + a * d + b * c) + b * d
        more = (((high - product) - error) + beyond) / divisor
        least, most = near + (more - more * CLOSE), near + (more + more * CLOSE)
        value[large] = least
        return value, large[least != most]


def _halves(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two numbers of 26 bits whose sum is x."""
    wide = x * (2.0**27 + 1)
    high = wide - (wide - x)
    return high, x - high


def words_of(encoded: bytes) -> np.ndarray:
    """The bytes as words of eight, behind `FRONT` zeros."""
    data = np.zeros((FRONT + len(encoded)) // 8 + 1, "<u8")
    data.view(np.uint8)[FRONT : FRONT + len(encoded)] = np.frombuffer(encoded, np.uint8)
    return data


def numbers_of(
    words: np.ndarray, starts: np.ndarray, ends: np.ndarray, point: str, values: bool
) -> Numbers:
    """Read the cells from bytes `starts` to `ends` of `words`; without `values`, their form."""
    count = len(starts)
    result = Numbers(
        np.empty(count, bool),
        np.empty(count, np.uint8),
        np.empty(count, bool),
        np.empty(count if values else 0, np.int64),
    )
    data = words.view(np.uint8)
    mark = np.uint64(ord(point) ^ ord("0"))
    for start in range(0, count, RUN):
        some = slice(start, start + RUN)
        minus = np.equal(data.take(starts[some]), ord("-"), out=result.minus[some])
        length = ends[some] - starts[some]
        length -= minus
        plain, places, parts = _read(words, ends[some], length, mark)
        plain &= length > (places > 0)
        result.places[some] = places
        if len(parts) == 3:
            plain &= (length <= 24) & (places <= 23) & (_joined(parts[2:]) < 900)
        result.plain[some] = plain
        if values:
            result.whole[some] = _joined(parts)
    return result


def _read(
    words: np.ndarray, ends: np.ndarray, length: np.ndarray, mark: np.uint64
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Which cells are plain, their places, and their digits a byte each, the last eight first.

    The eight bytes before an end lie in two words, the eight before those in one more.
    """
    at, over = ends >> 3, ((ends & 7) << 3).view(np.uint64)
    under, right, longest = ALL - over, words.take(at), length.max(initial=0)
    plain, places = np.ones(len(ends), bool), np.zeros(len(ends), np.uint8)
    parts, gap = [], np.zeros(1, np.uint64)
    for number in range(1 + (longest > 8) + (longest > 16)):
        left = words.take(at - (number + 1))
        word = _last((right << under) | (left >> over), length - 8 * number)
        right = left
        if (found := _without_point(word, mark)) is not None:
            also, before, taken = found
            plain &= also & ((places == 0) | (before == 0))
            places += before + (before > 0) * np.uint8(8 * number)
        if number:
            parts[-1] |= word >> (ALL - gap)
            word <<= gap
        gap = gap if found is None else gap + taken
        parts.append(word)
    return plain, places, parts


def _last(word: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The last `length` characters, up to eight, as digits 0 to 9, with zeros before them."""
    unused = UNUSED.take(length, mode="clip")
    word ^= ZEROS
    word >>= unused
    word <<= unused
    return word


def _without_point(
    word: np.ndarray, mark: np.uint64
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Take the point out of `word`: whether that leaves digits, places, the bits it took."""
    odd = word + ABOVE_NINE
    odd |= word
    odd &= TOP
    odd >>= SEVEN  # a one in each byte that is no digit
    if not odd.any():
        return None
    before = odd - ONE  # all bits if there is no point
    found = odd * mark
    plain = (word & (odd * np.uint64(255))) == found
    plain &= (odd & before) == 0
    gap = (odd != 0) * EIGHT
    word ^= found
    moved = word & before
    moved <<= gap
    np.invert(before, out=before)
    word &= before
    word |= moved
    return plain, np.bitwise_count(before) >> 3, gap


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """The digits as whole numbers."""
    total = np.zeros(1, np.int64)
    for number, word in enumerate(parts):
        value = word
        for mask, factor, shift in JOINS:
            value = value & mask
            value *= factor
            value >>= shift
        whole = value.view(np.int64)
        total = total + whole * 10 ** (8 * number) if number else whole
    return total
