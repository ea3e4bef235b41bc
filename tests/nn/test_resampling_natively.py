"""Resized images: native code for matrices of few numbers per row, beside products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.core.heavy import SWITCH
from rushlight.ops.fused import patches

CASES = [
    ("linear", (20, 30, 90), [120], {}), ("linear", (20, 30, 90), [41], {"align_corners": True}),
    ("bilinear", (2, 3, 61, 87), [113, 40], {}), ("bilinear", (2, 3, 90, 64), [45, 130], {}),
    ("bicubic", (2, 3, 61, 87), [113, 44], {}),
    ("bilinear", (2, 3, 95, 87), [70, 66], {"antialias": True}),
    ("trilinear", (1, 2, 24, 28, 30), [40, 30, 50], {}),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["f", "d"])
@pytest.mark.parametrize("mode, shape, size, options", CASES)
def test_as_products_give(mode: str, shape: Any, size: Any, options: Any, kind: str) -> None:
    draws = np.random.default_rng(len(shape))
    image = draws.standard_normal(shape).astype(kind)
    image.reshape(-1)[::997] = np.inf  # it stays in its window
    way = torch.from_numpy(draws.standard_normal((*shape[:2], *size)).astype(kind))

    def found() -> list[np.ndarray]:
        x = torch.from_numpy(image).requires_grad_()
        y = torch.nn.functional.interpolate(x, size=size, mode=mode, **options)
        y.backward(way)
        assert x.grad is not None
        return [y.detach().numpy(), x.grad.numpy()]

    natively, before = found(), SWITCH.on
    try:
        SWITCH.on = False
        products = found()
    finally:
        SWITCH.on = before
    near = 2e-5 if kind == "f" else 1e-13
    for one, other in zip(natively, products):
        np.testing.assert_allclose(one, other, near, near)
    assert np.isfinite(natively[0]).any()


def test_rows_without_any_number_are_left_to_products() -> None:
    matrix = np.eye(400)[:300]
    matrix[7] = 0
    x = np.ones((400, 200))
    np.testing.assert_array_equal(patches.map_dim(x, 0, matrix), matrix @ x)
