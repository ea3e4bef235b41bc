"""Products of few elements, which take a shorter way into BLAS, are matmul's to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl

SHAPES = [
    ((4, 5), (5, 3)), ((1, 7), (7, 1)), ((9, 1), (1, 6)), ((3, 0), (0, 2)), ((0, 3), (3, 2)),
    ((16, 10), (10, 8)), ((33, 17), (17, 21)), ((6,), (6, 4)), ((4, 6), (6,)), ((11,), (11,)),
]  # fmt: skip


def laid(x: np.ndarray, how: str) -> np.ndarray:
    """The same numbers, otherwise in memory."""
    if how == "turned":
        return np.asfortranarray(x)
    if how == "apart":
        wide = np.zeros([2 * n for n in x.shape], x.dtype)
        wide[tuple(slice(None, None, 2) for _ in x.shape)] = x
        return wide[tuple(slice(None, None, 2) for _ in x.shape)]
    return x


@pytest.mark.parametrize("kind", ["f", "d", "F", "l", "i"])
@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_products_are_those_of_matmul(left, right, kind: str) -> None:
    draw = np.random.default_rng(len(left) + sum(right))
    a, b = ((9 * draw.standard_normal(shape)).astype(kind) for shape in (left, right))
    wanted = np.matmul(a, b)
    for how in ("plain", "turned", "apart"):
        for other in ("plain", "turned", "apart"):
            x, y = rl.from_numpy(laid(a, how)), rl.from_numpy(laid(b, other))
            found = x @ y
            assert found.dtype is x.dtype and found.is_contiguous()
            np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5, atol=1e-4)
            if how == other == "plain":
                assert found.numpy().tobytes() == wanted.tobytes()


def test_numbers_without_dimensions_have_no_product() -> None:
    for a, b in (((), (2,)), ((2, 2), ()), ((), ())):
        with pytest.raises(RuntimeError, match="need to be at least 1D"):
            rl.matmul(rl.ones(a), rl.ones(b))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        rl.ones(2, 3) @ rl.ones(2, 3)
