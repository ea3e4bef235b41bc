"""Rows of an image brought into the order of minimal filtering: channels of a place side by side.

What is beside the image is zeros, in rows that are cleared once and in columns no one writes.
"""

from __future__ import annotations

import math

from ..code.emit import I64, Function, Type, Value
from ..records import record
from .conv_channels_plan import Triple
from .conv_plan import Pair
from .packing import Copy, clear, move, times


@record(frozen=True)
class Turned:
    """Rows of one operand's image with channels side by side, and zeros beside them."""

    size: Pair  # of the image
    padding: Pair
    lines: int  # rows at once
    pitch: int  # places of a row
    steps: Triple  # of the image: from channel to channel, row to row, place to place
    wide: int  # room for the channels of a place
    every: bool  # whether these are all rows, and all that is asked of the image

    @property
    def room(self) -> int:
        return self.lines * self.pitch * self.wide

    @property
    def flat(self) -> bool:
        """Whether short rows are turned together, as one long row."""
        _, h, w = self.steps
        return self.every and h == w * self.size[1] and self.size[1] < 16

    @property
    def stack(self) -> int:
        """Elements, with those of rows that are turned as one."""
        return self.room + (math.prod(self.size) * self.wide if self.flat else 0)


class Rows:
    """Writes the code that turns rows of an image, so that the channels of a place lie together."""

    def __init__(self, f: Function, type: Type, turned: Turned, channels: int) -> None:
        self.f, self.type, self.turned, self.channels = f, type, turned, channels

    def fill(self, image: Value, line: Value, room: Value) -> None:
        """All rows at hand, from row `line` of the image on; those outside become zeros."""
        if self.turned.flat:
            self._together(image, room)
        else:
            self._one_by_one(image, line, room)

    def _copy(self, places: int) -> Copy:
        """A run of places."""
        (channel, _, place), wide = self.turned.steps, self.turned.wide
        return Copy(
            self.type, (), places, self.channels, wide, (place, channel), wide, (0, 0), (0, 0)
        )  # fmt: skip

    def _together(self, image: Value, room: Value) -> None:
        """A small image: rows shorter than a few vectors are turned as one, then set apart."""
        f, (tall, broad) = self.f, self.turned.size
        run, pitch = broad * self.turned.wide, self.turned.pitch * self.turned.wide
        flat = f.stack(self.type.scalar, tall * run)
        move(f, self._copy(tall * broad), 0, image, flat)
        top, left = self.turned.padding
        inside = f.at(room, top * pitch + left * self.turned.wide, self.type)
        with f.loop(0, tall) as rows, f.loop(0, run, self.type.lanes) as lanes:
            value = f.load(self.type, flat, f.add(times(f, rows.index, run), lanes.index))
            f.store(value, inside, f.add(times(f, rows.index, pitch), lanes.index))

    def _one_by_one(self, image: Value, line: Value, room: Value) -> None:
        f, turned = self.f, self.turned
        pitch = turned.pitch * turned.wide
        with f.loop(0, turned.lines) as rows:
            at = f.coerce(f.add(line, rows.index), I64)
            there = f.at(room, times(f, rows.index, pitch), self.type)
            known = f.emit(I64.of("bool"), f"icmp ult {at.typed}, {turned.size[0]}")

            def turn() -> list[Value]:
                here = f.at(image, times(f, at, turned.steps[1]), self.type)
                inside = f.at(there, turned.padding[1] * turned.wide, self.type)
                move(f, self._copy(turned.size[1]), 0, here, inside)
                return []

            def blank() -> list[Value]:
                clear(f, there, pitch * self.type.size)
                return []

            f.branch(known, turn, blank)
