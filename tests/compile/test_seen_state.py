"""What a call may read outside of its arguments, and not by a plain name: changes are noticed."""

from __future__ import annotations

import array
import dataclasses
import functools
import os
import types
import weakref
from collections import ChainMap, UserDict, deque
from typing import Any

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.compile.calls.words import Words


def of_a_class() -> Any:
    class Settings:
        rate = 2.0

    return lambda x: x * Settings.rate, lambda: setattr(Settings, "rate", 5.0)


def of_a_class_as_argument() -> Any:
    class Settings:
        rate = 2.0

    return (lambda x, kind=Settings: x * kind.rate), lambda: setattr(Settings, "rate", 5.0)


def of_a_base() -> Any:
    class Base:
        rate = 2.0

    class Kind(Base):
        def run(self, x: Any) -> Any:
            return x * self.rate

    one = Kind()
    return lambda x: one.run(x), lambda: setattr(Base, "rate", 5.0)


def of_a_nearer_class() -> Any:
    function, _ = of_a_base()
    kind = type(function.__closure__[0].cell_contents)
    return function, lambda: setattr(kind, "rate", 5.0)


def of_the_object_instead_of_its_class() -> Any:
    class Net(nn.Module):
        rate = 2.0

        def forward(self, x: Any) -> Any:
            return x * self.rate

    net = Net()
    return lambda x: net(x), lambda: setattr(net, "rate", 5.0)


def of_a_class_method() -> Any:
    class Kind:
        rate = 2.0

        @classmethod
        def run(cls, x: Any) -> Any:
            return x * cls.rate

        @staticmethod
        def again(x: Any) -> Any:
            return x + Kind.rate

    return lambda x: Kind.again(Kind.run(x)), lambda: setattr(Kind, "rate", 5.0)


def of_an_object_made_in_the_call() -> Any:
    table = {"rate": 2.0}

    class Kind:
        def run(self, x: Any) -> Any:
            return x * table["rate"]

    return lambda x: Kind().run(x), lambda: table.update(rate=5.0)


def another_method() -> Any:
    class Net(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * 2

    net = Net()
    return lambda x: net(x), lambda: setattr(Net, "forward", lambda self, x: x * 5)


def another_method_of_one_object() -> Any:
    net = nn.Sequential(nn.ReLU())
    return lambda x: net(x), lambda: setattr(net[0], "forward", lambda x: x * 5)


def what_was_not_there() -> Any:
    net = nn.ReLU()
    return lambda x: x * getattr(net, "rate", 2.0), lambda: setattr(net, "rate", 5.0)


def what_was_asked_for() -> Any:
    net = nn.ReLU()
    return (lambda x: x * (net.rate if hasattr(net, "rate") else 2.0),
            lambda: setattr(net, "rate", 5.0))  # fmt: skip


def what_was_missed() -> Any:
    class Kind: ...

    one: Any = Kind()

    def function(x: Any) -> Any:
        try:
            return x * one.rate
        except AttributeError:
            return x * 2.0

    return function, lambda: setattr(one, "rate", 5.0)


def a_cached_property() -> Any:
    class Kind:
        @functools.cached_property
        def weight(self) -> Any:
            return torch.ones(2) * 3

    one: Any = Kind()
    return lambda x: x * one.weight, lambda: setattr(one, "weight", torch.full((2,), 9.0))


def a_slot() -> Any:
    class Kind:
        __slots__ = ("rate",)

    one: Any = Kind()
    one.rate = 2.0
    return lambda x: x * one.rate, lambda: setattr(one, "rate", 5.0)


def a_dataclass_with_slots() -> Any:
    @dataclasses.dataclass(slots=True)
    class Kind:
        rates: list[float] = dataclasses.field(default_factory=lambda: [2.0])

    one = Kind()
    return lambda x: x * one.rates[0], lambda: one.rates.__setitem__(0, 5.0)


def an_attribute_of_a_tensor() -> Any:
    weight: Any = nn.Parameter(torch.ones(2))
    weight.rate = 2.0
    return lambda x: x * weight.rate, lambda: setattr(weight, "rate", 5.0)


def a_rate_in_a_generator() -> Any:
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=2.0)
    return (lambda x: x * sum(group["lr"] for group in optimizer.param_groups),
            lambda: optimizer.param_groups[0].update(lr=5.0))  # fmt: skip


