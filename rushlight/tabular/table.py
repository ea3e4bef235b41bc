"""A table: named columns of equal length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

import rushlight as rl

from ..core.errors import fail
from .column import Column
from .errors import TableError, no_column

Names = str | Sequence[str] | None


class Table:
    """Columns of equal length; every operation returns a new table and leaves this one alone.

    `table["age"]` is a Column, `table[["age", "city"]]` a Table of some columns,
    `table[rows]` a Table of some rows (a slice, indices, or a boolean array such as
    `table["age"] > 30`). `len(table)` is the number of rows.

    >>> table = Table([Column("age", np.array([3, 5])), Column("city", np.array(["a", "b"]))])
    >>> table[table["age"] > 3]["city"].tolist()
    ['b']
    """

    def __init__(self, columns: Iterable[Column]) -> None:
        self._columns: dict[str, Column] = {}
        for column in columns:
            if column.name in self._columns:
                raise TableError(f"duplicate column {column.name!r}")
            self._columns[column.name] = column
        lengths = {name: len(column) for name, column in self._columns.items()}
        if len(set(lengths.values())) > 1:
            raise TableError(f"columns of different lengths: {lengths}")

    @property
    def columns(self) -> list[str]:
        """The names, in order."""
        return list(self._columns)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self), len(self._columns)

    @property
    def kinds(self) -> dict[str, str]:
        """From name to "integer", "real", "boolean" or "text"."""
        return {name: column.kind for name, column in self._columns.items()}

    @property
    def missing(self) -> dict[str, int]:
        """How many values each column lacks, for those that lack any."""
        counts = {name: int(column.missing.sum()) for name, column in self._columns.items()}
        return {name: count for name, count in counts.items() if count}

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self._column(key)
        if isinstance(key, list | tuple) and key and all(isinstance(name, str) for name in key):
            return Table(self._column(name) for name in key)
        if isinstance(key, list | tuple) and not key:
            return Table([])
        rows = np.asarray(key) if not isinstance(key, slice) else key
        if isinstance(rows, np.ndarray) and rows.dtype.kind not in "biu":
            raise no_column(key, self._columns)
        return Table(column.take(rows) for column in self._columns.values())

    def _column(self, name: str) -> Column:
        if name not in self._columns:
            raise no_column(name, self._columns)
        return self._columns[name]

    def _chosen(self, names: Names, kinds: tuple[str, ...] = ()) -> list[Column]:
        """The columns named, or all of the given kinds."""
        if names is None:
            return [c for c in self._columns.values() if not kinds or c.kind in kinds]
        return [self._column(name) for name in ([names] if isinstance(names, str) else names)]

    def _with(self, changed: Mapping[str, Column]) -> Table:
        return Table(changed.get(name, column) for name, column in self._columns.items())

    def __repr__(self) -> str:
        head = f"Table: {len(self):,} rows, {len(self._columns)} columns"
        shown = list(self._columns.values())[:40]
        width = max((len(column.name) for column in shown), default=0)
        lines = []
        for column in shown:
            gaps = int(column.missing.sum())
            start = ", ".join(str(value) for value in column[:4].tolist())
            note = f"{gaps} missing" if gaps else ""
            lines.append(f"  {column.name:<{width}}  {column.kind:<7}  {note:<12}  {start[:48]}")
        if len(self._columns) > len(shown):
            lines.append(f"  ... {len(self._columns) - len(shown)} more")
        return "\n".join(line.rstrip() for line in [head, *lines])

    def head(self, rows: int = 5) -> Table:
        """The first rows."""
        return self[:rows]

    def drop(self, *names: str, columns: Names = None) -> Table:
        """Leave columns out. Raises: ColumnError."""
        given = [columns] if isinstance(columns, str) else list(columns or ())
        gone = {self._column(name).name for name in [*names, *given]}
        return Table(column for name, column in self._columns.items() if name not in gone)

    def with_column(self, name: str, values: Any) -> Table:
        """Add or replace a column; `values` is a Column, an array or a list."""
        column = _as_column(name, values)
        if name in self._columns:
            return self._with({name: column})
        return Table([*self._columns.values(), column])

    def rename(self, names: Mapping[str, str]) -> Table:
        """Give columns other names. Raises: ColumnError."""
        for name in names:
            self._column(name)
        return Table(c.renamed(names.get(name, name)) for name, c in self._columns.items())

    def drop_missing(self, columns: Names = None) -> Table:
        """Leave out the rows that lack a value in any of `columns` (default: all)."""
        gaps = np.zeros(len(self), bool)
        for column in self._chosen(columns):
            gaps |= column.missing
        return self[~gaps]

    def flag_missing(self, columns: Names = None) -> Table:
        """Add a boolean column `name_missing` for each of `columns` that lacks values."""
        flags = [
            Column(f"{column.name}_missing", column.missing.copy())
            for column in self._chosen(columns)
            if column.missing.any()
        ]
        return Table([*self._columns.values(), *flags])

    def fill(
        self, value: Any = None, *, strategy: str | None = None, columns: Names = None
    ) -> Table:
        """Put values where they are missing: a `value` for all, a dict by column, or a strategy.

        `strategy` is "mean", "median" (of number columns) or "mode" (of any). Without
        `columns`, those the value or strategy fits are filled and others left as they are.
        Raises: TableError when a named column does not fit.
        """
        if (value is None) == (strategy is None):
            raise TypeError("fill() needs either a value or a strategy")
        if isinstance(value, Mapping):
            return self._with({name: _filled(self._column(name), v) for name, v in value.items()})
        if strategy not in (None, "mean", "median", "mode"):
            raise ValueError(f"strategy must be mean, median or mode, got {strategy!r}")
        changed = {}
        for column in self._chosen(columns):
            if not column.missing.any():
                continue
            if columns is None and not _fits(column, value, strategy):
                continue
            with_value = value if strategy is None else getattr(column, strategy)()
            changed[column.name] = _filled(column, with_value)
        return self._with(changed)

    def statistics(self, columns: Names = None, ddof: int = 1) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation of the number columns, for `standardize`."""
        chosen = self._chosen(columns, ("integer", "real"))
        return {column.name: (column.mean(), column.std(ddof)) for column in chosen}

    def standardize(
        self,
        columns: Names = None,
        statistics: Mapping[str, tuple[float, float]] | None = None,
        ddof: int = 1,
    ) -> Table:
        """Return (x - mean) / std for the number columns (default: all integer and real ones).

        Missing values stay missing and do not count. Give the training table's `statistics()`
        to treat test data alike. A constant column becomes 0.
        """
        if statistics is None:
            statistics = self.statistics(columns, ddof)
        changed = {}
        for name, (mean, std) in statistics.items():
            column = self._column(name)
            if column.kind == "text":
                raise column.not_numbers()
            scale = std if std > 0 else 1.0
            values = (column.values.astype(np.float64) - mean) / scale
            changed[name] = Column(name, values, column.missing, column.lines)
        return self._with(changed)

    def categories(self, columns: Names = None) -> dict[str, list[Any]]:
        """The different values of the text columns, for `one_hot` of another table."""
        return {column.name: column.unique() for column in self._chosen(columns, ("text",))}

    def one_hot(
        self,
        columns: Names = None,
        missing_column: bool = False,
        categories: Mapping[str, Sequence[Any]] | None = None,
    ) -> Table:
        """Replace each of `columns` (default: text ones) by a boolean column per value.

        The new columns are called `name_value`, stand behind the others, and are in order of
        the values; with `missing_column` each group ends with `name_nan`, as pandas'
        `get_dummies(dummy_na=True)`. Without it a missing value is False everywhere. Give the
        training table's `categories()` to encode test data alike.
        Raises: TableError for a value that is not among `categories`.
        """
        if categories is None:
            categories = self.categories(columns)
        added: list[Column] = []
        for name, values in categories.items():
            column = self._column(name)
            _check_known(column, values)
            added += [Column(f"{name}_{value}", column == value) for value in values]
            if missing_column:
                added.append(Column(f"{name}_nan", column.missing.copy()))
        kept = [column for name, column in self._columns.items() if name not in categories]
        return Table([*kept, *added])

    def to_numpy(self, columns: Names = None, dtype: Any = np.float32) -> np.ndarray:
        """Return the columns as an array (rows, columns).

        Raises: TableError for text, naming the first cell that is no number, and for missing
        values, which must be dropped, filled or flagged first. Warns (PrecisionWarning) of whole
        numbers beyond 2^53 that real numbers round.
        """
        chosen = self._chosen(columns)
        for column in chosen:
            if column.kind == "text":
                raise column.not_numbers()
            if column.missing.any():
                raise column.gaps()
            column.warn_of_rounding(np.dtype(dtype))
        result = np.empty((len(self), len(chosen)), dtype)
        for place, column in enumerate(chosen):
            result[:, place] = column.values
        return result

    def to_tensor(self, columns: Names = None, dtype: Any = None) -> rl.Tensor:
        """Return the columns as a tensor (rows, columns), float32 unless `dtype` is given.

        Raises: TableError as `to_numpy`.
        """
        target = dtype or rl.get_default_dtype()
        array = self.to_numpy(columns, self._exact_kind(columns))
        if array.dtype.kind == "i" and target.is_floating_point:
            for column in self._chosen(columns):
                column.warn_of_rounding(np.dtype(np.float64))
        return rl.from_numpy(array).to(target)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """What NumPy and `tensor` take: `to_numpy` in the type that holds the numbers best."""
        return self.to_numpy(dtype=self._exact_kind() if dtype is None else dtype)

    def _exact_kind(self, columns: Names = None) -> Any:
        whole = all(c.kind in ("integer", "boolean") for c in self._chosen(columns))
        return np.int64 if whole else np.float64


