"""A table file too large for memory, as a series of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .table import Table


class TableStream:
    """Tables of consecutive rows; each `for` loop over it reads the file anew."""

    def __init__(self, start: Callable[[], Iterator[Table]]) -> None:
        self._start = start

    def __iter__(self) -> Iterator[Table]:
        return self._start()
