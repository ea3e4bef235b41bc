"""Results in objects: a program makes those that the call makes, and no others."""

from __future__ import annotations

import collections
import random
import types
from typing import Any

import pytest

import rushlight as torch
from rushlight import nn


class Slotted:
    __slots__ = ("a", "b", "never")

    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = a, b


class Listing(list[Any]):
    pass


class Told(collections.UserDict[str, Any]):
    made = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind, self.dtype, self.size = Slotted, torch.float32, torch.Size([2, 3])


class Cache:
    """As those of transformers: layers with keys and values."""

    def __init__(self) -> None:
        self.layers: list[Any] = []
        self.seen, self.device = 0, torch.device("cpu")


def content(x: Any) -> Any:
    """All that there is in a result."""
    if isinstance(x, torch.Tensor):
        return "tensor", x.dtype, x.requires_grad, x.tolist()
    if isinstance(x, dict):
        return type(x), [(key, content(one)) for key, one in x.items()], vars_of(x)
    if isinstance(x, (list, tuple)):
        return type(x), list(map(content, x)), vars_of(x)
    if isinstance(x, Slotted):
        return Slotted, content(x.a), content(x.b), hasattr(x, "never")
    if hasattr(x, "__dict__") and not isinstance(x, type):
        return type(x), vars_of(x)
    return type(x), x


def vars_of(x: Any) -> Any:
    return [(key, content(one)) for key, one in getattr(x, "__dict__", {}).items()]


def planned(draw: random.Random, depth: int) -> Any:
    """Which kinds of objects hold which, and which leaves."""
    if depth == 0 or draw.random() < 0.2:
        return draw.randrange(8)
    return draw.randrange(8), [planned(draw, depth - 1) for _ in range(draw.randrange(1, 4))]


def nested(plan: Any, leaves: Any) -> Any:
    """The object that is planned."""
    if isinstance(plan, int):
        return leaves[plan]
    kind, parts = plan[0], [nested(one, leaves) for one in plan[1]]
    named = {f"n{k}": part for k, part in enumerate(parts)}
    if kind == 0:
        return types.SimpleNamespace(**named)
    if kind < 3:
        return (collections.UserDict if kind == 1 else Told)(named)
    if kind == 3:
        return Slotted(parts[0], parts[1:])
    if kind == 4:
        listing: Any = Listing(parts)
        listing.note = "noted"
        return listing
    if kind == 5:
        return collections.defaultdict(list, named)
    return tuple(parts) if kind == 6 else named


class Model(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.inner, self.calls, self.scale = nn.Linear(2, 2), 0, 1.0
        self.plan = planned(random.Random(seed), 3)

    def forward(self, x: Any) -> Any:
        y = self.inner(x) * self.scale
        self.calls += 1
        leaves = y.detach().clone(), x * 2, y.sum().item(), "text", y.sum() + 1, self.calls, None
        return nested(self.plan, (*leaves, self.inner.weight))


@pytest.mark.filterwarnings("ignore:compiled")
@pytest.mark.parametrize("seed", range(16))
def test_nested_objects(seed: int) -> None:
    eager, native = Model(seed), Model(seed)
    call = torch.compile(native, backend="numpy")
    for turn in range(7):
        x = torch.full((1, 2), float(turn))
        with torch.no_grad():
            found, wanted = call(x), eager(x)
            assert close(content(found), content(wanted)), turn
            for one in (eager, native):
                one.inner.bias.add_(0.5)
        if turn == 4:
            eager.scale = native.scale = 2.0
    assert native.calls == eager.calls and call._call.programs, call.explain()


def close(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(close, a, b))
    return a == (pytest.approx(b, rel=1e-5) if isinstance(b, float) else b)


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize(
    "make",
    [
        lambda x: types.SimpleNamespace(loss=x.sum(), n=len(x)),
        lambda x: collections.UserDict(loss=x.sum(), both=[x * 2, x]),
        lambda x: Told(a=x + 1),
        lambda x: Slotted(x + 1, Listing([x * 2])),
    ],
)
def test_one_program(make: Any, backend: str) -> None:
    call = torch.compile(make, backend=backend)
    results = [call(torch.full((2,), float(k))) for k in range(4)]
    for k, found in enumerate(results):
        assert content(found) == content(make(torch.full((2,), float(k))))
    assert len({id(one) for one in results}) == 4 and len(call.programs) == 1
    assert not call.explain().reasons


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_a_cache_that_a_call_makes_and_others_extend(backend: str) -> None:
    layer = nn.Linear(2, 2)

    def forward(x: Any, past: Any = None) -> Any:
        new, cache = layer(x), Cache()
        old = () if past is None else tuple(past.layers)
        cache.layers = [torch.cat([one, new]) for one in old] or [new, new * 2]
        cache.seen = cache.layers[0].shape[0]
        return cache.layers[0].sum(0), cache

    call = torch.compile(forward, backend=backend)
    with torch.no_grad():
        for _ in range(3):
            ours = theirs = None
            for _ in range(6):
                x = torch.randn(1, 2)
                (found, ours), (wanted, theirs) = call(x, ours), forward(x, theirs)
                assert torch.allclose(found, wanted) and ours.seen == theirs.seen
                assert type(ours) is Cache and ours.device == torch.device("cpu")
                assert all(map(torch.allclose, ours.layers, theirs.layers))
    assert len(call.programs) == 6 and not call.explain().reasons


def test_gradients_of_results_in_objects() -> None:
    weight = torch.ones(2, requires_grad=True)
    call = torch.compile(lambda x: types.SimpleNamespace(loss=(weight * x).sum()), backend="numpy")
    for k in range(4):
        weight.grad = None
        call(torch.full((2,), float(k))).loss.backward()
        assert weight.grad is not None and weight.grad.tolist() == [float(k)] * 2


KNOWN = types.SimpleNamespace(x=torch.ones(2))


class Closing:
    def __init__(self, x: Any) -> None:
        self.x = x

    def __del__(self) -> None:
        pass


def twice(x: Any) -> Any:
    one = types.SimpleNamespace(x=x * 2)
    return one, [one]


def itself(x: Any) -> Any:
    one = types.SimpleNamespace(x=x * 2)
    one.own = one
    return one


@pytest.mark.parametrize("function", [twice, itself, lambda x: Closing(x * 2)])
def test_what_stays_eager(function: Any) -> None:
    call = torch.compile(function, backend="numpy")
    with pytest.warns(UserWarning, match="it returns a"):
        results = [call(torch.full((2,), float(k))) for k in range(4)]
    assert not call.programs and call.explain().reasons
    if function is twice:
        assert all(one is other[0] for one, other in results)
    if function is itself:
        assert all(one.own is one for one in results)


@pytest.mark.filterwarnings("ignore:compiled")
def test_what_stood_before_is_the_same() -> None:
    given = types.SimpleNamespace(x=torch.ones(2))
    for function in (lambda x, d: (KNOWN, x + 1), lambda x, d: (d, x + 1)):
        call = torch.compile(function, backend="numpy")
        for k in range(4):
            found, y = call(torch.full((2,), float(k)), given)
            assert found is function(torch.ones(2), given)[0]
            assert y.tolist() == [k + 1.0] * 2
        assert len(call.programs) <= 1
