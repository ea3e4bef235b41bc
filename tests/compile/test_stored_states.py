"""States that a call keeps in containers and variables: replaced at each call, flags among them."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest

import rushlight as torch
from rushlight import nn


class States:
    """What a call reads from containers that it replaces."""

    def __init__(self) -> None:
        self.cell = nn.LSTMCell(3, 3)
        self.pair: Any = (torch.zeros(2, 3), torch.zeros(2, 3))
        self.table: Any = {"m": torch.zeros(3), "v": torch.zeros(3), "name": "adam"}
        self.many: Any = [torch.zeros(2, 3) for _ in range(2)]
        self.weights: Any = [torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)]

    def in_a_tuple(self, x: Any) -> Any:
        h, c = self.cell(x, self.pair)
        self.pair = (h.detach(), c.detach())
        return h.sum()

    def in_a_dict(self, x: Any) -> Any:
        m = 0.9 * self.table["m"] + x.mean(0)
        v = self.table["v"] + x.square().sum(0)
        name = self.table["name"]
        self.table = {"m": m, "v": v, "name": name}
        return m / (v + 1) if name == "adam" else m

    def in_a_list(self, x: Any) -> Any:
        found = []
        for h in self.many:
            x = (x + h).tanh()
            found.append(x)
        self.many = found
        return x

    def by_items(self, x: Any) -> Any:
        for k in range(2):
            self.many[k] = self.many[k] * 0.5 + x
            x = self.many[k] * 2
        return x

    def leaves(self, x: Any) -> Any:
        loss: Any = sum((x * w).square().mean() for w in self.weights)
        loss.backward()
        self.weights = [(w - 0.1 * w.grad).detach().requires_grad_() for w in self.weights]
        return loss

    def seen(self) -> list[Any]:
        return [*self.pair, self.table["m"], self.table["v"], *self.many, *self.weights]


@pytest.mark.parametrize("name", ["in_a_tuple", "in_a_dict", "in_a_list", "by_items", "leaves"])
def test_tensors_in_containers_that_are_replaced(name: str) -> None:
    torch.manual_seed(0)
    ours = States()
    theirs = copy.deepcopy(ours)
    run = torch.compile(getattr(ours, name), fullgraph=True, backend="numpy")
    for k in range(8):
        x = torch.ones(2, 3) * k
        if k == 6:  # others stand there, of other names and forms
            for one in (ours, theirs):
                one.table = {"m": torch.ones(1), "v": torch.ones(3), "name": "sgd"}
                one.many = [torch.ones(1, 3), torch.ones(2, 3)]
                one.pair = (torch.ones(2, 3), torch.ones(2, 3).T.contiguous().T)
        assert torch.allclose(run(x), getattr(theirs, name)(x), atol=1e-6)
        for a, b in zip(ours.seen(), theirs.seen(), strict=True):
            assert torch.allclose(a, b, atol=1e-6) and a.requires_grad == b.requires_grad
    programs = {"in_a_tuple": 2, "in_a_dict": 3, "in_a_list": 2, "by_items": 3, "leaves": 1}
    assert len(run.programs) == programs[name]


class Elsewhere(States):
    """What is read of a container is also found beside it, or twice in it."""

    def __init__(self) -> None:
        super().__init__()
        self.same, self.first = self.pair, self.pair[0]

    def whole(self, x: Any) -> Any:
        y = x * self.same[0] + self.pair[0]
        self.pair = (self.pair[0] + x, self.pair[1] - x)
        return y

    def part(self, x: Any) -> Any:
        y = x + self.first
        self.pair = (self.pair[0] + x, self.pair[1] - x)
        return y

    def mode(self, x: Any) -> Any:
        y = x * (2 if self.table["name"] == "adam" else 3)
        self.table = {"name": "sgd" if self.table["name"] == "adam" else "adam", "m": x}
        return y

    def given_and_replaced(self, x: Any) -> Any:
        y = self.table["m"] + x.mean(0)
        self.table["m"] = y
        self.table = dict(self.table)
        return y

    def shifted(self, x: Any) -> Any:
        self.many[1] = self.many[0]
        self.many[0] = x * 2
        return self.many[1] + x


@pytest.mark.parametrize("name", ["whole", "part", "mode", "given_and_replaced", "shifted"])
def test_containers_that_lead_elsewhere(name: str) -> None:
    ours, theirs = Elsewhere(), Elsewhere()
    run = torch.compile(getattr(ours, name), backend="numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(6):
            x = torch.ones(2, 3) * k
            assert torch.equal(run(x), getattr(theirs, name)(x))
            assert all(map(torch.equal, ours.pair, theirs.pair))
            assert ours.table["name"] == theirs.table["name"]
            assert torch.equal(ours.table["m"], theirs.table["m"])


def _variables() -> Any:
    """A function that gives variables around it new tensors, and what shows them."""
    total, weight, hidden, count = torch.zeros(3), torch.ones(3, requires_grad=True), None, 0
    cell = nn.GRUCell(3, 3)

    def later(x: Any) -> Any:
        return x * total

    def call(x: Any) -> Any:
        nonlocal total, weight, hidden, count, unset
        before = later(x)
        total = total + x.sum(0)
        count += 1
        hidden = cell(x, hidden).detach()
        loss = (hidden * weight * later(x)).square().mean() + before.mean()
        loss.backward()
        weight = (weight - 0.1 * weight.grad).detach().requires_grad_()
        unset = x * 2
        return loss

    def reset() -> None:
        nonlocal total, hidden
        total, hidden = torch.ones(3), None

    def seen() -> list[Any]:
        return [total, weight, hidden, torch.tensor(count), unset]

    if not call:
        unset = None
    return call, reset, seen


def test_variables_of_enclosing_functions() -> None:
    runs = []
    for compiled in (True, False):
        torch.manual_seed(0)
        call, reset, seen = _variables()
        step = torch.compile(call, backend="numpy") if compiled else call
        found: list[Any] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for k in range(9):
                if k == 6:
                    reset()
                found += [step(torch.ones(2, 3) * k), *seen()]
        runs.append(found)
        if compiled:
            assert 1 <= len(step.programs) <= 3 and step.programs[0].runs
    for a, b in zip(*runs, strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-6) and a.requires_grad == b.requires_grad


# --- constants that make way for others


def _flags() -> Any:
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.BatchNorm1d(4))
    flags: Any = {"on": False, "mode": "a"}
    big, kept = None, torch.ones(2)

    def trained(x: Any) -> Any:
        net.train()
        return net(x).sum()

    def measured(x: Any) -> Any:
        net.eval()
        with torch.no_grad():
            return net(x).sum()

    def toggled(x: Any) -> Any:
        nonlocal big
        flags["on"] = not flags["on"]
        flags["mode"] = "b" if flags["mode"] == "a" else "a"
        big = bool(x.sum() > 30)
        return x * (2 if flags["on"] else 3)

    def dropped(x: Any) -> Any:
        nonlocal kept
        y = x if kept is None else x + kept.sum()
        kept = None
        return y

    def put_back() -> None:
        nonlocal kept
        kept = torch.ones(2) * 3

    def seen() -> Any:
        return [m.training for m in net.modules()], dict(flags), big, kept is None

    return (trained, measured, toggled, dropped), put_back, seen


def test_flags_that_a_call_sets() -> None:
    """Training and evaluation in turns: each finds the other's mode, and sets its own."""
    runs = []
    for compiled in (True, False):
        torch.manual_seed(0)
        calls, put_back, seen = _flags()
        steps = [torch.compile(f, backend="numpy") if compiled else f for f in calls]
        found: list[Any] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for k in range(8):
                if k % 3 == 2:
                    put_back()
                x = torch.arange(12.0).view(4, 3) * (k % 3)
                for step in steps:
                    found += [round(step(x).double().sum().item(), 3), seen()]
        runs.append(found)
        if compiled:
            assert [len(x.programs) for x in steps] == [2, 1, 6, 2]
            assert not steps[0].reasons and not steps[1].reasons
    assert runs[0] == runs[1]


