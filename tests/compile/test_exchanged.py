"""What is exchanged between two calls, and nobody would look for at every call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.nn.module_global_hooks import register_module_forward_hook

nn = rl.nn
Case = tuple[Callable[..., Any], Callable[[int], tuple[Any, ...]]]


def numbers(k: int, *shape: int) -> Any:
    return rl.tensor(np.random.default_rng(k).standard_normal(shape or (3, 4)).astype("float32"))


def code_and_defaults() -> Case:
    def inner(x: Any, share: float = 2.0, *, more: float = 1.0) -> Any:
        return x * share + more

    def other(x: Any, share: float = 2.0, *, more: float = 1.0) -> Any:
        return x - share * more

    def call(x: Any, power: Any = 2.0) -> Any:
        return inner(x) * power

    def before(k: int) -> tuple[Any, ...]:
        if k == 2:
            inner.__defaults__ = (5.0,)
        if k == 4:
            inner.__kwdefaults__ = {"more": 7.0}
        if k == 6:
            inner.__code__ = other.__code__
        if k == 8:
            call.__defaults__ = (rl.full((4,), 3.0),)
        return (numbers(k),)

    return call, before


class Plain:
    def of(self, x: Any) -> Any:
        return x * 2


class Other(Plain):
    def of(self, x: Any) -> Any:
        return x * 3


def classes() -> Case:
    thing, layer = Plain(), nn.Sequential(nn.ReLU())

    def before(k: int) -> tuple[Any, ...]:
        if k == 3:
            thing.__class__ = Other
        if k == 5:
            layer[0].__class__ = nn.Tanh
        return (numbers(k),)

    return lambda x: layer(thing.of(x)), before


def hooks_of_all_modules() -> Case:
    layer, handles = nn.Linear(4, 4), []

    def before(k: int) -> tuple[Any, ...]:
        if k == 2:
            twice = lambda module, given, y: y * 2
            handles.append(register_module_forward_hook(twice))
        if k == 4:
            handles[0].remove()
        return (numbers(k),)

    return lambda x: layer(x), before


def hooks_of_parameters() -> Case:
    w, handles = nn.Parameter(rl.ones(4)), []
    optimiser = rl.optim.SGD([w], lr=0.1)

    def halved(p: Any) -> None:
        p.grad.mul_(0.5)

    def call(x: Any) -> Any:
        optimiser.zero_grad()
        (w * x).square().sum().backward()
        optimiser.step()
        return w.detach().clone()

    def before(k: int) -> tuple[Any, ...]:
        if k == 2:
            handles.append(w.register_hook(lambda g: g * 0.1))
        if k in (4, 8):
            handles.pop().remove()
        if k == 6:
            handles.append(w.register_post_accumulate_grad_hook(halved))
        return (numbers(k),)

    return call, before


def hooks_of_arguments() -> Case:
    def call(x: Any) -> Any:
        x.square().sum().backward()
        return x.grad

    def emptied(p: Any) -> None:
        p.grad.zero_()

    def before(k: int) -> tuple[Any, ...]:
        x = numbers(k).requires_grad_()
        if k in (2, 3, 6):
            x.register_hook(lambda g: g * k)
        if k == 5:
            x.register_post_accumulate_grad_hook(emptied)
        return (x,)

    return call, before


def an_argument_that_has_a_name() -> Case:
    layer = nn.Linear(4, 4)

    def call(w: Any, x: Any) -> Any:
        return (layer(x) * w.sum()).sum() + (w * layer.weight).sum()

    def before(k: int) -> tuple[Any, ...]:
        other = nn.Parameter(numbers(k, 4, 4))
        return (layer.weight if k in (0, 3, 4, 7) else other), numbers(k)

    return call, before


def order_of_keys() -> Case:
    def call(parts: Any) -> Any:
        y: Any = 0
        for place, part in enumerate(parts.values()):
            y = y + part * (place + 1)
        return y

    def before(k: int) -> tuple[Any, ...]:
        parts = [("a", numbers(k)), ("b", numbers(k + 50))]
        return (dict(parts if k % 3 else reversed(parts)),)

    return call, before


def signs_of_zeros() -> Case:
    kept = {"zero": 0.0}

    def call(x: Any, zero: Any) -> Any:
        return x.abs() / kept["zero"], x.abs() / zero[0]

    def before(k: int) -> tuple[Any, ...]:
        kept["zero"] = -0.0 if k in (2, 3, 7) else 0.0
        return numbers(k), (-0.0 if k in (1, 4, 5) else 0.0,)

    return call, before


CASES = [
    code_and_defaults, classes, hooks_of_all_modules, hooks_of_parameters, hooks_of_arguments,
    an_argument_that_has_a_name, order_of_keys, signs_of_zeros,
]  # fmt: skip


def seen(case: Callable[[], Case], wrap: Callable[[Any], Any]) -> tuple[list[Any], Any]:
    rl.manual_seed(0)
    function, before = case()
    call, found = wrap(function), []
    for k in range(10):
        results = call(*before(k))
        results = results if isinstance(results, tuple) else (results,)
        found += [x.detach().numpy().copy() for x in results]
    return found, call


@pytest.mark.parametrize("backend", ["llvm", "numpy"])
@pytest.mark.parametrize("case", CASES)
def test_a_compiled_call_follows(case: Callable[[], Case], backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    with np.errstate(all="ignore"):
        wanted, _ = seen(case, lambda function: function)
        found, call = seen(case, lambda function: rl.compile(function, backend=backend))
    for a, b in zip(found, wanted):
        np.testing.assert_allclose(a, b, 1e-5, 1e-5)
    assert call.programs
    assert sum(bound.runs for bound in call.programs) or backend == "llvm"


@pytest.mark.filterwarnings("ignore:compiled call")
@pytest.mark.parametrize("setting", ["threads", "deterministic"])
def test_settings_that_a_call_asks_for_are_asked_each_time(setting: str) -> None:
    def call(x: Any) -> Any:
        if setting == "threads":
            return x * rl.get_num_threads()
        return x * (2 if rl.are_deterministic_algorithms_enabled() else 1)

    compiled, before = rl.compile(call), rl.get_num_threads()
    try:
        for k in range(6):
            rl.set_num_threads(1 + k // 3)
            rl.use_deterministic_algorithms(k > 2)
            assert compiled(rl.ones(2)).tolist() == call(rl.ones(2)).tolist() == [1 + k // 3] * 2
    finally:
        rl.set_num_threads(before)
        rl.use_deterministic_algorithms(False)
    assert compiled.reasons
