"""Sequences of unlike lengths, padded."""

from __future__ import annotations

import pytest

import rushlight as torch

rnn = torch.nn.utils.rnn


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("value", [0, 0.5, float("inf"), float("nan")])
def test_padding_gives_the_same_whether_or_not_it_is_recorded(batch_first, side, value):
    sequences = [torch.randn(n, 2) for n in (3, 1, 4, 0)]
    plain = rnn.pad_sequence(sequences, batch_first, value, side)
    leaves = [one.clone().requires_grad_() for one in sequences]
    recorded = rnn.pad_sequence(leaves, batch_first, value, side)
    assert torch.equal(plain.nan_to_num(7, 8), recorded.detach().nan_to_num(7, 8))
    assert plain.is_contiguous() and not plain.requires_grad
    recorded[recorded.isfinite()].sum().backward()
    assert all((leaf.grad == 1).all() for leaf in leaves)
