"""Numbers in places where ops have constants: one program serves all of them."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import F, alike, backends

X = torch.linspace(-2, 2, 12).reshape(3, 4)


def _filled(x: Any, k: Any) -> Any:
    y = x * 1
    y.fill_(k)
    return y


def _stored(x: Any, k: Any) -> Any:
    y = x * 1
    y[0, 1:] = k
    y[:, 0] = 2 * k
    return y


def _made(x: Any, k: Any) -> Any:
    made = torch.tensor(k)
    made += 1
    return made + x * k, made.dtype is torch.float32


SAID: dict[str, Callable[[Any, Any], Any]] = {
    "quotients": lambda x, k: (x.addcdiv(x, x.abs() + 1, value=k), torch.addcdiv(x, x, x, value=k)),
    "products": lambda x, k: (torch.addcmul(x, x, x - 1, value=-k), x.addcmul(x, x[0], value=k)),
    "in place": lambda x, k: (x * 1).addcdiv_(x, x.exp(), value=-k).addcmul_(x, x, value=k),
    "bounds": lambda x, k: (x.clamp(-abs(k), abs(k)), x.clamp(max=k), torch.clamp(x, min=k)),
    "a bound of each": lambda x, k: (x.clamp_min(k), torch.clamp_max(x, k), x.clip(k, 0.5)),
    "bounds in place": lambda x, k: (x * 1).clamp_(k, 1).clip_(max=k + 1),
    "bounds that cross": lambda x, k: x.clamp(k + 1, k),
    "full": lambda x, k: (torch.full((3, 4), k) * x, torch.full_like(x, k), x.new_full((2,), k)),
    "double": lambda x, k: (torch.full((2,), k, dtype=torch.float64), x.double().clamp(max=k)),
    "filled": _filled,
    "stored": _stored,
    "masked": lambda x, k: (x.masked_fill(x > 0, k), (x * 1).masked_fill_(x < 0, 2 * k)),
    "chosen": lambda x, k: (torch.where(x > 0, x, k), torch.where(x > k, 2 * k, x)),
    "a tensor": _made,
    "a tensor of several": lambda x, k: (torch.tensor([k, 1, 2 * k]), torch.tensor((k, 0.5)).sum()),
    "slopes": lambda x, k: (F.leaky_relu(x, k), F.leaky_relu(x.exp() - 1, negative_slope=-k)),
    "scattered": lambda x, k: (
        x.scatter(1, x.argmax(1, keepdim=True), k),
        (x * 1).scatter_(0, torch.tensor([[0, 2, 1, 1]]), value=2 * k),
    ),
    "rows": lambda x, k: x.index_fill(0, torch.tensor([0, 2]), k),
}
VALUES = [0.5, 0.25, -1.5, 0.1, 3.0, -0.0, 0.7, 2.0, 0.3]


def _lists(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return [str(value.dtype), value.double().tolist()]
    return value if isinstance(value, (bool, float)) else [_lists(one) for one in value]


@backends
@pytest.mark.parametrize("name", SAID)
def test_numbers_among_the_arguments(name: str, backend: str) -> None:
    compiled = torch.compile(SAID[name], backend=backend, fullgraph=True)
    for k in VALUES:
        alike(_lists(compiled(X, k)), _lists(SAID[name](X, k)))
    assert len(compiled.programs) == 1


@backends
@pytest.mark.parametrize("name", SAID)
def test_numbers_that_are_yet_to_come(name: str, backend: str) -> None:
    def step(x: Any, k: Any) -> Any:
        return SAID[name](x, k.sum().item() / 2)

    compiled = torch.compile(step, backend=backend, fullgraph=True)
    for k in VALUES:
        given = torch.tensor([k, k])
        alike(_lists(compiled(X, given)), _lists(step(X, given)))
    assert len(compiled.programs) == 1


@backends
@pytest.mark.parametrize("name", SAID)
def test_numbers_that_a_call_changes(name: str, backend: str) -> None:
    def made() -> tuple[Any, Any]:
        state = {"n": 0}

        def step(x: Any) -> Any:
            state["n"] += 1
            return SAID[name](x, 0.5 * state["n"] - 1.25)

        return step, state

    (step, state), (other, wanted) = made(), made()
    compiled = torch.compile(step, backend=backend)
    for _ in range(9):
        alike(_lists(compiled(X)), _lists(other(X)))
        assert state == wanted
    assert len(compiled.programs) <= 2 and len(compiled.reasons) <= 1


def _slopes(function: Any, x: Any, k: float) -> list[float]:
    x = x.clone().requires_grad_()
    function(x, k).sum().backward()
    return (x.grad + 0.0).tolist()  # zeros have one sign


@backends
def test_gradients_at_bounds_and_of_what_is_no_number(backend: str) -> None:
    x = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0, math.nan, math.inf])
    for function in (
        lambda x, k: (3 * x.clamp(-k, k)).nan_to_num(0.0), lambda x, k: x.clamp(k, 1).nan_to_num(),
        lambda x, k: x.clamp_max(k) * x.detach().nan_to_num(), lambda x, k: x.clamp(k + 1, k),
        lambda x, k: torch.where(x > 0, x * x, k), lambda x, k: x.masked_fill(x > 0, k) * 2,
        lambda x, k: F.leaky_relu(x, k), lambda x, k: x.scatter(0, torch.tensor([0, 4]), k) * 2,
    ):  # fmt: skip
        compiled = torch.compile(function, backend=backend)
        for k in (1.0, 0.5, 2.0, 0.0, -1.0):
            assert str(_slopes(compiled, x, k)) == str(_slopes(function, x, k)), k


@backends
def test_bounds_that_are_no_numbers_and_types_that_stay(backend: str) -> None:
    cases: list[tuple[Any, Any]] = [
        (lambda x, k: x.clamp(max=k), X), (lambda x, k: x.long().clamp(min=k), X),
        (lambda x, k: torch.where(x > 0, k, 2 * k), X), (lambda x, k: x.clamp(max=k), X.bfloat16()),
        (lambda x, k: torch.full((2,), k, dtype=torch.int64), X),
        (lambda x, k: x.long().masked_fill(x > 0, int(k) if k == k else 7), X),
    ]  # fmt: skip
    for function, x in cases:
        compiled = torch.compile(function, backend=backend)
        for k in (1.0, 2.0, math.nan, 0.5) if function is cases[0][0] else (1.0, 2.0, 0.5):
            assert str(_lists(compiled(x, k))) == str(_lists(function(x, k))), k


@backends
def test_rewards_of_an_episode_are_one_program(backend: str) -> None:
    """A policy's gradient, whose rewards are numbers that the call itself finds."""

    def episode(w: Any, x: Any) -> Any:
        rewards, total = [], 0.0
        for _ in range(3):
            x = (x @ w).tanh()
            rewards.append(x.mean().item())
            total = rewards[-1] + 0.9 * total
        loss = (torch.tensor(rewards) * x.sum(0)[:3]).sum() * total
        loss.backward()
        return loss.item()

    compiled = torch.compile(episode, backend=backend)
    for k in range(4):
        one = torch.linspace(-1, 1 + k, 16).reshape(4, 4).requires_grad_()
        two = one.detach().clone().requires_grad_()
        assert math.isclose(compiled(one, X), episode(two, X), rel_tol=1e-4)
        assert torch.allclose(one.grad, two.grad, rtol=1e-4, atol=1e-5)
    assert len(compiled.programs) == 1 and not compiled.reasons


