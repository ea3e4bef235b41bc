"""Read CSV files into tables."""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

import numpy as np

from ..core.errors import fail
from .blocks import Cut, Records, cut
from .errors import EmptyData, PrecisionWarning, TableError, no_column
from .lines import Plain, Source, check_header
from .parse import FORCED, MISSING, Builder, Notation, NotYetText
from .stream import TableStream
from .table import Table

# cells of records taken at a time: about 2 MB, which stay in the processor's cache
CELLS = 25_000


@dataclass
class Layout:
    """What is asked of the columns, and, once the header is read, what they are."""

    source: Source
    notation: Notation
    header: bool
    names: list[str] | None
    wanted: list[str] | None
    dtype: dict[str, type] | type | None
    limit: int | None
    width: int = 0
    kept: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    settled: tuple[int, ...] | None = None  # the file whose kinds are known

    def open(self) -> Iterator[tuple[int, list[str]] | Plain]:
        """Read the header, settle the columns, and return what is below it."""
        items = self.source.items()
        first = next(items, None)
        if first is None or isinstance(first, Plain):  # (never Plain: the first is a record)
            raise EmptyData(f"{self.source.name}: no data: the file has no lines")
        line, row = first
        names = self.names or (row if self.header else [str(n) for n in range(len(row))])
        if len(names) != len(row):
            raise TableError(
                f"{self.source.name}: line {line}: {len(names)} names for {len(row)} columns"
            )
        self.width = len(row)
        self._settle(check_header(names, self.source))
        return items if self.header else itertools.chain([first], items)

    def _settle(self, names: list[str]) -> None:
        given = self.dtype if isinstance(self.dtype, dict) else {}
        places = {name: place for place, name in enumerate(names)}
        for name in [*(self.wanted or ()), *given]:
            if name not in places:
                raise no_column(name, names)
        wanted = places if self.wanted is None else set(self.wanted)
        self.kept = [name for name in names if name in wanted]
        self.places = [places[name] for name in self.kept]
        self.kinds = _kinds(self.dtype, names) | self.kinds

    def builders(self, keep: bool) -> list[Builder]:
        """One builder for each column kept."""
        return [Builder(name, self.notation, self.kinds.get(name), keep) for name in self.kept]


Block = Records | Cut


def blocks(layout: Layout) -> Iterator[Block]:
    """What the file holds, a cacheful at a time: plain lines by their bytes, others as records."""
    left = sys.maxsize if layout.limit is None else layout.limit
    found, records = _found(layout.open(), layout), []
    size = max(1, CELLS // layout.width)
    while left > len(records) and (item := next(found, None)) is not None:
        if not isinstance(item, Cut):
            records.append(item)
            if len(records) < size:
                continue
        if records:
            left -= len(records)
            yield _block(records, layout)
            records = []
        if isinstance(item, Cut):
            item = item.rows(0, left)
            left -= len(item)
            yield item
    if records:
        yield _block(records, layout)


def _found(
    items: Iterator[tuple[int, list[str]] | Plain], layout: Layout
) -> Iterator[tuple[int, list[str]] | Cut]:
    """Records, and blocks of plain lines that all have the right number of cells."""
    for item in items:
        if not isinstance(item, Plain):
            yield item
        elif (found := cut(item, layout.source.sep, layout.width, layout.places)) is not None:
            yield found
        else:
            yield from layout.source.rows_of(item)


def _block(records: list[tuple[int, list[str]]], layout: Layout) -> Records:
    for line, row in records:
        if len(row) != layout.width:
            raise _ragged(layout, line, row)
    columns = list(zip(*(row for _, row in records), strict=True))
    lines = np.array([line for line, _ in records], np.int64)
    return Records(lines, [columns[place] for place in layout.places])


def _ragged(layout: Layout, line: int, row: list[str]) -> BaseException:
    text = layout.source.sep.join(row)
    return fail(
        TableError,
        f"{layout.source.name}: line {line}: expected {layout.width} fields, found {len(row)}",
        text if len(text) <= 200 else text[:200] + "...",
    )


def _pass(layout: Layout, keep: bool) -> tuple[list[Builder], np.ndarray]:
    """Read everything; start again when a later block shows that a column is text after all."""
    while True:
        found = blocks(layout)
        lines = [np.zeros(0, np.int64)]
        try:
            block = next(found, None)
            builders = layout.builders(keep)
            while block is not None:
                block.feed(builders, layout.source.name)
                if keep:
                    lines.append(block.lines)
                block = next(found, None)
            return builders, np.concatenate(lines)
        except NotYetText as error:
            layout.kinds[str(error)] = "text"


def read_whole(layout: Layout) -> Table:
    """Read all rows into one table."""
    builders, lines = _pass(layout, keep=True)
    return Table([builder.finish(lines) for builder in builders])


def read_in_chunks(layout: Layout, size: int) -> Iterator[Table]:
    """Tables of at most `size` rows whose columns have the same kinds throughout."""
    stamp = layout.source.stamp()
    if stamp is None or stamp != layout.settled:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PrecisionWarning)  # the second pass will warn
            builders, _ = _pass(layout, keep=False)
        layout.kinds = {builder.name: builder.kind or "real" for builder in builders}
        layout.settled = stamp
    for chunk in _chunks(blocks(layout), size):
        builders = layout.builders(keep=True)
        for block in chunk:
            block.feed(builders, layout.source.name)
        lines = np.concatenate([block.lines for block in chunk])
        yield Table([builder.finish(lines) for builder in builders])


