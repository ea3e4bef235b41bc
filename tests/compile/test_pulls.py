"""Rules of the backward pass that are noted again without being run: same notes, same bits."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.compile.disk.digest import digest
from rushlight.compile.tracing.capture import Captured, capture
from rushlight.compile.tracing.later import Forms
from rushlight.core.tape import PRIM

later = importlib.import_module("rushlight.compile.tracing.later")
pulls = importlib.import_module("rushlight.compile.tracing.pulls")
STEPS = 7


@pytest.fixture(autouse=True)
def everything_waits(monkeypatch):
    """Operations on small arrays are put off too."""
    monkeypatch.setattr(later, "SMALL", 0)


@pytest.fixture
def filled(monkeypatch) -> list[str]:
    """The ops whose rules were noted without being run."""
    found: list[str] = []
    real = pulls._Mould.filled

    def spied(self: Any, tracer: Any, entry: Any, *rest: Any) -> Any:
        found.append(entry[PRIM].name)
        return real(self, tracer, entry, *rest)

    monkeypatch.setattr(pulls._Mould, "filled", spied)
    return found


def gated(h: Any, x: Any, w: Any, u: Any) -> Any:
    z = torch.sigmoid(x @ w + h @ u)
    return z * h + (1 - z) * torch.tanh((z * h) @ u)


def normed(h: Any, x: Any, w: Any, u: Any) -> Any:
    y = torch.nn.functional.layer_norm(h + x @ w, (5,))
    return torch.softmax(y @ u, 1) / (1 + h**2)


def viewed(h: Any, x: Any, w: Any, u: Any) -> Any:
    return torch.tanh((x @ w).t().reshape(4, 5)[:, [4, 0, 1, 2, 3]].clamp(-1, 1) + (h @ u))


def switched(h: Any, x: Any, w: Any, u: Any) -> Any:
    return torch.where(h > 0, (x @ w).abs(), torch.maximum(h @ u, x.sum(1, keepdim=True)))


def dropped(h: Any, x: Any, w: Any, u: Any) -> Any:
    return torch.nn.functional.dropout(torch.tanh(x @ w + h @ u), 0.25)


STEP = {one.__name__: one for one in (gated, normed, viewed, switched, dropped)}


def world(step: Any, ask: bool = False) -> tuple[Any, Any, Any]:
    """A function that trains over a few equal steps; and what it leaves."""
    torch.manual_seed(0)
    x = torch.randn(STEPS, 4, 3)
    w, u = torch.randn(3, 5).requires_grad_(), torch.randn(5, 5).requires_grad_()

    def train() -> Any:
        for weight in (w, u):
            weight.grad = None
        h, states = torch.zeros(4, 5), []
        for at in x.unbind(0):
            h = step(h, at, w, u)
            states.append(h)
        loss = (torch.stack(states) ** 2).mean()
        loss.backward()
        if ask:
            loss.item()
        return loss.detach()

    return train, w, u


def traced(step: Any, ask: bool = False) -> tuple[Any, list[np.ndarray]]:
    """A call that was traced with all work put off: what was captured, and what it left."""
    train, w, u = world(step, ask)
    forms = Forms()
    for _ in range(2):  # the second time it is known what everything looks like
        torch.manual_seed(1)
        loss, captured, _ = capture(train, (), {}, None, forms)
        if isinstance(captured, Captured) and captured.later is not None:
            captured.later.settle()
    return captured, [x.detach().numpy().copy() for x in (loss, w.grad, u.grad)]


@pytest.mark.parametrize("name", STEP)
def test_the_same_graph_is_noted(name, filled, monkeypatch):
    captured, _ = traced(STEP[name])
    assert isinstance(captured, Captured), captured
    assert len(filled) >= STEPS, filled
    monkeypatch.setattr(pulls.Pulls, "pulled", lambda self, entry, g: entry[PRIM].pull(g, entry))
    other, _ = traced(STEP[name])
    sources = [source.array for source in captured.sources]
    numbers = [digest(one.graph, one.writes, sources) for one in (captured, other)]
    assert numbers[0] == numbers[1] is not None


@pytest.mark.parametrize("name", STEP)
@pytest.mark.parametrize("ask", [False, True], ids=["settled", "asked"])
def test_results_are_the_rules_own(name, ask, filled):
    _, found = traced(STEP[name], ask)
    assert filled
    train, w, u = world(STEP[name])
    torch.manual_seed(1)
    wanted = [x.detach().numpy() for x in (train(), w.grad, u.grad)]
    for a, b in zip(found, wanted):  # norms are worked out otherwise in eager mode
        np.testing.assert_allclose(a, b, rtol=1e-6 * (name == "normed"), atol=0)


@pytest.mark.parametrize("backend", ["llvm", "numpy"])
@pytest.mark.parametrize("name", STEP)
def test_programs_are_right(name, backend):
    train, w, u = world(STEP[name])
    step = torch.compile(train, backend=backend)
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        loss = step()
    found = [x.detach().numpy().copy() for x in (loss, w.grad, u.grad)]
    assert not step.reasons
    torch.manual_seed(1)
    for a, b in zip(found, (train(), w.grad, u.grad)):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=2e-5, atol=2e-6)


def test_a_rule_that_does_more_runs_each_time(filled, monkeypatch):
    """Views of what a rule is given, and questions about indices, come from no mould."""
    ran: list[str] = []
    real = pulls.Pulls._traced

    def spied(self: Any, key: Any, entry: Any, *rest: Any) -> Any:
        ran.append(entry[PRIM].name)
        return real(self, key, entry, *rest)

    monkeypatch.setattr(pulls.Pulls, "_traced", spied)
    traced(viewed)
    assert "t" in ran and "tanh" in filled
    assert not {"t", "view", "reshape", "index"} & set(filled)


def test_other_parameters_are_other_moulds(filled):
    """2 and 2.0, or another number of operands that want a gradient, are told apart."""
    torch.manual_seed(0)
    x, y = torch.randn(4, 5).requires_grad_(), torch.randn(4, 5).requires_grad_()

    def train() -> Any:
        x.grad = y.grad = None
        total = x * 0
        for power in (2, 2.0, 3, 3.0, 2, 3):
            total = total + x**power * y + x.detach() * y + x * y.detach() + x * x
        total.sum().backward()

    forms = Forms()
    for _ in range(2):
        _, captured, _ = capture(train, (), {}, None, forms)
        captured.later.settle()
    found = [one.grad.numpy().copy() for one in (x, y)]
    train()
    assert filled
    for a, b in zip(found, (x.grad, y.grad)):
        np.testing.assert_array_equal(a, b.numpy())


def test_outputs_that_nobody_used_share_one_zero(monkeypatch):
    """A loop of thousands of steps would search among thousands of zeros."""
    trace = importlib.import_module("rushlight.compile.tracing.trace")
    cell, parts = torch.nn.LSTMCell(3, 5), torch.randn(6, 4, 3)
    zeros: list[Any] = []
    real = trace.Tracer.constant

    def spied(self: Any, array: Any) -> Any:
        found = real(self, array)
        zeros.extend([found.node] * trace.no_gradient(array))
        return found

    def train() -> Any:
        loss = torch.zeros(())
        for part in parts.unbind(0):  # the second state of each is not used
            loss = loss + cell(part)[0].sum()
        loss.backward()

    def looked(kinds: Any) -> Any:
        raise AssertionError("all objects were looked through for who holds traced arrays")

    monkeypatch.setattr(trace.Tracer, "constant", spied)
    monkeypatch.setattr(trace, "alive", looked)
    _, captured, _ = capture(train, (), {}, None, Forms())
    assert isinstance(captured, Captured), captured
    shapes = {node.shape for node in zeros}
    assert len(zeros) >= 6 and len({id(node) for node in zeros}) == len(shapes)
