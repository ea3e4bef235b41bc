"""The order in which torch's messages list arguments that were given by name.

torch collects them in a hash table of C++'s standard library and walks through that. A new name
goes before all others if its bucket is empty, else before those in its bucket. The hash is Austin
Appleby's MurmurHash64A: https://en.wikipedia.org/wiki/MurmurHash#MurmurHash2
"""

from __future__ import annotations

from collections.abc import Iterable

_BUCKETS = 13  # of a table with up to 13 entries
_FACTOR, _SEED, _ALL = 0xC6A4A7935BD1E995, 0xC70F6907, (1 << 64) - 1


def listed(names: Iterable[str]) -> list[str]:
    """The names as torch lists them when they were given in this order.

    >>> from rushlight.core.word_order import listed
    >>> listed(["dim", "index", "value", "inplace"])
    ['inplace', 'index', 'value', 'dim']
    """
    found: list[tuple[int, str]] = []
    for name in names:
        bucket = _hash(name.encode()) % _BUCKETS
        place = next((i for i, (other, _) in enumerate(found) if other == bucket), 0)
        found.insert(place, (bucket, name))
    return [name for _, name in found]


def _hash(text: bytes) -> int:
    value, whole = _SEED ^ (len(text) * _FACTOR & _ALL), len(text) // 8 * 8
    for start in range(0, whole, 8):
        part = int.from_bytes(text[start : start + 8], "little") * _FACTOR & _ALL
        value = (value ^ (_folded(part) * _FACTOR & _ALL)) * _FACTOR & _ALL
    if text[whole:]:
        value = (value ^ int.from_bytes(text[whole:], "little")) * _FACTOR & _ALL
    return _folded(_folded(value) * _FACTOR & _ALL)


def _folded(value: int) -> int:
    return value ^ value >> 47
