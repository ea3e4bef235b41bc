"""What a compiled call stores in objects that stood before it: as eager calls do, or eagerly."""

from __future__ import annotations

import collections
import copy
import functools
import warnings
from typing import Any

import pytest

import rushlight as torch
from rushlight import nn

last: Any = None


class Attention(nn.Module):
    """Keeps its weights, and a table of them, as those who draw them want it."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        scores = self.query(x) @ self.key(x).mT
        self.weights = scores.softmax(-1)
        self.table: Any = [[None] * 2 for _ in range(2)]
        self.table[0][1] = self.weights.detach()
        self.heads = 2
        return self.weights @ x


class Moving(nn.Module):
    """Batch norm from scratch: reads what the last call left, and replaces it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.mean, self.var = torch.zeros(4), torch.ones(4)

    def forward(self, x: Any) -> Any:
        mean, var = x.mean(0), x.var(0, correction=0)
        self.mean = 0.9 * self.mean + 0.1 * mean.detach()
        self.var = (0.9 * self.var + 0.1 * var).data
        return self.scale * (x - mean) / (var + 1e-5).sqrt() + self.mean


class Buffered(nn.Module):
    """A buffer that gets another tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("total", torch.zeros(4))

    def forward(self, x: Any) -> Any:
        self.total = self.total + x.detach().sum(0)
        return self.layer(x) * self.total


class Remembering(nn.Module):
    """A state that is carried from call to call."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(4, 4)
        self.h: Any = None

    def forward(self, x: Any) -> Any:
        h = self.cell(x, self.h)
        self.h = h.detach()
        return h


