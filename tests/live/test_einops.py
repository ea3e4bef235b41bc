"""einops works on rushlight's tensors as on NumPy's arrays."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

einops = pytest.importorskip("einops")

import rushlight as rl

CASES: list[tuple[str, tuple[Any, ...], dict[str, int]]] = [
    ("rearrange", ("a b c -> c (a b)",), {}),
    ("rearrange", ("a b (c d) -> d a (b c)",), {"d": 2}),
    ("rearrange", ("a b c -> a b () c",), {}),
    ("reduce", ("a b c -> b", "mean"), {}),
    ("reduce", ("a (b d) c -> a d", "max"), {"d": 3}),
    ("reduce", ("a b c -> c", "prod"), {}),
    ("reduce", ("a b c ->", "sum"), {}),
    ("repeat", ("a b c -> a (b r) c",), {"r": 2}),
    ("repeat", ("a b c -> r a b c",), {"r": 3}),
]


@pytest.mark.parametrize(("name", "args", "sizes"), CASES)
def test_as_numpy(name: str, args: tuple[Any, ...], sizes: dict[str, int]) -> None:
    array = np.arange(24, dtype=np.float64).reshape(2, 3, 4) / 7
    found = getattr(einops, name)(rl.from_numpy(array), *args, **sizes)
    assert isinstance(found, rl.Tensor)
    np.testing.assert_allclose(found.numpy(), getattr(einops, name)(array, *args, **sizes))


def test_gradients_and_packing() -> None:
    x = rl.ones(2, 3, 4, requires_grad=True)
    packed, shapes = einops.pack([x, x[:, 0]], "a * c")
    whole, part = einops.unpack(packed, shapes, "a * c")
    (einops.reduce(whole, "a b c ->", "sum") + einops.einsum(part, part, "a c, a c ->")).backward()
    assert x.grad is not None
    assert x.grad[:, 0].unique().tolist() == [3.0]
    assert x.grad[:, 1:].unique().tolist() == [1.0]


@pytest.mark.parametrize("order", ["einops, rushlight", "rushlight, einops"])
def test_either_may_be_imported_first(order: str) -> None:
    code = f"import {order}; print(einops.rearrange(rushlight.ones(2, 3), 'a b -> b a').shape)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "torch.Size([3, 2])\n", done.stderr
