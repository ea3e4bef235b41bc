"""Compiled gradients that are not finite end where a value was held back, as eager ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import rushlight as rl
from rushlight.nn import functional as F
from rushlight.testing import assert_close

HOLDS: dict[str, Callable[[rl.Tensor], rl.Tensor]] = {
    "relu": rl.relu,
    "clamp": lambda x: x.clamp(0.0, 1.0),
    "maximum": lambda x: rl.maximum(x, rl.zeros_like(x)),
    "fmax": lambda x: rl.fmax(x, rl.zeros_like(x)),
    "hardtanh": lambda x: F.hardtanh(x, 0.0, 1.0),
    "threshold": lambda x: F.threshold(x, 0.1, 0.0),
    "softshrink": lambda x: F.softshrink(x).abs(),
    "round": lambda x: x.round().abs(),
    "zero_": lambda x: x.clone().zero_(),
}


@pytest.mark.parametrize("name", HOLDS)
@pytest.mark.parametrize("many", [1, 300])
def test_no_nan_comes_of_what_was_held_back(name: str, many: int) -> None:
    def step(x: rl.Tensor) -> rl.Tensor:
        loss = HOLDS[name](x).sqrt().sum()
        return rl.autograd.grad(loss, x)[0]

    x = rl.tensor([-1.0, -0.25, 2.0, 0.25] * many, requires_grad=True)
    compiled = rl.compile(step)
    wanted = step(x)
    assert not wanted.isnan().any()
    for _ in range(3):
        assert_close(compiled(x), wanted)
    assert len(compiled.programs) == 1
