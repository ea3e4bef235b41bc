"""Modes belong to threads; graphs may be built and run in several threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import rushlight as rl
from rushlight.core.state import PAUSED


def in_thread(work: Callable[[], Any]) -> Any:
    """What `work` returns when another thread runs it."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join(30)
    assert found, "the thread failed"
    return found[0]


@pytest.mark.parametrize(
    ("mode", "asked"),
    [
        (rl.no_grad, rl.is_grad_enabled),
        (rl.inference_mode, lambda: not rl.is_inference_mode_enabled()),
        (lambda: rl.autograd.set_detect_anomaly(True), lambda: not rl.is_anomaly_enabled()),
        (lambda: rl.set_grad_enabled(False), rl.is_grad_enabled),
    ],
)
def test_a_mode_stays_in_its_thread(mode: Callable[[], Any], asked: Callable[[], bool]) -> None:
    with mode():
        assert not asked()
        assert in_thread(asked)
    assert asked()


def test_a_mode_of_another_thread_does_not_come_here() -> None:
    inside, done = threading.Event(), threading.Event()

    def work() -> None:
        with rl.inference_mode():
            inside.set()
            done.wait(30)

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(30)
    x = rl.ones(2, requires_grad=True)
    y = x * rl.ones(2)
    assert not y.is_inference() and y.requires_grad
    done.set()
    thread.join(30)
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_many_threads_each_with_its_graph() -> None:
    def work(seed: int) -> list[float]:
        x = rl.arange(1.0, 4.0).requires_grad_()
        for _ in range(60):
            y = x
            for _ in range(10):
                y = y * 1.01 + seed * 1e-3
            (y**2).sum().backward()
        return x.grad.tolist()

    results: dict[int, list[float]] = {}
    threads = [
        threading.Thread(target=lambda i=i: results.__setitem__(i, work(i))) for i in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for i in range(6):
        assert results[i] == work(i)


def test_two_threads_backward_through_a_shared_graph() -> None:
    x = rl.ones(50, requires_grad=True)
    shared = (x * 2).exp()
    losses = [(shared * i).sum() for i in (1, 2)]
    grads: list[Any] = [None, None]

    def work(i: int) -> None:
        (grads[i],) = rl.autograd.grad(losses[i], x, retain_graph=True)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert rl.allclose(grads[0] * 2, grads[1])


def test_recording_goes_on_after_an_error_in_another_thread() -> None:
    def work() -> bool:
        try:
            with rl.no_grad():
                raise KeyError
        except KeyError:
            return rl.is_grad_enabled()

    assert in_thread(work)
    assert rl.is_grad_enabled()


def test_inference_mode_nests_across_threads() -> None:
    with rl.inference_mode():
        assert in_thread(lambda: rl.ones(1).is_inference()) is False
        assert rl.ones(1).is_inference()
    assert not rl.ones(1).is_inference()


def test_what_threads_without_recording_do_is_theirs_alone() -> None:
    x = rl.ones(2, requires_grad=True)
    before = len(PAUSED)

    def stays_off() -> tuple[bool, bool]:
        rl.set_grad_enabled(False)
        with rl.enable_grad():
            inside = (x * x).requires_grad
        return inside, (x * x).requires_grad

    with rl.no_grad(), rl.inference_mode(), rl.enable_grad():
        assert in_thread(lambda: (x + x).requires_grad)
    with rl.no_grad(), rl.enable_grad(), rl.no_grad():
        assert len(PAUSED) == before + 1
        assert in_thread(lambda: (x + x).requires_grad) and not (x + x).requires_grad
    assert len(PAUSED) == before
    assert in_thread(stays_off) == (True, False)  # it ends so, which costs the others time alone
    assert (x + x).requires_grad and rl.matmul(x, x).requires_grad
    PAUSED.pop()
