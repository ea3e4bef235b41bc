"""Rounded quotients of long float32 rows by exact arithmetic are the library's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl
from rushlight.ops import quotients

numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
DIVISORS = [3.0, -0.1, 1e-3, 2.0, -7.0]


def plainly(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Rest and quotient by the C library's fmod, in steps as torch takes them."""
    with np.errstate(all="ignore"):
        rest = np.fmod(x, y)
        other = (rest != 0) & ((rest < 0) != (y < 0))
        rounded = np.floor(np.true_divide(x, y, dtype=np.float64)).astype(np.float32)
        return np.where(other, rest + y, rest), rounded


@settings(max_examples=60, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=40), st.lists(numbers, min_size=1, max_size=40))
def test_rests_of_any_numbers_are_fmods(xs: list[float], ys: list[float]) -> None:
    x = np.resize(np.array(xs, np.float32), quotients.LEAST)
    y = np.resize(np.array(ys, np.float32), quotients.LEAST)
    a, b = rl.from_numpy(x), rl.from_numpy(y)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(rl.fmod(a, b).numpy(), np.fmod(x, y))
        np.testing.assert_array_equal(rl.remainder(a, b).numpy(), plainly(x, y)[0])


@pytest.mark.parametrize("by", DIVISORS)
def test_numbers_divide_as_arrays_of_them(by: float) -> None:
    x = np.random.default_rng(0).standard_normal(5000).astype(np.float32) * 100
    x[:4] = 0.0, -0.0, 6.0, -6.0
    a, full = rl.from_numpy(x), np.full_like(x, by)
    rest, quotient = plainly(x, full)
    for found in (a % by, a % rl.from_numpy(full)):
        np.testing.assert_array_equal(found.numpy(), rest)
        np.testing.assert_array_equal(np.signbit(found.numpy()), np.signbit(rest))
    np.testing.assert_array_equal((a // by).numpy(), quotient)
    assert quotients.exactly(x, by, np.floor, True) is not None


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan, 1e30])
def test_what_is_not_exact_is_left_to_the_library(odd: float) -> None:
    x = np.ones(quotients.LEAST, np.float32)
    x[7] = odd
    assert quotients.exactly(x, 3.0, np.floor, True) is None
    assert quotients.exactly(np.ones_like(x), 1 / x, np.floor, True) is None or odd == 1e30
    found = (rl.from_numpy(x) % 3.0).numpy()
    np.testing.assert_array_equal(found, plainly(x, np.full_like(x, 3.0))[0])


def test_short_and_long_rows_leave_zeros_of_one_sign() -> None:
    for size in (4, 4096):
        x = rl.from_numpy(np.resize(np.array([-4.0, 4.0], np.float32), size))
        found = (x % 2.0).numpy()
        assert np.signbit(found).tolist() == [True, False] * (size // 2)


def test_products_of_rows_are_numpys_to_rounding() -> None:
    x = np.random.default_rng(1).uniform(0.9, 1.1, (7, 333)).astype(np.float64)
    np.testing.assert_allclose(rl.from_numpy(x).prod(1).numpy(), x.prod(1), rtol=1e-12)
    np.testing.assert_allclose(rl.from_numpy(x).prod().numpy(), x.prod(), rtol=1e-12)
    assert rl.from_numpy(x).prod(1, keepdim=True).shape == (7, 1)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (50,), (80, 1), (1, 50)])
def test_divisors_are_spread_over_what_they_divide(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(len(shape))
    x = (rng.standard_normal((80, 50)) * 30).astype(np.float32)
    by = np.asarray(rng.integers(1, 40, shape) / 8 * rng.choice([-1, 1], shape), np.float32)
    a, b = rl.from_numpy(x), rl.from_numpy(by)
    assert quotients.exactly(x, by, np.floor, True) is not None
    rest, quotient = plainly(x, np.broadcast_to(by, x.shape))
    np.testing.assert_array_equal((a % b).numpy(), rest)
    np.testing.assert_array_equal((a // b).numpy(), quotient)
    np.testing.assert_array_equal(rl.fmod(a, b).numpy(), np.fmod(x, by))


@pytest.mark.parametrize("shape", [(), (1,), (50,), (80, 1), (1, 50)])
def test_what_is_divided_is_spread_over_divisors(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(len(shape))
    by = (rng.integers(1, 400, (80, 50)) / 8).astype(np.float32)
    x = np.asarray(rng.standard_normal(shape) * 100, np.float32)
    assert quotients.exactly(x, by, np.floor, True) is not None
    rest, quotient = plainly(np.broadcast_to(x, by.shape), by)
    a, b = rl.from_numpy(x), rl.from_numpy(by)
    np.testing.assert_array_equal((a % b).numpy(), rest)
    np.testing.assert_array_equal((a // b).numpy(), quotient)


def test_far_quotients_are_those_of_float32_steps() -> None:
    x, by = np.full((3000, 20), -2061.3489, np.float32), np.float32(-0.00027748325)
    for divisor in (float(by), rl.tensor(by), rl.full((20,), float(by))):
        assert float((rl.from_numpy(x) // divisor)[0, 0]) == 7428731.0  # torch 2.13; exact: ...2
