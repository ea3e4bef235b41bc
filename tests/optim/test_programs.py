"""Update rules as native programs: what NumPy makes of them, whatever changes between steps."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core import heavy
from rushlight.optim import programs

pytest.importorskip("llvmlite")
RULES: dict[str, tuple[type, dict[str, Any]]] = {
    "heavy ball": (rl.optim.SGD, {"momentum": 0.9}),
    "Nesterov": (rl.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "dampening": (rl.optim.SGD, {"momentum": 0.9, "dampening": 0.1, "maximize": True}),
    "Adam": (rl.optim.Adam, {"amsgrad": True, "weight_decay": 0.01}),
    "AdamW": (rl.optim.AdamW, {"betas": (0.3, 0.9)}),
    "Adagrad": (rl.optim.Adagrad, {"lr_decay": 0.1}),
    "RMSprop": (rl.optim.RMSprop, {"centered": True, "momentum": 0.5}),
    "Adadelta": (rl.optim.Adadelta, {"weight_decay": 0.01}),
    "Adamax": (rl.optim.Adamax, {}),
    "NAdam": (rl.optim.NAdam, {"decoupled_weight_decay": True, "weight_decay": 0.1}),
    "RAdam": (rl.optim.RAdam, {}),
    "Rprop": (rl.optim.Rprop, {}),
    "ASGD": (rl.optim.ASGD, {"t0": 3.0}),
}  # fmt: skip
SHAPES = (300, 301), (7, 5), (), (70, 100)


@pytest.fixture(autouse=True)
def settled_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(programs, "BLOCKS", programs.BLOCKS[-1:])  # one size: half the programs
    monkeypatch.setattr(programs, "_VARIANTS", programs._VARIANTS)
    monkeypatch.setattr(programs, "_variants", {})
    before = heavy.SWITCH.on
    heavy.SWITCH.on = True
    heavy.forget()
    yield
    heavy.SWITCH.on = before
    heavy.forget()


def made(rule: str, dtype: Any = None) -> tuple[list[Any], Any]:
    rl.manual_seed(0)
    params = [rl.nn.Parameter(rl.randn(shape, dtype=dtype)) for shape in SHAPES]
    kind, how = RULES[rule]
    return params, kind(params, lr=0.02, **how)


def walk(params: list[Any], optimizer: Any, steps: range) -> None:
    for step in steps:
        rl.manual_seed(step)
        for param in params:
            param.grad = rl.randn(param.shape, dtype=param.dtype)
        for group in optimizer.param_groups:
            group["lr"] = 0.02 / (1 + step)
        optimizer.step()


def numbers(params: list[Any], optimizer: Any) -> list[np.ndarray]:
    states = optimizer.state_dict()["state"].values()
    kept = [value for state in states for value in state.values() if value is not None]
    return [one.detach().numpy() for one in (*params, *kept)]


def programs_made() -> int:
    return sum("_update" in key[0] and found is not None for key, found in heavy.FORMS.items())


def as_numpy(rule: str, dtype: Any, tolerance: float) -> None:
    params, optimizer = made(rule, dtype)
    places = [param.data_ptr() for param in params]
    walk(params, optimizer, range(6))
    assert [param.data_ptr() for param in params] == places
    heavy.SWITCH.on = False
    plain = made(rule, dtype)
    walk(*plain, range(6))
    for a, b in zip(numbers(params, optimizer), numbers(*plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("rule", RULES)
def test_as_numpy(rule: str) -> None:
    as_numpy(rule, rl.float32, 2e-6)
    # the first step of a momentum, or of RAdam's second kind, is another rule; a rate is none
    assert 1 <= programs_made() <= 2


def test_two_sizes_in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "BLOCKS", (32768, 4096))
    as_numpy("AdamW", rl.float64, 1e-13)
    assert programs_made() == 2


@pytest.mark.parametrize("rule", ["Nesterov", "Adam", "NAdam"])
def test_a_run_that_was_resumed_is_the_same_to_the_last_bit(rule: str) -> None:
    params, optimizer = made(rule)
    walk(params, optimizer, range(6))
    others, first = made(rule)
    walk(others, first, range(3))
    kept = copy.deepcopy(first.state_dict())
    copies = [rl.nn.Parameter(param.detach().clone()) for param in others]
    second = RULES[rule][0](copies, lr=1.0)
    second.load_state_dict(kept)
    walk(copies, second, range(3, 6))
    for a, b in zip(numbers(params, optimizer), numbers(copies, second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_settings_that_move_make_no_programs() -> None:
    """A momentum on a schedule, and a decay that somebody changes: at most a few programs."""
    param = rl.nn.Parameter(rl.randn(300, 301))
    optimizer = rl.optim.AdamW([param], lr=0.01)
    plan = rl.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=40)
    for _ in range(4):
        param.grad = rl.randn(300, 301)
        optimizer.step()
        plan.step()
    assert not programs_made()
    optimizer = rl.optim.Adadelta([param])
    for k in range(3):
        param.grad = rl.randn(300, 301)
        optimizer.param_groups[0]["weight_decay"] = 0.01 * k
        programs._VARIANTS = 2
        optimizer.step()
    assert programs_made() == 2


def test_memory_in_another_order() -> None:
    """A parameter that lies transposed, and a gradient that does."""
    found = []
    for on in (True, False):
        heavy.SWITCH.on = on
        rl.manual_seed(0)
        param = rl.nn.Parameter(rl.randn(300, 301).t())
        optimizer = rl.optim.Adam([param], lr=0.1)
        for _ in range(3):
            param.grad = rl.randn(300, 301).t()
            optimizer.step()
        found.append(param.detach().numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=2e-6, atol=2e-6)


def test_a_rule_of_somebody_else_stays_with_numpy() -> None:
    class Mine(rl.optim.Adam):
        def _update(self, param: Any, grad: Any, state: Any, numbers: Any, group: Any) -> None:
            param.add_(grad, alpha=-1.0)

    param = rl.nn.Parameter(rl.zeros(300, 300))
    param.grad = rl.ones(300, 300)
    Mine([param], lr=0.1).step()
    assert param.eq(-1).all() and not heavy.FORMS