@backends
def test_a_user_s_adam_has_one_program_for_all_steps(backend: str) -> None:
    def made() -> tuple[Any, Any]:
        p = torch.linspace(-1, 1, 4).requires_grad_()
        state: dict[str, Any] = {"step": 0, "m": torch.zeros(4), "v": torch.zeros(4)}

        def step(x: Any) -> Any:
            loss = F.softplus(x @ p).sum()
            (g,) = torch.autograd.grad(loss, p)
            state["step"] += 1
            with torch.no_grad():
                state["m"].lerp_(g, 0.1)
                state["v"].mul_(0.99).addcmul_(g, g, value=0.01)
                size = 0.1 * math.sqrt(1 - 0.99 ** state["step"]) / (1 - 0.9 ** state["step"])
                p.addcdiv_(state["m"], state["v"].sqrt() + 1e-8, value=-size)
            return loss

        return step, p

    (step, p), (other, wanted) = made(), made()
    compiled = torch.compile(step, backend=backend)
    for k in range(8):
        x = torch.linspace(-1, 1 + k, 12).reshape(3, 4)
        assert torch.allclose(compiled(x), other(x), rtol=1e-4)
        assert torch.allclose(p, wanted, rtol=1e-4, atol=1e-5)
    assert len(compiled.programs) == 1 and len(compiled.reasons) == 1
