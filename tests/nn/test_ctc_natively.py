"""The loss of unaligned sequences by native code, by NumPy, and by counting all alignments."""

from __future__ import annotations

from itertools import groupby, product
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.core.heavy import SWITCH

ctc_loss = torch.nn.functional.ctc_loss


def by_counting(scores: np.ndarray, labels: list[int], steps: int) -> float:
    """Over all ways of saying a label or a blank at each time."""
    total = 0.0
    for way in product(range(scores.shape[1]), repeat=steps):
        said = [one for one, _ in groupby(way) if one]
        total += said == labels and float(np.exp(sum(scores[t, one] for t, one in enumerate(way))))
    return -float(np.log(total)) if total else np.inf


@pytest.mark.parametrize("joined", [False, True])
def test_of_all_alignments(joined: bool, monkeypatch: Any) -> None:
    draws = np.random.RandomState(2)
    x = torch.from_numpy(draws.standard_normal((5, 4, 3))).log_softmax(2)
    targets, times = [[1, 2], [1, 1], [2], []], [5, 4, 3, 2]
    padded = torch.tensor([(one + [1, 1])[:2] for one in targets])
    labels = torch.tensor([label for one in targets for label in one]) if joined else padded
    lengths = [len(one) for one in targets]
    wanted = [by_counting(x.numpy()[:, k], targets[k], times[k]) for k in range(4)]
    for least in (1, 1 << 30):
        monkeypatch.setattr(SWITCH, "least", least)
        found = ctc_loss(x, labels, times, lengths, reduction="none")
        np.testing.assert_allclose(found.numpy(), wanted, 1e-12)


@pytest.mark.parametrize("zero_infinity", [False, True])
def test_gradients_are_the_same_both_ways(zero_infinity: bool, monkeypatch: Any) -> None:
    draws = np.random.RandomState(4)
    scores, labels = draws.standard_normal((9, 5, 6)), draws.randint(1, 6, (5, 4))
    scores[3, 2, 1] = -np.inf
    times, lengths = [9, 7, 9, 0, 2], [4, 3, 1, 0, 4]  # the last one has no alignment

    def found() -> np.ndarray:
        x = torch.from_numpy(scores).requires_grad_()
        loss = ctc_loss(
            x, torch.from_numpy(labels), times, lengths, reduction="sum",
            zero_infinity=zero_infinity,
        )  # fmt: skip
        loss.backward()
        assert x.grad is not None
        return x.grad.numpy()

    monkeypatch.setattr(SWITCH, "least", 1)
    natively = found()
    monkeypatch.setattr(SWITCH, "least", 1 << 30)
    np.testing.assert_allclose(natively, found(), 1e-11, 1e-12)
    assert np.isnan(natively[3, 2, 1])
    assert (natively[7:, 1] == 0).all()
    assert np.isnan(natively[:2, 4]).all() != zero_infinity
