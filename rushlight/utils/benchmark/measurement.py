"""What was timed, the times, and what can be said of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

_UNITS = {"ns": (1e-9, "nanosecond"), "us": (1e-6, "microsecond"),
          "ms": (1e-3, "millisecond"), "s": (1, "second")}  # fmt: skip
_ROUGH, _WILD = 0.1, 0.25  # interquartile range over median: told of, and told of in earnest
_CLOCK = 25e-9  # no interval is known better than this


def _seconds(unit: str) -> float:
    return _UNITS[unit][0]


def select_unit(t: float) -> tuple[str, float]:
    """The unit in which a time has one to three digits before the point, and its seconds.

    >>> from rushlight.utils.benchmark import select_unit
    >>> select_unit(3.2e-5)
    ('us', 1e-06)
    """
    name = max((unit for unit in _UNITS if t >= _UNITS[unit][0]), default="s", key=_seconds)
    return name, _seconds(name)


def unit_to_english(u: str) -> str:
    """The name of a unit: "us" is a "microsecond".

    Raises: KeyError for other units than ns, us, ms and s.

    >>> from rushlight.utils.benchmark.measurement import unit_to_english
    >>> unit_to_english("us")
    'microsecond'
    """
    return _UNITS[u][1]


def trim_sigfig(x: float, n: int) -> float:
    """`x` with `n` significant figures.

    >>> from rushlight.utils.benchmark import trim_sigfig
    >>> trim_sigfig(3.14159, 3)
    3.14
    """
    if x == 0:
        return 0.0
    scale = 10.0 ** (math.ceil(math.log10(abs(x))) - n)
    return float(round(x / scale) * scale) if scale >= 1 else round(x, round(-math.log10(scale)))


@dataclasses.dataclass(init=True, repr=False, eq=True, frozen=True)
class TaskSpec:
    """What is timed: the statement, and the words that tell it from others in a table.

    >>> from rushlight.utils.benchmark import TaskSpec
    >>> TaskSpec(stmt="x + 1", setup="", label="addition", num_threads=2).title
    'addition'
    """

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """The label, or the statement if there is none."""
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        return self.stmt if "\n" not in self.stmt else f"stmt:\n{_indented(self.stmt)}\n"

    def setup_str(self) -> str:
        """The lines that say how it was set up."""
        if self.setup in ("", "pass"):
            return ""
        lines = self.setup.splitlines()
        return f"setup: {self.setup}" if len(lines) == 1 else f"setup:\n{_indented(self.setup)}"

    def summarize(self) -> str:
        """Title, description and set-up."""
        return "\n".join(x for x in (self.title, self.description, self.setup_str()) if x)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip("\n").splitlines())


@dataclasses.dataclass(init=True, repr=False)
class Measurement:
    """The times of one statement: `raw_times` are of `number_per_run` executions each.

    `times`, `median`, `mean`, `iqr` (the range of the middle half) are in seconds per execution.
    Source: https://docs.pytorch.org/docs/stable/benchmark_utils.html#torch.utils.benchmark.Measurement

    >>> from rushlight.utils.benchmark import Measurement, TaskSpec
    >>> found = Measurement(10, [1e-5, 3e-5, 2e-5], TaskSpec("f(x)", "pass"))
    >>> round(found.median, 9), found.number_per_run, found.as_row_name
    (2e-06, 10, 'f(x)')
    """

    number_per_run: int
    raw_times: list[float]
    task_spec: TaskSpec
    metadata: dict[Any, Any] | None = None

    @property
    def times(self) -> list[float]:
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def median(self) -> float:
        return float(np.median(self.times))

    @property
    def mean(self) -> float:
        return float(np.mean(self.times))

    @property
    def iqr(self) -> float:
        low, high = self._quartiles()
        return high - low

    def _quartiles(self) -> tuple[float, float]:
        low, high = np.quantile(self.times, [0.25, 0.75])
        return float(low), float(high)

    @property
    def significant_figures(self) -> int:
        """How many digits of the median mean something, by the spread of the middle half."""
        ordered, count = sorted(self.times), len(self.times)
        middle = ordered[count // 4 : math.ceil(3 * count / 4)]
        error = 1.645 * float(np.std(middle)) / max(math.sqrt(len(middle)), 1.0)
        return min(max(math.floor(-math.log10(max(error, _CLOCK) / self.median)), 1), 4)

    @property
    def has_warnings(self) -> bool:
        return self.iqr / self.median > _ROUGH

    def meets_confidence(self, threshold: float = _ROUGH) -> bool:
        """Whether the middle half lies within `threshold` of the median."""
        return self.iqr / self.median < threshold

    @property
    def title(self) -> str:
        return self.task_spec.title

    @property
    def as_row_name(self) -> str:
        return self.task_spec.sub_label or self.task_spec.stmt or "[Unknown]"

    def __getattr__(self, name: str) -> Any:
        if name in TaskSpec.__dataclass_fields__:  # stmt, label, num_threads ...
            return getattr(self.task_spec, name)
        raise AttributeError(name)

    def __repr__(self) -> str:
        runs = len(self.times)
        unit, scale = select_unit(self.median)
        kind = "Median: " if runs > 1 else ""
        lines = [object.__repr__(self), self.task_spec.summarize(),
                 f"  {kind}{self.median / scale:.2f} {unit}"]  # fmt: skip
        if runs >= 4:
            low, high = (q / scale for q in self._quartiles())
            lines.append(f"  IQR:    {self.iqr / scale:.2f} {unit} ({low:.2f} to {high:.2f})")
        each = " per measurement" if runs > 1 else ""
        threads = self.task_spec.num_threads
        lines.append(
            f"  {runs} measurement{'s' * (runs > 1)}, {self.number_per_run} runs"
            f"{each or ' '}, {threads} thread{'s' * (threads > 1)}"
        )
        if self.has_warnings:
            wild = self.iqr / self.median > _WILD
            lines.append(
                f"  WARNING: Interquartile range is {self.iqr / self.median * 100:.1f}% of the"
                " median measurement.\n           This "
                + ("suggests significant environmental influence." if wild
                   else "could indicate system fluctuation.")
            )  # fmt: skip
        return "\n".join(lines)

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """One measurement for each task, with all its times, per execution."""
        groups: dict[TaskSpec, list[Measurement]] = {}
        for one in measurements:
            groups.setdefault(one.task_spec, []).append(one)
        return [
            Measurement(1, [t for one in group for t in one.times], task)
            for task, group in groups.items()
        ]
