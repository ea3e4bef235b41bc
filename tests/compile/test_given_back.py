"""What stood before a call and is returned by it is that object, not one like it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import backends, programs, twice


@dataclass
class Options:
    weight: Any


@backends
def test_containers_of_before_are_given_back_themselves(backend: str) -> None:
    """A copy was returned: what the caller then put into it was not in the state."""

    def build(wrap: Any) -> Any:
        rows, options = [torch.ones(2)], Options(torch.ones(2))
        at = SimpleNamespace(state={"h": torch.zeros(2)}, rows=rows, options=options)

        def step(x: Any) -> Any:
            at.state["h"] = at.state["h"] * 0.5 + x
            return x * 2, at.state, at.rows, at.options, {"again": at.state}

        call, found = wrap(step), []
        for k in range(7):
            y, state, rows, options, inner = call(torch.full((2,), k + 1.0))
            found.append([y, dict(state), list(rows), options.weight * 1])
            found.append([state is at.state, rows is at.rows, options is at.options])
            found.append([inner["again"] is at.state])
            state["h"] = state["h"] + 1
            if k == 3:
                at.rows = [torch.zeros(2)]
        return found

    (call,) = twice(build, backend, fullgraph=False)
    assert 1 <= programs(call) <= 3


@backends
@pytest.mark.filterwarnings("ignore:compiled step runs eagerly")
def test_a_container_that_makes_way_is_not_given_back_later(backend: str) -> None:
    def build(wrap: Any) -> Any:
        at = SimpleNamespace(state={"h": torch.zeros(2)}, inner={"in": [torch.zeros(2)]})

        def step(x: Any) -> Any:
            old, rows = at.state, at.inner["in"]
            at.state = {"h": old["h"] + x}
            at.inner = {"in": [rows[0] - x]}
            return old, rows

        call, found = wrap(step), []
        for k in range(6):
            old, rows = call(torch.full((2,), k + 1.0))
            found.append([dict(old), list(rows), dict(at.state), list(at.inner["in"])])
        return found

    twice(build, backend, fullgraph=False)


@backends
def test_objects_of_before_may_be_returned(backend: str) -> None:
    def build(wrap: Any) -> Any:
        net, at = torch.nn.Linear(2, 2), SimpleNamespace(rate=0.5)
        holder = {"net": net}

        def step(x: Any) -> Any:
            return holder["net"](x).sum() * at.rate, holder["net"], at

        call, found = wrap(step), []
        for k in range(6):
            loss, layer, options = call(torch.ones(2))
            found.append([loss.item(), layer is holder["net"], options is at])
            if k == 2:
                holder["net"] = torch.nn.Linear(2, 2)
        return found

    (call,) = twice(build, backend)
    assert programs(call) == 2


@backends
def test_views_of_tensors_without_sizes_share_their_memory(backend: str) -> None:
    """They were copies: what is written through one was not seen by the other."""

    def build(wrap: Any) -> Any:
        held = torch.tensor(3.0)
        views = [
            lambda x: x.view(1), lambda x: x.unsqueeze(0), lambda x: x.expand(3)[1:],
            lambda x: (x + held, held.reshape(1, 1))[1], lambda x: (x.sum(), x[None])[1],
        ]  # fmt: skip
        found = []
        for view in views:
            call = wrap(view)
            for k in range(4):
                x = torch.tensor(float(k))
                y = call(x)
                x.add_(1)
                held.mul_(2)
                found.append(y.clone())
                y[0] = 7.0
                found.append([x.clone(), held.clone()])
        return found

    twice(build, backend)
