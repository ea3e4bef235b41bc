"""Floats among the arguments that change are inputs of one program, where that can be."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch
from rushlight import nn

sys.path.insert(0, str(Path(__file__).parent))
from worlds import F, alike, backends

X = torch.linspace(-2, 2, 12).reshape(3, 4)
FOLLOWED: dict[str, Callable[[Any, float], Any]] = {
    "times": lambda x, k: x * k,
    "from either side": lambda x, k: (k * x, k - x, x - k, k / (x * x + 1), x / k, k + x),
    "mixture": lambda x, k: k * x + (1 - k) * x.flip(0),
    "of numbers alone": lambda x, k: x * ((2 * k - 1) / (k + 3) + -k),
    "divided by it": lambda x, k: x * (1 / k),
    "to a power": lambda x, k: (x.abs() + 1) ** k,
    "compared": lambda x, k: (x > k, k > x, (x == k).sum(), torch.where(x < k, x, -x)),
    "whole numbers": lambda x, k: ((x * 3).long() * k, (x * 3).long() > k),
    "half precision": lambda x, k: (x.bfloat16() * k, k + x.half(), x.bfloat16().mean() * k),
    "without dimensions": lambda x, k: (
        x[0].sum() * k,
        x[0].sum().double() * k,
        x.long().sum() * k,
    ),
    "functions": lambda x, k: (torch.mul(x, k), torch.add(x, k), torch.sub(x, k), torch.div(x, k)),
    "a sum": lambda x, k: sum([k * x[0], k * x[1], 2.5]),
    "in place": lambda x, k: (x * 1).mul_(k).add_(1).div_(k),
    "assigned": lambda x, k: _assigned(x, k),
    "a mixture by name": lambda x, k: (torch.lerp(x, -x, k), (x * 1).lerp_(x.flip(0), 1 - k)),
    "in transforms": lambda x, k: (
        torch.func.grad(lambda v: (v * k).square().sum())(x),
        torch.func.vmap(lambda v: k - v)(x),
    ),
    "its class": lambda x, k: x * k if isinstance(k, float) else x,
}


def _assigned(x: Any, k: float) -> Any:
    y = x * 1
    y *= k
    y += k
    y -= 2 * k
    return y


VALUES = [0.5, 0.25, -1.5, 0.1, 3.0, 1e-3, 0.7, 2.5, 0.3, 0.9, 1.1]


def _lists(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return [str(value.dtype), value.double().tolist()]
    return [_lists(one) for one in value]


@backends
@pytest.mark.parametrize("name", FOLLOWED)
def test_results_are_those_of_the_floats(name: str, backend: str) -> None:
    compiled = torch.compile(FOLLOWED[name], backend=backend, fullgraph=True)
    for k in VALUES:
        alike(_lists(compiled(X, k)), _lists(FOLLOWED[name](X, k)))
    assert len(compiled.programs) == 1


ASKED: dict[str, Callable[[Any, float], Any]] = {
    "a branch": lambda x, k: x * k if k > 0.4 else x - k,
    "its truth": lambda x, k: x * k if k else x,
    "a function of floats": lambda x, k: x * math.sqrt(abs(k)),
    "a shape": lambda x, k: x[: int(k * 2) + 1] * k,
    "a parameter": lambda x, k: F.leaky_relu(x, k) * k,
    "bounds": lambda x, k: x.clamp(-abs(k), abs(k)),
    "a tensor of it": lambda x, k: x * torch.tensor(k) + torch.full((4,), k),
    "text": lambda x, k: x * float(f"{k:.3f}"),
    "given back": lambda x, k: (x * k, k),
    "a key": lambda x, k: x * {k: 2.0}[k],
    "as an integer": lambda x, k: x * (k // 1) + k % 1,
    "rounded": lambda x, k: x * round(k, 1),
    "chosen": lambda x, k: (torch.where(x > 0, x, k), torch.where(x > 0, 2 * k, -x)),
    "its digits": lambda x, k: x * k.hex().count("1"),
    "its type": lambda x, k: x * k if type(k) is float else x,
    "in modules": lambda x, k: nn.LeakyReLU(k)(x) + nn.Threshold(k, 2 * k)(x),
    "in distributions": lambda x, k: torch.distributions.Laplace(k, abs(k)).log_prob(x),
    "a power of it": lambda x, k: x * k**2,
}


@backends
@pytest.mark.parametrize("name", ASKED)
def test_a_value_that_is_asked_for_is_a_constant(name: str, backend: str) -> None:
    compiled = torch.compile(ASKED[name], backend=backend, fullgraph=True)

    def told(found: Any) -> Any:
        return [_lists(found[0]), found[1]] if name == "given back" else _lists(found)

    for k in VALUES[:6]:
        found = compiled(X, k)
        alike(told(found), told(ASKED[name](X, k)))
        if name == "given back":
            assert type(found[1]) is float


def test_division_by_zero_raises_as_without_a_program() -> None:
    compiled = torch.compile(lambda x, k: x * (1 / k), fullgraph=True)
    for k in (0.5, 0.25, 2.0):
        compiled(X, k)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            compiled(X, 0.0)
    assert torch.equal(compiled(X, 4.0), X * 0.25)


@backends
def test_a_training_step_with_a_weight_that_changes(backend: str) -> None:
    torch.manual_seed(1)
    nets = [nn.Linear(4, 3), nn.Linear(4, 3)]
    nets[1].load_state_dict(nets[0].state_dict())
    optimizers = [torch.optim.Adam(net.parameters(), lr=0.01) for net in nets]

    def step(which: int, x: Any, y: Any, share: float, *, weight: float = 1.0) -> Any:
        net, optimizer = nets[which], optimizers[which]
        mixed = share * x + (1 - share) * x.flip(0)
        scores = net(mixed)
        loss = share * F.cross_entropy(scores, y) + weight * scores.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    compiled = torch.compile(lambda *args, **kw: step(0, *args, **kw), backend=backend)
    y = torch.tensor([0, 2, 1])
    for k, share in enumerate(VALUES):
        found = compiled(X, y, share, weight=0.1 * k)
        alike(found.item(), step(1, X, y, share, weight=0.1 * k).item())
    alike(nets[0].weight.tolist(), nets[1].weight.tolist())
    assert len(compiled.programs) <= 2


def test_calls_with_something_else_in_its_place() -> None:
    compiled = torch.compile(lambda x, k: x * k, fullgraph=True)
    for k in (0.5, 0.25, 2, 0.75, torch.tensor(3.0), True, 0.1):
        assert torch.equal(compiled(X, k), X * k), k


@pytest.mark.filterwarnings("ignore:compiled keep runs eagerly")
def test_a_number_that_is_kept_is_a_float_afterwards() -> None:
    kept = type("Kept", (), {})()

    def keep(x: Any, k: float) -> Any:
        kept.own, kept.twice = k, 2 * k
        return x * k

    compiled = torch.compile(keep)
    for k in VALUES[:6]:
        alike(_lists(compiled(X, k)), _lists(X * k))
        found = [kept.own, kept.twice]
        assert found == [k, 2 * k] and [type(one) for one in found] == [float, float]