class Tapped(nn.Module):
    """Keeps features in a dict, some by a hook with a dict of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.features: Any = {"input": None}
        self.first.register_forward_hook(self.tap)

    def tap(self, module: Any, args: Any, output: Any) -> None:
        self.features["first"] = output.detach()

    def forward(self, x: Any) -> Any:
        y = self.second(self.first(x).relu())
        self.features["input"], self.features["mean"] = x * 1, y.detach().mean()
        return y


def state(net: Any) -> list[Any]:
    found = [*net.parameters(), *net.buffers()]
    for value in vars(net).values():
        parts = list(value.values()) if type(value) is dict else value
        parts = parts if isinstance(parts, list) else [parts]
        found += [x for part in parts for x in (part if isinstance(part, list) else [part])
                  if isinstance(x, torch.Tensor)]  # fmt: skip
    return [x.detach().clone() for x in found]


@pytest.mark.parametrize("kind", [Attention, Moving, Buffered, Remembering, Tapped])
def test_layers_that_store(kind: Any) -> None:
    torch.manual_seed(0)
    net = kind()
    twin = copy.deepcopy(net)
    optimizers = [torch.optim.SGD(one.parameters(), lr=0.05) for one in (net, twin)]

    def step(net: Any, optimizer: Any, x: Any) -> Any:
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    compiled = torch.compile(lambda x: step(net, optimizers[0], x), fullgraph=True)
    for _ in range(5):
        x = torch.randn(6, 4)
        a, b = compiled(x), step(twin, optimizers[1], x)
        assert torch.allclose(a, b, rtol=1e-5)
        for one, other in zip(state(net), state(twin), strict=True):
            assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)
        assert getattr(net, "heads", None) == getattr(twin, "heads", None)
        if kind is Attention:
            del net.heads, twin.heads
    assert len(compiled.programs) == (2 if kind is Remembering else 1)  # its first h was None


def test_a_module_alone_keeps_its_history() -> None:
    """`net = torch.compile(net)`: what is kept leads back to the weights, as the result does."""
    torch.manual_seed(0)
    net = Attention()
    run = torch.compile(net)
    for _ in range(3):
        x = torch.randn(5, 4)
        wanted = torch.autograd.grad(Attention.forward(net, x).sum() + net.weights.sin().sum(),
                                     net.query.weight)  # fmt: skip
        found = torch.autograd.grad(run(x).sum() + net.weights.sin().sum(), net.query.weight)
        assert torch.allclose(found[0], wanted[0], rtol=1e-4, atol=1e-6)


class Holder:
    def __init__(self) -> None:
        self.count, self.a = 0, torch.ones(3)
        self.b = self.a

    def counts(self, x: Any) -> Any:
        self.count += 1
        return x * self.count

    def swaps(self, x: Any) -> Any:
        y = x * self.b
        self.a = x + 1
        return y

    def grows(self, x: Any) -> Any:
        self.a = torch.cat([self.a, x])
        return self.a.sum()

    def gives_back(self, x: Any) -> Any:
        old, self.a = self.a, x * 2
        return old


@pytest.mark.parametrize("name", ["counts", "swaps", "grows", "gives_back"])
def test_what_a_program_cannot_repeat(name: str) -> None:
    ours, theirs = Holder(), Holder()
    run = torch.compile(getattr(ours, name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(12):
            x = torch.arange(3.0) + k
            assert torch.equal(run(x), getattr(theirs, name)(x))
            assert torch.equal(ours.a, theirs.a) and ours.count == theirs.count


def test_names_of_modules_and_of_enclosing_functions() -> None:
    kept = torch.zeros(2)

    def in_a_module(x: Any) -> Any:
        global last
        last = x * 3
        return x + 1

    def around(x: Any) -> Any:
        nonlocal kept
        kept = x * 4
        return x + 1

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, second = torch.compile(in_a_module), torch.compile(around)
        for k in range(4):
            x = torch.ones(2) * k
            first(x)
            second(x)
            assert torch.equal(last, x * 3) and torch.equal(kept, x * 4)


@pytest.mark.parametrize("kind", [Moving, Buffered, Remembering])
def test_programs_with_stores_have_the_short_way(kind):
    torch.manual_seed(0)
    net = kind()
    other, xs = copy.deepcopy(net), torch.randn(9, 3, 4)
    call = torch.compile(lambda x: net(x).sum())
    with torch.no_grad():
        for x in xs:
            torch.testing.assert_close(call(x), other(x).sum())
            for a, b in zip(state(net), state(other), strict=True):
                torch.testing.assert_close(a, b)
        assert call.programs[0].fast is not None
        assert call.programs[0].runs <= 1
        for one in (net, other):  # what stood there has another form: back to the long way
            for name in ("mean", "total", "h"):
                if hasattr(one, name):
                    setattr(one, name, torch.ones(1))
        try:
            expected = other(xs[0]).sum()
        except RuntimeError as error:
            with pytest.raises(RuntimeError, match=str(error)[:20]):
                call(xs[0])
        else:
            torch.testing.assert_close(call(xs[0]), expected)


# --- tensors that make way for others, met on more than one way


class Twice:
    """Its tensor is also where nobody asks again: in a tuple, a default, behind a partial."""

    def __init__(self) -> None:
        self.h = torch.ones(2)
        self.pair, self.queue = (self.h, 1), collections.deque([self.h])
        self.times = functools.partial(torch.mul, self.h)
        self.by_default = lambda x, h=self.h: x * h

    def in_a_tuple(self, x: Any) -> Any:
        y = x * self.pair[0]
        self.h = self.h + x
        return y

    def in_a_deque(self, x: Any) -> Any:
        y = x * self.queue[0]
        self.h = self.h + x
        return y

    def behind_a_partial(self, x: Any) -> Any:
        y = self.times(x)
        self.h = self.h + x
        return y

    def as_a_default(self, x: Any) -> Any:
        y = self.by_default(x)
        self.h = self.h + x
        return y


@pytest.mark.parametrize("name", ["in_a_tuple", "in_a_deque", "behind_a_partial", "as_a_default"])
def test_a_tensor_that_stays_where_nobody_asks_again(name: str) -> None:
    ours, theirs = Twice(), Twice()
    run = torch.compile(getattr(ours, name), backend="numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(6):
            x = torch.ones(2) * k
            assert torch.equal(run(x), getattr(theirs, name)(x))
            assert torch.equal(ours.h, theirs.h)


# --- containers of tensors, and variables of enclosing functions


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

    def leaves(self, x: Any) -> Any:
        loss: Any = sum((x * w).square().mean() for w in self.weights)
        loss.backward()
        self.weights = [(w - 0.1 * w.grad).detach().requires_grad_() for w in self.weights]
        return loss

    def seen(self) -> list[Any]:
        return [*self.pair, self.table["m"], self.table["v"], *self.many, *self.weights]


@pytest.mark.parametrize("name", ["in_a_tuple", "in_a_dict", "in_a_list", "leaves"])
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
                one.many = [torch.ones(1, 3)]
                one.pair = (torch.ones(2, 3), torch.ones(2, 3).T.contiguous().T)
        assert torch.allclose(run(x), getattr(theirs, name)(x), atol=1e-6)
        for a, b in zip(ours.seen(), theirs.seen(), strict=True):
            assert torch.allclose(a, b, atol=1e-6) and a.requires_grad == b.requires_grad
    programs = {"in_a_tuple": 2, "in_a_dict": 3, "in_a_list": 3, "leaves": 1}
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


@pytest.mark.parametrize("name", ["whole", "part", "mode"])
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
