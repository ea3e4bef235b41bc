"""Rows of a file, many at a time: records of text, or bytes with the places of their cells."""

from __future__ import annotations

import csv
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .digits import FRONT, numbers_of, words_of
from .lines import Plain
from .parse import Builder


@dataclass
class Records:
    """Cells as text, column by column, and the line of each row."""

    lines: np.ndarray
    columns: list[Sequence[str]]

    def __len__(self) -> int:
        return len(self.lines)

    def rows(self, start: int, stop: int | None) -> Records:
        """Some of the rows."""
        return Records(self.lines[start:stop], [cells[start:stop] for cells in self.columns])

    def feed(self, builders: list[Builder], source: str) -> None:
        """Give each column to its builder."""
        for builder, cells in zip(builders, self.columns, strict=True):
            builder.add(cells, self.lines, source)


@dataclass
class Cut:
    """Cells as places (columns, rows) in words of bytes, and the line of each row."""

    lines: np.ndarray
    text: str | bytes  # what was encoded: the text itself, if all is ASCII
    words: np.ndarray
    starts: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.lines)

    def rows(self, start: int, stop: int | None) -> Cut:
        """Some of the rows."""
        some = slice(start, stop)
        places = self.starts[:, some], self.ends[:, some]
        return Cut(self.lines[some], self.text, self.words, *places)

    def strings(self, column: int, rows: np.ndarray | slice) -> list[str]:
        """The text of some cells of a column."""
        starts, ends = self.starts[column][rows] - FRONT, self.ends[column][rows] - FRONT
        places, text = zip(starts.tolist(), ends.tolist(), strict=True), self.text
        if isinstance(text, str):
            return [text[start:end] for start, end in places]
        return [text[start:end].decode("utf-8", "surrogatepass") for start, end in places]

    def feed(self, builders: list[Builder], source: str) -> None:
        """Give each column to its builder: as numbers, where it may be of numbers."""
        rest = dict(enumerate(builders))
        if len(self):
            self._feed_numbers(rest)
        for place, builder in rest.items():
            if builder.reads_text():
                builder.add(self.strings(place, slice(None)), self.lines, source)

    def _feed_numbers(self, builders: dict[int, Builder]) -> None:
        """Take from `builders` those whose column of this block is of numbers."""
        places = [place for place, builder in builders.items() if builder.may_be_numbers()]
        if not places:
            return
        first, rows = builders[places[0]], len(self)
        chosen = places if len(places) < len(builders) else slice(None)
        starts, ends = self.starts[chosen], self.ends[chosen]
        found = numbers_of(self.words, starts, ends, first.notation.decimal, first.keep)
        whole = [
            alone and builders[place].forced != "real"
            for place, alone in zip(places, found.whole_columns(rows).tolist(), strict=True)
        ]
        columns = [] if all(whole) else found.columns(rows)
        values, full = None, np.zeros(rows, bool)
        if first.keep and any(whole):
            values = found.integers().reshape(-1, rows)
        for at, place in enumerate(places):
            strings = functools.partial(self.strings, place)
            if whole[at]:
                builders[place].take("integer", full if values is None else values[at], full)
            elif not builders[place].add_numbers(columns[at], strings, self.lines):
                continue
            del builders[place]


def cut(plain: Plain, sep: str, width: int, places: list[int]) -> Cut | None:
    """Plain lines cut into cells, if every line has the right number of them."""
    if not sep.isascii():
        return None
    encoded = plain.text.encode("utf-8", "surrogatepass")
    words = words_of(encoded)
    data = words.view(np.uint8)
    newline = data == ord("\n")
    rows = int(np.count_nonzero(newline))
    ends = np.flatnonzero(newline | (data == ord(sep)))
    if len(ends) != rows * width:
        return None
    ends = np.ascontiguousarray(ends.reshape(rows, width).T)
    if not newline[ends[-1]].all():
        return None
    starts = np.empty_like(ends)
    starts[0, 0], starts[0, 1:], starts[1:] = FRONT, ends[-1, :-1] + 1, ends[:-1] + 1
    sizes = ends - starts
    if sizes.max() >= csv.field_size_limit() or (width == 1 and not sizes.all()):
        return None  # (blank lines are no records)
    if len(places) != width:
        starts, ends = starts[places], ends[places]
    text = plain.text if len(encoded) == len(plain.text) else encoded
    return Cut(np.arange(plain.line, plain.line + rows), text, words, starts, ends)
