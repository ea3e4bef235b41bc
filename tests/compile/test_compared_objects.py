"""Code that tells tensors apart by `is`: it matters which of them an argument is."""

from __future__ import annotations

import enum
import itertools
import sys
from typing import Any

import pytest

import rushlight as torch

X, Y = torch.zeros(2), torch.ones(2)
KNOWN = [X, Y]


def of_two(a: Any, b: Any) -> Any:
    return a + 1 if a is b else a - b


def of_a_pair(pair: Any) -> Any:
    return pair[0] + 1 if pair[0] is not pair[1] else pair[0] * 3


def with_a_known(a: Any) -> Any:
    return a + 1 if a is KNOWN[0] else a - 1


def among_known(a: Any) -> Any:
    return a * 2 if any(a is one for one in KNOWN) else a - 1


def of_three(a: Any, b: Any, c: Any) -> Any:
    return (a + b) * (2 if a is b else 1) - c * (5 if b is c else 1)


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("first", range(5))
def test_two_tensors(first: int, backend: str) -> None:
    tensors = [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0]), X]
    pairs = list(itertools.product(tensors, repeat=2))
    pairs = pairs[first:] + pairs[:first]
    for function, given in (
        (of_two, pairs), (of_a_pair, [(pair,) for pair in pairs]),
        (lambda a, b=None: of_two(b, a), pairs),
    ):  # fmt: skip
        call = torch.compile(function, backend=backend)
        for _ in range(2):
            for args in given:
                assert call(*args).tolist() == function(*args).tolist()


@pytest.mark.parametrize("function", [with_a_known, among_known])
@pytest.mark.parametrize("first", range(4))
def test_one_that_has_a_name(function: Any, first: int) -> None:
    tensors = [torch.zeros(2), X, Y, torch.ones(2)]
    call = torch.compile(function)
    for _ in range(2):
        for x in tensors[first:] + tensors[:first]:
            assert call(x).tolist() == function(x).tolist()


def test_three_tensors() -> None:
    a, b, c = torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([4.0])
    call = torch.compile(of_three)
    for args in itertools.product((a, b, c), repeat=3):
        assert call(*args).tolist() == of_three(*args).tolist()
    assert all(len(program.captured.shared) for program in call.programs)


def test_code_that_tells_nothing_apart_is_one_program() -> None:
    def total(a: Any, b: Any, c: Any = None) -> Any:
        return a + b if c is None else a + b + c

    call = torch.compile(total)
    a, b = torch.ones(2), torch.zeros(2)
    for x, y in ((a, b), (b, a)):
        assert call(x, y).tolist() == [1.0, 1.0]
    assert len(call.programs) == 1 and not call.programs[0].captured.shared


T = torch.ones(2)
NAMED: dict[str, Any] = {"x": T}
BATCHES: list[Any] = [{"x": T}, {"x": T}, NAMED]


class Batch:
    def __init__(self, x: Any) -> None:
        self.x = x


def of_dictionaries(d: Any, e: Any) -> Any:
    return d["x"] * 2 if d is e else d["x"] * 3 + e["x"]


def inside_a_list(d: Any, e: Any) -> Any:
    both = [d, e]
    return d["x"] * 2 if both[0] is both[1] else d["x"] * 3


def of_a_named(d: Any, e: Any) -> Any:
    return d["x"] * 2 if d is NAMED else e["x"] * (5 if e is BATCHES[2] else 3)


def of_objects(d: Any, e: Any) -> Any:
    return d.x * 2 if d is e else d.x * 3


def of_empty_lists(d: Any, e: Any) -> Any:
    return T * 2 if d is e else T * 3


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("first", range(0, 9, 2))
def test_containers_that_hold_the_same(first: int, backend: str) -> None:
    """Not even their tensors tell them apart: one object in two places is another call."""
    for function, given in (
        (of_dictionaries, BATCHES), (inside_a_list, BATCHES), (of_a_named, BATCHES),
        (of_objects, [Batch(T), Batch(T), Batch(T)]), (of_empty_lists, [[], [], []]),
        (of_empty_lists, [{}, {}, {}]),
    ):  # fmt: skip
        pairs = list(itertools.product(given, repeat=2))
        pairs = pairs[first:] + pairs[:first]
        call = torch.compile(function, backend=backend, recompile_limit=12)
        for _ in range(2):
            for d, e in pairs:
                assert call(d, e).tolist() == function(d, e).tolist(), function.__name__


def test_containers_of_every_call_have_one_program() -> None:
    call = torch.compile(of_dictionaries, backend="numpy")
    for _ in range(5):
        batch = {"x": torch.ones(2)}
        assert call(batch, {"x": torch.ones(2)}).tolist() == [4.0, 4.0]
        assert call(batch, batch).tolist() == [2.0, 2.0]
    assert len(call.programs) == 2


class Shape(enum.Enum):
    FLAT = 1
    DEEP = 2


NOTHING = object()
HELD = torch.ones(2)


class Known:
    tensor = HELD


def with_a_member(x: Any, shape: Any) -> Any:
    return x + 1 if shape is Shape.FLAT else x - 1


def with_a_class(x: Any, shape: Any) -> Any:
    return x + 1 if type(shape) is Shape else x - 1


def with_a_mark(x: Any, shape: Any) -> Any:
    return x + 1 if shape is NOTHING else x - 1


def with_one_in_a_class(x: Any, shape: Any) -> Any:
    return x + 1 if x is Known.tensor else x - 1


@pytest.mark.parametrize("function", [with_a_member, with_a_class, with_a_mark])
def test_what_no_tensor_can_be_tells_none_apart(function: Any) -> None:
    call = torch.compile(function)
    for shape in (Shape.FLAT, Shape.DEEP, NOTHING, None):
        for x in (X, Y, HELD):
            assert call(x, shape).tolist() == function(x, shape).tolist()
    assert len(call.programs) == 4
    assert not any(one.captured.shared or one.captured.apart for one in call.programs)


def test_a_tensor_in_a_class_is_one_that_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    call = torch.compile(with_one_in_a_class)
    for x in (X, HELD, Y, HELD):
        assert call(x, None).tolist() == with_one_in_a_class(x, None).tolist()
    monkeypatch.setattr(sys.modules[__name__], "NOTHING", X)
    call = torch.compile(lambda x: with_a_mark(x * 1, x))  # what was a mark is a tensor now
    for x in (Y, X, HELD, X):
        assert call(x).tolist() == with_a_mark(x * 1, x).tolist()