class Keeping:
    """A layer that keeps what it gave, as its parts do: the last of them the same tensor."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts
        self.out: Any = None

    def __call__(self, x: Any) -> Any:
        for part in self.parts:
            x = part(x)
        self.out = x if self.parts else x.tanh()
        return self.out


READ: dict[str, Any] = {
    "nothing": lambda net, x: 0,
    "whether it is one": lambda net, x: float(net.out is net.parts[-1].out),
    "the outer": lambda net, x: net.out.detach().sum(),
    "both": lambda net, x: (net.out - 2 * net.parts[-1].out).detach().sum(),
}


@pytest.mark.parametrize("what", READ)
def test_one_tensor_kept_in_two_places(what: str) -> None:
    """It stayed eager, though where nothing is read of the old one its places do not count."""
    w = torch.randn(3, 3, requires_grad=True)

    def step(net: Any, x: Any) -> Any:
        before = READ[what](net, x)
        loss = net(x @ w).square().sum()
        loss.backward()
        return loss.detach() + before

    compiled, nets = torch.compile(step), [Keeping(Keeping(), Keeping()) for _ in range(2)]
    for net in nets:
        net(torch.ones(2, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(6):
            x, found = torch.randn(2, 3), []
            for net, function in zip(nets, (compiled, step)):
                w.grad = None
                found.append((function(net, x), w.grad, net.out, net.parts[0].out))
                assert net.out is net.parts[-1].out
            assert all(torch.allclose(one, two) for one, two in zip(*found))
            if k == 3:
                for net in nets:
                    net.out = torch.ones(2, 3)
    assert compiled.programs or what in ("the outer", "both")
