"""Orders in which equal elements stand as torch leaves them.

Where no stable order is asked for, torch sorts by the C++ library's quicksort that falls back on
heaps and ends with insertion (Musser 1997), and takes the first k by its heap or its partition.
Which of two equal elements comes first follows from their steps, which are taken here one by one,
on whole numbers in the elements' order: in Python for short rows, in native code for long ones.
Without a compiler long rows are left in stable order.

Source: D. Musser, Introspective sorting and selection algorithms, 1997.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.heavy import Pieces
from ..core.numbers import anywhere

SMALL = 16  # so many elements are left to insertion
NATIVE = Pieces("ordering")
PAYS, MOST = 1024, 1 << 14  # elements: from which on native code is asked for; the most without it


class Row:
    """Whole numbers, and the places that move with them."""

    def __init__(self, keys: list[int]) -> None:
        self.keys, self.places = keys, list(range(len(keys)))

    def swap(self, i: int, j: int) -> None:
        k, p = self.keys, self.places
        k[i], k[j] = k[j], k[i]
        p[i], p[j] = p[j], p[i]

    def move(self, source: int, target: int) -> None:
        self.keys[target], self.places[target] = self.keys[source], self.places[source]

    def settle(self, a: int, b: int) -> None:
        """From a to b what insertion leaves: in order, equal elements as they stood."""
        k, p = self.keys, self.places
        found = sorted(range(a, b), key=k.__getitem__)
        k[a:b], p[a:b] = [k[i] for i in found], [p[i] for i in found]

    def sink(self, a: int, top: int, length: int, key: int, place: int) -> None:
        """A heap from a on: the hole at the top sinks, then the element rises into it."""
        k = self.keys
        hole = child = top
        while child < (length - 1) // 2:
            child = 2 * child + 2
            child -= k[a + child] < k[a + child - 1]
            self.move(a + child, a + hole)
            hole = child
        if length % 2 == 0 and child == (length - 2) // 2:
            child = 2 * child + 1
            self.move(a + child, a + hole)
            hole = child
        while hole > top and k[a + (hole - 1) // 2] < key:
            self.move(a + (hole - 1) // 2, a + hole)
            hole = (hole - 1) // 2
        k[a + hole], self.places[a + hole] = key, place

    def gather(self, a: int, middle: int, b: int) -> None:
        """The smallest of a to b go to a to middle, as a heap of the largest."""
        k, p = self.keys, self.places
        for at in range((middle - a - 2) // 2, -1, -1):
            self.sink(a, at, middle - a, k[a + at], p[a + at])
        for i in range(middle, b):
            if k[i] < k[a]:
                key, place = k[i], p[i]
                self.move(a, i)
                self.sink(a, 0, middle - a, key, place)

    def unpile(self, a: int, b: int) -> None:
        """A heap from a to b, put in order."""
        for end in range(b - 1, a, -1):
            key, place = self.keys[end], self.places[end]
            self.move(a, end)
            self.sink(a, 0, end - a, key, place)

    def split(self, a: int, b: int) -> int:
        """Around the middle one of three: where the larger ones begin."""
        k, p = self.keys, self.places
        x, y, z = a + 1, a + (b - a) // 2, b - 1
        if k[x] < k[y]:
            self.swap(a, y if k[y] < k[z] else z if k[x] < k[z] else x)
        else:
            self.swap(a, x if k[x] < k[z] else z if k[y] < k[z] else y)
        pivot, first, last = k[a], a + 1, b
        while True:
            while k[first] < pivot:
                first += 1
            last -= 1
            while pivot < k[last]:
                last -= 1
            if first >= last:
                return first
            k[first], k[last] = k[last], k[first]
            p[first], p[last] = p[last], p[first]
            first += 1

    def divide(self, a: int, b: int, depth: int) -> None:
        """Split until what is left is small; a heap takes over where splits do not halve."""
        while b - a > SMALL:
            if depth == 0:
                self.gather(a, b, b)
                self.unpile(a, b)
                return
            depth -= 1
            cut = self.split(a, b)
            self.divide(cut, b, depth)
            b = cut

    def order(self, a: int, b: int) -> None:
        """All elements from a to b."""
        self.divide(a, b, _depth(b - a))
        self.settle(a, b)

    def nearest(self, nth: int, b: int) -> None:
        """Element nth where it belongs, the smaller ones before it."""
        a, depth = 0, _depth(b)
        while b - a > 3:
            if depth == 0:
                self.gather(a, nth + 1, b)
                self.swap(a, nth)
                return
            depth -= 1
            cut = self.split(a, b)
            a, b = (cut, b) if cut <= nth else (a, cut)
        self.settle(a, b)

    def select(self, first: int) -> None:
        """The first elements in order, at the beginning."""
        count = len(self.keys)
        if first * 64 <= count:
            self.gather(0, first, count)
            self.unpile(0, first)
        else:
            self.nearest(first - 1, count)
            self.order(0, first - 1)

    def kth(self, k: int) -> int:
        """Where element k in order comes from: by partition around the middle one of three."""
        keys, low, high = self.keys, 0, len(self.keys) - 1
        while high > low:
            if high == low + 1:
                if keys[low] > keys[high]:
                    self.swap(low, high)
                break
            self.swap(low + (high - low) // 2, low + 1)
            for i, j in ((low + 1, high), (low, high), (low + 1, low)):
                if keys[i] > keys[j]:
                    self.swap(i, j)
            i, j, pivot = low + 1, high, keys[low]
            while True:
                i += 1
                while pivot > keys[i]:
                    i += 1
                j -= 1
                while keys[j] > pivot:
                    j -= 1
                if j < i:
                    break
                self.swap(i, j)
            self.swap(low, j)
            low, high = (i if j <= k else low), (j - 1 if j >= k else high)
        return self.places[k]


def _depth(count: int) -> int:
    return 2 * (max(count, 1).bit_length() - 1)


_WIDE = (
    (np.dtype(np.float32), np.dtype(np.int32), 31), (np.dtype(np.float64), np.dtype(np.int64), 63)
)  # fmt: skip
_LOWEST = {31: np.int32(-1 << 31), 63: np.int64(-1 << 63)}


def keys_of(x: np.ndarray, descending: bool) -> np.ndarray:
    """Whole numbers in the order of the elements; nan is the largest, whatever its bits."""
    kind = x.dtype.kind
    if kind in "iu":
        keys = x.view(np.int64) ^ _LOWEST[63] if x.dtype == np.uint64 else x
    elif kind == "b":
        keys = x
    else:
        wide, whole, sign = _WIDE[x.dtype.itemsize == 8]
        bits = (x.astype(wide) + wide.type(0)).view(whole)  # there is one zero
        keys = bits ^ ((bits >> sign) & ~_LOWEST[sign])  # negative ones the other way round
        missing = x != x
        if anywhere(missing):
            keys[missing] = ~_LOWEST[sign]
    keys = keys.astype(np.int64, order="C")
    return np.invert(keys, keys) if descending else keys


_slow = [0]  # elements that Python has put in order so far


def natively(x: np.ndarray, descending: bool, first: int | None = None) -> np.ndarray | None:
    """Where the elements of each row, or the first, come from in order; None: no native code."""
    rare = x.size < PAYS and _slow[0] < 4 * PAYS  # whichever way it is, the steps are the same
    native = None if rare else NATIVE.found
    if native is None:
        return None
    keys = np.ascontiguousarray(keys_of(x, descending))
    count = x.shape[-1]
    found = np.empty(x.shape, np.int64)
    found[:] = np.arange(count)
    sizes = (x.size // count, count, first or 0, _depth(count), _depth((first or 1) - 1))
    run: Any = native.sort if first is None else native.select
    run(keys.ctypes.data, found.ctypes.data, *sizes)
    return found if first is None else found[..., :first]


def slowly(x: np.ndarray, descending: bool, first: int | None = None) -> np.ndarray | None:
    """The same in Python; None where there is too much for that."""
    if x.size > MOST:
        return None
    _slow[0] += x.size
    rows = keys_of(x, descending).reshape(-1, x.shape[-1])
    found = np.array([_row(row, first) for row in rows.tolist()], np.int64)
    return found.reshape(*x.shape[:-1], -1)


def kth(x: np.ndarray, k: int) -> np.ndarray | None:
    """Where element k of each row in order comes from; None where there is too much for Python.

    Source: quickselect, Hoare 1961, with the middle one of three as pivot.
    """
    if x.size > MOST:
        return None
    rows = keys_of(x, False).reshape(-1, x.shape[-1])
    found = np.array([Row(row).kth(k) for row in rows.tolist()], np.int64)
    return found.reshape(*x.shape[:-1], 1)


def _row(keys: list[int], first: int | None) -> list[int]:
    row = Row(keys)
    if first is None:
        row.order(0, len(keys))
    else:
        row.select(first)
    return row.places[:first]
