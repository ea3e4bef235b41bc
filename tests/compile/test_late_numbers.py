"""What Python computes with numbers that are yet to come: random programs of it, beside eager."""

from __future__ import annotations

import math
import random
import warnings
from typing import Any

import pytest

import rushlight as torch

VALUES = [0.0, 1.0, 2.0, 4.0, 0.25, -1.0, -3.0, 1e30, -2.5, math.inf, math.nan]
SIMPLE = ("({} + {})", "({} - {})", "({} * {})", "({} / {})")
OF_ONE = ("({} ** 2)", "({} ** 0.5)", "({} ** -1)", "({} ** 3)", "({} ** 1.5)", "abs({})", "(-{})",
          "math.sqrt({})", "math.exp({})", "math.log({})", "math.log10({})", "math.cos({})",
          "round({}, 3)", "float({})")  # fmt: skip


def expression(rng: random.Random, depth: int) -> str:
    """A text of Python over the numbers `a`, `b` and `n`."""
    if depth == 0:
        return rng.choice(["a", "a", "b", "b", "n", "2", "1e-6", "0.5"])
    if rng.random() < 0.5:
        return rng.choice(OF_ONE).format(expression(rng, depth - 1))
    return rng.choice(SIMPLE).format(*(expression(rng, depth - 1) for _ in range(2)))


def program(rng: random.Random) -> str:
    """A step that branches by what it computes, and uses it beside tensors."""
    first, second, third = (expression(rng, rng.randint(1, 3)) for _ in range(3))
    compared = rng.choice(("<", "<=", "==", ">", "!="))
    return f"""
def step(x):
    y = x * 2.0 / 2.0
    a, b, n = y[0].item(), y[1].item(), (y > 0).sum().item()
    first = {first}
    if first {compared} {second}:
        w.mul_(0.5)
        return first, {third}
    return w * first, first
"""


def made(text: str, name: str) -> Any:
    space: dict[str, Any] = {"math": math, "torch": torch, "w": torch.ones(2)}
    exec(compile(text, f"{name}.py", "exec"), space)
    return space


def ran(step: Any, x: Any) -> Any:
    """What a call gives or raises, exactly."""
    try:
        found = step(x)
    except (ArithmeticError, ValueError, TypeError, RuntimeError) as error:
        return type(error), str(error).partition("\n")[0]
    return [x.tolist() if isinstance(x, torch.Tensor) else (type(x), repr(x)) for x in found]


@pytest.mark.parametrize("seed", range(24))
def test_random_programs_give_what_python_gives(seed: int) -> None:
    rng = random.Random(seed)
    text = program(rng)
    eager, other = made(text, "eager"), made(text, "other")
    compiled = torch.compile(other["step"], backend="numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(16):
            x = torch.tensor(rng.choices(VALUES[:6] if k % 3 else VALUES, k=2))
            wanted, found = ran(eager["step"], x), ran(compiled, x)
            assert str(found) == str(wanted), (k, x, text)
            assert other["w"].tolist() == eager["w"].tolist(), text
            if rng.random() < 0.2:  # the user changes what the steps read
                value = rng.choice((1.0, 2.0, 3.0))
                eager["w"].fill_(value)
                other["w"].fill_(value)
