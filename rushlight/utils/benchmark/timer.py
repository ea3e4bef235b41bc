"""Statements timed: with a set number of threads, warmed up, often enough to be believed."""

from __future__ import annotations

import enum
import textwrap
import timeit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import rushlight as rl

from .measurement import Measurement, TaskSpec

timer = timeit.default_timer


class Language(enum.Enum):
    """What a statement is written in.

    >>> from rushlight.utils.benchmark import Language
    >>> [language.name for language in Language]
    ['PYTHON', 'CPP']
    """

    PYTHON = 0
    CPP = 1


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = rl.get_num_threads()
    try:
        rl.set_num_threads(count)
        yield
    finally:
        rl.set_num_threads(before)


class Timer:
    """Time a statement: `Timer("f(x)", globals={"f": f, "x": x}).blocked_autorange()`.

    Arguments: `stmt` and `setup`, Python code; `timer`, a clock in seconds; `globals`, the names
    that the code sees (`torch` is always there); `label`, `sub_label`, `description` and `env`,
    words for `Compare`; `num_threads` (1) for the time of the measurement.
    Raises ValueError for code that is no string or not Python.
    Source: https://docs.pytorch.org/docs/stable/benchmark_utils.html#torch.utils.benchmark.Timer

    >>> from rushlight.utils.benchmark import Timer
    >>> found = Timer("x + x", setup="x = torch.ones(3)", label="sums").timeit(20)
    >>> found.number_per_run, len(found.times), found.median > 0
    (20, 1, True)
    """

    def __init__(
        self, stmt: str = "pass", setup: str = "pass", global_setup: str = "",
        timer: Callable[[], float] = timer, globals: dict[str, Any] | None = None,
        label: str | None = None, sub_label: str | None = None, description: str | None = None,
        env: str | None = None, num_threads: int = 1, language: Any = Language.PYTHON,
    ) -> None:  # fmt: skip
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        if language not in (Language.PYTHON, "py", "python"):
            raise ValueError("only Python is timed: there is no C++ toolchain in it")
        if global_setup:
            raise ValueError(
                f"global_setup is C++ only, got `{global_setup}`. Most likely this code can simply"
                " be moved to `setup`."
            )
        stmt, setup = textwrap.dedent(stmt).strip(), textwrap.dedent(setup).strip()
        names = {"torch": rl, **(globals or {})}
        self._timer = timeit.Timer(stmt, setup, timer, names)
        self._task_spec = TaskSpec(
            stmt, setup, global_setup, label, sub_label, description, env, num_threads
        )

    def _time(self, number: int) -> float:
        return max(self._timer.timeit(number), 1e-9)

    def timeit(self, number: int = 1000000) -> Measurement:
        """Execute the statement `number` times, after a hundredth of that to warm up."""
        with _threads(self._task_spec.num_threads):
            self._time(max(number // 100, 2))
            return Measurement(number, [self._time(number)], self._task_spec)

    def _block(self, least: float) -> int:
        """How many executions make one time that the clock and the loop do not spoil."""
        idle = float(np.median([self._timer.timeit(0) for _ in range(5)]))
        number = 1
        while True:
            taken = self._time(number)
            if taken > least or (idle / taken <= 1e-4 and taken >= least / 1000):
                return number
            number *= 10

    def _blocks(
        self, number: int, least: float, most: float, enough: Callable[[Measurement], bool],
        callback: Callable[[int, float], Any] | None,
    ) -> Measurement:  # fmt: skip
        found, total = Measurement(number, [], self._task_spec), 0.0
        while total < least or (total < most and not enough(found)):
            taken = self._time(number)
            found.raw_times.append(taken)
            total += taken
            if callback is not None:
                callback(number, taken)
        return found

    def blocked_autorange(
        self, callback: Callable[[int, float], Any] | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Times of blocks of executions, for at least `min_run_time` seconds."""
        with _threads(self._task_spec.num_threads):
            number = self._block(min_run_time)
            return self._blocks(number, min_run_time, min_run_time, lambda _: True, callback)

    def adaptive_autorange(
        self, threshold: float = 0.1, *, min_run_time: float = 0.01, max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:  # fmt: skip
        """The same until the middle half of the times lies within `threshold` of the median."""
        with _threads(self._task_spec.num_threads):
            number = self._block(0.05)
            enough = lambda found: len(found.raw_times) > 2 and found.meets_confidence(threshold)
            return self._blocks(number, min_run_time, max_run_time, enough, callback)

    def autorange(self, callback: Callable[[int, float], Any] | None = None) -> Any:
        """As `timeit.Timer.autorange` of the standard library: (executions, seconds)."""
        with _threads(self._task_spec.num_threads):
            return self._timer.autorange(callback)

    def repeat(self, repeat: int = -1, number: int = -1) -> list[float]:
        """As `timeit.Timer.repeat` of the standard library."""
        given = {k: v for k, v in (("repeat", repeat), ("number", number)) if v > 0}
        with _threads(self._task_spec.num_threads):
            return self._timer.repeat(**given)
