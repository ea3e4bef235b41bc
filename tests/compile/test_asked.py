"""Training steps that look at their loss or gradients on the way: programs that ask and may end."""

from __future__ import annotations

import ast
import hashlib
import math
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn

sys.path.insert(0, str(Path(__file__).parent))
from asked_cases import BAD, CASES, OPTIMIZERS, Step, World
from worlds import alike, backends, seen

HERE = str(Path(__file__).parent)


def course(
    name: str, optimizer: str, dropout: float, run: Callable[[Step], Any]
) -> tuple[list[Any], Any]:
    """What a sequence of calls gives and leaves, call by call, and what was called."""
    w = World(OPTIMIZERS[optimizer], dropout)
    call, found = run(CASES[name](w)), []
    torch.manual_seed(1)
    batches = [(torch.randn(16, 24), torch.randint(0, 5, (16,))) for _ in range(16)]
    for k, (x, y) in enumerate(batches):
        if k in BAD:
            x[3, 3] = math.nan
        try:
            result = seen(call(x, y))
        except (ValueError, AssertionError, ArithmeticError) as error:
            result = type(error).__name__
        found.append([result, w.state()])
    return found, call


@backends
@pytest.mark.parametrize(("optimizer", "dropout"), [("SGD", 0.3), ("Adam", 0.0)])
@pytest.mark.parametrize("name", CASES)
def test_calls_leave_what_eager_calls_leave(
    name: str, optimizer: str, dropout: float, backend: str
) -> None:
    wanted, _ = course(name, optimizer, dropout, lambda step: step)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "compiled .*")
        found, call = course(
            name, optimizer, dropout, lambda step: torch.compile(step, backend=backend)
        )
    for k, (one, other) in enumerate(zip(found, wanted, strict=True)):
        alike(one, other, f"call {k}")
    assert call.programs
    assert all(p.captured.late is not None for p in call.programs)


def test_programs_that_ask_still_write_in_place() -> None:
    pytest.importorskip("llvmlite")
    _, call = course("raises", "Adam", 0.0, torch.compile)
    (program,) = call.programs
    written = len(program.captured.writes)
    assert len(program.program.wrote) == written > 20
    assert program.fast is not None


def test_what_the_answer_depends_on_is_not_written_over() -> None:
    pytest.importorskip("llvmlite")
    _, call = course("after_the_step", "SGD", 0.3, torch.compile)
    assert not call.programs[0].program.wrote


def test_explain_says_what_is_asked() -> None:
    _, call = course("leaves_early", "SGD", 0.3, torch.compile)
    guards = [[x for x in p["guards"] if "bool() gives" in x] for p in call.explain().programs]
    assert sorted(x.partition(" (")[0] for (x,) in guards) == ["bool() gives False",
                                                              "bool() gives True"]  # fmt: skip
    assert all("in step)" in x for (x,) in guards)
    assert all("in step)" in x for x in call.explain().reasons)


def test_gradients_of_before_stay_where_a_call_ends_early() -> None:
    layer = nn.Linear(64, 64)
    opt = torch.optim.SGD(layer.parameters(), 0.1)

    def step(x: Any) -> Any:
        loss = layer(x).square().mean()
        grads = torch.autograd.grad(loss, list(layer.parameters()))
        if not all(torch.isfinite(g).all() for g in grads):
            raise ValueError("gradients")
        for p, g in zip(layer.parameters(), grads):
            p.grad = g
        opt.step()
        return loss

    call, x = torch.compile(step), torch.randn(8, 64)
    for _ in range(4):
        call(x)
    assert call.programs
    held = [p.grad.clone() for p in layer.parameters()]
    for _ in range(3):
        with pytest.raises(ValueError, match="gradients"):
            call(x * math.inf)
        for p, g in zip(layer.parameters(), held):
            assert torch.equal(p.grad, g)


def test_cleared_gradients_are_cleared_whatever_they_were() -> None:
    weight = nn.Parameter(torch.ones(3))
    opt = torch.optim.SGD([weight], 0.1)

    @torch.compile
    def step(x: Any) -> Any:
        opt.zero_grad()
        return x * 2

    step(torch.ones(3))
    weight.grad = torch.ones(3)
    step(torch.ones(3))
    assert weight.grad is None
    assert len(step.programs) == 1


def test_whole_numbers_too_large_for_floats_are_compared_exactly() -> None:
    large = 2**53 + 1

    def step(x: Any) -> Any:
        n = x.sum().item()
        return (n == 2.0**53, n > float(2**53), n == large, n < large)

    call = torch.compile(step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for value in (large, large, 5, 5, large, 2**53, 2**53):
            x = torch.tensor([value - 1, 1])
            assert call(x) == step(x)


def test_threads_that_share_a_step() -> None:
    layer = nn.Linear(32, 32).requires_grad_(False)

    @torch.compile
    def step(x: Any) -> Any:
        out = layer(x).tanh() @ layer.weight
        return out.sum() if out.mean() > 0 else out.sum() - 1000

    inputs = [torch.randn(64, 32) for _ in range(8)]
    wanted = [step.function(x) for x in inputs]
    for x in inputs * 2:
        step(x)
    failed: list[Any] = []

    def work() -> None:
        for _ in range(20):
            for x, y in zip(inputs, wanted):
                if not torch.allclose(step(x), y, atol=1e-3):
                    failed.append((x, y))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failed
    assert len(step.programs) == 2


def test_another_process_does_the_same(tmp_path: Path) -> None:
    names = "leaves_early", "best_so_far"
    program = (
        f"import sys; sys.path.insert(0, {HERE!r})\n"
        "import rushlight as torch, test_asked as t\n"
        f"for name in {names!r}:\n"
        "    w = t.World(t.OPTIMIZERS['Adam'], 0.3)\n"
        "    found, call = t.course(name, 'Adam', 0.3, torch.compile)\n"
        "    print([t.told(x) for x in found], len(call.programs))\n"
    )
    env = {**os.environ, "RUSHLIGHT_HOME": str(tmp_path), "PYTHONHASHSEED": "0"}
    eager = [[told(x) for x in course(name, "Adam", 0.3, lambda step: step)[0]] for name in names]
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True
        )
        lines = run.stdout.splitlines()
        assert len(lines) == len(names), run.stderr[-2000:]
        for name, line, wanted in zip(names, lines, eager):
            text, _, count = line.rpartition(" ")
            alike(ast.literal_eval(text), wanted, name)
            assert int(count) >= 1


def told(x: Any) -> Any:
    """A state in words and numbers; what is not a number by its name."""
    if isinstance(x, np.ndarray):  # of the generator's state, thousands of bytes, a sum is enough
        return told(x.tolist() if x.dtype != np.uint8 else hashlib.sha256(x).hexdigest())
    if isinstance(x, dict):
        return {key: told(part) for key, part in x.items()}
    if isinstance(x, (list, tuple)):
        return [told(part) for part in x]
    return repr(x) if isinstance(x, float) and not math.isfinite(x) else x


def test_a_counter_beside_a_number_among_the_arguments_stays_eager() -> None:
    """What was asked of both at once was asked again where the arguments have no name."""
    place = {"n": 0}

    def step(x: Any, k: int) -> Any:
        place["n"] += k
        return x * place["n"]

    call, wanted = torch.compile(step), 0
    with pytest.warns(UserWarning, match="beside one that the call changes"):
        for k in (1, 1, 1, 2, 1, 1, 2, 3, 1, 3, 3):
            wanted += k
            assert call(torch.ones(2), k).tolist() == [wanted] * 2 and place["n"] == wanted
