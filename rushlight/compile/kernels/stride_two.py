"""Vectors of every other element: two masked accesses and a shuffle instead of one per lane.

Elements in between are neither read nor written, so they may belong to someone else.
"""

from __future__ import annotations

from ..code.emit import BOOL, Function, Type, Value, lanes_of
from ..code.values import numbers_of


def suits(f: Function, type: Type, writes: bool = False) -> bool:
    """Whether the processor masks elements of this type when it reads, or `writes` them."""
    target = f.module.target
    if target is None or (writes and not target.masks):
        return False
    masks = f.module.vast or target.name == "avx2"
    wide = type.size >= 4 or (type.name == "bfloat16" and target.pairs)
    return masks and type.kind != "b" and wide and type.lanes > 2


def load(f: Function, type: Type, pointer: Value, mask: Value | None) -> Value:
    """pointer[0], pointer[2], ...; masked lanes are not read and become 0."""
    low, high = (f.load(type, pointer, n * type.lanes, _half(f, type, n, mask)) for n in (0, 1))
    return f.shuffle(low, high, [2 * lane for lane in range(type.lanes)])


def store(f: Function, value: Value, pointer: Value, mask: Value | None) -> None:
    """The lanes to pointer[0], pointer[2], ..."""
    type = value.type
    for n in (0, 1):
        half = f.shuffle(value, None, _places(type, n))
        f.store(half, pointer, n * type.lanes, _half(f, type, n, mask))


def _places(type: Type, half: int) -> list[int]:
    """Which lane each place of a half belongs to."""
    return [(half * type.lanes + k) // 2 for k in range(type.lanes)]


def _half(f: Function, type: Type, half: int, mask: Value | None) -> Value:
    even = lanes_of([k % 2 == 0 for k in range(type.lanes)], BOOL.wide(type.lanes))
    kept = None if mask is None else numbers_of(mask)
    if kept is not None:
        there = [kept[lane] and k % 2 == 0 for k, lane in enumerate(_places(type, half))]
        return lanes_of(there, BOOL.wide(type.lanes))
    return even if mask is None else f.bit_and(f.shuffle(mask, None, _places(type, half)), even)
