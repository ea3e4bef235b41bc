"""What a step looks at of a layer that it calls, by `self(x)` and by `super().forward(x)`."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as torch

X = torch.tensor([[1.0, -2.0], [3.0, 0.5], [-1.0, 4.0]])


class Trainer:
    """One that a model knows, and which counts."""

    def __init__(self, model: Any) -> None:
        self.model, self.batches, self.optim = model, 0, model.configure_optimizers()
        model.trainer = self

    def step(self, x: Any) -> Any:
        loss = self.model.training_step(x)
        self.optim.zero_grad()
        loss.backward()
        self.optim.step()
        return loss


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Linear(2, 2)
        self.trainer: Any = None
        self.scale = 2.0

    def forward(self, x: Any) -> Any:
        return self.net(x) * self.scale

    def training_step(self, x: Any) -> Any:
        return self(x).pow(2).mean()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.01)

    def told(self) -> int:
        return self.trainer.batches


def _losses(compiled: bool, between: Any) -> list[float]:
    torch.manual_seed(0)
    trainer = Trainer(Model())
    step = torch.compile(trainer.step) if compiled else trainer.step
    losses = []
    for k in range(8):
        losses.append(step(X).item())
        trainer.batches += 1
        between(trainer.model, k)
    return losses


def _scaled(model: Any, k: int) -> None:
    model.scale = 2.0 + k // 3


def _hooked(model: Any, k: int) -> None:
    if k == 3:
        model.register_forward_hook(lambda layer, given, out: out * 3)


def _replaced(model: Any, k: int) -> None:
    if k == 3:
        model.forward = lambda x: x * model.net.weight.sum()


def _other_layer(model: Any, k: int) -> None:
    if k == 3:
        model.net.register_forward_pre_hook(lambda layer, given: given[0] + 1)


@pytest.mark.parametrize("between", [_scaled, _hooked, _replaced, _other_layer])
def test_what_forward_looks_at_may_change(between: Any) -> None:
    assert _losses(True, between) == pytest.approx(_losses(False, between))


class Above(Model):
    def forward(this, x: Any) -> Any:  # pyright: ignore[reportSelfClsParameterName]  # the name is what is tried
        return super().forward(x) + 1


def test_what_a_method_above_looks_at() -> None:
    torch.manual_seed(0)
    net = Above()
    call = torch.compile(net.forward)
    for k in range(6):
        net.scale = 2.0 + k // 3
        assert torch.allclose(call(X), net.net(X) * net.scale + 1)
