"""The second derivative of what is made of straight pieces is zero, not absent: as torch has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight as torch

F = torch.nn.functional
X = [[0.3, -1.2, 0.8, 2.0], [-0.4, 0.9, -0.7, 1.5], [0.1, 0.6, -2.1, 0.2], [1.1, -0.3, 0.5, -0.9]]

# the node of the gradient in torch 2.13, or None where other nodes follow
PIECES: dict[str, tuple[Callable[[Any], Any], str | None]] = {
    "relu": (F.relu, "ThresholdBackwardBackward0"),
    "relu_": (lambda x: (1 * x).relu_(), None),
    "leaky_relu": (F.leaky_relu, "LeakyReluBackwardBackward0"),
    "hardtanh": (F.hardtanh, "HardtanhBackwardBackward0"),
    "relu6": (F.relu6, "HardtanhBackwardBackward0"),
    "hardshrink": (F.hardshrink, "HardshrinkBackwardBackward0"),
    "softshrink": (F.softshrink, "SoftshrinkBackwardBackward0"),
    "threshold": (lambda x: F.threshold(x, 0.1, 0.0), "ThresholdBackwardBackward0"),
    "prelu": (lambda x: F.prelu(x, torch.tensor([0.2])), "PreluKernelBackwardBackward0"),
    "max_pool1d": (lambda x: F.max_pool1d(x[None], 2), None),
    "max_pool2d": (lambda x: F.max_pool2d(x[None], 2), None),
    "adaptive_max_pool1d": (lambda x: F.adaptive_max_pool1d(x[None], 2), None),
}


@pytest.mark.parametrize("name", PIECES)
def test_the_second_derivative_is_zero(name: str) -> None:
    function, node = PIECES[name]
    x = torch.tensor(X, requires_grad=True)
    (g,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
    assert node is None or type(g.grad_fn).__name__ == node
    (h,) = torch.autograd.grad((g * torch.tensor(X)).sum(), x, create_graph=True)
    assert torch.equal(h, torch.zeros(4, 4))
    (plain,) = torch.autograd.grad(function(x).sum(), x)
    assert torch.equal(g, plain) and plain.grad_fn is None


def test_a_second_derivative_beside_it_is_kept() -> None:
    x = torch.tensor(X, requires_grad=True)
    (g,) = torch.autograd.grad((F.relu(x) ** 3).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert torch.allclose(h, 6 * x.detach().clamp(min=0))


def test_a_penalty_of_gradients_reaches_every_parameter() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 1))
    x = torch.tensor(X, requires_grad=True)
    (g,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    ((g.norm(2, dim=1) - 1) ** 2).mean().backward()
    assert torch.equal(net[0].bias.grad, torch.zeros(5))
    assert net[0].weight.grad.abs().sum() > 0
    assert net[2].bias.grad is None


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_a_penalty_in_a_compiled_step(backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    net = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 1))

    def step(x: Any) -> list[Any]:
        net.zero_grad()
        inside = x.clone().requires_grad_()
        (g,) = torch.autograd.grad(net(inside).sum(), inside, create_graph=True)
        ((g.norm(2, dim=1) - 1) ** 2).mean().backward()
        return [p.grad.clone() for p in net.parameters() if p.grad is not None]

    compiled = torch.compile(step, fullgraph=True, backend=backend)
    for _ in range(3):
        x = torch.randn(6, 4)
        for found, wanted in zip(compiled(x), step(x), strict=True):
            assert torch.allclose(found, wanted, atol=1e-6)
    assert compiled.programs
