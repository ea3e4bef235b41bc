"""Tables of measurements: a row for each task, a column for each description."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from typing import Any

from .measurement import Measurement, select_unit, trim_sigfig, unit_to_english

# up to so many times the best: green, plain, pale red, red
_MARKS = (
    (1.1, "\033[92m\033[1m{}\033[0m\033[0m"), (2.0, "{}"),
    (5.0, "\033[2m\033[91m{}\033[0m\033[0m"), (math.inf, "\033[31m\033[1m{}\033[0m\033[0m"),
)  # fmt: skip


class Colorize(enum.Enum):
    """Among which cells the fastest and the slowest are marked.

    >>> from rushlight.utils.benchmark import Colorize
    >>> [kind.name for kind in Colorize]
    ['NONE', 'COLUMNWISE', 'ROWWISE']
    """

    NONE = "none"
    COLUMNWISE = "columnwise"
    ROWWISE = "rowwise"


class Compare:
    """Print measurements side by side, one table for each label.

    Rows are told apart by `sub_label` (or the statement), `env` and threads, columns by
    `description`; measurements of one task are merged.
    Source: https://docs.pytorch.org/docs/stable/benchmark_utils.html#torch.utils.benchmark.Compare

    >>> from rushlight.utils.benchmark import Compare, Measurement, TaskSpec
    >>> tasks = [TaskSpec("f(x)", "pass", "", "L", "[8]", name) for name in ("mul", "add")]
    >>> Compare([Measurement(1, [t], task) for t, task in zip((2e-6, 3e-6), tasks)]).print()
    [---------- L ----------]
               |  mul  |  add
    1 threads: --------------
          [8]  |  2.0  |  3.0
    <BLANKLINE>
    Times are in microseconds (us).
    <BLANKLINE>
    """

    def __init__(self, results: Iterable[Measurement]) -> None:
        self._results: list[Measurement] = []
        self.extend_results(results)
        self._trims = self._warns = False
        self._colours = Colorize.NONE

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Add measurements; ValueError for anything else."""
        for one in results:
            if not isinstance(one, Measurement):
                raise ValueError(f"Expected an instance of `Measurement`, got {type(one)} instead.")
            self._results.append(one)

    def trim_significant_figures(self) -> None:
        """Show only the digits that mean something."""
        self._trims = True

    def colorize(self, rowwise: bool = False) -> None:
        """Mark the fastest and the slowest of each column, or of each row."""
        self._colours = Colorize.ROWWISE if rowwise else Colorize.COLUMNWISE

    def highlight_warnings(self) -> None:
        """Mark measurements whose times differ much."""
        self._warns = True

    def print(self) -> None:
        """Print the tables."""
        print(str(self))

    def __str__(self) -> str:
        tables: dict[str, list[Measurement]] = {}
        for one in Measurement.merge(self._results):
            tables.setdefault(one.task_spec.label or one.task_spec.stmt, []).append(one)
        return "\n".join(self._table(title, found) for title, found in tables.items())

    def _table(self, title: str, found: list[Measurement]) -> str:
        unit, scale = select_unit(min(one.median for one in found))
        heads = list(dict.fromkeys(one.task_spec.description or "" for one in found))
        rows: dict[tuple[int, str], dict[str, Measurement]] = {}
        for one in found:
            name = f"({one.env})  {one.as_row_name}" if one.task_spec.env else one.as_row_name
            threads = one.task_spec.num_threads
            rows.setdefault((threads, name), {})[one.task_spec.description or ""] = one
        cells = {head: self._column(head, rows, scale) for head in heads}
        widths = {head: max(map(len, (head, *cells[head].values()))) for head in heads}
        left = max(len(name) for _, name in rows) + 8
        lines = ["  |  ".join([" " * (left - 2), *(head.center(widths[head]) for head in heads)])]
        lines.insert(0, f"[{f' {title} '.center(len(lines[0]) - 2, '-')}]")
        before = None
        for (threads, name), row in sorted(rows.items(), key=lambda item: item[0][0]):
            if threads != before:
                lines.append(f"{threads} threads: ".ljust(len(lines[0]), "-"))
                before = threads
            shown = [
                self._coloured(row.get(head), self._beside(head, threads, row, rows),
                               cells[head][threads, name].center(widths[head]))
                for head in heads
            ]  # fmt: skip
            lines.append("  |  ".join([f"      {name}".ljust(left - 2), *shown]))
        lines.append(f"\nTimes are in {unit_to_english(unit)}s ({unit}).")
        if self._warns and any(one.has_warnings for one in found):
            lines.append(
                "(! XX%) Measurement has high variance, where XX is the IQR / median * 100."
            )
        return "\n".join(lines) + "\n"

    def _column(self, head: str, rows: Any, scale: float) -> dict[Any, str]:
        """The cells of one column, with equally many decimals."""
        found = {key: row[head] for key, row in rows.items() if head in row}
        values = {key: one.median / scale for key, one in found.items()}
        decimals = 1
        if self._trims:
            figures = {key: one.significant_figures for key, one in found.items()}
            decimals = min(max(figures[key] - math.ceil(math.log10(value)), 0)
                           for key, value in values.items())  # fmt: skip
            values = {key: trim_sigfig(value, figures[key]) for key, value in values.items()}
        texts = {key: f"{value:.{decimals}f}" for key, value in values.items()}
        width = max(map(len, texts.values()), default=0)
        warns = self._warns and any(one.has_warnings for one in found.values())
        for key, one in found.items():
            texts[key] = texts[key].rjust(width)
            if warns:
                spread = f" (! {one.iqr / one.median * 100:.0f}%)"
                texts[key] += spread if one.has_warnings else " " * 7
        return {key: texts.get(key, "") for key in rows}

    def _beside(self, head: str, threads: int, row: Any, rows: Any) -> list[float]:
        """The medians that a cell is compared with."""
        if self._colours is Colorize.ROWWISE:
            return [one.median for one in row.values()]
        return [other[head].median for (count, _), other in rows.items()
                if head in other and count == threads]  # fmt: skip

    def _coloured(self, one: Measurement | None, others: list[float], cell: str) -> str:
        if self._colours is Colorize.NONE or one is None:
            return cell
        ratio = one.median / min(others)
        return next((mark.format(cell) for most, mark in _MARKS if ratio <= most), cell)
