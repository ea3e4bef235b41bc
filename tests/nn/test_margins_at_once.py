"""Multi-label margins of many rows are taken some rows at a time, which nothing shows."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl
from rushlight.nn.functional import margins

loss = rl.nn.functional.multilabel_margin_loss


def by_hand(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The loss of each row by its definition."""
    found = []
    for row, marks in zip(x, labels):
        own = list(marks[: list(marks).index(-1)] if -1 in marks else marks)
        others = [k for k in range(len(row)) if k not in own]
        found.append(sum(max(0.0, 1 - row[y] + row[i]) for y in own for i in others) / len(row))
    return np.array(found)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_rows_some_at_a_time(reduction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    for rows, classes in ((0, 3), (1, 1), (7, 4), (30, 9)):
        x, labels = rng.standard_normal((rows, classes)), rng.integers(-1, classes, (rows, classes))
        found = []
        for at_once in (1, 200, 1 << 19):
            monkeypatch.setattr(margins, "_AT_ONCE", at_once)
            scores = rl.from_numpy(x).requires_grad_()
            y = loss(scores, rl.from_numpy(labels), reduction=reduction)
            (gradient,) = rl.autograd.grad(y, scores, rl.ones_like(y))
            assert y.grad_fn is not None
            found.append((y.detach(), gradient))
            if reduction == "none" and rows:
                np.testing.assert_allclose(y.detach().numpy(), by_hand(x, labels), atol=1e-12)
        for y, gradient in found[:2]:
            assert rl.equal(y, found[2][0]) or not rows
            assert rl.equal(gradient, found[2][1])


@pytest.mark.parametrize("label", [4, -2])
def test_labels_out_of_range_are_refused(label: int) -> None:
    with pytest.raises(RuntimeError, match="argument #2 'target' is out of range"):
        loss(rl.zeros(1, 4), rl.tensor([[0, label, -1, 1]]))
