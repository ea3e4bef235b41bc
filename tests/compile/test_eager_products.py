"""Which matrix products of eager mode run natively, and that they are what NumPy makes of them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core import heavy
from rushlight.ops import gemm

pytest.importorskip("llvmlite")

SIZES = [(4, 256, 512), (2, 784, 700), (64, 300, 48), (200, 128, 9), (3, 64, 3000), (256, 128, 8)]


@pytest.fixture(autouse=True)
def forms_anew(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(heavy.SWITCH, "on", True)
    heavy.forget()
    yield
    heavy.forget()


@pytest.fixture(params=["half vectors", "whole vectors"])
def blas(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    half = request.param == "half vectors"
    monkeypatch.setattr(gemm, "_takes_half_vectors", lambda: half)
    return half


def operand(rows: int, columns: int, turned: bool, kind: str) -> np.ndarray:
    draw = np.random.default_rng(rows * columns)
    if turned:
        return draw.standard_normal((columns, rows)).astype(kind).T
    return draw.standard_normal((rows, columns)).astype(kind)


@pytest.mark.parametrize("kind", ["f", "d"])
@pytest.mark.parametrize("size", SIZES)
def test_products_of_all_layouts(size: tuple[int, int, int], kind: str, blas: bool) -> None:
    rows, inner, columns = size
    for one, other in itertools.product((False, True), repeat=2):
        a, b = operand(rows, inner, one, kind), operand(inner, columns, other, kind)
        wanted = a.astype("d") @ b.astype("d")
        found = gemm.product(a, b)
        assert found.dtype == a.dtype and found.flags.c_contiguous == wanted.flags.c_contiguous
        np.testing.assert_allclose(
            found, wanted, rtol=0, atol=inner * (1e-6 if kind == "f" else 1e-14)
        )
        np.testing.assert_array_equal(gemm.product(a, b), found)  # the same at every call


def native(a: np.ndarray, b: np.ndarray) -> bool:
    heavy.forget()
    gemm.product(a, b)
    return any(callable(found) for found in heavy.FORMS.values())


def test_few_rows_of_a_linear_layer_are_native(blas: bool) -> None:
    """Such a product reads a large weight for a small input: the weight decides."""
    weight = operand(1024, 1024, True, "f")
    assert [native(operand(rows, 1024, False, "f"), weight) for rows in (1, 2, 4, 8)] == [
        False, True, True, True,
    ]  # fmt: skip


def test_where_blas_is_slow_more_is_native(blas: bool) -> None:
    gradient, input = operand(256, 128, True, "f"), operand(128, 784, False, "f")
    assert native(gradient, input) == blas
    assert not native(operand(16, 32, False, "f"), operand(32, 200, False, "f"))


def test_batches_are_counted_whole(blas: bool) -> None:
    draw = np.random.default_rng(0)
    a, b = (draw.standard_normal((64, 32, 32)).astype("f") for _ in range(2))
    assert native(a, b) == blas
    np.testing.assert_allclose(gemm.product(a, b), np.matmul(a, b), rtol=0, atol=1e-4)


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("rows", [1, 3, 64, 65])
def test_large_weights_of_bfloat16(rows: int, biased: bool) -> None:
    """Read as they are where rows are few: what float32 gives, rounded once."""
    draw = rl.Generator().manual_seed(rows)
    x, w, b = (
        rl.randn(*size, generator=draw).bfloat16() for size in ((rows, 300), (200, 300), (200,))
    )
    given = (x, w, b) if biased else (x, w)
    found = rl.nn.functional.linear(*given)
    wide = [one.double().numpy() for one in given]
    exact = wide[0] @ wide[1].T + (wide[2] if biased else 0)
    assert found.dtype is rl.bfloat16
    error = np.abs(found.double().numpy() - exact)
    assert np.all(error <= 2.0**-8 * np.abs(exact) * 1.01 + 1e-4)
    few = any(key[0].startswith("short") and callable(run) for key, run in heavy.FORMS.items())
    assert few == (rows <= gemm.MANY_ROWS)


def test_weights_of_float16_keep_their_order_on_the_way_to_float32() -> None:
    weight = np.random.default_rng(0).standard_normal((300, 200)).astype("e")
    wide = gemm._wide(weight.T)
    assert wide.dtype == np.float32 and wide.T.flags.c_contiguous
    np.testing.assert_array_equal(wide, weight.T.astype("f"))


def test_the_kernels_of_blas_have_a_name() -> None:
    found = gemm.blas_kernels()
    assert found is None or found.isidentifier()
