"""Cross entropy on native kernels in eager mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core import heavy

pytest.importorskip("llvmlite")
F = rl.nn.functional


@pytest.fixture(autouse=True)
def nothing_settled():
    heavy.forget()
    yield
    heavy.forget()


def scores(*shape: int, kind: Any = rl.float32) -> tuple[Any, Any]:
    draw = np.random.default_rng(3)
    labels = draw.integers(0, shape[1], (shape[0], *shape[2:]))
    labels.reshape(-1)[::5] = -100
    x = rl.tensor(draw.standard_normal(shape) * 5, dtype=kind)
    return x.requires_grad_(), rl.tensor(labels)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("shape", "kind"), [((90, 61), rl.float32), ((4, 6, 15, 17), rl.float64)])
def test_as_numpy(shape: Any, kind: Any, weighted: bool, reduction: str) -> None:
    x, labels = scores(*shape, kind=kind)
    weight = rl.linspace(0.5, 2, shape[1], dtype=kind) if weighted else None

    def call() -> list[np.ndarray]:
        y = F.cross_entropy(x, labels, weight, reduction=reduction, ignore_index=-100)
        (g,) = rl.autograd.grad((y * y.detach()).sum(), x)
        return [y.detach().numpy(), g.numpy()]

    rl.eager_kernels(False)
    wanted = call()
    rl.eager_kernels(True)
    first, second = call(), call()
    assert {"cross_entropy_softmax", "cross_entropy_back"} == {
        key[0] for key, found in heavy.FORMS.items() if found and key[0].startswith("cross")
    }
    small = 1e-5 if kind == rl.float32 else 1e-12
    for a, b, c in zip(first, second, wanted, strict=True):
        assert np.array_equal(a, b)  # equal calls, equal bits
        np.testing.assert_allclose(a, c, rtol=small, atol=small)


def test_a_label_that_is_no_class_is_refused_every_time() -> None:
    x, labels = scores(90, 61)
    F.cross_entropy(x, labels)
    labels[7] = 61
    for _ in range(2):
        with pytest.raises(IndexError, match=r"Target 61 is out of bounds\."):
            F.cross_entropy(x, labels)


def test_nothing_but_ignored_labels() -> None:
    x, labels = scores(90, 61)
    loss = F.cross_entropy(x, labels.fill_(-100))
    assert loss.isnan() and not rl.autograd.grad(loss, x)[0].any()
