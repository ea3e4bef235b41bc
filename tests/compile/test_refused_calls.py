"""Which calls stay eager when one of a function's calls cannot be a program."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch
from rushlight.compile.calls.refused import AGAIN, MOST
from rushlight.compiler import is_compiling

sys.path.insert(0, str(Path(__file__).parent))
from worlds import backends


def by_argument(shown: list[float]) -> tuple[Callable[..., Any], Callable[[int], Any]]:
    def step(x: Any, number: int) -> Any:
        y = ((x - 1) ** 2).mean()
        if number % 4 == 0:
            shown.append(float(y))
        return y

    return step, lambda k: ((k,), {})


def by_flag(shown: list[float]) -> tuple[Callable[..., Any], Callable[[int], Any]]:
    def step(x: Any, show: bool = False) -> Any:
        y = ((x - 1) ** 2).mean()
        if show:
            shown.append(float(y))
        return y

    return step, lambda k: ((), {"show": k % 4 == 0})


def by_counter(shown: list[float]) -> tuple[Callable[..., Any], Callable[[int], Any]]:
    steps = 0

    def step(x: Any) -> Any:
        nonlocal steps
        steps += 1
        y = ((x - 1) ** 2).mean()
        if steps % 4 == 0:
            shown.append(float(y))
        return y

    return step, lambda k: ((), {})


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "compiled .* runs eagerly")
        yield


@backends
@pytest.mark.parametrize("make", [by_argument, by_flag, by_counter])
def test_steps_that_show_a_value_now_and_then_are_programs_but_for_those(make, backend):
    found = []
    for compiled in (False, True):
        shown: list[float] = []
        step, given = make(shown)
        call: Any = torch.compile(step, backend=backend) if compiled else step
        results = []
        torch.manual_seed(0)
        for k in range(13):
            args, kwargs = given(k)
            results.append(float(call(torch.rand(6), *args, **kwargs)))
        found.append((results, shown))
    (wanted, seen), (results, shown) = found
    assert results == pytest.approx(wanted) and shown == pytest.approx(seen)
    assert call.programs
    if backend == "numpy":  # native programs have ways in that do not count
        assert sum(program.runs for program in call.programs) >= 6


def test_what_is_never_a_program_is_looked_at_no_more():
    traced = []

    def step(x: Any) -> Any:
        traced.append(is_compiling())
        return x * 2 if x.numpy().sum() > 1e9 else x

    call = torch.compile(step, backend="numpy")
    for k in range(3 * MOST):
        call(torch.ones(k + 1))
    assert traced == [True] * MOST + [False] * 2 * MOST
    assert not call.programs


def test_a_kind_of_call_gets_another_chance():
    ready = [False]

    def step(x: Any) -> Any:
        if not ready[0]:
            x.sum().numpy()
        return x * 2

    call = torch.compile(step, backend="numpy")
    for _ in range(3):
        call(torch.ones(3))
    ready[0] = True
    for k in range(AGAIN + 2):
        assert call(torch.full((3,), float(k))).tolist() == [2.0 * k] * 3
    assert len(call.programs) == 1


def test_many_calls_of_one_kind_are_tried_ever_more_rarely_and_leave_others_their_programs():
    traced = []

    def step(x: Any, show: bool) -> Any:
        traced.append(is_compiling())
        return torch.unique(x) if show else x * 2

    call = torch.compile(step, backend="numpy")
    for _ in range(1 + AGAIN * (1 + 2 + 4 + 8)):
        call(torch.ones(3), True)
    assert sum(traced) == 5 > MOST and not call.programs
    assert [call(torch.ones(3), False).tolist() for _ in range(3)] == [[2.0] * 3] * 3
    assert len(call.programs) == 1


def test_modes_are_part_of_a_kind():
    def step(x: Any) -> Any:
        if torch.is_grad_enabled():
            x.sum().numpy()
        return x + 1

    call = torch.compile(step, backend="numpy")
    call(torch.ones(2))
    with torch.no_grad():
        call(torch.ones(2))
    assert len(call.programs) == 1


def test_a_kind_that_is_never_a_program_is_tried_once_more_at_the_second_call():
    traced = []

    def step(x: Any) -> Any:
        traced.append(is_compiling())
        return x * float(x.numpy().sum())

    call = torch.compile(step, backend="numpy")
    for _ in range(AGAIN + 3):
        call(torch.ones(3))
    assert traced == [True] * 2 + [False] * (AGAIN - 1) + [True] + [False]


class Filled(torch.nn.Module):
    """A cache that the first call fills."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.mask = torch.nn.Linear(4, 3), None

    def forward(self, x: Any) -> Any:
        if self.mask is None:
            self.mask = torch.tensor(x.mean(0).tolist())
        return self.layer(x * self.mask)


@backends
@pytest.mark.parametrize(
    "make",
    [
        Filled,
        lambda: torch.nn.utils.spectral_norm(torch.nn.Linear(4, 3)),
        lambda: torch.nn.Sequential(torch.nn.LazyLinear(3), torch.nn.LazyBatchNorm1d()),
    ],
)
def test_what_only_the_first_call_does_keeps_the_second_from_no_program(make, backend):
    found = []
    for compiled in (False, True):
        torch.manual_seed(0)
        net = make()
        call: Any = torch.compile(net, backend=backend) if compiled else net
        seen, ran = [], ""
        for k in range(3):
            y = call(torch.arange(8.0).reshape(2, 4) + k)
            y.sum().backward()
            seen += [y.tolist(), *(p.grad.tolist() for p in net.parameters())]
            ran = type(y.grad_fn).__name__
        found.append(seen)
    for have, want in zip(found[1], found[0], strict=True):
        assert torch.allclose(torch.tensor(have), torch.tensor(want), atol=1e-5)
    assert ran == "CompiledFunctionBackward"
