"""Threads that meet: what one traces another uses, what one imports a fork cuts in two."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from typing import Any

import numpy as np
import pytest

import rushlight as rl


def _met_by(look: Any) -> tuple[rl.Tensor, Any, Any]:
    """A compiled call in the middle of whose trace another thread looks at its tensors."""
    begun, looked, found = threading.Event(), threading.Event(), []
    weight = rl.full((3,), 2.0)

    def other() -> None:
        begun.wait(30)
        try:
            found.append(look(weight))
        finally:
            looked.set()

    def function(x: rl.Tensor) -> rl.Tensor:
        y = x * weight
        begun.set()
        looked.wait(30)
        return (y + weight).sum()

    thread = threading.Thread(target=other)
    thread.start()
    compiled: Any = rl.compile(function)
    result = compiled(rl.ones(3))
    thread.join()
    return result, found[0], compiled


LOOKS = {
    "list": (lambda x: x.tolist(), [2.0] * 3),
    "number": (lambda x: x.sum().item(), 6.0),
    "array": (lambda x: np.asarray(x).tolist(), [2.0] * 3),
    "truth": (lambda x: bool((x > 0).all()), True),
    "text": (repr, "tensor([2., 2., 2.])"),
    "mask": (lambda x: x[x > 1].tolist(), [2.0] * 3),
    "own write": (lambda x: rl.zeros(3).add_(x).tolist(), [2.0] * 3),
    "draw": (lambda x: rl.bernoulli(x / 2).tolist(), [1.0] * 3),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_trace_goes_on_while_another_thread_uses_its_tensors(look: str) -> None:
    function, expected = LOOKS[look]
    result, found, compiled = _met_by(function)
    assert result.item() == 12 and found == expected
    assert len(compiled.programs) == 1 and not compiled.reasons
    assert compiled(rl.ones(3) * 2).item() == 18
    later: Any = rl.compile(lambda x: x * 3)  # the thread that traced still compiles
    assert later(rl.ones(2)).tolist() == [3, 3] and len(later.programs) == 1


FORK = """
    import importlib.abc, os, sys, threading, time
    import rushlight as rl

    begun = threading.Event()

    class Slow(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name == "rushlight.quasirandom" and not begun.is_set():
                begun.set()
                time.sleep(0.3)

    sys.meta_path.insert(0, Slow())
    thread = threading.Thread(target=lambda: rl.quasirandom)
    thread.start()
    begun.wait()
    child = os.fork()
    if not child:
        os._exit(0 if rl.quasirandom.SobolEngine(2) else 1)
    end = time.monotonic() + 100
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            sys.exit(status)
        time.sleep(0.01)
    os.kill(child, 9)
    sys.exit("the child hangs")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_a_fork_waits_for_what_another_thread_imports() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FORK)], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
