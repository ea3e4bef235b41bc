"""Attributes set by `setattr`, counts of numbers below a bound, layers that chance picks."""

from __future__ import annotations

import builtins
import copy
import operator
import random
from typing import Any

import pytest

import rushlight as torch
from rushlight.compile.disk.names import ANY, loaded_in

X = torch.tensor([[1.0, -2.0], [3.0, 0.5], [-1.0, 4.0]])


class Keeper(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        self.last: Any = None
        self.steps = 0

    def forward(self, x: Any) -> Any:
        y = self.layer(x)
        setattr(self, "last", y.detach())  # noqa: B010  # that is what is tried
        for k in range(2):
            setattr(self, f"part_{k}", (y * k).detach())
        return y.sum()


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_attributes_set_by_name(backend: str) -> None:
    torch.manual_seed(0)
    net = Keeper()
    call = torch.compile(net.forward, backend=backend)
    for k in range(6):
        x = X * k
        assert call(x).item() == pytest.approx(net.layer(x).sum().item())
        assert torch.allclose(net.last, net.layer(x))
        assert not vars(net)["part_0"].any() and torch.allclose(vars(net)["part_1"], net.last)
    assert len(call.programs) == 2  # the first found nothing under these names


class Box:
    """One that the code comes by through an argument's attribute."""


def test_a_name_set_on_an_object_that_nobody_follows() -> None:
    seen: list[Any] = []

    def step(x: Any) -> Any:
        for box in list(seen):
            setattr(box, "value", x * 2)  # noqa: B010  # that is what is tried
        return x + 1

    seen.append(Box())
    call = torch.compile(step)
    for k in range(4):
        x = X * k
        assert call(x).tolist() == (x + 1).tolist()
        assert seen[0].value.tolist() == (x * 2).tolist()


def test_a_number_set_by_name() -> None:
    net = Keeper()

    def step(x: Any) -> Any:
        setattr(net, "steps", net.steps + 1)  # noqa: B010  # that is what is tried
        return x * net.steps

    call = torch.compile(step)
    for k in range(6):
        assert call(X).tolist() == (X * (k + 1)).tolist()
    assert net.steps == 6


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_counts_below_a_bound(backend: str) -> None:
    def counts(x: Any) -> Any:
        return torch.bincount(x.argmax(1) * 2 + 1, minlength=4).reshape(2, 2)

    call = torch.compile(counts, backend=backend)
    torch.manual_seed(0)
    for _ in range(5):
        x = torch.randn(7, 2)
        found, expected = call(x), counts(x)
        assert found.tolist() == expected.tolist() and found.dtype is torch.int64
    assert len(call.programs) == 1 and not call.reasons


def test_counts_above_their_bound_and_of_negative_numbers() -> None:
    call = torch.compile(lambda x: torch.bincount(x, minlength=3))
    small, large = torch.tensor([0, 2, 2]), torch.tensor([0, 4, 1])
    for x in (small, small, large, small, large, large[:0], small[:1]):
        assert call(x).tolist() == torch.bincount(x, minlength=3).tolist()
    with pytest.raises(RuntimeError, match="non-negative"):
        call(torch.tensor([0, -1, 2]))
    assert call(small).tolist() == [1, 0, 2]


def test_layers_that_chance_picks() -> None:
    layers = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(3))

    def step(x: Any) -> Any:
        return random.choice(layers)(x)  # type: ignore[arg-type]  # it has a length and items

    call = torch.compile(step)
    found: dict[bool, list[Any]] = {}
    for compiled in (True, False):
        random.seed(0)
        found[compiled] = [(call if compiled else step)(X) for _ in range(12)]
    for one, other in zip(found[True], found[False]):
        assert torch.allclose(one, other)
    assert len(call.programs) == 3


def _imports() -> Any:
    from operator import attrgetter as by_name

    return by_name


@pytest.mark.parametrize(
    ("function", "any_name"),
    [
        (lambda net: net.eval(), False), (lambda net: net.exec(), False),
        (lambda net: eval("net"), True), (lambda net: builtins.eval("net"), True),
        (lambda net: net.__dict__, True), (lambda net: getattr(net, "a"), True),  # noqa: B009  # that is what is tried
        (lambda net: operator.attrgetter("a")(net), True), (lambda net: vars(net), True),
        (_imports, True), (lambda net: [lambda: dir(net)], True), (lambda net: net.a, False),
    ],
)  # fmt: skip
def test_code_that_may_read_any_name(function: Any, any_name: bool) -> None:
    assert (ANY in loaded_in(function.__code__)) is any_name


class Best:
    """Early stopping as users write it."""

    def __init__(self) -> None:
        self.best, self.count = float("inf"), 0
        self.weights: Any = None

    def __call__(self, value: float, net: Any) -> None:
        if value < self.best:
            self.best, self.count = value, 0
            self.weights = copy.deepcopy(net.state_dict())
        else:
            self.count += 1


@pytest.mark.filterwarnings("ignore:compiled .* runs eagerly")
def test_a_step_that_goes_into_evaluation_keeps_its_best_weights() -> None:
    def trained(compiled: bool) -> Any:
        torch.manual_seed(0)
        net, best = torch.nn.Linear(2, 1), Best()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.05)

        def step(x: Any) -> float:
            net.train()
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
            net.eval()
            with torch.no_grad():
                value = net(x + 1).square().mean().item()
            best(value, net)
            return value

        call: Any = torch.compile(step) if compiled else step
        values = [call(X * (1 if k < 8 else -3)) for k in range(14)]
        kept = {name: x.tolist() for name, x in best.weights.items()}
        return (values, kept, best.best, best.count), call

    (found, call), (expected, _) = trained(True), trained(False)
    assert found[0] == pytest.approx(expected[0]) and found[2:] == pytest.approx(expected[2:])
    assert found[1]["bias"] == pytest.approx(expected[1]["bias"])
    assert len(call.programs) >= 2
