"""What old programs write: the factor before the tensors, and keywords that only methods have."""

from __future__ import annotations

import warnings

import pytest

import rushlight as rl
from rushlight.functions import arguments

CASES = [("add", 1, 2.0), ("sub", 1, 0.0), ("addcmul", 2, 3.0), ("addcdiv", 2, 1.5)]


@pytest.mark.parametrize(("name", "count", "expected"), CASES)
def test_a_factor_may_come_first(name: str, count: int, expected: float) -> None:
    arguments._warned[:] = ["said already"]
    others = [rl.full((2,), 2.0)] * count
    functional = getattr(rl, name)(rl.ones(2), 0.5, *others)
    method = getattr(rl.ones(2), name)(0.5, *others)
    in_place = getattr(rl.ones(2), f"{name}_")(0.5, *others)
    assert functional.tolist() == method.tolist() == in_place.tolist() == [expected] * 2


def test_it_is_warned_of_once() -> None:
    arguments._warned.clear()
    x = rl.ones(2)
    with pytest.warns(UserWarning, match="This overload of add is deprecated"):
        x.add_(2, x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x.add_(2, x)


@pytest.mark.parametrize("name", ["add", "add_", "addcmul"])
def test_a_tensor_too_many_is_refused(name: str) -> None:
    x = rl.ones(2)
    with pytest.raises(TypeError, match="positional argument"):
        getattr(x, name)(*[x] * (3 if name == "addcmul" else 2))


def test_the_method_names_its_sizes_otherwise_than_the_function() -> None:
    x = rl.arange(4)
    assert [part.tolist() for part in x.split(split_size=[1, 3])] == [[0], [1, 2, 3]]
    with pytest.raises(TypeError, match="split_size_or_sections"):
        x.split(split_size_or_sections=2)


def test_full_like_in_a_memory_format() -> None:
    x = rl.ones(1, 2, 2, 2)
    assert rl.full_like(x, 3.0, memory_format=rl.channels_last).stride() == (8, 1, 4, 2)
    assert rl.full_like(x, 3.0, memory_format=rl.preserve_format).stride() == x.stride()


def test_an_optimiser_around_another_need_not_be_initialised() -> None:
    class Around(rl.optim.Optimizer):
        def __init__(self, inner: rl.optim.Optimizer) -> None:
            self.inner = inner

        def step(self, closure: object = None) -> None:
            self.inner.step()

    weight = rl.nn.Parameter(rl.ones(1))
    weight.sum().backward()
    Around(rl.optim.SGD([weight], lr=0.5)).step()
    assert weight.item() == 0.5
