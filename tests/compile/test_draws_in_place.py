"""Random numbers that a program draws into memory that it also reads: what is read stood before."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import backends, programs, twice

DRAWS = {
    "random_": (lambda x: x.random_(0, 5), torch.int32),
    "normal_": (lambda x: x.normal_(), torch.float64),
    "uniform_": (lambda x: x.uniform_(), torch.float32),
    "bernoulli_": (lambda x: x.bernoulli_(0.5), torch.float32),
    "exponential_": (lambda x: x.exponential_(), torch.float32),
    "copy_": (lambda x: x.copy_(torch.randperm(4)), torch.int64),
}


@backends
@pytest.mark.parametrize("name", DRAWS)
def test_what_a_call_reads_is_not_drawn_over(name: str, backend: str) -> None:
    draw, dtype = DRAWS[name]

    def build(wrap: Any) -> Any:
        def step(x: Any, y: Any) -> Any:
            before = x * 2
            draw(x)
            return before, y < x, before.sum()

        call, found = wrap(step), []
        for k in range(4):
            x = torch.tensor([-6, -5, 3, k]).to(dtype)
            found.append([call(x, torch.zeros(4)), x])
        return found

    (call,) = twice(build, backend)
    assert programs(call) == 1


@backends
def test_noise_that_makes_way_for_other_noise(backend: str) -> None:
    def build(wrap: Any) -> Any:
        noise = torch.zeros(5)

        def step(x: Any) -> Any:
            y = x + noise
            noise.normal_()
            z = y * noise
            noise.uniform_(-1, 1)
            return y, z, noise.sum()

        call = wrap(step)
        return [[call(torch.full((5,), float(k))), noise.clone()] for k in range(4)]

    (call,) = twice(build, backend)
    assert programs(call) == 1
