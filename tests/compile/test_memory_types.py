"""One memory used as two data types in a call: complex numbers as pairs, and bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight as torch


def real_part(x: Any, z: Any) -> Any:
    z.real.add_(x)
    return z.imag + x


def parts_in_turn(x: Any, z: Any) -> Any:
    z.real[0] = x[0]
    z.imag.mul_(2).add_(x)
    return (z * z).abs()


def pairs(x: Any, z: Any) -> Any:
    torch.view_as_real(z)[..., 1] += x
    return z.abs()


def pairs_seen_before(x: Any, z: Any) -> Any:
    z.mul_(2)
    seen = torch.view_as_real(z)
    z.add_(1)
    seen.add_(x[..., None])
    return seen.sum(-1) + z.real


def turned(x: Any, z: Any) -> Any:
    z.T.real.add_(x)
    return z.T.imag + z.real


def bits(x: Any, z: Any) -> Any:
    seen = torch.view_as_real(z).view(torch.int32)
    seen.add_(1)
    return z.real * x


@pytest.mark.filterwarnings("ignore:compiled")
@pytest.mark.parametrize("function", [real_part, parts_in_turn, pairs, pairs_seen_before, turned,
                                      bits])  # fmt: skip
def test_values_and_memory(function: Callable[..., Any]) -> None:
    found = []
    for wrap in (torch.compile, lambda f: f):
        z = torch.complex(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.full((2, 2), 0.5))
        run, values = wrap(lambda x, z=z: function(x, z)), []
        for k in range(4):
            result = run(torch.tensor([[1.0, 2.0], [3.0, 5.0]]) * (k + 1))
            values += [result.tolist(), z.tolist()]
        found.append(values)
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_complex_parameters_are_trained(kind: Any) -> None:
    found = []
    for wrap in (lambda f: torch.compile(f, fullgraph=True), lambda f: f):
        weight = torch.nn.Parameter(torch.complex(torch.arange(4.0), torch.ones(4)))
        optimizer = kind([weight], lr=0.01)

        def step(x: Any, weight: Any = weight, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = (weight * x - 1).abs().square().sum()
            loss.backward()
            optimizer.step()
            return loss.detach()

        run = wrap(step)
        losses = [run(torch.ones(4) * (1 + k)) for k in range(5)]
        found.append([*losses, weight.detach()])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-5)
