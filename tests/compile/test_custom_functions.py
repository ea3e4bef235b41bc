"""Functions with rules of their own, inside compiled steps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import alike, backends


class Scaled(torch.autograd.Function):
    """One output; a number that is no tensor; what it saves is an input."""

    @staticmethod
    def forward(ctx: Any, x: Any, factor: float) -> Any:
        ctx.save_for_backward(x)
        ctx.factor = factor
        return x.sin() * factor

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * ctx.factor * x.cos(), None


class Parts(torch.autograd.Function):
    """Several outputs, of which one saves itself and one wants no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any) -> Any:
        product, order = x * y, (x > y).float()
        ctx.save_for_backward(x, y, product)
        ctx.mark_non_differentiable(order)
        return product, x + y, order

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Any, h: Any, _: Any) -> Any:
        x, y, product = ctx.saved_tensors
        return g * y + h, g * x + h * product


class Straight(torch.autograd.Function):
    """Rounds, and passes gradients on as if it did not (a straight-through estimator)."""

    @staticmethod
    def forward(x: Any) -> Any:
        return x.round()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g


class Doubling(torch.autograd.Function):
    """Writes to its input."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * 2


def _loop(x: Any) -> Any:
    for k in range(5):
        x = Scaled.apply(x, k + 0.5)
    return x


def _several(x: Any) -> Any:
    product, total, order = Parts.apply(x, x.flip(0))
    return product + total.exp() * order


USES: dict[str, Callable[[Any], Any]] = {
    "one": lambda x: Scaled.apply(x, 1.5),
    "equal steps": _loop,
    "several outputs": _several,
    "straight through": lambda x: Straight.apply(x * 3) * x,
    "in place": lambda x: Doubling.apply(x * 1).tanh(),
}


@backends
@pytest.mark.parametrize("name", USES)
def test_a_step_with_own_rules_is_one_program(name: str, backend: str) -> None:
    torch.manual_seed(3)
    layer = torch.nn.Linear(4, 4)

    def step(x: Any) -> Any:
        layer.zero_grad()
        loss = USES[name](layer(x)).square().mean()
        loss.backward()
        return loss

    compiled = torch.compile(step, backend=backend, fullgraph=True)
    for _ in range(3):
        x = torch.randn(3, 4)
        wanted = [step(x).item(), layer.weight.grad.numpy().copy(), layer.bias.grad.numpy().copy()]
        found = [compiled(x).item(), layer.weight.grad.numpy(), layer.bias.grad.numpy().copy()]
        assert wanted[1].any()
        alike(found, wanted)
    assert len(compiled.programs) == 1


@backends
def test_second_gradients_through_own_rules(backend: str) -> None:
    def penalty(x: Any) -> Any:
        (g,) = torch.autograd.grad(Scaled.apply(x, 2.0).sum(), x, create_graph=True)
        return torch.autograd.grad(g.square().sum(), x)[0]

    x = torch.linspace(-1, 1, 5, requires_grad=True)
    compiled = torch.compile(penalty, backend=backend, fullgraph=True)
    alike(compiled(x).numpy(), penalty(x).numpy())