def a_partial() -> Any:
    table = {"rate": 2.0}
    function = functools.partial(lambda table, x: x * table["rate"], table)
    return lambda x: function(x), lambda: table.update(rate=5.0)


def a_container(found: Any, read: Any, change: Any) -> Any:
    return lambda x: x * read(found), lambda: change(found)


class Rate:
    rate = 2.0


KEPT = Rate()
CONTAINERS = {
    "set": (lambda: {1}, lambda s: 2.0 if 1 in s else 5.0, lambda s: s.clear()),
    "empty set": (set, lambda s: 5.0 if 1 in s else 2.0, lambda s: s.add(1)),
    "empty set subclass": (type("S", (set,), {}), lambda s: 5.0 if s else 2.0,
                           lambda s: s.update("ab")),
    "deque": (lambda: deque([1.0]), lambda s: s[-1], lambda s: s.append(5.0)),
    "list subclass": (lambda: type("L", (list,), {})([2.0]), lambda s: s[0],
                      lambda s: s.__setitem__(0, 5.0)),
    "bytearray": (lambda: bytearray(b"\x02"), lambda s: s[0], lambda s: s.__setitem__(0, 5)),
    "array": (lambda: array.array("d", [2.0]), lambda s: s[0], lambda s: s.__setitem__(0, 5)),
    "proxy": (lambda: types.MappingProxyType({"a": [2.0]}), lambda s: s["a"][0],
              lambda s: s["a"].__setitem__(0, 5.0)),
    "chain": (lambda: ChainMap({"a": 2.0}), lambda s: s["a"], lambda s: s.update(a=5.0)),
    "user": (lambda: UserDict(a=2.0), lambda s: s["a"], lambda s: s.update(a=5.0)),
    "weak": (lambda: weakref.ref(KEPT), lambda s: s().rate, lambda s: setattr(s(), "rate", 5.0)),
    "tuple": (lambda: ([2.0],), lambda s: s[0][0], lambda s: s[0].__setitem__(0, 5.0)),
    "environment": (lambda: os.environ.setdefault("RATE", "2") and None,
                    lambda s: float(os.environ["RATE"]),
                    lambda s: os.environ.__setitem__("RATE", "5")),
}  # fmt: skip
PLACES = [
    of_a_class, of_a_class_as_argument, of_a_base, of_a_nearer_class,
    of_the_object_instead_of_its_class, of_a_class_method, of_an_object_made_in_the_call,
    another_method, another_method_of_one_object, what_was_not_there, what_was_asked_for,
    what_was_missed, a_cached_property, a_slot, a_dataclass_with_slots, an_attribute_of_a_tensor,
    a_rate_in_a_generator, a_partial,
]  # fmt: skip


def programs_of(made: Any) -> list[Any]:
    """Compiled and as it is, each with a world of its own, before and after a change."""
    found = []
    for wrap in (lambda f: torch.compile(f, fullgraph=True), lambda f: f):
        function, change = made()
        run = wrap(function)
        values = [run(torch.tensor([1.0, -1.0])) for _ in range(4)]
        change()
        found.append(values + [run(torch.tensor([1.0, -1.0])) for _ in range(4)])
        os.environ.pop("RATE", None)
        vars(KEPT).clear()
    return found