def _chunks(found: Iterator[Block], size: int) -> Iterator[list[Block]]:
    """Blocks that have `size` rows together, the last ones fewer."""
    held: list[Block] = []
    left = size
    for block in found:
        while len(block) >= left:
            yield [*held, block.rows(0, left)]
            held, block, left = [], block.rows(left, None), size
        if len(block):
            held.append(block)
            left -= len(block)
    if held:
        yield held


class Options(TypedDict, total=False):
    """How to read: pandas' names and meanings. `dtype` maps names to bool, int, float, str."""

    header: int | None
    names: Sequence[str] | None
    usecols: Sequence[str] | None
    dtype: dict[str, type] | type | None
    na_values: Iterable[str] | str
    keep_default_na: bool
    quotechar: str
    decimal: str
    thousands: str | None
    skiprows: int
    nrows: int | None


def read_csv(
    path_or_buffer: Any, sep: str = ",", encoding: str = "utf-8", **options: Unpack[Options]
) -> Table:
    """Read a CSV file (a path, packed with gzip or not, or a buffer) into a Table.

    A column is of the narrowest kind that holds all its cells: boolean, integer, real, text.
    Empty cells and NA, NaN, null and the like are missing, and stay marked as such.
    The `Options` are keyword arguments under pandas' names.
    Raises: TableError with the line number and the cell for ragged rows, wrong cells,
    undecodable bytes, NUL bytes, double columns, a separator that does not separate;
    EmptyData; ColumnError for names that are not there. Warns: PrecisionWarning.
    Source: https://pandas.pydata.org/docs/reference/api/pandas.read_csv.html

    >>> import io
    >>> from rushlight import tabular
    >>> table = tabular.read_csv(io.StringIO("rooms,price\\n3,100.5\\nNA,80\\n"))
    >>> table.columns, len(table)
    (['rooms', 'price'], 2)
    """
    return read_whole(_layout(path_or_buffer, sep, encoding, options))


def stream_csv(
    path_or_buffer: Any,
    chunksize: int = 100_000,
    sep: str = ",",
    encoding: str = "utf-8",
    **options: Unpack[Options],
) -> TableStream:
    """Read a CSV file of any size as tables of at most `chunksize` rows, one at a time.

    The first loop over the result reads the file twice, at first to find the kind of every
    column, so that the tables agree; later ones once, if the file (no buffer) is as it was.
    Memory stays that of one table. Options and errors as `read_csv`.

    >>> import io
    >>> from rushlight import tabular
    >>> stream = tabular.stream_csv(io.StringIO("x\\n1\\n2\\n3\\n"), chunksize=2)
    >>> [len(table) for table in stream]
    [2, 1]
    """
    if chunksize < 1:
        raise ValueError(f"chunksize must be at least 1, got {chunksize}")
    layout = _layout(path_or_buffer, sep, encoding, options)
    return TableStream(lambda: read_in_chunks(layout, chunksize))


def _layout(path_or_buffer: Any, sep: str, encoding: str, options: Options) -> Layout:
    unknown = options.keys() - Options.__annotations__.keys()
    if unknown:
        raise TypeError(f"read_csv() got unexpected keyword arguments {sorted(unknown)}")
    marks = options.get("na_values", ())
    missing = frozenset([marks] if isinstance(marks, str) else marks)
    names, wanted = options.get("names"), options.get("usecols")
    quote, skip = options.get("quotechar", '"'), options.get("skiprows", 0)
    return Layout(
        source=Source(path_or_buffer, sep, encoding, quote, skip),
        notation=Notation(
            missing | MISSING if options.get("keep_default_na", True) else missing,
            options.get("decimal", "."),
            options.get("thousands"),
        ),
        header=options.get("header", 0 if names is None else None) is not None,
        names=None if names is None else list(names),
        wanted=None if wanted is None else list(wanted),
        dtype=options.get("dtype"),
        limit=options.get("nrows"),
    )


def _kinds(dtype: dict[str, type] | type | None, names: list[str]) -> dict[str, str]:
    """Column names to kinds, from Python's types: one for all, or one for each name."""
    wanted = dict.fromkeys(names, dtype) if isinstance(dtype, type) else dtype or {}
    for name, kind in wanted.items():
        if kind not in FORCED:
            raise TypeError(f"dtype of {name!r} must be bool, int, float or str, got {kind!r}")
    return {name: FORCED[kind] for name, kind in wanted.items()}
