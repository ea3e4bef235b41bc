"""The short way into a program: modes of threads, numbers of arguments, counted writes."""

from __future__ import annotations

import gc
import importlib
import threading
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.amp import autocast
from rushlight.core.tape import tick, written_since

switched = importlib.import_module("rushlight.compile.calls.switched")


def doubled() -> tuple[Any, torch.Tensor]:
    """A compiled function of a leaf: its result wants a gradient where gradients are on."""
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    run = torch.compile(lambda x: x * weight, fullgraph=True)
    return run, torch.tensor([3.0, 4.0])


def short(run: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What takes the long way from now on."""
    taken: list[Any] = []
    kind = type(run)
    real = kind._long_call

    def noted(self: Any, args: Any, kwargs: Any) -> Any:
        taken.append(args)
        return real(self, args, kwargs)

    monkeypatch.setattr(kind, "_long_call", noted)
    return taken


def test_every_call_has_the_modes_of_its_moment() -> None:
    run, x = doubled()
    for wanted in (True, False, True, True, False, False, True, False, True, False, True):
        with torch.set_grad_enabled(wanted):
            y = run(x)
        assert y.requires_grad is wanted and y.tolist() == [3.0, 8.0]


@pytest.mark.parametrize("mode", [torch.inference_mode, lambda: autocast("cpu")])
def test_a_program_made_in_one_mode_is_not_run_in_another(mode: Any) -> None:
    a, b = torch.randn(3, 3), torch.randn(3, 3)
    run = torch.compile(lambda x, y: x @ y)

    def seen(y: Any) -> Any:
        return y.dtype, y.is_inference(), y.requires_grad

    for _ in range(6):
        assert seen(run(a, b)) == seen(a @ b)
        with mode():
            assert seen(run(a, b)) == seen(a @ b)


def test_modes_that_changed_and_are_as_before_cost_no_long_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, x = doubled()
    for _ in range(3):
        run(x)
    taken = short(run, monkeypatch)
    for _ in range(8):  # more often than it takes until modes are asked one by one
        with torch.no_grad():
            torch.add(x, x)
        assert run(x).requires_grad
    assert not taken


def test_threads_have_modes_of_their_own() -> None:
    run, x = doubled()
    run(x)
    run(x)
    found: list[Any] = []

    def inside(wanted: bool) -> None:
        with torch.set_grad_enabled(wanted):
            found.append((wanted, run(x).requires_grad))

    with torch.no_grad():
        assert not run(x).requires_grad
        for wanted in (True, False) * 6:  # a later thread may stand where an earlier one stood
            thread = threading.Thread(target=inside, args=(wanted,))
            thread.start()
            thread.join()
            gc.collect()
            assert not run(x).requires_grad
    assert run(x).requires_grad
    assert len(found) == 12 and all(wanted is got for wanted, got in found)


def test_where_the_interpreter_is_not_known_modes_are_asked_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fast = importlib.import_module("rushlight.compile.calls.fast")
    monkeypatch.setattr(switched, "known", lambda: False)
    monkeypatch.setattr(fast, "words_known", lambda: False)
    run, x = doubled()
    for wanted in (True, False) * 4:
        with torch.set_grad_enabled(wanted):
            assert run(x).requires_grad is wanted


def test_arguments_are_counted_as_the_function_counts_them() -> None:
    def scaled(x: Any, y: Any, *, by: float = 1.0) -> Any:
        return (x + y) * by

    run, x = torch.compile(scaled), torch.ones(2)
    for _ in range(3):
        assert run(x, x).tolist() == [2.0, 2.0]
    assert run(x, y=x).tolist() == run(y=x, x=x).tolist() == [2.0, 2.0]
    assert run(x, x, by=2.0).tolist() == [4.0, 4.0]
    for args in ((), (x,), (x, x, x)):
        with pytest.raises(TypeError, match="scaled"):
            run(*args)


def test_what_runs_with_its_lock_held_takes_the_long_way_without_it() -> None:
    """A program that draws holds its lock while it looks; what it misses there must not wait."""
    run = torch.compile(lambda x: torch.dropout(x, 0.5, True) + 1)
    for shape in ((4, 4), (4, 4), (4, 5), (4, 4), (5, 4)):
        x = torch.ones(shape)
        torch.manual_seed(3)
        found = run(x)
        torch.manual_seed(3)
        assert torch.equal(found, torch.dropout(x, 0.5, True) + 1)


def test_every_run_counts_as_a_write() -> None:
    weight = torch.ones(3)

    def step(x: Any) -> Any:
        weight.add_(x)
        return weight.sum()

    run, x = torch.compile(step), torch.ones(3)
    run(x)
    run(x)
    before, now = weight._version, tick()
    for count in range(1, 300):
        run(x)
        assert weight._version == before + count
    found = written_since(weight._array, now)
    assert found is not None and found[0] == before + 299
    assert np.all(weight._array == 302)


@pytest.mark.filterwarnings("ignore:compiled step runs eagerly")
@pytest.mark.parametrize("flip", [False, True])
def test_arguments_over_memory_that_is_written_take_the_long_way(
    flip: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever part of it they are; beside it, in one piece of memory, they may lie."""
    memory = np.zeros(12, np.float32)
    weight = torch.from_numpy(memory[4:8])

    def step(x: Any) -> Any:
        weight.add_(2 * x.flip(0) if flip else 2 * x)
        return weight.sum()

    run, rows = torch.compile(step), memory[:8].reshape(4, 2)
    for _ in range(3):
        run(torch.ones(4))
    taken = short(run, monkeypatch)
    for part in (memory[:4], memory[8:], memory[4:8], memory[3:7], memory[7:11], rows[:, 0],
                 memory[::-1][:4], memory[::-1][4:8], memory[::3], memory[::2][:4]):  # fmt: skip
        memory[:] = range(12)
        ends = part[:1].ctypes.data, part[-1:].ctypes.data
        clear = max(ends) < memory[4:].ctypes.data or min(ends) >= memory[8:].ctypes.data
        before, wanted = len(taken), memory[4:8] + 2 * (part[::-1] if flip else part)
        run(torch.from_numpy(part) if part.strides[0] > 0 else torch.tensor(part.copy()))
        assert memory[4:8].tolist() == wanted.tolist()
        if part.strides == (4,) and clear:
            assert len(taken) == before


def test_gradients_are_exchanged_only_where_another_tensor_stands() -> None:
    weight = torch.ones(2, requires_grad=True)

    def step(x: Any) -> Any:
        weight.grad = None
        loss = (weight * x).sum()
        loss.backward()
        return loss

    run, held = torch.compile(step), []
    for k in range(6):
        run(torch.full((2,), float(k)))
        assert weight.grad is not None and weight.grad.tolist() == [k, k]
        if k % 2:
            held.append((k, weight.grad))
        if k == 3:
            weight.grad = torch.zeros(2)
    assert [g.tolist() for _, g in held] == [[k, k] for k, _ in held]
