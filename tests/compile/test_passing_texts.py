"""Texts that are others at every call cost a few programs; words that come again have theirs."""

from __future__ import annotations

import random
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import alike, backends, seen

nn = torch.nn


class World:
    """A net, and a text that a step goes by: an argument, one in a list, an attribute."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.net, self.text = nn.Linear(3, 2), ""
        self.opt = torch.optim.SGD(self.net.parameters(), lr=0.05)

    def train(self, x: Any, factor: Any) -> Any:
        self.opt.zero_grad()
        loss = self.net(x).pow(2).mean() * factor
        loss.backward()
        self.opt.step()
        return loss

    def argument(self, x: Any, text: str) -> Any:
        return self.train(x, len(text))

    def listed(self, x: Any, text: str) -> Any:
        return self.several(x, [text, text + "!"])

    def several(self, x: Any, texts: list[str]) -> Any:
        return self.train(x, len(texts[1]))

    def attribute(self, x: Any, text: str) -> Any:
        self.text = text
        return self.held(x)

    def held(self, x: Any) -> Any:
        return self.train(x, len(self.text))

    def numbered(self, x: Any, text: str) -> Any:
        return self.beside(x, text, len(text) % 5)

    def beside(self, x: Any, text: str, k: int) -> Any:
        return self.train(x, len(text)) + k


WAYS = {"argument": "argument", "listed": "several", "attribute": "held", "numbered": "beside"}


def course(way: str, wrap: Any, texts: list[str], seed: int) -> Any:
    rng, found, world = random.Random(seed), [], World()
    generator = torch.Generator().manual_seed(seed)
    call = wrap(getattr(world, WAYS[way]))
    setattr(world, WAYS[way], call)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k, text in enumerate(texts):
            if k % 6 == 5:
                world.opt.param_groups[0]["lr"] = rng.choice([0.01, 0.02])
                world.net.bias.data.fill_(rng.random())
            given = getattr(world, way)(torch.randn(4, 3, generator=generator), text)
            found.append(seen([given, list(world.net.parameters())]))
    return found, call


@pytest.mark.parametrize("way", WAYS)
@backends
def test_texts_that_never_come_again(way: str, backend: str) -> None:
    texts = ["x" * (k * 7 % 23) + str(k) for k in range(24)]
    wanted, _ = course(way, lambda step: step, texts, 1)
    found, call = course(way, lambda step: torch.compile(step, backend=backend), texts, 1)
    alike(found, wanted)
    assert len(call.programs) <= 3
    assert sum("text that has not come before" in str(why) for why in call.reasons) == 1


@pytest.mark.parametrize("way", ["argument", "listed", "attribute"])
@backends
def test_words_that_come_again(way: str, backend: str) -> None:
    texts = ["train", "train", "validate", "test", "all", "predict"] * 4
    wanted, _ = course(way, lambda step: step, texts, 2)
    found, call = course(way, lambda step: torch.compile(step, backend=backend), texts, 2)
    alike(found, wanted)
    assert len(call.programs) == 5


def test_a_whole_graph_is_made_of_every_text() -> None:
    call = torch.compile(lambda x, text: x * len(text), fullgraph=True)
    for k in range(6):
        assert call(torch.ones(2), "a" * k).tolist() == [k, k]
    assert len(call.programs) == 6


def test_other_differences_make_programs_at_once() -> None:
    call = torch.compile(lambda x, text: x * len(text))
    for k in range(6):
        call(torch.ones(k + 1), "a" * k)
    assert len(call.programs) == 6


def test_what_to_do_with_draws_that_a_program_cannot_make() -> None:
    order = list(range(4))

    def step(x: Any) -> Any:
        random.shuffle(order)
        return x[order]

    call = torch.compile(step)
    with pytest.warns(UserWarning, match=r"shuffle\(\) must happen .* draw outside the function"):
        call(torch.arange(4.0))
    call(torch.arange(4.0))
    assert not call.programs
