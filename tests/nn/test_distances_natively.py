"""Distances between rows: native code gives NumPy's bits, and gradients are the formula's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import rushlight as rl
from rushlight.core import heavy
from rushlight.ops import distance

pdist = rl.nn.functional.pdist
ORDERS = (0.0, 1.0, 1.5, 2.0, float("inf"))
COLUMNS = (1, 3, 7, 8, 9, 15, 16, 31, 32, 64, 127, 128, 129)


@pytest.fixture(autouse=True)
def from_the_first_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(distance, "_PAYS", 0)
    before = heavy.SWITCH.on
    yield
    heavy.SWITCH.on = before


def points(rows: int, columns: int, dtype: type, odd: bool = False) -> rl.Tensor:
    x = np.random.default_rng(rows + columns).standard_normal((rows, columns)).astype(dtype)
    if odd and rows > 4:
        x[1], x[2, 0], x[3, -1] = x[0], np.nan, np.inf
    return rl.from_numpy(np.asfortranarray(x) if odd else x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_native_bits(dtype: type) -> None:
    pytest.importorskip("llvmlite")
    distance_of = {
        f"pdist {order}": lambda x, order=order: pdist(x, order) for order in ORDERS
    } | {
        "cdist": lambda x: rl.cdist(x, x[1:] + 1, compute_mode="donot_use_mm_for_euclid_dist"),
    }  # fmt: skip
    for columns in COLUMNS:
        # 2-norms of many differences are products of BLAS, of few sums of NumPy
        for rows, odd in ((70, False), (66, True)):
            x = points(rows, columns, dtype, odd)
            for name, call in distance_of.items():
                heavy.SWITCH.on = True
                found = call(x).numpy()
                heavy.SWITCH.on = False
                wanted = call(x).numpy()
                assert found.dtype == wanted.dtype
                # OpenBLAS rounds a product and a sum of float64 once from 0.3.34 on (NumPy 2.5)
                fused = name == "pdist 2.0" and dtype is np.float64
                loose = 4 * np.finfo(dtype).eps if fused else 0
                assert np.allclose(found, wanted, loose, 0, equal_nan=True), (name, columns, rows)
    heavy.SWITCH.on = True
    assert distance.NATIVE.found is not None


@pytest.mark.parametrize("order", ORDERS)
def test_gradients_are_those_of_the_formula(order: float) -> None:
    for rows, columns in ((2, 3), (9, 4), (40, 2)):
        x = points(rows, columns, np.float64).requires_grad_()
        first, second = rl.triu_indices(rows, rows, 1)
        plain = (x[first] - x[second]).norm(order, -1)
        y = pdist(x, order)
        g = rl.linspace(-1, 1, len(y), dtype=rl.float64)
        assert rl.allclose(y, plain)
        found, wanted = (rl.autograd.grad(one, x, g)[0] for one in (y, plain))
        assert rl.allclose(found, wanted)


def test_few_points() -> None:
    for rows in (0, 1):
        assert pdist(rl.zeros(rows, 3)).shape == (0,)
    assert pdist(rl.zeros(3, 0)).tolist() == [0.0] * 3
    together = rl.zeros(3, 2, requires_grad=True)
    pdist(together).sum().backward()
    assert together.grad is not None and not together.grad.any()


def test_many_samples_and_programs() -> None:
    x = rl.randn(3, 6, 4)
    each = rl.stack([pdist(one) for one in x])
    assert rl.allclose(rl.vmap(pdist)(x), each)
    program = rl.compile(lambda one: pdist(one, 1.0))
    assert rl.allclose(program(x[0]), pdist(x[0], 1.0))
