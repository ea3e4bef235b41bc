"""channels_last beside torch: strides and values through layers and elementwise ops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch")

CALLS: dict[str, Any] = {
    "to": lambda lib, F, x, c: c,
    "contiguous": lambda lib, F, x, c: x.contiguous(memory_format=lib.channels_last),
    "clone": lambda lib, F, x, c: c.clone(),
    "clone row-major": lambda lib, F, x, c: c.clone(memory_format=lib.contiguous_format),
    "clone channels_last": lambda lib, F, x, c: x.clone(memory_format=lib.channels_last),
    "back": lambda lib, F, x, c: c.contiguous(),
    "double": lambda lib, F, x, c: c.double(),
    "relu": lambda lib, F, x, c: F.relu(c),
    "add": lambda lib, F, x, c: c + c,
    "bias": lambda lib, F, x, c: c * lib.ones(1, 3, 1, 1),
    "exp": lambda lib, F, x, c: c.exp(),
    "zeros_like": lambda lib, F, x, c: lib.zeros_like(c),
    "zeros": lambda lib, F, x, c: lib.zeros_like(x, memory_format=lib.channels_last),
    "conv2d": lambda lib, F, x, c: F.conv2d(c, lib.ones(6, 3, 2, 2), padding=1),
    "conv2d by weight": lambda lib, F, x, c: F.conv2d(
        x, lib.ones(6, 3, 2, 2).to(memory_format=lib.channels_last)
    ),
    "conv_transpose2d": lambda lib, F, x, c: F.conv_transpose2d(c, lib.ones(3, 6, 2, 2)),
    "batch_norm": lambda lib, F, x, c: F.batch_norm(c, None, None, training=True),
    "max_pool2d": lambda lib, F, x, c: F.max_pool2d(c, 2),
    "avg_pool2d": lambda lib, F, x, c: F.avg_pool2d(c, 2),
    "adaptive": lambda lib, F, x, c: F.adaptive_avg_pool2d(c, 2),
    "interpolate": lambda lib, F, x, c: F.interpolate(c, scale_factor=2, mode="bilinear"),
    "cat": lambda lib, F, x, c: lib.cat([c, c], 1),
    "pad": lambda lib, F, x, c: F.pad(c, (1, 1)),
    "flatten": lambda lib, F, x, c: c.flatten(1),
    "mean": lambda lib, F, x, c: c.mean(1, keepdim=True),
}


@pytest.mark.parametrize("name", CALLS)
def test_strides_and_values(name: str) -> None:
    values = np.random.default_rng(0).random((2, 3, 4, 5), dtype=np.float32)
    found = []
    for lib in (torch, rl):
        x = lib.from_numpy(values.copy())
        c = x.to(memory_format=lib.channels_last)
        y = CALLS[name](lib, lib.nn.functional, x, c)
        found.append((y.numpy(), y.stride(), y.is_contiguous(memory_format=lib.channels_last)))
    (wanted, *order), (mine, *my_order) = found
    np.testing.assert_allclose(mine, wanted, rtol=1e-5, atol=1e-6)
    assert order == my_order


def test_a_network_keeps_it_and_learns_the_same() -> None:
    found = []
    for lib in (torch, rl):
        nn = lib.nn
        lib.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
            nn.MaxPool2d(2), nn.Conv2d(4, 5, 1),
        ).to(memory_format=lib.channels_last)  # fmt: skip
        x = lib.rand(2, 3, 6, 8).requires_grad_()
        y = net(x.to(memory_format=lib.channels_last))
        y.square().sum().backward()
        grads = [part.grad.numpy() for part in (x, *net.parameters())]
        found.append((y.stride(), net[0].weight.stride(), grads))
    assert found[0][:2] == found[1][:2]
    for wanted, mine in zip(found[0][2], found[1][2]):
        np.testing.assert_allclose(mine, wanted, rtol=1e-4, atol=1e-4)


def test_only_pictures_can_be_laid_so() -> None:
    for lib in (torch, rl):
        with pytest.raises(RuntimeError, match="required rank 4 tensor to use channels_last"):
            lib.rand(3, 4).to(memory_format=lib.channels_last)
