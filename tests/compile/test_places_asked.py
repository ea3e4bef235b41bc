"""In which order a program asks whether what it takes for granted still stands."""

from __future__ import annotations

from typing import Any

import pytest

from rushlight.compile.calls.guards import SOUGHT, Place, Standing


def watched(count: int) -> tuple[dict[int, Any], list[int], list[Place]]:
    """A table, what was asked of it so far, and the places that ask."""
    table: dict[int, Any] = dict.fromkeys(range(count), 0)
    asked: list[int] = []

    def look(k: int) -> Any:
        def found(of: dict[int, Any]) -> Any:
            asked.append(k)
            return of[k]

        return found

    return table, asked, [Place("content", table, look(k), 0, str(k)) for k in range(count)]


def test_what_did_not_hold_is_asked_before_all_others():
    table, asked, places = watched(50)
    check = Standing(places, 0).holds
    assert check() and asked == list(range(50))
    table[49] = 1
    assert not check()  # this looks for it
    asked.clear()
    assert not check() and not check()
    assert asked == [49, 49]
    table[7] = 1
    table[49] = 0
    assert not check()
    asked.clear()
    assert not check()
    assert asked == [49, 7]
    table[7] = 0
    asked.clear()
    assert check()
    assert asked == [49, 7, *range(50)]


def test_it_is_looked_for_a_few_times_only():
    table, asked, places = watched(20)
    check = Standing(places, 0).holds
    for k in range(SOUGHT + 3):
        table[k] = 1
        assert not check()
        table[k] = 0
    asked.clear()
    assert check()
    assert asked == [*range(SOUGHT), *range(20)]


@pytest.mark.parametrize("error", [KeyError, ZeroDivisionError])
def test_a_place_that_cannot_be_asked_does_not_hold(error):
    def fails(table: Any) -> Any:
        raise error("gone")

    places = [Place("content", {}, lambda table: 0, 0, "fine"),
              Place("content", {}, fails, 0, "gone")]  # fmt: skip
    check = Standing(places, 0).holds
    assert [check() for _ in range(3)] == [False] * 3
