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
