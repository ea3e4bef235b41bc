"""From the text of cells to typed values, block by block."""

from __future__ import annotations

import collections
import functools
import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.errors import fail
from ..utils.errors import user_level
from .column import Column
from .digits import EXACT, Numbers
from .errors import PrecisionWarning, TableError

# what pandas takes for a missing value
MISSING = frozenset(
    [
        "",
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
        "NULL",
        "NaN",
        "None",
        "n/a",
        "nan",
        "null",
    ]
)
TRUTH = {
    "True": True,
    "TRUE": True,
    "true": True,
    "False": False,
    "FALSE": False,
    "false": False,
}
KINDS = ("boolean", "integer", "real", "text")
FORCED = {bool: "boolean", int: "integer", float: "real", str: "text"}
LARGEST = 2**63 - 1
NONE = np.zeros(0, np.intp)
WIDEST = 18  # characters of a whole number that surely is an int64


def whole_numbers(cells: Sequence[str]) -> np.ndarray | None:
    """Cells of digits, with a minus or not, as int64; None if one is written otherwise."""
    if not cells[0][-1:].isdigit() or not cells[-1][-1:].isdigit():
        return None
    text = ",".join(cells)
    try:
        signs = text.encode("ascii").translate(None, b"0123456789,")
    except UnicodeEncodeError:
        return None
    if signs.strip(b"-") or ",," in text or "-," in text or max(map(len, cells)) > WIDEST:
        return None
    if signs and text.count(",-") + text.startswith("-") != len(signs):
        return None
    return np.fromstring(text, np.int64, sep=",")


def real_numbers(cells: Sequence[str]) -> np.ndarray | None:
    """Cells as Python's `float` reads them; None if one is no number, or NaN, or very large."""
    try:
        values = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    # (Also False for NaN.) Python allows underscores; large whole numbers want a closer look.
    usual = bool((np.abs(values) < EXACT).all()) and "_" not in "".join(cells)
    return values if usual else None


def _all_whole(cells: Sequence[str]) -> bool:
    try:
        collections.deque(map(int, cells), 0)
    except ValueError:
        return False
    return True


def _counts(text: str) -> bool:
    """Whether a mark is a number, and not only "not a number"."""
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False


Strings = Callable[[np.ndarray], Sequence[str]]


class NotYetText(Exception):
    """A column held to be numbers so far has text in a later block: start again."""


@dataclass(frozen=True)
class Notation:
    """How numbers and missing values are written."""

    missing: frozenset[str] = MISSING
    decimal: str = "."
    thousands: str | None = None

    @functools.cached_property
    def usual(self) -> bool:
        """Whether numbers are written as Python writes them, and no number means a gap."""
        return self.decimal == "." and not self.thousands and not any(map(_counts, self.missing))

    @functools.cached_property
    def by_digits(self) -> bool:
        """Whether digits, a minus and a point always are a number, and never a gap."""
        point, marks = self.decimal, self.plain(list(self.missing))
        ordinary = point.isascii() and point.isprintable() and not point.isalnum()
        return ordinary and point != "-" and not self.thousands and not any(map(_counts, marks))

    def plain(self, cells: Sequence[str]) -> Sequence[str]:
        """Cells as Python writes numbers; underscores, which Python allows, made invalid."""
        if self.thousands:
            cells = [cell.replace(self.thousands, "") for cell in cells]
        if self.decimal != ".":
            cells = [cell.replace(".", "?").replace(self.decimal, ".") for cell in cells]
        return [cell.replace("_", "?") for cell in cells] if "_" in "".join(cells) else cells


