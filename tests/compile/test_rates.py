"""Rates that a step sets and reads, and numbers that Python's functions make of others."""

from __future__ import annotations

import dis
import functools
import math
import sys
import threading
import warnings
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import rushlight as torch
from rushlight.compile.tracing.called import other_code

sys.path.insert(0, str(Path(__file__).parent))
import test_effects
from effect_cases import World
from rate_cases import RATES
from test_effects import same, told
from worlds import backends

course = functools.partial(test_effects.course, calls=18, cases=RATES)


BY_VALUE = {"a_float_that_decides", "a_plateau"}  # programs for each answer: no whole graphs
WHOLE = {name for name, (count, _) in RATES.items() if count and name not in BY_VALUE}


@backends
@pytest.mark.parametrize("name", RATES)
def test_calls_leave_what_eager_calls_leave(name: str, backend: str) -> None:
    whole = name in WHOLE and backend == "numpy"  # none of it needs to be eager
    wanted, _ = course(name, lambda step: step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, call = course(
            name, lambda step: torch.compile(step, backend=backend, fullgraph=whole)
        )
    for k, (one, other) in enumerate(zip(found, wanted, strict=True)):
        assert same(one, other), k
    assert len(call.programs) == RATES[name][0], call.reasons


NAMES = "SGD Adam AdamW RMSprop Adagrad Adadelta Adamax NAdam RAdam ASGD Rprop Adafactor".split()


@pytest.mark.parametrize("name", NAMES)
def test_every_optimiser_takes_a_rate_that_the_step_sets(name: str) -> None:
    def run(compiled: bool) -> Any:
        w, found = World(), []
        w.opt = getattr(torch.optim, name)(w.net.parameters(), lr=0.05)

        def step(x: Any, y: Any) -> Any:
            w.calls += 1
            for group in w.opt.param_groups:
                group["lr"] = 0.05 * 0.5 * (1 + math.cos(math.pi * w.calls / 20))
            return w.train(x, y)

        call = torch.compile(step) if compiled else step
        torch.manual_seed(1)
        for _ in range(10):
            result = call(torch.randn(4, 4), torch.randn(4, 2))
            lr = w.opt.param_groups[0]["lr"]
            found.append((told(result), told(w.net), w.calls, type(lr), repr(lr)))
        assert not compiled or len(call.programs) == 1
        return found

    assert same(run(True), run(False))


@backends
def test_rates_that_others_set_between_calls(backend: str) -> None:
    """Of other kinds, with odd values, gone: as an eager call would have it."""
    values = [0.1, 1, 0.0, -0.0, math.inf, 0.05, math.nan, True, 10**30, -0.1, 2.5]

    def run(compiled: bool) -> Any:
        w, found = World(), []

        def step(x: Any, y: Any) -> Any:
            group = w.opt.param_groups[0]
            group["lr"] = group["lr"] * 0.5 + 1e-3
            return w.train(x, y), group["lr"]

        call = torch.compile(step, backend=backend) if compiled else step
        torch.manual_seed(1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for value in (*values, None, *values):
                x, y = torch.randn(4, 4), torch.randn(4, 2)
                w.opt.param_groups[0]["lr"] = value
                if value is None:
                    with pytest.raises(TypeError):
                        call(x, y)
                    continue
                w.net = World().net
                w.opt.param_groups[0]["params"] = list(w.net.parameters())
                found.append((told(call(x, y)), told(w.net), repr(w.opt.param_groups[0]["lr"])))
        return found

    for one, other in zip(run(True), run(False), strict=True):
        assert same(one, other)


@backends
def test_a_formula_that_fails_raises_as_it_does_eagerly(backend: str) -> None:
    w = World()

    def step(x: Any) -> Any:
        w.calls += 1
        w.beta = math.sqrt(10 - w.calls) + 1 / (w.calls - 7)
        return x * w.beta

    call, x = torch.compile(step, backend=backend), torch.ones(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(1, 15):
            if k == 7:
                with pytest.raises(ZeroDivisionError):
                    call(x)
            elif k > 10:
                with pytest.raises(ValueError, match=r"math domain error|expected a nonnegative"):
                    call(x)
            else:
                wanted = math.sqrt(10 - k) + 1 / (k - 7)
                assert torch.equal(call(x), x * wanted) and w.beta == wanted
            assert w.calls == k and type(w.calls) is int
    assert call.programs


def test_a_number_that_is_used_as_such_is_a_constant_and_no_input() -> None:
    """It makes programs until it is seen to be of no use; the counter beside it stays an input."""

    class Around:
        calls, width = 0, 4

    around = Around()
    around.calls, around.width = 0, 4

    def step(x: Any) -> Any:
        around.calls += 1
        return torch.cat((x, torch.zeros(around.width))) * around.calls

    call = torch.compile(step, recompile_limit=20)
    for k in range(40):
        around.width = 4 + k // 10
        found = call(torch.ones(2))
        assert found.shape == (6 + k // 10,) and found[0] == k + 1
    assert len(call.programs) <= 5


def test_functions_get_their_code_back() -> None:
    kept = []

    def step(x: Any) -> Any:
        made = lambda y: float(y) + math.cos(0)  # it outlives the call
        kept.append(made)
        return float(x.sum())

    code = step.__code__
    call = torch.compile(step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(4):
            assert call(torch.ones(2) + k) == 2.0 + 2 * k
            assert step.__code__ is code
    assert {hash(made.__code__) for made in kept}  # tables of code, as the package has, take it
    assert [made(2) for made in kept] == [3.0] * 4
    assert [made(torch.tensor(1.0)) for made in kept] == [2.0] * 4

    def fails(x: Any) -> Any:
        raise KeyError(float(x.sum()))

    code = fails.__code__
    with pytest.raises(KeyError):
        torch.compile(fails)(torch.ones(2))
    assert fails.__code__ is code


def _many(x: Any) -> Any:
    """More constants than one word of code can name."""
    return eval("lambda x: [" + ",".join(f"{k}.5" for k in range(300)) + ", float(x)][-1]")(x)


def test_code_with_functions_in_other_places_does_the_same() -> None:
    def plain(x: Any, *rest: Any) -> Any:
        kinds = (float, int, math)
        inner: list[Any] = [float(k) + math.sqrt(k) for k in range(3) if int(k) or not rest]
        try:
            inner.append(float(x) if x else math.pi)
            inner.append(float(*rest))
        except TypeError as error:
            inner.append(str(error))
        return inner, kinds, isinstance(x, float), (lambda: int("7") + math.hypot(3, 4))()

    for function in (plain, _many):
        code = other_code(function.__code__, function.__globals__)
        other = FunctionType(code, function.__globals__, function.__name__)
        assert next(dis.get_instructions(code)).offset == 0
        assert len(code.co_code) == len(function.__code__.co_code)
        for x in (0.0, 1.5, 7):
            assert other(x) == function(x)
    assert other_code(plain.__code__, plain.__globals__) is not plain.__code__
    assert plain(2, 1, 2)[0] == FunctionType(
        other_code(plain.__code__, plain.__globals__), plain.__globals__
    )(2, 1, 2)[0]  # fmt: skip


def test_another_thread_meets_the_functions_it_knows() -> None:
    """A function that is traced here runs there at the same time."""
    began, done, seen = threading.Event(), threading.Event(), []

    def helper(x: Any) -> Any:
        return float(x) + math.cos(0)

    def step(x: Any) -> Any:
        y = helper(x.sum())
        if not done.is_set():
            began.set()
            done.wait(10)
        return y

    def work() -> None:
        began.wait(10)
        seen.append(helper(torch.tensor(2.0)))
        seen.append(helper(4))
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert torch.compile(step)(torch.ones(3)) == 4.0
    thread.join()
    assert seen == [3.0, 5.0]


@backends
def test_what_a_missed_call_raises_is_raised_once(backend: str) -> None:
    w = torch.nn.Parameter(torch.ones(3))
    calls: list[int] = []

    def step(x: Any) -> Any:
        if w.grad is None:
            calls.append(len(calls))
            raise ZeroDivisionError
        w.grad = None  # that there was one is asked before every run
        (w * x).sum().backward()
        return x * 2

    w.grad = torch.zeros(3)
    call = torch.compile(step, backend=backend)
    for _ in range(3):
        call(torch.ones(3))
    assert len(call.programs) == 1
    w.grad = None
    with pytest.raises(ZeroDivisionError):
        call(torch.ones(3))
    assert calls == [0]
