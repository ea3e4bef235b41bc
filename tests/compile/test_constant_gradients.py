"""Gradients that are constants (those of a sum) meet indices that the program computes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import F, backends

ENDS: dict[str, Callable[[Any, Any], Any]] = {
    "max": lambda z, i: z.max(1)[0],
    "topk": lambda z, i: z.topk(2)[0],
    "sort": lambda z, i: z.sort()[0],
    "median": lambda z, i: z.median(1)[0],
    "cummax": lambda z, i: z.cummax(1)[0],
    "kthvalue": lambda z, i: z.kthvalue(2, 1)[0],
    "mode": lambda z, i: z.mode(1)[0],
    "gather": lambda z, i: z.gather(1, i[:, None]),
    "take": lambda z, i: z.take(i),
    "index": lambda z, i: z[i],
    "index_pairs": lambda z, i: z[torch.arange(8), i],
    "index_select": lambda z, i: z.index_select(0, i),
    "take_along_dim": lambda z, i: torch.take_along_dim(z, i[:, None], 1),
    "scatter": lambda z, i: torch.zeros(8, 3).scatter(1, i[:, None], z),
    "scatter_add": lambda z, i: torch.zeros(8, 3).scatter_add(1, i[:, None], z),
    "index_add": lambda z, i: torch.zeros(8, 3).index_add(0, i, z),
    "index_put": lambda z, i: torch.zeros(8, 3).index_put((i,), z),
    "masked_fill": lambda z, i: z.masked_fill(z > 0, 0.0),
    "max_unpool": lambda z, i: F.max_unpool1d(
        *F.max_pool1d(z[:, None], 2, return_indices=True), 2
    ),
    "nll": lambda z, i: F.nll_loss(z, i, reduction="none"),
}  # fmt: skip


@backends
@pytest.mark.parametrize("name", ENDS)
def test_a_sum_goes_back_through_computed_indices(name: str, backend: str) -> None:
    torch.manual_seed(3)
    weight = torch.randn(4, 3, requires_grad=True)

    def step(x: torch.Tensor, i: torch.Tensor) -> Any:
        weight.grad = None
        ENDS[name](x @ weight, i).sum().backward()
        return weight.grad

    compiled = torch.compile(step, fullgraph=True, backend=backend)
    for _ in range(3):
        batch = torch.randn(8, 4), torch.randint(0, 3, (8,))
        expected = step(*batch).clone()
        assert torch.allclose(compiled(*batch), expected)
    assert compiled.programs


@backends
@pytest.mark.parametrize("name", ["max", "min", "median", "nanmedian"])
def test_the_gradient_of_one_number_keeps_its_type(name: str, backend: str) -> None:
    def step(x: torch.Tensor) -> Any:
        y = getattr(torch, name)(x)
        return y, *torch.autograd.grad(y.sum(), x)

    x = torch.tensor(0.7, requires_grad=True)
    compiled = torch.compile(step, fullgraph=True, backend=backend)
    for _ in range(3):
        assert [repr(y) for y in compiled(x)] == [repr(y) for y in step(x)]


@backends
def test_a_leaf_of_the_call_s_own_gets_a_gradient(backend: str) -> None:
    """It goes with the call: the next one needs no program of its own."""
    weight = torch.ones(3, requires_grad=True)

    def step(x: torch.Tensor) -> torch.Tensor:
        weight.grad = None
        inside = x.clone().requires_grad_()
        loss = (inside * weight).pow(2).sum()
        loss.backward()
        return loss + inside.grad.sum()

    compiled = torch.compile(step, fullgraph=True, backend=backend)
    for k in range(5):
        x = torch.randn(3)
        expected, grad = step(x), weight.grad.clone()
        assert torch.allclose(compiled(x), expected)
        assert torch.allclose(weight.grad, grad)
        assert len(compiled.programs) == min(k + 1, 1)

    def returned(x: torch.Tensor) -> torch.Tensor:
        inside = x.clone().requires_grad_()
        (inside * 2).sum().backward()
        return inside

    compiled = torch.compile(returned, fullgraph=True, backend=backend)
    with pytest.raises(RuntimeError, match="a tensor of its own that got a gradient"):
        compiled(torch.ones(3))
