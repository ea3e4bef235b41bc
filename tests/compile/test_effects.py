"""Numbers that calls give back, count and keep: programs leave what eager calls leave."""

from __future__ import annotations

import ast
import math
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from effect_cases import CASES, World
from worlds import backends

HERE = str(Path(__file__).parent)


def told(x: Any) -> Any:
    """A state in plain words: types, names and numbers."""
    if isinstance(x, torch.Tensor):
        found = x.detach().double().flatten().tolist()
        return str(x.dtype), tuple(x.shape), x.requires_grad, told(found)
    if type(x) in (float, int, bool, str, type(None)):
        return type(x).__name__, x
    if type(x) in (list, tuple):
        return type(x).__name__, [told(part) for part in x]
    if isinstance(x, torch.nn.Module):
        return [told(p) for p in x.parameters()]
    if isinstance(x, torch.optim.Optimizer):
        return []
    table = x if type(x) is dict else vars(x)
    return type(x).__name__, [(key, told(part)) for key, part in table.items()]


def same(a: Any, b: Any) -> bool:
    """Whether two states are the same, but for the last digits of fractions."""
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if type(a) is float and type(b) is float and not math.isnan(a):
        return math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-5)
    return type(a) is type(b) and (a == b or (a != a and b != b))


def course(
    name: str, run: Callable[[Any], Any], calls: int = 12, cases: dict[str, Any] = CASES
) -> tuple[list[Any], Any]:
    """What a sequence of calls gives and leaves, call by call, and what was called."""
    torch.manual_seed(0)
    world = World()
    step, state = cases[name][1](world)
    call, found = run(step), []
    torch.manual_seed(1)
    for k in range(calls):
        x = torch.randn(3 if k % 5 == 4 else 4, 4)
        result = call(x, torch.randn(len(x), 2))
        found.append((told(result), told(state() if state else None), told(world.net)))
    return found, call


BY_VALUE = {"a_branch"}  # a program for each answer, which is no whole graph
WHOLE = {name for name, (count, _) in CASES.items() if count and name not in BY_VALUE}


@backends
@pytest.mark.parametrize("name", CASES)
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
    if name != "taken_apart":
        assert len(call.programs) == CASES[name][0], call.reasons


def test_another_process_does_the_same(tmp_path: Path) -> None:
    names = "several", "a_trainer", "attributes", "accumulated", "items"
    program = (
        f"import sys; sys.path.insert(0, {HERE!r})\n"
        "import rushlight as torch, test_effects as t\n"
        f"for name in {names!r}:\n"
        "    print(t.course(name, torch.compile)[0])"
    )
    env = {**os.environ, "RUSHLIGHT_HOME": str(tmp_path), "PYTHONHASHSEED": "0"}
    texts = [
        subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
        for _ in range(2)
    ]
    wanted = [course(name, lambda step: step)[0] for name in names]
    for one in texts:
        found = list(map(ast.literal_eval, one.stdout.splitlines()))
        assert same(found, wanted), one.stderr[-2000:]


def test_explain_lists_the_effects() -> None:
    _, call = course("every_third", torch.compile)
    told = call.explain().programs
    assert {"w.calls = ...", "w.losses.append(...)"} == {x for p in told for x in p["effects"]}
    assert any("((w.calls + 1) % 3) == 0 gives True" in p["guards"] for p in told)
    assert "Python's part after every run" in str(call.explain())


