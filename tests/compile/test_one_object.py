"""Lists and dictionaries that are one object eagerly are one after a program has run, too."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import backends


class Keeper:
    """Keeps what it gives."""

    def __init__(self) -> None:
        self.last: Any = None

    def step(self, x: Any) -> Any:
        found = {"h": [x * 2]}
        self.last = found
        return found["h"], found


@backends
def test_an_argument_that_is_returned(backend: str) -> None:
    def step(batch: dict[str, Any], pair: tuple[Any, ...], *, more: Any) -> Any:
        return batch, [pair[1]], batch["inner"], more, (batch["x"] * 2).sum()

    compiled = torch.compile(step, backend=backend, fullgraph=True)
    for k in range(4):
        batch = {"x": torch.full((3,), float(k)), "inner": [torch.ones(2), "word"]}
        pair, more = (1, [torch.zeros(2)]), []
        found = compiled(batch, pair, more=more)
        assert found[0] is batch and found[1][0] is pair[1]
        assert found[2] is batch["inner"] and found[3] is more
        assert found[4].item() == 6 * k
    assert len(compiled.programs) == 1 and not compiled.fallbacks


@backends
def test_a_list_in_two_places(backend: str) -> None:
    def step(x: Any) -> Any:
        inner: list[Any] = [x + 1]
        return inner, {"a": inner, "b": [x + 1]}, (inner, [])

    compiled = torch.compile(step, backend=backend, fullgraph=True)
    before: list[Any] = []
    for k in range(4):
        first, table, (third, _) = compiled(torch.full((2,), float(k)))
        assert table["a"] is first is third and table["b"] is not first
        assert first[0].tolist() == [k + 1.0] * 2 == table["b"][0].tolist()
        assert all(first is not one for one in before)
        before.append(first)
    assert len(compiled.programs) == 1


@backends
def test_what_is_kept_and_given(backend: str) -> None:
    keeper = Keeper()
    compiled = torch.compile(keeper.step, backend=backend)
    for k in range(5):
        inner, found = compiled(torch.full((2,), float(k)))
        assert keeper.last is found and found["h"] is inner
        assert inner[0].tolist() == [2.0 * k] * 2
    assert compiled.programs


@backends
def test_one_list_given_twice(backend: str) -> None:
    """At the next call there may be two: which of them is returned, no program knows."""
    compiled = torch.compile(lambda a, b: (b, a[0] + b[0]), backend=backend)
    one, other = [torch.ones(2)], [torch.zeros(2)]
    with pytest.warns(UserWarning, match="two places among arguments"):
        compiled(one, one)
    for a, b in ((one, other), (other, one), (one, one)):
        found, total = compiled(a, b)
        assert found is b
        assert total.tolist() == (a[0] + b[0]).tolist()
