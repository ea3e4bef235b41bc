"""Ways of large arrays beside the plain ones: orders by digits, shares, diagonals, trapezoids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core.random_places import below_shares


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.int16, np.uint32, np.uint64])
def test_whole_numbers_in_stable_order(dtype: Any) -> None:
    """Where the digits are few, where they are sixteen, thirty-two and more."""
    limits, rng = np.iinfo(dtype), np.random.default_rng(0)
    for low, high in ((0, 100), (-1000, 70000), (-(2**31) + 1, 2**31 - 1), (-(2**62), 2**62)):
        x = rng.integers(max(low, limits.min), min(high, limits.max), 40_000, dtype)
        values, places = rl.from_numpy(x).sort()
        np.testing.assert_array_equal(places, np.argsort(x, kind="stable"))
        np.testing.assert_array_equal(values, np.sort(x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shares_below_numbers(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    for size in (1, 2, 3, 4, 7, 8, 9, 100, 256):
        weights = rng.random((50, size)).astype(dtype)
        weights[rng.random(weights.shape) < 0.3] = 0
        weights[:, 0] += dtype(0.1)
        rows, unit = np.cumsum(weights, -1), rng.random((50, 6))
        shares = rows / rows[:, -1:]
        shares[:, -1] = 1
        unit[:, 0] = shares[:, 0] * (size > 1)  # one that is met exactly
        wanted = [row.searchsorted(u) for row, u in zip(shares.astype(np.float64), unit)]
        np.testing.assert_array_equal(below_shares(rows, unit), wanted)


@pytest.mark.parametrize("dtype", [rl.float32, rl.int64, rl.int8, rl.bool, rl.float16])
def test_a_diagonal_is_filled_in_place(dtype: Any) -> None:
    for shape in ((3, 3), (2, 5), (5, 2), (7, 1), (1, 7), (0, 3)):
        for x in (rl.zeros(shape, dtype=dtype), rl.zeros(shape[::-1], dtype=dtype).mT):
            version = x._version
            assert x.fill_diagonal_(1) is x
            assert x._version == version + 1
            np.testing.assert_array_equal(x.numpy(), np.eye(*shape, dtype=x.numpy().dtype))
    with pytest.raises(RuntimeError, match="cannot be converted"):
        rl.zeros(2, 2, dtype=rl.int8).fill_diagonal_(300)
    leaf = rl.zeros(2, 2, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        leaf.fill_diagonal_(1.0)


def test_trapezoids_with_even_steps() -> None:
    """As with the points spelt out, forth and back; of whole numbers, too."""
    for shape, dim in (((7,), 0), ((4, 9), 1), ((4, 9), 0), ((3, 1), 1), ((2, 3, 4), 1)):
        y = rl.randn(shape, dtype=rl.float64).requires_grad_()
        points = rl.arange(shape[dim], dtype=rl.float64) * 0.3
        found = [rl.trapezoid(y, dx=0.3, dim=dim), rl.trapezoid(y, points, dim=dim)]
        assert rl.allclose(found[0], found[1])
        gradients = [rl.autograd.grad(one.square().sum(), y)[0] for one in found]
        assert rl.allclose(gradients[0], gradients[1])
    whole = rl.trapezoid(rl.tensor([[1, 5, 10], [0, 0, 3]]))
    assert (whole.dtype, whole.tolist()) == (rl.float32, [10.5, 1.5])


@pytest.mark.parametrize("kind", ["f", "d", "i4", "i8", "u1", "e", "D"])
def test_triangles_of_large_matrices(kind: str) -> None:
    x = np.random.default_rng(5).standard_normal((2, 70, 90)).astype(kind)
    if kind in "fdeD":
        x[:, ::7, ::5] = np.nan
    for given in (x, np.swapaxes(x, 1, 2)):
        for diagonal in (-69, -3, 0, 2, 88):
            tensor = rl.from_numpy(given)
            assert tensor.tril(diagonal).numpy().tobytes() == np.tril(given, diagonal).tobytes()
            assert tensor.triu(diagonal).numpy().tobytes() == np.triu(given, diagonal).tobytes()