def _as_column(name: str, values: Any) -> Column:
    if isinstance(values, Column):
        return values.renamed(name)
    if isinstance(values, list | tuple) and any(
        value is None or isinstance(value, str) for value in values
    ):
        array = np.empty(len(values), object)
        array[:] = values
        return Column(name, array)
    convert = getattr(values, "to_numpy", None)
    return Column(name, np.asarray(convert() if convert is not None else values))


def _fits(column: Column, value: Any, strategy: str | None) -> bool:
    if strategy is not None:
        return strategy == "mode" or column.kind in ("integer", "real")
    if isinstance(value, bool):
        return column.kind == "boolean"
    if isinstance(value, str):
        return column.kind == "text"
    return column.kind in ("integer", "real")


def _filled(column: Column, value: Any) -> Column:
    """The column with `value` where values were missing; integers become real if they must."""
    kinds = {"text": str, "boolean": bool | np.bool_, "integer": int | float, "real": int | float}
    if not isinstance(value, kinds[column.kind]) or (
        isinstance(value, bool) and column.kind != "boolean"
    ):
        raise fail(
            TableError,
            f"{column.name}: {value!r} does not fit a column of kind {column.kind}",
            f"{int(column.missing.sum())} of {len(column)} values are missing",
        )
    values = column.values
    if column.kind == "integer" and value != int(value):
        values = values.astype(np.float64)
    values = values.copy()
    values[column.missing] = value
    return Column(column.name, values, np.zeros(len(column), bool), column.lines)


