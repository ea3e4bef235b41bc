"""Averages over a profile's events, in the table and under the names of torch.profiler."""

from __future__ import annotations

import enum
from typing import Any


class ProfilerActivity(enum.Enum):
    """What a profile may watch; here there is the processor alone.

    >>> import rushlight as torch
    >>> torch.profiler.ProfilerActivity.CPU.name
    'CPU'
    """

    CPU = 0
    CUDA = 2


class FunctionEventAvg:
    """All events of one name: how many, and their time in microseconds.

    `cpu_time_total` includes what was called in turn, `self_cpu_time_total` does not.
    """

    def __init__(self, key: str, input_shapes: str) -> None:
        self.key, self.input_shapes = key, input_shapes
        self.count, self.cpu_time_total, self.self_cpu_time_total = 0, 0.0, 0.0

    @property
    def cpu_time(self) -> float:
        """The mean of the total."""
        return self.cpu_time_total / self.count

    def add(self, length: int, inner: int) -> None:
        """One more event, in nanoseconds."""
        self.count += 1
        self.cpu_time_total += length / 1e3
        self.self_cpu_time_total += (length - inner) / 1e3

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={_time(self.self_cpu_time_total)}"
            f" cpu_time={_time(self.cpu_time)} count={self.count}>"
        )


def _time(micro: float) -> str:
    """As torch writes a time: in the largest unit that leaves something before the point."""
    for size, unit in ((1e6, "s"), (1e3, "ms")):
        if micro >= size:
            return f"{micro / size:.3f}{unit}"
    return f"{micro:.3f}us"


class EventList(list[FunctionEventAvg]):
    """Averages, and their table."""

    by_shape = False

    @property
    def self_cpu_time_total(self) -> float:
        """The whole time, in microseconds."""
        return sum(event.self_cpu_time_total for event in self)

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """The averages as text, the largest `sort_by` first.

        Raises: AttributeError for an order that is not measured (a GPU's times, memory).
        """
        rows = list(self)
        if sort_by is not None:
            rows.sort(key=lambda event: -getattr(event, sort_by))
        whole = self.self_cpu_time_total
        titles = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg",
                  "# of Calls", *(["Input Shapes"] if self.by_shape else [])]  # fmt: skip
        cells = [_row(event, whole, max_name_column_width) for event in rows[:row_limit]]
        for event, row in zip(rows, cells):
            row += [event.input_shapes[:max_shapes_column_width]] if self.by_shape else []
        widths = [max(len(row[i]) for row in [titles, *cells]) for i in range(len(titles))]
        rule = "  ".join("-" * width for width in widths)
        lines = [rule, _line(titles, widths), rule]
        lines += [_line(row, widths) for row in cells]
        lines += [rule, f"Self CPU time total: {_time(whole)}", ""]
        return "\n".join(lines if header is None else [header, *lines])

    __str__ = table


def _row(event: FunctionEventAvg, whole: float, width: int) -> list[str]:
    name = event.key if len(event.key) <= width else event.key[: width - 3] + "..."
    share = [100 * t / whole if whole else 0.0
             for t in (event.self_cpu_time_total, event.cpu_time_total)]  # fmt: skip
    return [name, f"{share[0]:.2f}%", _time(event.self_cpu_time_total), f"{share[1]:.2f}%",
            _time(event.cpu_time_total), _time(event.cpu_time), str(event.count)]  # fmt: skip


def _line(cells: list[str], widths: list[int]) -> str:
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, widths))


def averages(events: list[Any], by_shape: bool) -> EventList:
    """One average for each name, or for each name with operands of the same shapes."""
    found: dict[tuple[str, str], FunctionEventAvg] = {}
    for event in events:
        key = event.name, event.shapes if by_shape else ""
        if key not in found:
            found[key] = FunctionEventAvg(*key)
        found[key].add(event.length, event.inner)
    listed = EventList(found.values())
    listed.by_shape = by_shape
    return listed
