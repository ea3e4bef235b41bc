"""Writes to what shares its own elements: a compiled function refuses them as the eager one does.

An expanded tensor has one place for several elements, so no order of writes means what was asked;
torch refuses it. A traced call once did it, and gave numbers where the eager call raised.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import backends

REFUSED: dict[str, Callable[[Any], Any]] = {
    "added to": lambda x: x.expand(2, 4).add_(1),
    "by a sign": lambda x: x.expand(2, 4).__iadd__(1),
    "a column": lambda x: x.expand(2, 4)[:, 0].mul_(2),
    "copied": lambda x: x.expand(2, 4).copy_(torch.ones(2, 4)),
    "drawn": lambda x: x.expand(2, 4).normal_(),
    "bounded": lambda x: x.expand(2, 4).clamp_(0, 2),
    "scattered": lambda x: x.expand(2, 4).scatter_(0, torch.zeros(1, 4, dtype=torch.int64), 1.0),
    "activated": lambda x: torch.relu_(x.expand(2, 4)),
    "a neighbour": lambda x: x[1:].add_(x[:-1]),
    "turned": lambda x: x.view(2, 2).add_(x.view(2, 2).T),
}
DONE: dict[str, Callable[[Any], Any]] = {
    "filled": lambda x: x.expand(2, 4).fill_(2.0),
    "blanked": lambda x: x.expand(2, 4).zero_(),
    "a row": lambda x: x.expand(2, 4)[0].add_(1),
    "once": lambda x: x[:1].expand(1).add_(1),
    "its own": lambda x: x.mul_(x),
    "none": lambda x: x.expand(0, 4).add_(1),
}


@backends()
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("made", [False, True], ids=["given", "made"])
def test_refused(name: str, made: bool, backend: str) -> None:
    def step(x: Any) -> Any:
        x = x * 1 if made else x
        REFUSED[name](x)
        return x + 1

    compiled, x = torch.compile(step, backend=backend), torch.arange(1.0, 5.0)
    for function in (step, compiled, compiled):
        with pytest.raises(RuntimeError, match=r"refer.* to a single memory location"):
            function(x)
    assert x.tolist() == [1.0, 2.0, 3.0, 4.0]


@backends()
@pytest.mark.parametrize("name", DONE)
def test_done(name: str, backend: str) -> None:
    def step(x: Any) -> Any:
        DONE[name](x)
        return x + 1

    compiled = torch.compile(step, backend=backend, fullgraph=True)
    for _ in range(2):
        x, y = torch.arange(1.0, 5.0), torch.arange(1.0, 5.0)
        assert torch.equal(compiled(x), step(y))
        assert torch.equal(x, y)