def test_a_call_that_raises_leaves_no_stand_ins() -> None:
    class Held:
        pair: Any = None
        last: Any = None

    held, seen = Held(), []
    held.count = 0

    def step(x: Any, fails: bool) -> Any:
        held.count += 1
        held.pair = (x.sum().item(), [x.mean().item()])
        seen.append(x.sum().item() + held.count)
        if fails:
            raise KeyError("no")
        return x * 2

    call, x = torch.compile(step), torch.arange(3.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(1, 9):
            if k % 2:
                with pytest.raises(KeyError):
                    call(x, True)
            else:
                assert torch.equal(call(x, False), x * 2)
            assert (held.count, held.pair, seen) == (
                k,
                (3.0, [1.0]),
                [3.0 + n + 1 for n in range(k)],
            )
            assert [type(n) for n in (held.count, held.pair[0], *held.pair[1])] == [
                int,
                float,
                float,
            ]
            assert {type(n) for n in seen} == {float}


def test_a_class_gets_a_number_and_no_stand_in() -> None:
    class Kept:
        total = 0.0

    def step(x: Any) -> Any:
        Kept.total = x.sum().item()
        return x * 2 + 0 * Kept.total

    call = torch.compile(step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(6):
            call(torch.ones(3) + k)
            assert type(Kept.total) is float and Kept.total == 3.0 * (k + 1)


def test_keys_and_members_are_numbers() -> None:
    names: dict[Any, Any] = {"a": 1}
    seen: set[Any] = set()

    def step(x: Any) -> Any:
        found = x.sum().item()
        names[found] = [found]
        seen.add(found)
        return x * 2

    call = torch.compile(step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(5):
            call(torch.ones(3) + k)
    wanted = [3.0, 6.0, 9.0, 12.0, 15.0]
    assert names == {"a": 1, **{x: [x] for x in wanted}} and seen == set(wanted)
    assert {type(x) for x in (*list(names)[1:], *seen, *names[9.0])} == {float}


def test_a_run_that_is_refused_has_its_effects_once() -> None:
    counts: list[Any] = []
    table = torch.arange(12.0).reshape(4, 3)

    def step(i: Any) -> Any:
        y = torch.nn.functional.embedding(i, table)
        counts.append(y.sum().item())
        return y

    call = torch.compile(step)
    for k in range(3):
        call(torch.tensor([k, 0]))
    with pytest.raises(IndexError):
        call(torch.tensor([7, 0]))
    call(torch.tensor([3, 0]))
    assert counts == [6.0, 15.0, 24.0, 33.0] and len(call.programs) == 1


def test_what_is_kept_is_not_overwritten() -> None:
    """Tensors in a list are tensors of their own, whatever later runs write."""
    w, kept = World(), []

    def step(x: Any) -> Any:
        loss = w.train(x, x[:, :2])
        kept.append(loss.detach())
        kept.append(w.net[0].weight.grad)
        kept.append(w.net[0].weight.detach() * 1)
        return loss

    call, copies = torch.compile(step), []
    for _ in range(6):
        call(torch.randn(4, 4))
        copies += [x.clone() for x in kept[len(copies) :]]
    assert len(call.programs) == 1 and len(kept) == 18
    assert all(torch.equal(a, b) for a, b in zip(kept, copies, strict=True))
    assert len({x.data_ptr() for x in kept}) == 18


def test_threads_that_call_at_once() -> None:
    class Shared:
        calls = 0

    shared, losses = Shared(), []
    shared.calls = 0

    def step(x: Any) -> Any:
        shared.calls += 1
        y = (x * 2).sum()
        losses.append(y.item())
        return y

    call = torch.compile(step)
    for k in range(3):
        call(torch.full((3,), float(k)))

    def work(k: int) -> None:
        for n in range(50):
            assert call(torch.full((3,), float(50 * k + n))) == 6.0 * (50 * k + n)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(losses) == sorted([0.0, 6.0, 12.0] + [6.0 * n for n in range(200)])
    assert type(shared.calls) is int and shared.calls <= 203


def test_places_that_others_change_between_calls() -> None:
    w = World()

    def step(x: Any) -> Any:
        w.calls += 1
        w.losses.append(x.sum().item() * w.calls)
        return x * w.calls

    call, x = torch.compile(step), torch.ones(2)
    for k in range(4):
        assert torch.equal(call(x), x * (k + 1))
    w.calls, w.losses = 100, (mine := [])
    assert torch.equal(call(x), x * 101) and mine == [202.0]
    w.calls = True  # counts as a whole number, and becomes one
    assert torch.equal(call(x), x * 2) and type(w.calls) is int and mine[1:] == [4.0]
    w.losses = w.epochs
    call(x)
    assert w.epochs == [6.0]
    w.calls = math.inf
    call(x)
    assert w.calls == math.inf and w.epochs[1] == math.inf
    w.losses = "none"
    with pytest.raises(AttributeError):
        call(x)


ROUNDS = 0


def test_a_counter_among_globals_is_no_constant_beside_names_of_math() -> None:
    def step(x: Any) -> Any:
        global ROUNDS
        ROUNDS += 1
        return x.pow(2).sum().item()  # a function that names `pow` has its globals looked at

    call = torch.compile(step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [call(torch.full((2,), float(k))) for k in range(6)]
    assert found == [2.0 * k * k for k in range(6)] and ROUNDS == 6
    assert len(call.programs) == 1, call.reasons
