"""Without native code a convolution's patches are copied some rows at a time, never all at once."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.ops.fused import convolution

F = rl.nn.functional


@pytest.fixture(autouse=True)
def numpy_alone():
    rl.eager_kernels(False)
    yield
    rl.eager_kernels(True)


CASES: dict[str, tuple[Any, ...]] = {  # images, channels, outputs, size, kernel, then parameters
    "plain": (3, 4, 6, (17, 13), (3, 3), 1, 1, 1, 1),
    "groups and strides": (2, 4, 6, (17, 13), (3, 2), (2, 1), (1, 0), 1, 2),
    "depthwise, dilated": (2, 4, 4, (20, 19), (3, 3), 1, 2, 2, 4),
    "a line": (2, 3, 5, (40,), (5,), 2, 2, 1, 1),
    "a volume": (2, 2, 3, (9, 8, 7), (3, 2, 3), (1, 2, 1), 1, 1, 1),
}


def results(case: tuple[Any, ...]) -> list[np.ndarray]:
    n, c, o, size, kernel, *params = case
    draw = np.random.default_rng(0)
    x = rl.tensor(draw.standard_normal((n, c, *size)), requires_grad=True)
    w = rl.tensor(draw.standard_normal((o, c // params[-1], *kernel)), requires_grad=True)
    y = getattr(F, f"conv{len(size)}d")(x, w, None, *params)
    return [y.detach().numpy(), *(g.numpy() for g in rl.autograd.grad(y.cos().sum(), (x, w)))]


@pytest.mark.parametrize("name", CASES)
def test_rows_by_rows_is_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = results(CASES[name])
    for most in (5000, 300, 1):
        monkeypatch.setattr(convolution, "_IMAGE", most)
        for a, b in zip(results(CASES[name]), wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def test_a_large_image_takes_little_more_than_its_result() -> None:
    x, w = rl.randn(1, 32, 160, 160), rl.randn(32, 32, 3, 3, requires_grad=True)
    own = x.numel() * 4  # the patches are nine times as much
    g = rl.randn(1, 32, 160, 160)
    tracemalloc.start()
    try:
        y = F.conv2d(x, w, padding=1)
        forward = tracemalloc.get_traced_memory()[1]
        y.backward(g)
        both = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    scratch = convolution._IMAGE * 4
    assert forward < 2.5 * own + scratch
    assert both < 4 * own + 3 * scratch
    assert scratch < 9 * own // 2
