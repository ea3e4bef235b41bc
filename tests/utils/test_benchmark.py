"""Statements are run as often as asked, with the threads asked for, and seen with their names."""

from __future__ import annotations

import pytest

import rushlight as rl
from rushlight.utils.benchmark import Timer


class Clock:
    """Advances by what each reading says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_counts_threads_and_names() -> None:
    seen: list[int] = []
    before = rl.get_num_threads()
    timer = Timer(
        "note(torch.get_num_threads())", setup="seen.append(0)", num_threads=2,
        globals={"note": seen.append, "seen": seen},
    )  # fmt: skip
    found = timer.timeit(300)
    assert found.number_per_run == 300 and len(found.times) == 1
    assert seen == [0, 2, 2, 2, 0] + [2] * 300, "three to warm up"
    assert rl.get_num_threads() == before


def test_blocks_until_the_time_is_up() -> None:
    clock, calls = Clock(), []

    def work() -> None:
        clock.now += 0.01

    timer = Timer("work()", globals={"work": work}, timer=clock)
    found = timer.blocked_autorange(lambda n, t: calls.append((n, t)), min_run_time=0.1)
    assert found.number_per_run == 1 and found.median == pytest.approx(0.01)
    assert len(found.times) in (10, 11) and calls == [(1, t) for t in found.raw_times]
    steady = timer.adaptive_autorange(min_run_time=0.02)
    assert len(steady.times) == 3, "enough for a spread"


def test_an_error_in_the_statement_restores_the_threads() -> None:
    before = rl.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        Timer("1 / 0", num_threads=before + 1).timeit(3)
    assert rl.get_num_threads() == before
    with pytest.raises(ValueError, match="only Python is timed"):
        Timer("x", language="c++")
