"""Texts of numbers that a step keeps: in a list that grows, in an attribute, in what it returns."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

import pytest

import rushlight as torch


class Trainer:
    def __init__(self) -> None:
        torch.manual_seed(0)
        self.net = torch.nn.Linear(4, 2)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)
        self.log: list[Any] = []
        self.last: Any = None
        self.metrics: dict[str, Any] = {}
        self.steps = 0

    def loss(self, x: Any) -> Any:
        self.optimizer.zero_grad()
        loss = self.net(x).square().mean()
        loss.backward()
        self.optimizer.step()
        return loss


def appended(t: Trainer, x: Any) -> Any:
    loss = t.loss(x)
    t.log.append(f"loss {loss.item():.3f}")
    return loss


def appended_in_two_ways(t: Trainer, x: Any) -> Any:
    loss = t.loss(x)
    t.log.append("loss %.3f" % loss.item())  # noqa: UP031  # users write it so
    t.log.append("{:.1e}".format(loss.item()).upper())  # noqa: UP032  # users write it so
    return loss


def with_a_counter(t: Trainer, x: Any) -> Any:
    loss = t.loss(x)
    t.steps += 1
    t.log += [f"{t.steps}: {loss.item():.3f}", (f"{loss:.2f}", len(x))]
    return loss


def in_an_attribute(t: Trainer, x: Any) -> Any:
    loss = t.loss(x)
    t.last = f"{loss:.2f}"
    return loss


def in_a_new_dictionary(t: Trainer, x: Any) -> Any:
    loss = t.loss(x)
    t.metrics = {"loss": f"{loss.item():.3f}", "count": len(x)}
    return loss


def in_the_result(t: Trainer, x: Any) -> Any:
    parts = []
    loss = t.loss(x)
    parts.append(f"{loss.item():.3f}")
    parts.append(f"{x.mean().item():.3f}")
    return ", ".join(parts), {"parts": parts}


def read_before(t: Trainer, x: Any) -> Any:
    before, loss = t.last, t.loss(x)
    t.last = f"{loss:.2f}"
    return loss, before


def compared(t: Trainer, x: Any) -> Any:
    loss = t.loss(x)
    text = f"{loss.item():.1f}"
    if text == "0.3":
        t.log.append(text)
    return loss


def measured(t: Trainer, x: Any) -> Any:
    loss = t.loss(x)
    t.log.append(len(f"{loss.item():.3f}"))
    return loss


def seen(function: Callable[[Trainer, Any], Any], compiled: bool) -> tuple[Any, int]:
    trainer = Trainer()
    method = MethodType(function, trainer)
    call: Any = torch.compile(method) if compiled else method
    torch.manual_seed(1)
    results = [call(torch.randn(3, 4)) for _ in range(6)]
    left = trainer.log, trainer.last, trainer.metrics, trainer.steps
    for text in [x for x in (*trainer.log, trainer.last) if isinstance(x, str)]:
        assert type(text) is str
    return (str(results), *left), len(call.programs) if compiled else 0


@pytest.mark.parametrize(
    "function",
    [appended, appended_in_two_ways, with_a_counter, in_an_attribute, in_a_new_dictionary,
     in_the_result],
)  # fmt: skip
def test_texts_that_are_only_kept(function: Any) -> None:
    found, programs = seen(function, compiled=True)
    assert found == seen(function, compiled=False)[0]
    assert programs == 1


@pytest.mark.parametrize("function", [read_before, compared, measured])
@pytest.mark.filterwarnings("ignore:compiled .* runs eagerly")
def test_texts_that_are_asked_for_something(function: Any) -> None:
    assert seen(function, compiled=True)[0] == seen(function, compiled=False)[0]


def test_a_list_that_grew_by_texts_may_be_exchanged() -> None:
    trainer = Trainer()
    call = torch.compile(MethodType(appended, trainer))
    for epoch in range(3):
        trainer.log = [f"epoch {epoch}"]
        for _ in range(2):
            call(torch.ones(3, 4))
        assert len(trainer.log) == 3
        assert all(type(x) is str and x.startswith(("epoch", "loss 0.")) for x in trainer.log)
    assert len(call.programs) == 1
