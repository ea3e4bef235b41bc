"""Batches in containers: one program for all, by the short way, and nothing of them is kept."""

from __future__ import annotations

import collections
import gc
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import rushlight as rl

needs_llvm = pytest.mark.skipif(
    rl.compile(lambda x: x).backend != "llvm", reason="the short way is native code's"
)


class Pair(NamedTuple):
    x: Any
    y: Any


KINDS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any], tuple[Any, Any]]]] = {
    "tuple": (lambda x, y: (x, y), lambda b: (b[0], b[1])),
    "list": (lambda x, y: [x, y], lambda b: (b[0], b[1])),
    "named tuple": (Pair, lambda b: (b.x, b.y)),
    "dict": (lambda x, y: {"x": x, "y": y}, lambda b: (b["x"], b["y"])),
    "ordered dict": (
        lambda x, y: collections.OrderedDict(x=x, y=y),
        lambda b: (b["x"], b["y"]),
    ),
    "nested": (lambda x, y: {"x": [x, "text", 3], "y": (None, (y,))},
               lambda b: (b["x"][0], b["y"][1][0])),
}  # fmt: skip


def batches(count: int) -> list[tuple[Any, Any]]:
    draw = rl.Generator().manual_seed(3)
    return [(rl.randn(8, 4, generator=draw), rl.randn(8, 1, generator=draw)) for _ in range(count)]


def trained(put: Any, take: Any, compiled: bool) -> list[Any]:
    """Losses and weights of a training whose batches `put` makes and the step takes apart."""
    rl.manual_seed(0)
    net = rl.nn.Linear(4, 1)
    optimizer = rl.optim.SGD(net.parameters(), lr=0.1)

    def step(batch: Any) -> Any:
        x, y = take(batch)
        optimizer.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    call = rl.compile(step) if compiled else step
    losses = [call(put(x, y)).item() for x, y in batches(6)]
    if compiled:
        assert len(call.programs) == 1 and not call.reasons
    return [*losses, *net.weight.flatten().tolist()]


@pytest.mark.parametrize("kind", KINDS)
def test_batches_in_new_containers_share_a_program(kind: str) -> None:
    assert trained(*KINDS[kind], True) == pytest.approx(trained(*KINDS[kind], False), rel=1e-5)


def test_one_container_may_hold_other_tensors_at_the_next_call() -> None:
    call = rl.compile(lambda batch: (batch["x"] * batch["y"]).sum())
    held: dict[str, Any] = {}
    for x, y in batches(12):
        held["x"], held["y"] = x, y
        assert call(held).item() == pytest.approx((x * y).sum().item(), rel=1e-5)
    assert len(call.programs) == 1 and not call.reasons


def test_batches_go_when_nobody_else_holds_them() -> None:
    call = rl.compile(lambda batch: batch.x.sum() + batch.y.sum())
    kept = []
    for x, y in batches(3):
        call(Pair(x, y))
        kept.append(weakref.ref(x))
    del x, y
    gc.collect()
    assert [one() for one in kept] == [None] * 3


@needs_llvm
@pytest.mark.parametrize("kind", KINDS)
def test_containers_and_names_go_the_short_way(kind: str) -> None:
    put, take = KINDS[kind]

    def f(batch: Any, *, weight: Any) -> Any:
        x, y = take(batch)
        return (x * weight - y).sum()

    call = rl.compile(f)
    for x, y in batches(3):
        weight = rl.ones(4)
        assert call(put(x, y), weight=weight).item() == pytest.approx((x - y).sum().item(), 1e-4)
    (program,) = call.programs
    assert program.fast is not None
    x, y = batches(1)[0]
    assert program.fast(None, put(x, y), weight=rl.ones(4)).shape == ()


OTHERS: dict[str, Callable[[Any], Any]] = {
    "a key more": lambda b: {**b, "z": 1},
    "a key less": lambda b: {"x": b["x"]},
    "another order": lambda b: {"y": b["y"], "x": b["x"]},
    "another kind": lambda b: collections.OrderedDict(b),
    "another shape": lambda b: {"x": b["x"][:3], "y": b["y"]},
    "a number": lambda b: {"x": b["x"], "y": 2.0},
    "no container": lambda b: b["x"],
}


@pytest.mark.parametrize("other", OTHERS)
def test_other_containers_are_other_programs(other: str) -> None:
    def f(batch: Any) -> Any:
        if isinstance(batch, rl.Tensor):
            return batch.sum() * 3
        total = 0.0
        for k, part in enumerate(batch.values()):
            total = total + (part.sum() if isinstance(part, rl.Tensor) else part) * (k + 1)
        return total

    call = rl.compile(f)
    x, y = batches(1)[0]
    for batch in ({"x": x, "y": y}, OTHERS[other]({"x": x, "y": y}), {"x": y, "y": x}):
        assert float(call(batch)) == pytest.approx(float(f(batch)), rel=1e-4)


WRITES: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    "a new key": (lambda x: {"x": x}, lambda b, x: b.__setitem__("y", x * 2)),
    "a key that is no text": (lambda x: {"x": x}, lambda b, x: b.__setitem__(0, x * 2)),
    "a key's content": (lambda x: {"x": x}, lambda b, x: b.__setitem__("x", x * 2)),
    "less keys": (lambda x: {"x": x, "y": 1}, lambda b, x: b.pop("y")),
    "an item": (lambda x: [x, x], lambda b, x: b.__setitem__(1, x * 2)),
    "one item less": (lambda x: [x, x], lambda b, x: b.pop()),
    "one item more": (lambda x: [x], lambda b, x: b.append(x * 2)),
    "items within": (lambda x: ([x], {}), lambda b, x: b[1].update(y=x * 2)),
}


@pytest.mark.filterwarnings("ignore:compiled f runs eagerly")
@pytest.mark.parametrize("write", WRITES)
def test_what_a_call_writes_into_a_given_container_is_there_after_every_call(write: str) -> None:
    make, change = WRITES[write]

    def f(batch: Any, x: Any) -> Any:
        change(batch, x)
        return x.sum()

    call = rl.compile(f)
    for x, _ in batches(4):
        ours, theirs = make(x), make(x)
        call(ours, x)
        f(theirs, x)
        assert repr(ours) == repr(theirs)
    assert not call.programs


argument: dict[str, Any] = {"x": rl.ones(3)}  # a name that paths of arguments begin like


def test_a_container_that_the_code_also_knows_by_name_stays_guarded() -> None:
    def f(batch: Any) -> Any:
        return batch["x"] + argument["x"]

    call = rl.compile(f)
    for k in range(4):
        argument["x"] = rl.full((3,), float(k))
        assert call(argument).tolist() == [2.0 * k] * 3
        assert call({"x": rl.ones(3)}).tolist() == [k + 1.0] * 3
