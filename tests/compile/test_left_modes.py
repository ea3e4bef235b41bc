"""A call that leaves a mode other than it found it does so at every call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import rushlight as rl
from rushlight import amp
from rushlight.core.state import STATE

LEFT: dict[str, Callable[[], Any]] = {
    "gradients": lambda: rl.set_grad_enabled(False),
    "default type": lambda: rl.set_default_dtype(rl.float64),
    "anomalies": lambda: rl.autograd.set_detect_anomaly(True),
    "autocast": lambda: amp.autocast("cpu", dtype=rl.bfloat16).__enter__(),
}


def _modes() -> tuple[Any, ...]:
    kinds = rl.get_default_dtype(), STATE.autocast
    return rl.is_grad_enabled(), rl.is_anomaly_enabled(), *kinds


def _put_back() -> None:
    rl.set_grad_enabled(True)
    rl.set_default_dtype(rl.float32)
    rl.autograd.set_detect_anomaly(False)
    STATE.autocast = False


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    _put_back()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LEFT)
def test_a_mode_that_is_left(name: str) -> None:
    def step(x: rl.Tensor, leaves: bool) -> tuple[rl.Tensor, rl.Tensor]:
        y = x * 2
        if leaves:
            LEFT[name]()
        return y, rl.zeros(2) + 1

    program, start = rl.compile(step, backend="numpy"), _modes()
    for leaves in (False, True, True, False, True):
        seen = []
        for call in (step, program):
            found = call(rl.ones(2, requires_grad=True), leaves)
            seen.append((_modes(), *((y.dtype, y.requires_grad, y.tolist()) for y in found)))
            _put_back()
        assert seen[0] == seen[1]
        assert (seen[0][0] != start) is leaves
    assert len(program.programs) == 1


def test_a_mode_that_is_put_back() -> None:
    def step(x: rl.Tensor) -> tuple[rl.Tensor, rl.Tensor]:
        rl.set_grad_enabled(False)
        y = x * 2
        rl.set_grad_enabled(True)
        return y, x * 3

    program = rl.compile(step, backend="numpy", fullgraph=True)
    for _ in range(3):
        y, z = program(rl.ones(2, requires_grad=True))
        assert not y.requires_grad and z.requires_grad and rl.is_grad_enabled()
    assert len(program.programs) == 1
