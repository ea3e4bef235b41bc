"""Parses numbers from bytes, eight characters at a time, for many cells at once."""

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
BELOW = (ONE << (EIGHT * np.arange(9).astype(np.uint64))) - ONE  # so many bytes, all bits
MOST = 15 / 16  # of the cells are written alike where that is made use of
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

    def whole_columns(self, rows: int) -> np.ndarray:
        """Which columns hold whole numbers alone."""
        odd = ~self.plain | (self.places > 0)
        return np.logical_not(odd.reshape(-1, rows).any(1))

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
    """Read the cells (columns, rows) from bytes `starts` to `ends` of `words`, laid out flat.

    Without `values` only their form is looked at.
    """
    rows, count = starts.shape[1], starts.size
    starts, ends = starts.reshape(-1), ends.reshape(-1)
    result = Numbers(
        np.empty(count, bool),
        np.empty(count, np.uint8),
        np.empty(count, bool),
        np.empty(count if values else 0, np.int64),
    )
    step = RUN if rows < RUN // 4 else rows  # cells of one column are often written alike
    for first in range(0, count, step):
        for start in range(first, min(first + step, count), RUN):
            some = slice(start, min(start + RUN, first + step))
            part = Numbers(*(array[some] for array in result))
            _read(words, starts[some], ends[some], ord(point), part)
    return result


def _read(
    words: np.ndarray, starts: np.ndarray, ends: np.ndarray, point: int, out: Numbers
) -> None:
    data = words.view(np.uint8)
    minus = np.equal(data.take(starts), ord("-"), out=out.minus)
    length = ends - starts
    length -= minus
    pieces = _eights(words, ends, 1 + int(length.max() - 1) // 8)
    first = data[starts[0] : ends[0]].tolist()
    behind = len(first) - first.index(point) if point in first else 0
    read = _alike(data, pieces, ends, length, behind, point)
    if read is None:
        read = _unlike(pieces, length, np.uint64(point ^ ord("0")))
    plain, out.places[:], parts = read
    if len(parts) == 3:
        plain &= (length <= 24) & (out.places <= 23) & (_joined(parts[2:]) < 900)
    out.plain[:] = plain
    if len(out.whole):
        out.whole[:] = _joined(parts)


def _eights(words: np.ndarray, ends: np.ndarray, count: int) -> list[np.ndarray]:
    """The eight bytes before each end, those before them, ..., up to three times.

    They lie in two words, the eight before those in one more. Digits become 0 to 9.
    """
    at, over = ends >> 3, ((ends & 7) << 3).view(np.uint64)
    under, right, pieces = ALL - over, words.take(at), []
    for _ in range(min(max(count, 1), 3)):
        at -= 1
        left = words.take(at)
        right <<= under
        right |= left >> over
        right ^= ZEROS
        pieces.append(right)
        right = left
    return pieces


def _alike(
    data: np.ndarray,
    pieces: list[np.ndarray],
    ends: np.ndarray,
    length: np.ndarray,
    behind: int,
    point: int,
) -> tuple[np.ndarray, np.ndarray | np.uint8, list[np.ndarray]] | None:
    """Plain, places and digits of cells with the same number of digits behind the point.

    None if that is not the way most of them are written.
    """
    pointed = data.take(ends - behind) == point if behind else None
    if pointed is not None and not pointed.all() and pointed.sum() < MOST * (length > 0).sum():
        return None
    parts, digits, odd = [], length - 1 if behind else length, None
    for number, piece in enumerate(pieces):
        place, word = behind - 8 * number, piece
        if 0 < place <= 8:
            word = ((piece << EIGHT) & BELOW[8 - place + 1]) | (piece & ~BELOW[8 - place + 1])
        elif behind and place <= 0:
            word = piece << EIGHT
        if behind and place <= 8 and number + 1 < len(pieces):
            word = word | (pieces[number + 1] >> np.uint64(56))
        word = _last(word, digits - 8 * number if number else digits, fresh=word is not piece)
        more = word + ABOVE_NINE
        more |= word
        odd = more if odd is None else odd | more
        parts.append(word)
    assert odd is not None
    odd &= TOP
    plain = digits > 0
    if pointed is not None:
        plain &= pointed
    if odd.any():
        plain &= odd == 0
        if plain.sum() < MOST * (length > 0).sum():
            return None
    return plain, np.uint8(behind), parts


def _unlike(
    pieces: list[np.ndarray], length: np.ndarray, mark: np.uint64
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Plain, places, and digits a byte each, the last eight first, of cells of any form."""
    plain, places = np.ones(len(length), bool), np.zeros(len(length), np.uint8)
    parts, gap = [], np.zeros(1, np.uint64)
    for number, piece in enumerate(pieces):
        word = _last(piece, length - 8 * number)
        if (found := _without_point(word, mark)) is not None:
            also, before, taken = found
            plain &= also & ((places == 0) | (before == 0))
            places += before + (before > 0) * np.uint8(8 * number)
        if number:
            parts[-1] |= word >> (ALL - gap)
            word <<= gap
        gap = gap if found is None else gap + taken
        parts.append(word)
    plain &= length > (places > 0)
    return plain, places, parts


def _last(word: np.ndarray, length: np.ndarray, fresh: bool = False) -> np.ndarray:
    """The last `length` characters, up to eight, with zeros before them."""
    unused = UNUSED.take(length, mode="clip")
    word = np.right_shift(word, unused, out=word if fresh else None)
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