@dataclass
class Builder:
    """Gathers one column: the narrowest kind that holds every cell seen so far."""

    name: str
    notation: Notation
    forced: str | None = None
    keep: bool = True
    kind: str | None = None
    values: list[np.ndarray] = field(default_factory=list)
    gaps: list[np.ndarray] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)

    def add(self, cells: Sequence[str], lines: np.ndarray, source: str) -> None:
        """Take the cells of one block."""
        if not self.keep and self.kind == "text":
            return  # which no other cell can change
        kind, values = self._at_once(cells)
        missing = np.zeros(len(cells), bool)
        if kind is None:
            missing, present = self._present(cells)
            kind, values = self._convert(present, lines[~missing], source)
        else:
            present = cells
        self.take(kind if present else None, values, missing)

    def may_be_numbers(self) -> bool:
        """Whether the next cells are worth reading by their digits."""
        words = ("boolean", "text")
        return self.notation.by_digits and self.kind not in words and self.forced not in words

    def reads_text(self) -> bool:
        """Whether the next cells matter at all."""
        return self.keep or self.kind != "text"

    def add_numbers(self, numbers: Numbers, strings: Strings, lines: np.ndarray) -> bool:
        """Take the cells of one block read by their digits; False if most are no such numbers.

        `strings(rows)` gives the text of cells.
        """
        every = bool(numbers.plain.all())
        rest = NONE if every else np.flatnonzero(~numbers.plain)
        if 2 * len(rest) >= len(numbers.plain):
            return False
        missing = np.zeros(len(numbers.plain), bool)
        cells: Sequence[str] = []
        if len(rest):
            missing[rest], cells = self._present(strings(rest))
            rest = rest[~missing[rest]]
        kind, values = "integer", None
        pointed = numbers.places if every else numbers.places * numbers.plain
        if self.forced != "real" and not pointed.any():
            values = self._whole(numbers, rest, cells, lines)
        if values is None and self.forced != "integer":
            kind, values = "real", self._real(numbers, rest, cells, lines, strings)
        if values is None:
            return False
        self.take(kind, values[~missing] if missing.any() else values, missing)
        return True

    def _whole(
        self, numbers: Numbers, rest: np.ndarray, cells: Sequence[str], lines: np.ndarray
    ) -> np.ndarray | None:
        others = self.integers(cells, lines[rest]) if cells else None
        if cells and others is None:
            return None
        if not self.keep:
            return np.zeros(len(numbers.plain), np.int64)
        values = numbers.integers()
        if others is not None:
            values[rest] = others
        return values

    def _real(
        self,
        numbers: Numbers,
        rest: np.ndarray,
        cells: Sequence[str],
        lines: np.ndarray,
        strings: Strings,
    ) -> np.ndarray | None:
        others = self.reals(cells, lines[rest]) if cells else None
        if cells and others is None:
            return None
        if not self.keep:
            return np.zeros(len(numbers.plain), np.float64)
        if (numbers.plain & (numbers.places == 0) & (numbers.whole >= EXACT)).any():
            return None  # whole numbers that want a closer look
        values, doubt = numbers.reals()
        if len(doubt):
            values[doubt] = list(map(float, self.notation.plain(strings(doubt))))
        if others is not None:
            values[rest] = others
        return values

    def _present(self, cells: Sequence[str]) -> tuple[np.ndarray, Sequence[str]]:
        """Which cells mean nothing, and the others."""
        marks = self.notation.missing
        absent = {cell for cell in set(cells) if cell in marks or cell.isspace()}
        if not absent:
            return np.zeros(len(cells), bool), cells
        missing = np.fromiter(map(absent.__contains__, cells), bool, len(cells))
        return missing, list(itertools.compress(cells, (~missing).tolist()))

    def take(self, kind: str | None, values: np.ndarray, missing: np.ndarray) -> None:
        """Take the values of one block, which are of that kind, and where none are."""
        if kind is not None:
            self._widen(kind)
        if self.keep:
            self.values.append(values)
            self.gaps.append(missing)

    def _at_once(self, cells: Sequence[str]) -> tuple[str | None, Any]:
        """Kind and values of cells that are all ordinary numbers, which no missing value is."""
        if not cells or not self.notation.usual or self.forced in ("boolean", "text"):
            return None, None
        if self.forced != "real":
            values = whole_numbers(cells)
            if values is not None or self.forced == "integer":
                return (None if values is None else "integer"), values
        values = real_numbers(cells)
        if values is None or (self.forced is None and _all_whole(cells)):
            return None, None
        return "real", values

    def _convert(
        self, cells: Sequence[str], lines: np.ndarray, source: str
    ) -> tuple[str | None, np.ndarray]:
        if not cells:
            return None, np.zeros(0, bool)
        for kind in KINDS if self.forced is None else (self.forced,):
            values = _READERS[kind](self, cells, lines)
            if values is not None:
                return kind, values
        raise self._refused(cells, lines, source)

    def _widen(self, kind: str) -> None:
        if self.kind is None or self.kind == kind:
            self.kind = kind
        elif {self.kind, kind} == {"integer", "real"}:
            self.kind = "real"
        else:
            raise NotYetText(self.name)

    def _refused(self, cells: Sequence[str], lines: np.ndarray, source: str) -> BaseException:
        reader = _READERS[self.forced or "real"]
        bad = [
            number
            for number, cell in enumerate(cells)
            if reader(self, [cell], lines[number : number + 1]) is None
        ]
        first = bad[0] if bad else 0
        what = {"boolean": "True or False", "integer": "a whole number"}
        return fail(
            TableError,
            f"{source}: {self.name}: line {lines[first]} {cells[first]!r} is not "
            f"{what.get(self.forced or '', 'a number')} ({len(bad)} of {len(cells)})",
            f"if it means a missing value: na_values=[{cells[first]!r}]",
        )

    def booleans(self, cells: Sequence[str], lines: np.ndarray) -> np.ndarray | None:
        if cells[0] not in TRUTH or not TRUTH.keys() >= set(cells):
            return None
        return np.array([TRUTH[cell] for cell in cells], bool)

    def integers(self, cells: Sequence[str], lines: np.ndarray) -> np.ndarray | None:
        if self.notation.usual and (values := whole_numbers(cells)) is not None:
            return values
        try:
            return np.array(list(map(int, self.notation.plain(cells))), np.int64)
        except (ValueError, OverflowError):
            return None

    def reals(self, cells: Sequence[str], lines: np.ndarray) -> np.ndarray | None:
        if self.notation.usual and (values := real_numbers(cells)) is not None:
            return values
        plain = self.notation.plain(cells)
        try:
            values = np.array(list(map(float, plain)), np.float64)
        except ValueError:
            return None
        for row in np.flatnonzero(np.abs(values) >= EXACT).tolist():
            whole = plain[row].strip().lstrip("+-")
            if not whole.isdigit():
                continue
            if self.forced is None and int(whole) > LARGEST:
                return None  # beyond int64: exact as text
            if int(whole) != int(abs(values[row])):
                self._warn(plain[row], f"line {lines[row]}", values[row])
                break
        return values

    def texts(self, cells: Sequence[str], lines: np.ndarray) -> np.ndarray:
        if not self.keep:
            return np.empty(0, object)
        if len(self.known) > 100_000:
            self.known.clear()  # hardly anything repeats, so sharing saves nothing
        share = self.known.setdefault
        result = np.empty(len(cells), object)
        result[:] = list(map(share, cells, cells))
        return result

    def _warn(self, exact: object, where: str, value: float) -> None:
        warnings.warn(
            f"{self.name}: {where} {exact} becomes {int(value)}: real numbers are exact only up "
            f"to {EXACT}; read it with dtype={{{self.name!r}: str}}",
            PrecisionWarning,
            stacklevel=user_level(),
        )

    def finish(self, lines: np.ndarray) -> Column:
        """Join the blocks to a column."""
        missing = np.concatenate([np.zeros(0, bool), *self.gaps])
        kind = self.kind or self.forced or "real"
        dtype = {"boolean": bool, "integer": np.int64, "real": np.float64, "text": object}[kind]
        if kind == "real":
            self._check_promoted()
        blocks = [block.astype(dtype, copy=False) for block in self.values if len(block)]
        values = np.concatenate(blocks) if blocks else np.zeros(0, dtype)
        if missing.any():
            gap = {"real": np.nan, "text": None}.get(kind, 0)
            present, values = values, np.full(len(missing), gap, dtype)
            values[~missing] = present
        return Column(self.name, values, missing, lines)

    def _check_promoted(self) -> None:
        """Whole-number blocks that turn real because of another block may lose digits."""
        for block in self.values:
            if block.dtype == np.int64 and len(block):
                lost = block[np.abs(block.astype(np.float64)) >= EXACT]
                lost = lost[lost.astype(np.float64) != lost.astype(object)]
                if len(lost):
                    self._warn(lost[0], "value", float(lost[0]))
                    return


_READERS = {
    "boolean": Builder.booleans,
    "integer": Builder.integers,
    "real": Builder.reals,
    "text": Builder.texts,
}
