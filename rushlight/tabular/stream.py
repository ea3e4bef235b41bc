"""A table file too large for memory, as a series of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .table import Table


class TableStream:
    """Tables of consecutive rows; each `for` loop over it reads the file anew.

    >>> import io
    >>> from rushlight import tabular
    >>> stream = tabular.stream_csv(io.StringIO("x\\n1\\n2\\n3\\n"), chunksize=2)
    >>> [table["x"].tolist() for table in stream]
    [[1, 2], [3]]
    """

    def __init__(self, start: Callable[[], Iterator[Table]]) -> None:
        self._start = start

    def __iter__(self) -> Iterator[Table]:
        return self._start()