def _check_known(column: Column, values: Sequence[Any]) -> None:
    known = set(values)
    for row in np.flatnonzero(~column.missing).tolist():
        if column.values[row] not in known:
            raise fail(
                TableError,
                f"{column.name}: {column.line(row)} {column.values[row]!r} is not among the "
                f"{len(known)} categories",
                "make the categories from all tables that will be encoded",
            )


def concat(tables: Iterable[Table]) -> Table:
    """Put tables one below the other; the columns must be the same, in any order.

    Raises: TableError naming the columns in which they differ.

    >>> from rushlight import tabular
    >>> part = tabular.as_table({"x": [1, 2]})
    >>> len(tabular.concat([part, part]))
    4
    """
    parts = list(tables)
    if not parts:
        raise TableError("concat() needs at least one table")
    names = parts[0].columns
    for number, part in enumerate(parts):
        if set(part.columns) != set(names):
            odd = sorted(set(part.columns) ^ set(names))
            raise TableError(f"table {number} has other columns than table 0: {odd}")
    return Table(_joined(name, [part[name] for part in parts]) for name in names)


def _joined(name: str, parts: list[Column]) -> Column:
    filled = {part.kind for part in parts if not part.missing.all()}
    kinds = filled or {parts[0].kind}
    if len(kinds) > 1 and kinds != {"integer", "real"}:
        raise TableError(f"{name}: kinds differ between the tables: {sorted(kinds)}")
    target = "real" if "real" in kinds else kinds.pop()
    dtype = {"boolean": bool, "integer": np.int64, "real": np.float64, "text": object}[target]
    values = []
    for part in parts:
        blank = np.full(len(part), None if target == "text" else 0, dtype)
        blank[~part.missing] = part.present.astype(dtype)
        values.append(blank)
    missing = np.concatenate([part.missing for part in parts])
    return Column(name, np.concatenate(values), missing)


def as_table(data: Any) -> Table:
    """Make a Table of a dict of columns, a pandas or polars frame, or an array (rows, columns).

    Frames are recognised by `columns` and `to_numpy`; neither library is imported.

    >>> from rushlight import tabular
    >>> tabular.as_table({"x": [1, 2], "y": ["a", "b"]}).columns
    ['x', 'y']
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, Mapping):
        return Table(_as_column(str(name), values) for name, values in data.items())
    if hasattr(data, "columns") and hasattr(data, "to_numpy"):
        return Table(_as_column(str(name), data[name]) for name in data.columns)
    array = np.asarray(data)
    if array.ndim != 2:
        raise TableError(f"expected rows and columns, got the shape {array.shape}")
    return Table(Column(str(number), array[:, number]) for number in range(array.shape[1]))
