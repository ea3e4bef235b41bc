"""Random numbers drawn inside vmap, grad and the like are drawn again at every compiled call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import F, alike, backends


def _each(function: Any) -> Any:
    return torch.vmap(function, randomness="different")


CALLS: dict[str, Any] = {
    "grad": torch.func.grad(lambda y: (y * torch.rand(3)).sum()),
    "dropout twice": torch.func.grad(lambda y: F.dropout(F.dropout(y * 2, 0.5), 0.2).sum()),
    "vjp": lambda x: torch.func.vjp(lambda y: y * torch.randn(3), x)[1](x)[0],
    "jvp": lambda x: torch.func.jvp(lambda y: y * torch.rand_like(y), (x,), (x,))[1],
    "jacobian": torch.func.jacrev(lambda y: y * torch.rand(3)),
    "vmap": _each(lambda y: y * torch.rand(())),
    "vmap, the same": torch.vmap(lambda y: F.dropout(y.expand(4), 0.5), randomness="same"),
    "vmap, of samples": _each(torch.bernoulli),
    "vmap, around samples": _each(lambda y: torch.normal(y, 1.0)),
    "vmap, places": _each(lambda y: y * torch.randperm(4)),
    "vmap of grad": _each(torch.func.grad(lambda y: y * torch.rand(()))),
    "vmap of vmap": lambda x: _each(_each(lambda y: y * torch.rand(())))(x.expand(2, 3)),
}


@backends
@pytest.mark.parametrize("name", CALLS)
def test_draws_are_those_of_eager_calls(name: str, backend: str) -> None:
    x = torch.full((3,), 0.5)

    def run(call: Any) -> Any:
        torch.manual_seed(0)
        return [call(x).tolist() for _ in range(4)], torch.rand(2).tolist()

    found, wanted = run(torch.compile(lambda x: CALLS[name](x), backend=backend)), run(CALLS[name])
    alike(found, wanted)
    assert wanted[0][0] != wanted[0][1] or wanted[0][1] != wanted[0][2]