@pytest.mark.parametrize("made", PLACES, ids=lambda made: made.__name__)
def test_a_change_is_seen(made: Any) -> None:
    compiled, plain = programs_of(made)
    for one, other in zip(compiled, plain, strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(plain[0], plain[-1])


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_change_in_a_container_is_seen(name: str) -> None:
    make, read, change = CONTAINERS[name]
    compiled, plain = programs_of(lambda: a_container(make(), read, change))
    assert [x.tolist() for x in compiled] == [x.tolist() for x in plain]
    assert plain[0].tolist() != plain[-1].tolist()


def counts_in_a_class(x: Any, one: Any) -> Any:
    type(one).count += 1
    return x * one.count


def counts_in_a_slot(x: Any, one: Any) -> Any:
    one.total += 1
    return x * one.total


def appends_in_a_class(x: Any, one: Any) -> Any:
    one.log.append(x.sum())
    return x * len(one.log)


def sets_in_a_class(x: Any, one: Any) -> Any:
    type(one).found = getattr(one, "found", 0) + 1
    return x * one.found


def sets_on_a_tensor(x: Any, one: Any) -> Any:
    one.weight.seen = getattr(one.weight, "seen", 0) + x.sum()
    return x * one.weight


def counts_what_is_new(x: Any, one: Any) -> Any:
    if not hasattr(one.weight, "calls"):
        one.weight.calls = 0
    one.weight.calls += 1
    return x * one.weight.calls


@pytest.mark.parametrize(
    "function",
    [
        counts_in_a_class,
        counts_in_a_slot,
        appends_in_a_class,
        sets_in_a_class,
        sets_on_a_tensor,
        counts_what_is_new,
    ],
)
@pytest.mark.filterwarnings("ignore:compiled")
def test_what_a_call_changes_is_repeated(function: Any) -> None:
    found = []
    for wrap in (torch.compile, lambda f: f):
        kind = type("Kind", (), {"count": 0, "log": [], "weight": torch.ones(2),
                                 "__slots__": ("total",)})  # fmt: skip
        one: Any = kind()
        one.total = 0
        run = wrap(lambda x, one=one: function(x, one))
        values = [run(torch.full((2,), k + 1.0)).tolist() for k in range(6)]
        made: Any = kind
        kept = made.count, one.total, len(made.log), getattr(made, "found", 0)
        found.append((values, kept, float(getattr(one.weight, "seen", 0))))
    assert found[0] == found[1]


def test_a_bound_method_appends() -> None:
    log: list[Any] = []
    append = log.append

    def function(x: Any) -> Any:
        append(x.sum())
        return x * 2

    run = torch.compile(function)
    with pytest.warns(UserWarning, match="append"):
        for _ in range(4):
            run(torch.ones(2))
    assert len(log) == 4


def test_classes_have_the_short_way() -> None:
    """A version of the class is one word; a class that has none is asked in Python."""
    function, change = of_the_object_instead_of_its_class()
    run = torch.compile(function, fullgraph=True)
    for _ in range(4):
        run(torch.ones(2))
    assert run.programs[0].fast is not None and run.programs[0].runs <= 1
    assert any(place.kind == "class" for place in run.programs[0].places)
    change()
    assert run(torch.ones(2)).tolist() == [5.0, 5.0]


def test_an_empty_set_is_one_word_and_may_be_filled_and_emptied() -> None:
    found: set[int] = set()
    run = torch.compile(lambda x: x * (5.0 if found else 2.0), fullgraph=True)
    for _ in range(4):
        run(torch.ones(1))
    (program,) = run.programs
    assert Words(program.places).soft == [None]  # nothing is asked in Python
    for content, wanted in (([], 2.0), ([1, 2], 5.0), ([], 2.0), ([3], 5.0)):
        found.clear()
        found.update(content)
        assert [run(torch.ones(1)).item() for _ in range(2)] == [wanted, wanted]
    assert len(run.programs) == 3  # a set with other numbers is another one


def test_what_a_hook_on_a_gradient_reads_is_an_input() -> None:
    """The mask is reached through the hook alone."""
    found = []
    for wrap in (lambda f: torch.compile(f, fullgraph=True), lambda f: f):
        weight, mask = nn.Parameter(torch.ones(3)), torch.tensor([1.0, 0.0, 1.0])
        weight.register_hook(lambda g, mask=mask: g * mask)

        def step(x: Any, weight: Any = weight) -> Any:
            weight.grad = None
            (weight * x).sum().backward()
            grad: Any = weight.grad
            return grad * 1

        run, values = wrap(step), []
        for k in range(4):
            values.append(run(torch.ones(3) * k).tolist())
            mask.add_(1)
        found.append(values)
    assert found[0] == found[1]
