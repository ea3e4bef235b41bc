"""From the text of cells to typed values, block by block."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np

from ..core.errors import fail
from ..utils.errors import user_level
from .column import Column
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
EXACT = 2**53
LARGEST = 2**63 - 1


class NotYetText(Exception):
    """A column held to be numbers so far has text in a later block: start again."""


@dataclass(frozen=True)
class Notation:
    """How numbers and missing values are written."""

    missing: frozenset[str] = MISSING
    decimal: str = "."
    thousands: str | None = None

    def plain(self, cells: list[str]) -> list[str]:
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

    def add(self, cells: tuple[str, ...], lines: np.ndarray, source: str) -> None:
        """Take the cells of one block."""
        marks = self.notation.missing
        missing = np.array([cell in marks or cell.isspace() for cell in cells], bool)
        present = [cell for cell, gap in zip(cells, missing.tolist(), strict=True) if not gap]
        kind, values = self._convert(present, lines[~missing], source)
        if present and kind is not None:
            self._widen(kind)
        if self.keep:
            self.values.append(values)
            self.gaps.append(missing)

    def _convert(
        self, cells: list[str], lines: np.ndarray, source: str
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

    def _refused(self, cells: list[str], lines: np.ndarray, source: str) -> BaseException:
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

    def booleans(self, cells: list[str], lines: np.ndarray) -> np.ndarray | None:
        if not TRUTH.keys() >= set(cells):
            return None
        return np.array([TRUTH[cell] for cell in cells], bool)

    def integers(self, cells: list[str], lines: np.ndarray) -> np.ndarray | None:
        try:
            return np.array(list(map(int, self.notation.plain(cells))), np.int64)
        except (ValueError, OverflowError):
            return None

    def reals(self, cells: list[str], lines: np.ndarray) -> np.ndarray | None:
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

    def texts(self, cells: list[str], lines: np.ndarray) -> np.ndarray:
        if not self.keep:
            return np.empty(0, object)
        if len(self.known) > 100_000:
            self.known.clear()  # hardly anything repeats, so sharing saves nothing
        share = self.known.setdefault
        result = np.empty(len(cells), object)
        result[:] = [share(cell, cell) for cell in cells]
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
        values = np.zeros(len(missing), dtype)
        values[missing] = {"real": np.nan, "text": None}.get(kind, 0)
        if (~missing).any():
            blocks = [block for block in self.values if len(block)]
            values[~missing] = np.concatenate([block.astype(dtype) for block in blocks])
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
