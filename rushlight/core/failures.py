"""Code behind a function's own that only an exception reaches: calls that succeed pay nothing.

Beside a function's code Python keeps a table that says where an exception leads. What no `try` of
the function's own covers is given one more handler here, which asks `explain` and lets the
exception go on, unless another was raised in its place, or the call is to be made again.
`misuse.py`, which decides so for the public functions, loads when the first of them fails.

The table is no part of the language: only versions of CPython on which this was run have it
changed. Elsewhere functions stay as they are, and errors are those that their bodies raise.
"""

from __future__ import annotations

import functools
import importlib
import opcode
import sys
import warnings
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any, NamedTuple

_RUN_ON = ((3, 11), (3, 12), (3, 13), (3, 14), (3, 15))
_SUSPENDED = 0x20 | 0x80 | 0x200  # generators and coroutines, whose frames end elsewhere
_NO_COLUMNS = 13  # of the kinds of entries in the table of lines
_HANDLER = """
def template():
    try:
        raise
    except:
        if 'explain'():
            return 'again'()
        raise
"""


class Region(NamedTuple):
    """Code units [start, end), where an exception in them leads, and with how deep a stack."""

    start: int
    end: int
    target: int
    depth: int  # twice the depth, plus one if the place of the exception is pushed too

    def moved(self, by: int) -> Region:
        """The same elsewhere."""
        return Region(self.start + by, self.end + by, self.target + by, self.depth)


def explain() -> bool:
    """What `misuse` says of the exception that is on its way out of a public function: whether its
    call is to be made again."""
    return importlib.import_module(f"{__package__}.misuse").explain()


def again() -> Any:
    """The call, made again."""
    return importlib.import_module(f"{__package__}.misuse").again()


def explained(code: CodeType, *asked: Callable[[], Any]) -> CodeType:
    """The same code, with `explain()` called while an exception is on its way out of it, and what
    `again()` gives returned if that says so."""
    if sys.implementation.name != "cpython" or sys.version_info[:2] not in _RUN_ON:
        return code
    handler, own_regions, slots, stack = _handler()
    place = len(code.co_consts)
    if code.co_flags & _SUSPENDED or place > 254:
        return code
    size, added = len(code.co_code) // 2, bytearray(handler)
    for i, slot in enumerate(slots):
        added[slot + 1] = place + i
    regions = [*_covered(code, size), *(region.moved(size) for region in own_regions)]
    return code.replace(
        co_code=code.co_code + added, co_consts=(*code.co_consts, *(asked or (explain, again))),
        co_exceptiontable=b"".join(map(_entry, regions)),
        co_linetable=code.co_linetable + _unmoved(len(added) // 2),
        co_stacksize=max(code.co_stacksize, stack),
    )  # fmt: skip


@functools.cache
def _handler() -> tuple[bytes, list[Region], list[int], int]:
    """The handler's code as Python compiles it, its own regions, where its constants are asked for,
    and the stack it needs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are no strings that will stand there
        outer = compile(_HANDLER, __file__, "exec")
    code = next(one for one in outer.co_consts if type(one) is CodeType)
    body, *own = _regions(code)
    first, load = body.target, opcode.opmap["LOAD_CONST"]
    places = [bytes([load, code.co_consts.index(name)]) for name in ("explain", "again")]
    slots = [code.co_code.index(pair, 2 * first) - 2 * first for pair in places]
    own = [region.moved(-first) for region in own]
    return code.co_code[2 * first :], own, slots, code.co_stacksize


def _covered(code: CodeType, size: int) -> Iterator[Region]:
    """The code's own regions, and between them those that lead to what will follow it."""
    reached = 0
    for region in _regions(code):
        if region.start > reached:
            yield Region(reached, region.start, size, 0)
        yield region
        reached = region.end
    if reached < size:
        yield Region(reached, size, size, 0)


def _regions(code: CodeType) -> list[Region]:
    """The table of exceptions, read: four numbers of six bits to a byte for each region."""
    numbers, value = [], 0
    for byte in code.co_exceptiontable:
        value = value << 6 | byte & 63
        if not byte & 64:
            numbers.append(value)
            value = 0
    fours = zip(*[iter(numbers)] * 4)
    return [Region(start, start + length, target, depth) for start, length, target, depth in fours]


def _entry(region: Region) -> bytes:
    """A region as the table has it; the first byte of each is marked."""
    first, *rest = (
        byte
        for number in (region.start, region.end - region.start, region.target, region.depth)
        for byte in _in_sixes(number)
    )
    return bytes([first | 128, *rest])


def _in_sixes(number: int) -> list[int]:
    digits = [number & 63]
    while number := number >> 6:
        digits.append(number & 63 | 64)
    return digits[::-1]


def _unmoved(units: int) -> bytes:
    """Entries of the table of lines for so many code units on the line that was the last."""
    parts = [min(8, units - done) for done in range(0, units, 8)]
    return b"".join(bytes([128 | _NO_COLUMNS << 3 | part - 1, 0]) for part in parts)
