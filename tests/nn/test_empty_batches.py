"""Layers that are given a batch of nothing."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import rushlight as rl

nn = rl.nn


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.MaxPool1d(3, 2), (0, 3, 5)),
        (nn.MaxPool2d(3, 2), (0, 3, 3, 2)),
        (nn.MaxPool2d(2), (0, 3, 3, 2)),
        (nn.MaxPool2d(3, 2, 1, ceil_mode=True), (0, 3, 4, 3)),
        (nn.MaxPool3d(2), (0, 3, 3, 2, 3)),
        (nn.AdaptiveMaxPool2d((2, 3)), (0, 3, 2, 3)),
        (nn.AdaptiveMaxPool1d(4), (0, 3, 4)),
        (nn.AdaptiveMaxPool3d(2), (0, 3, 2, 2, 2)),
        (nn.AvgPool2d(3, 2), (0, 3, 3, 2)),
        (nn.AdaptiveMaxPool2d(1), (0, 3, 1, 1)),
    ],
    ids=str,
)
def test_pooling_gives_nothing_and_its_gradient(layer: Any, shape: tuple[int, ...]) -> None:
    x = rl.ones(0, 3, *{1: (11,), 2: (7, 5), 3: (7, 5, 6)}[len(shape) - 2]).requires_grad_()
    y = layer(x)
    assert tuple(y.shape) == shape
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.shape == x.shape


@pytest.mark.filterwarnings("ignore:mean of")
def test_running_statistics_stay_as_they_were() -> None:
    layer: Any = nn.BatchNorm2d(4)
    layer(rl.randn(3, 4, 2, 2))
    before = [x.clone() for x in (layer.running_mean, layer.running_var)]
    layer(rl.ones(0, 4, 2, 2)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [0.0] * 4
    assert rl.equal(layer.running_mean, before[0])
    assert rl.equal(layer.running_var, before[1])


def test_statistics_of_groups_of_no_images() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rl.native_group_norm(rl.zeros(0, 4, 3), None, None, 0, 4, 3, 2, 1e-5)
    assert [tuple(one.shape) for one in found] == [(0, 4, 3), (0, 2), (0, 2)]
    means = rl.native_group_norm(rl.arange(12.0).view(1, 4, 3), None, None, 1, 4, 3, 2, 0.0)[1]
    assert means.tolist() == [[2.5, 8.5]]
