"""Random numbers by native code: the numbers, and the states after them, are NumPy's."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.compile.code import llvm
from rushlight.core import heavy, random_draws

pytest.importorskip("llvmlite")
COUNTS = 1, 15, 16, 17, 623, 624, 625, 1000, 1248, 4099, 70_001
DRAWS = {
    "rand": lambda n: rl.rand(n),
    "rand64": lambda n: rl.rand(n, dtype=rl.float64),
    "randn": lambda n: rl.randn(n),
    "randn64": lambda n: rl.randn(n, dtype=rl.float64),
    "randn16": lambda n: rl.randn(n, dtype=rl.float16),
    "normal": lambda n: rl.empty(n).normal_(0.3, 2.5),
    "randint": lambda n: rl.randint(0, 10, (n,)),
    "randint64": lambda n: rl.randint(0, 1 << 60, (n,)),
    "randperm": lambda n: rl.randperm(n),
    "bernoulli": lambda n: rl.empty(n).bernoulli_(0.3),
    "never": lambda n: rl.empty(n).bernoulli_(0.0),
    "dropout": lambda n: rl.nn.functional.dropout(rl.ones(n), 0.7),
    "exponential": lambda n: rl.empty(n).exponential_(),
    "multinomial": lambda n: rl.multinomial(rl.ones(7), n, replacement=True),
}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Native code from the first word on."""
    monkeypatch.setattr(random_draws, "_PAYS", 1)
    monkeypatch.setattr(random_draws, "NATIVE", random_draws._Native())
    before, heavy.SWITCH.on = heavy.SWITCH.on, True
    yield
    heavy.SWITCH.on = before


def drawn(draw: Any, native: bool) -> tuple[list[np.ndarray], np.ndarray]:
    heavy.SWITCH.on = native
    rl.manual_seed(5)
    found = [draw(n).numpy() for n in COUNTS]
    return found, rl.get_rng_state().numpy()


@pytest.mark.parametrize("name", DRAWS)
def test_numbers_and_states(name: str) -> None:
    found, state = drawn(DRAWS[name], True)
    assert random_draws.NATIVE.found is not None
    wanted, other = drawn(DRAWS[name], False)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(state, other)


def test_turning_it_on_and_off_in_midstream() -> None:
    """As saving, loading, cloning do, it neither loses a word nor takes one twice."""
    heavy.SWITCH.on = False
    rl.manual_seed(1)
    wanted = [rl.randn(1000).numpy() for _ in range(8)]
    rl.manual_seed(1)
    for turn in range(8):
        heavy.SWITCH.on = turn % 3 != 1
        twin = copy.deepcopy(rl.default_generator)
        if turn == 5:
            rl.set_rng_state(rl.get_rng_state())
        np.testing.assert_array_equal(rl.randn(1000).numpy(), wanted[turn])
        np.testing.assert_array_equal(rl.randn(1000, generator=twin).numpy(), wanted[turn])


def test_little_is_drawn_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_draws, "_PAYS", 1 << 22)
    monkeypatch.setattr(random_draws, "NATIVE", random_draws._Native())
    rl.manual_seed(0)
    rl.randn(1000)
    assert random_draws.NATIVE.found is None
    rl.randn(1 << 20)
    rl.rand(1 << 22)
    assert random_draws.NATIVE.found is not None


def test_rows_that_end_oddly() -> None:
    """Two rows are made at a time; the last may be alone, and the memory behind it is another's."""
    fill = random_draws.NATIVE.after(1).normals
    if fill is None:  # without fused multiply-add
        assert not llvm.target().fma
        return
    for rows in (1, 2, 3, 7):
        values = np.random.default_rng(rows).random(16 * rows + 16, np.float32)
        wanted = values.copy()
        fill(values.ctypes.data, rows, 0.0, 1.0)
        heavy.SWITCH.on = False
        random_draws.box_muller32(wanted[: 16 * rows], 0.0, 1.0)
        heavy.SWITCH.on = True
        np.testing.assert_array_equal(values, wanted)
