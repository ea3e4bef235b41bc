"""Draws that take as many words as they need: native code gives Python's numbers and states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from rushlight.core import heavy, random_rejection
from rushlight.core.random_engine import Engine

pytest.importorskip("llvmlite")
COUNTS = 0, 1, 2, 3, 155, 156, 312, 313, 4000


@pytest.fixture(autouse=True)
def switched_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(random_rejection, "LEAST", {})  # few numbers, too, in native code
    before, heavy.SWITCH.on = heavy.SWITCH.on, True
    yield
    heavy.SWITCH.on = before


def numbers(count: int, low: float, high: float, *specials: float) -> np.ndarray:
    """Uniform numbers with a special one here and there."""
    rng = np.random.default_rng(count)
    found = rng.uniform(low, high, count)
    for special in specials:
        found[rng.random(count) < 0.05] = special
    return found


def shapes(count: int) -> np.ndarray:
    return numbers(count, 0.01, 4.0, 0.0, 1.0, np.nan, 1e-5, 1e4)


def trials(count: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    chances = numbers(count, 0.0, 1.0, 0.0, 1.0, 0.5, np.nan, -1.0, 2.0)
    return np.trunc(numbers(count, -1.0, 18.0)).astype(dtype), chances.astype(dtype)


DRAWS: dict[str, Callable[[Engine, int, Any], np.ndarray]] = {
    "gamma": lambda engine, n, dtype: engine.standard_gamma(shapes(n).astype(dtype)),
    "dirichlet": lambda engine, n, dtype: engine.dirichlet(
        numbers(4 * n, 0.1, 3.0).astype(dtype).reshape(n, 4)
    ),
    "poisson": lambda engine, n, dtype: engine.poisson(
        numbers(n, 0.0, 9.9, 0.0, np.nan).astype(dtype)
    ),
    "binomial": lambda engine, n, dtype: engine.binomial(*trials(n, dtype)),
}


def drawn(monkeypatch: pytest.MonkeyPatch, name: str, dtype: Any, pays: int) -> list[bytes]:
    """Numbers and states, from generators that stand in the midst of a block or of a pair."""
    monkeypatch.setattr(random_rejection, "_PAYS", pays)
    monkeypatch.setattr(random_rejection, "NATIVE", random_rejection._Native())
    found = []
    for count in COUNTS:
        for before, odd in ((0, False), (7, True), (621, False), (623, True)):
            engine = Engine(count)
            engine.words(before)
            if odd:
                engine.serial_normals(1)
            found += [DRAWS[name](engine, count, dtype).tobytes(), engine.get_state().tobytes()]
    return found


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", DRAWS)
def test_numbers_and_states(monkeypatch: pytest.MonkeyPatch, name: str, dtype: Any) -> None:
    wanted = drawn(monkeypatch, name, dtype, 1 << 60)
    assert random_rejection.NATIVE.after(1) is None
    found = drawn(monkeypatch, name, dtype, 1)
    assert random_rejection.NATIVE.after(1) is not None
    assert found == wanted


def test_what_native_code_does_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rejection from large rates and negative shapes stay with Python, and so do their errors."""
    monkeypatch.setattr(random_rejection, "NATIVE", random_rejection._Native())
    monkeypatch.setattr(random_rejection.NATIVE, "left", 0)
    many = Engine(1).poisson(np.array([3.0, 40.0]))
    lots = Engine(1).binomial(np.array([10.0, 400.0]), np.array([0.3, 0.5]))
    with pytest.raises(ValueError, match=r"math domain error|nonnegative"):
        Engine(1).standard_gamma(np.array([-0.9]))
    monkeypatch.setattr(random_rejection.NATIVE, "left", 1 << 60)
    np.testing.assert_array_equal(many, Engine(1).poisson(np.array([3.0, 40.0])))
    wanted = Engine(1).binomial(np.array([10.0, 400.0]), np.array([0.3, 0.5]))
    np.testing.assert_array_equal(lots, wanted)


def test_few_numbers_stay_with_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calling native code costs as much as hundreds of easy draws."""
    native = random_rejection._Native()
    monkeypatch.setattr(native, "left", 0)
    monkeypatch.setattr(random_rejection, "LEAST", {"poisson": 512})
    assert native.after(511, "poisson") is None
    assert native.after(512, "poisson") is not None
    assert native.after(1, "gamma") is not None
