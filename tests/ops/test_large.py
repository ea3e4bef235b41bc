"""Large arrays, whose ops run as native programs or by partition: the values of small ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as torch

F = torch.nn.functional
Call = Callable[..., torch.Tensor]
MANY = 70_000  # elements, more than core.heavy.LIGHT

# a: any numbers, b: others, u: between -1 and 1
CALLS: dict[str, Call] = {
    "erfc": lambda a, b, u: torch.erfc(a),
    "erfinv": lambda a, b, u: torch.erfinv(u),
    "logit": lambda a, b, u: torch.logit(u.abs(), 1e-3),
    "sinc": lambda a, b, u: torch.sinc(a),
    "sign": lambda a, b, u: torch.sign(a) * b,
    "hardtanh": lambda a, b, u: F.hardtanh(a, -0.5, 1.5),
    "rsqrt": lambda a, b, u: torch.rsqrt(a.abs() + 0.1),
    "deg2rad": lambda a, b, u: torch.deg2rad(a),
    "rad2deg": lambda a, b, u: torch.rad2deg(a),
    "entr": lambda a, b, u: torch.special.entr(u),
    "hypot": lambda a, b, u: torch.hypot(a, b),
    "logaddexp": lambda a, b, u: torch.logaddexp(a, b),
    "logaddexp2": lambda a, b, u: torch.logaddexp2(a, b),
    "lerp, near the first": lambda a, b, u: torch.lerp(a, b, 0.25),
    "lerp, near the second": lambda a, b, u: torch.lerp(a, b, 0.75),
    "lerp by a tensor": lambda a, b, u: torch.lerp(a, b, u),
    "addcdiv": lambda a, b, u: torch.addcdiv(a, u, b.abs() + 1, value=0.5),
    "prelu": lambda a, b, u: F.prelu(a, b[0, :1]),
    "prelu by channel": lambda a, b, u: F.prelu(a, b[0]),
    "smooth_l1": lambda a, b, u: F.smooth_l1_loss(a, b, reduction="none", beta=0.7),
    "smooth_l1 without bend": lambda a, b, u: F.smooth_l1_loss(a, b, reduction="none", beta=0.0),
    "huber": lambda a, b, u: F.huber_loss(a, b, reduction="none", delta=0.7),
    "hardshrink": lambda a, b, u: F.hardshrink(a),
    "softshrink": lambda a, b, u: F.softshrink(a),
    "nan_to_num": lambda a, b, u: torch.nan_to_num(a),
}  # fmt: skip


def operands(kind: Any) -> list[torch.Tensor]:
    draws = np.random.RandomState(0)
    a, b = (draws.standard_normal((MANY // 100, 100)) * 1.5 for _ in range(2))
    u = draws.uniform(-0.999, 0.999, a.shape)
    return [torch.from_numpy(x).to(kind) for x in (a, b, u)]


def graded(call: Call, xs: list[torch.Tensor]) -> list[np.ndarray]:
    xs = [x.detach().clone().requires_grad_() for x in xs]
    y = call(*xs)
    y.sum().backward()
    return [y.detach().numpy(), *(x.grad.numpy() for x in xs if x.grad is not None)]


@pytest.mark.parametrize("kind", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", CALLS)
def test_as_of_pieces(name: str, kind: Any) -> None:
    """A tenth of the rows are too few elements for a program."""
    xs, few = operands(kind), 100
    whole, parts = graded(CALLS[name], xs), graded(CALLS[name], [x[:few] for x in xs])
    near = 3e-6 if kind is torch.float32 else 1e-11
    for x, y in zip(whole[:2], parts[:2]):
        np.testing.assert_allclose(x[:few], y, near, near)
    assert len(whole) == len(parts)


def test_ends_of_erfinv() -> None:
    x = torch.cat([torch.tensor([1.0, -1.0, 1.5, torch.nan, 0.0]), torch.zeros(MANY)])
    assert torch.erfinv(x)[:5].tolist()[:2] == [np.inf, -np.inf]
    assert torch.erfinv(x)[2:4].isnan().all() and torch.erfinv(x)[4:].eq(0).all()


@pytest.mark.parametrize("values", [5, 1000], ids=["ties", "few ties"])
@pytest.mark.parametrize("kind", [np.float32, np.int64])
def test_partition_finds_what_sorting_does(kind: Any, values: int) -> None:
    x = np.random.RandomState(1).randint(0, values, (6, 80, 5)).astype(kind)
    t = torch.from_numpy(x)
    order, columns = np.argsort(x, 1, kind="stable"), np.sort(x, 1)
    found = t.median(1)
    assert (found.values.numpy() == columns[:, 39]).all()
    assert (found.indices.numpy() == order[:, 39]).all()
    kth = t.kthvalue(7, 1, keepdim=True)
    assert (kth.values.numpy() == columns[:, 6:7]).all()
    assert (np.take_along_axis(x, kth.indices.numpy(), 1) == kth.values.numpy()).all()
    assert t.median().item() == np.sort(x.ravel())[x.size // 2 - 1]


def test_the_first_few_of_many() -> None:
    x = np.random.RandomState(2).permutation(2400).reshape(6, 80, 5)
    order = np.argsort(x, 1)
    for kind in (torch.float32, torch.int64):
        t = torch.from_numpy(x).to(kind)
        assert (t.topk(9, 1, largest=False).indices.numpy() == order[:, :9]).all()
        assert (t.topk(9, 1).indices.numpy() == order[:, :-10:-1]).all()


def test_no_number_is_the_median_and_the_largest() -> None:
    x = torch.arange(160.0).reshape(2, 80)
    x[1, 3] = torch.nan
    assert x.median(1).values.isnan().tolist() == [False, True] and x.median().isnan()
    assert x.median(1).indices.tolist() == [39, 3]
    assert x.topk(2, 1).indices.tolist() == [[79, 78], [3, 79]]
    assert x.nanmedian(1).values.tolist() == [39.0, 120.0]
