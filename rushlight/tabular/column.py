"""One column of a table: values of one kind, and which of them are missing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..core.errors import fail
from ..utils.errors import user_level
from .digits import EXACT
from .errors import PrecisionWarning, TableError

KINDS = {"i": "integer", "f": "real", "b": "boolean", "O": "text"}


class Column:
    """Values (n,) of one kind ("integer", "real", "boolean", "text") with a mask of the missing.

    Comparisons give boolean arrays (False where missing) to choose rows with.

    >>> column = Column("age", np.array([3, 0, 5]), np.array([False, True, False]))
    >>> column.kind, column.tolist(), column.mean()
    ('integer', [3, None, 5], 4.0)
    >>> column > 3
    array([False, False,  True])
    """

    __slots__ = ("lines", "missing", "name", "values")
    __hash__ = None  # type: ignore[assignment]  # compared by element

    def __init__(
        self,
        name: str,
        values: np.ndarray,
        missing: np.ndarray | None = None,
        lines: np.ndarray | None = None,
    ) -> None:
        self.name = name
        self.values, found = _known_kind(name, np.asarray(values))
        self.missing = found if missing is None else found | missing
        self.lines = lines

    @property
    def kind(self) -> str:
        """One of "integer", "real", "boolean", "text"."""
        return KINDS[self.values.dtype.kind]

    @property
    def present(self) -> np.ndarray:
        """The values that are not missing."""
        return self.values[~self.missing]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            return None if self.missing[index] else self.values[index]
        return self.take(index)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """What NumPy and `tensor` take: numbers, all of them there, or objects if asked for.

        A missing value would become a NaN without a word, and text no number at all.
        """
        if dtype is not None and np.dtype(dtype).kind == "O":
            array = np.empty(len(self), object)
            array[:] = self.tolist()
            return array
        if self.kind == "text":
            raise self.not_numbers()
        if self.missing.any():
            raise self.gaps()
        return np.array(self.values, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        shown = ", ".join(repr(value) for value in self[:6].tolist())
        dots = ", ..." if len(self) > 6 else ""
        gaps = int(self.missing.sum())
        note = f", {gaps} missing" if gaps else ""
        return f"Column({self.name!r}, {self.kind}, {len(self)} rows{note}: {shown}{dots})"

    def take(self, rows: Any) -> Column:
        """The column at `rows`: a slice, indices or a boolean array."""
        lines = None if self.lines is None else self.lines[rows]
        return Column(self.name, self.values[rows], self.missing[rows], lines)

    def renamed(self, name: str) -> Column:
        """The same column under another name."""
        return Column(name, self.values, self.missing, self.lines)

    def tolist(self) -> list[Any]:
        """Python values, None where missing."""
        return [
            None if gap else value
            for value, gap in zip(self.values.tolist(), self.missing.tolist(), strict=True)
        ]

    def to_numpy(self) -> np.ndarray:
        """Values as an array: float64 with NaN where numbers are missing, else the own type.

        Raises: TableError for text.
        """
        if self.kind == "text":
            raise self.not_numbers()
        if not self.missing.any():
            return self.values.copy()
        return np.where(self.missing, np.nan, self.values.astype(np.float64))

    def numbers(self) -> np.ndarray:
        """The values present as float64; TableError for text."""
        if self.kind == "text":
            raise self.not_numbers()
        return self.present.astype(np.float64)

    def mean(self) -> float:
        """Mean of the values present; of equal ones exactly that value."""
        values = self._some()
        return float(values[0] if values.min() == values.max() else values.mean())

    def std(self, ddof: int = 1) -> float:
        """Standard deviation of the values present, with n - 1 as pandas has it."""
        values = self._some()
        if len(values) <= ddof:
            return float("nan")
        return 0.0 if values.min() == values.max() else float(values.std(ddof=ddof))

    def median(self) -> float:
        """Median of the values present."""
        return float(np.median(self._some()))

    def mode(self) -> Any:
        """The commonest value present; of several, the first in order."""
        counts = self.counts()
        if not counts:
            raise TableError(f"{self.name}: every value is missing")
        return max(counts, key=lambda value: counts[value])

    def _some(self) -> np.ndarray:
        values = self.numbers()
        if not len(values):
            raise TableError(f"{self.name}: every value is missing")
        return values

    def unique(self) -> list[Any]:
        """The different values present, in order."""
        return list(self.counts())

    def counts(self) -> dict[Any, int]:
        """How often each value occurs, in order of the values."""
        values, counts = np.unique(self.present, return_counts=True)
        return dict(zip(values.tolist(), counts.tolist(), strict=True))

    def line(self, row: int) -> str:
        """Where a row comes from: its line in the file, or its number."""
        return f"row {row}" if self.lines is None else f"line {self.lines[row]}"

    def not_numbers(self) -> BaseException:
        """The error that names the first cell that is no number."""
        present = np.flatnonzero(~self.missing)
        bad = [row for row in present.tolist() if not _is_number(self.values[row])]
        if not bad:
            first = int(present[0]) if len(present) else 0
            text = f"{self.name}: {self.line(first)} {self.values[first]!r} is stored as text"
            return fail(
                TableError,
                text,
                "a whole number beyond int64, or read with dtype=str; dtype=float reads it roughly",
            )
        text = (
            f"{self.name}: {self.line(bad[0])} {self.values[bad[0]]!r} is not a number "
            f"({len(bad)} of {len(present)})"
        )
        if 2 * len(bad) < len(present):
            hint = (
                f"if it means a missing value: read_csv(..., na_values=[{self.values[bad[0]]!r}])"
            )
        else:
            hint = f"text becomes numbers by one_hot([{self.name!r}]), or leave it out by drop"
        return fail(TableError, text, hint)

    def gaps(self) -> BaseException:
        """The error that demands a choice about missing values."""
        gaps = np.flatnonzero(self.missing)
        return fail(
            TableError,
            f"{self.name}: {len(gaps)} of {len(self)} values are missing "
            f"(first at {self.line(int(gaps[0]))})",
            "choose: drop_missing() leaves those rows out, fill(0) or fill(strategy='mean') puts "
            "values in, one_hot(missing_column=True) or flag_missing() keeps the fact as a column",
        )

    def warn_of_rounding(self, kind: np.dtype) -> None:
        """PrecisionWarning where whole numbers such as ids lose their last digits in `kind`."""
        if self.kind != "integer" or kind.kind != "f":
            return
        rows = np.flatnonzero((self.values >= EXACT) | (self.values <= -EXACT))
        for row in rows[self.values[rows].astype(kind).astype(object) != self.values[rows]][:1]:
            exact = self.values[row]
            warnings.warn(
                f"{self.name}: {self.line(int(row))} {exact} becomes {int(kind.type(exact))}: real"
                f" numbers are exact only up to {EXACT}; leave it out by drop, or ask for"
                " dtype=int64",
                PrecisionWarning,
                stacklevel=user_level(),
            )

    def _compare(self, other: Any, test: Callable[[Any, Any], np.ndarray]) -> np.ndarray:
        if isinstance(other, Column):
            absent = self.missing | other.missing
            other = other.values
        else:
            absent = self.missing
        result = np.zeros(len(self), bool)
        keep = ~absent
        other = other[keep] if isinstance(other, np.ndarray) else other
        result[keep] = test(self.values[keep], other)
        return result

    def __eq__(self, other: object) -> Any:
        return self._compare(other, lambda a, b: a == b)

    def __ne__(self, other: object) -> Any:
        return self._compare(other, lambda a, b: a != b)

    def __lt__(self, other: Any) -> np.ndarray:
        return self._compare(other, lambda a, b: a < b)

    def __le__(self, other: Any) -> np.ndarray:
        return self._compare(other, lambda a, b: a <= b)

    def __gt__(self, other: Any) -> np.ndarray:
        return self._compare(other, lambda a, b: a > b)

    def __ge__(self, other: Any) -> np.ndarray:
        return self._compare(other, lambda a, b: a >= b)

    def isin(self, values: Any) -> np.ndarray:
        """True where the value is one of `values`."""
        known = set(values)
        return np.array([value in known for value in self.tolist()], bool)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _known_kind(name: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values in one of the four stored types, and which of them are missing in themselves."""
    if values.ndim != 1:
        raise TableError(f"{name}: a column has one dimension, got the shape {values.shape}")
    kind = values.dtype.kind
    if kind == "f":
        values = values.astype(np.float64, copy=False)
        return values, np.isnan(values)
    if kind in "iu":
        if kind == "u" and len(values) and int(values.max()) > np.iinfo(np.int64).max:
            raise TableError(f"{name}: {values.max()} is too large for int64")
        return values.astype(np.int64, copy=False), np.zeros(len(values), bool)
    if kind == "b":
        return values, np.zeros(len(values), bool)
    if kind in "UT":
        return values.astype(object), np.zeros(len(values), bool)
    if kind == "O":
        return _from_objects(name, values)
    raise TableError(f"{name}: values of type {values.dtype} have no place in a table")


def _from_objects(name: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Python objects: None and NaN are missing; the rest must be of one kind."""
    if set(map(type, values)) <= {str, type(None)}:
        return values.copy(), np.equal(values, np.array(None)).astype(bool)
    missing = np.array([value is None or value != value for value in values], bool)
    present = values[~missing]
    kinds = {type(value) for value in present}
    if kinds <= {str}:
        values = values.copy()
        values[missing] = None
        return values, missing
    if all(issubclass(kind, bool | np.bool_) for kind in kinds):
        dtype: Any = bool
    elif all(issubclass(kind, int | np.integer) for kind in kinds):
        dtype = np.int64
    elif all(issubclass(kind, int | float | np.number) for kind in kinds):
        dtype = np.float64
    else:
        found = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise TableError(f"{name}: values of one kind are needed, got {found}")
    result = np.zeros(len(values), dtype)
    result[~missing] = present.astype(dtype)
    if dtype is np.float64:
        result[missing] = np.nan
    return result, missing
