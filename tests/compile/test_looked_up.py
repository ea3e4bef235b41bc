"""Which program a call gets is found by what programs were seen to differ in, not by all guards."""

from __future__ import annotations

import enum
from typing import Any

import pytest

import rushlight as torch
from rushlight.compile.calls.guards import Place
from rushlight.testing import assert_close

X = torch.tensor([1.0, 2.0])


class Mode(enum.Enum):
    ONE = 1
    TWO = 2


class Layers(torch.nn.Module):
    """As many guards as a module has, and a flag that the user sets."""

    def __init__(self) -> None:
        super().__init__()
        self.used: Any = None
        self.mode: Any = None
        self.layers = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(4))

    def forward(self, x: Any) -> Any:
        for number, layer in enumerate(self.layers):
            if self.used is None or number in self.used:
                x = layer(x)
        return x + 1 if self.mode is Mode.ONE else x - 1


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Place]:
    """The places that are asked one by one."""
    found: list[Place] = []
    holds = Place.holds

    def noted(place: Place) -> bool:
        found.append(place)
        return holds(place)

    monkeypatch.setattr(Place, "holds", noted)
    return found


def kinds() -> list[tuple[int, ...]]:
    return [tuple(j for j in range(4) if k >> j & 1) for k in range(12)]


@torch.no_grad()
def test_a_call_beyond_the_limit_does_not_ask_all_guards(asked: list[Place]) -> None:
    torch.manual_seed(0)
    net = Layers()
    call = torch.compile(net.forward)
    with pytest.warns(UserWarning, match="programs were made"):
        for _ in range(3):
            for net.used in kinds():
                assert call(X).tolist() == pytest.approx(net.forward(X).tolist())
    assert len(call.programs) == 8
    net.used = kinds()[-1]
    call(X)
    asked.clear()
    assert call(X).tolist() == pytest.approx(net.forward(X).tolist())
    assert len(asked) <= 2 * len(call.programs)
    assert len(call.programs[0].places) > 100


@torch.no_grad()
def test_what_was_turned_away_is_admitted_once_there_is_room_for_it() -> None:
    """What a call is turned away by says nothing of flags: one of them has a program later."""
    torch.manual_seed(0)
    net = Layers()
    call = torch.compile(net.forward)
    x = torch.ones(1, 2)
    for net.used in kinds()[:8]:
        call(x)
    net.used = kinds()[9]
    with pytest.warns(UserWarning, match="programs were made"):
        call(x)
    assert_close(call(x), net.forward(x))
    longer = torch.ones(3, 2)
    net.used = kinds()[0]
    before = len(call.programs)
    for _ in range(3):  # of a kind that has a program, in another size
        assert_close(call(longer), net.forward(longer))
    assert len(call.programs) == before + 1


def test_flags_that_turn_are_looked_at_first(asked: list[Place]) -> None:
    net = Layers()
    call = torch.compile(net.forward)
    x = torch.ones(1, 2)
    for turn in range(8):
        net.mode = Mode.ONE if turn % 2 else Mode.TWO
        assert_close(call(x), net.forward(x))
        asked.clear()
    assert len(call.programs) == 2
    net.mode = Mode.ONE
    likely = [one for one in call.programs if one.standing.likely()]
    assert len(likely) == 1 and len(asked) <= 4
    assert not any(one.captured.shared or one.captured.apart for one in call.programs)


def test_texts_beyond_the_limit() -> None:
    def power(x: Any, how: str) -> Any:
        return x ** int(how[1:])

    call = torch.compile(power, recompile_limit=3)
    texts = [f"p{k}" for k in range(6)]
    with pytest.warns(UserWarning, match="3 programs were made"):
        for text in texts * 4:
            assert call(X, text).tolist() == power(X, text).tolist()
    assert len(call.programs) == 3
    shelf = call._shelf
    assert [len(shelf.suited(shelf.key((X, text), {}))) for text in texts].count(1) == 3
