"""Steps written by hand: call by call, programs leave what eager calls leave."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl

sys.path.insert(0, str(Path(__file__).parent))
from hand_steps import CASES
from worlds import BACKENDS, backends

for _name in ("data", "copies", "optimisers"):
    importlib.import_module(f"hand_steps_{_name}")
EAGER = {  # cases of which no program is made, and a word of why
    "leaf_that_stays_live": "a tensor that the call replaces",
    "sparse_adam": "sparse", "sparse_and_dense": "sparse", "sparse_sgd": "sparse",
}  # fmt: skip
SIZES = (4, 4, 4, 4, 6, 4, 6, 4)
SAME = (4,) * len(SIZES)  # a program is traced for each size, whatever runs it: one backend does
TWICE = {"spectral_wrapped"}  # its first call, of a kind that is not tried again soon, is eager
Seen = list[tuple[str, str, Any]]


def told(x: Any, found: Seen, path: str = "") -> Seen:
    """All numbers in nested things: where, of which type, and what."""
    if hasattr(x, "detach"):
        x = x.detach()
        x = x.to_dense() if x.is_sparse else x
        found.append((path, str(x.dtype), np.array(x.tolist())))
    elif isinstance(x, (dict, list, tuple)):
        for k, part in x.items() if isinstance(x, dict) else enumerate(x):
            told(part, found, f"{path}.{k if isinstance(k, (int, str)) else ''}")
    else:
        plain = isinstance(x, (int, float, str, type(None)))
        found.append((path, type(x).__name__, x if plain else None))
    return found


def course(name: str, wrap: Callable[[Any], Any], sizes: tuple[int, ...] = SIZES) -> list[Seen]:
    """What a sequence of calls gives and leaves, call by call."""
    rl.manual_seed(0)
    step, seen = CASES[name](rl, wrap)
    rl.manual_seed(1)
    rng, found = np.random.default_rng(0), []
    for n in sizes:
        x, y = (rl.tensor(rng.standard_normal((n, k)), dtype=rl.float32) for k in (4, 2))
        result = step(x, y)
        now = [result, seen(), x, x.grad, x.requires_grad, rl.rand(2)]
        found.append(told(now, []))
    return found


def difference(found: list[Seen], wanted: list[Seen]) -> str:
    """Where two courses part."""
    near = 2e-2 if any("bfloat16" in kind for _, kind, _ in wanted[0]) else 2e-4
    for k, (a, b) in enumerate(zip(found, wanted, strict=True)):
        forms = [[one[:2] for one in row] for row in (a, b)]
        if forms[0] != forms[1]:
            return f"call {k}: {set(forms[0]) ^ set(forms[1])}"
        for (place, _, x), (_, _, y) in zip(a, b):
            if isinstance(y, (np.ndarray, float)):
                same = np.shape(x) == np.shape(y) and np.allclose(x, y, near, near, equal_nan=True)
            else:
                same = x == y
            if not same:
                return f"call {k} {place}: {x}, not {y}"
    return ""


@backends
@pytest.mark.parametrize("name", CASES)
def test_programs_leave_what_eager_calls_leave(name: str, backend: str) -> None:
    made: list[Any] = []

    def wrap(function: Any) -> Any:
        call = rl.compile(function, backend=backend)
        made.append(call)
        return call

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sizes = SIZES if backend == BACKENDS[-1] or name in TWICE else SAME
        wanted, found = course(name, lambda step: step, sizes), course(name, wrap, sizes)
    assert not (wrong := difference(found, wanted)), wrong
    explained = made[0].explain()
    if name in EAGER:
        assert EAGER[name] in str(explained)
        assert not explained.programs
        return
    assert explained.programs, explained.reasons
    assert not explained.fallbacks


KEPT = (
    "data_assigned vector_put_back swapped_data sam_davda wants_argument pgd_delta leaf_of_dict"
    " seen_beside argument_moved lbfgs_variables plateau_inside"
).split()


@pytest.mark.skipif(importlib.util.find_spec("llvmlite") is None, reason="it keeps native code")
def test_programs_of_the_process_before(tmp_path: Path) -> None:
    text = (
        f"import sys, warnings; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import rushlight as rl, test_by_hand as by\n"
        "warnings.simplefilter('ignore')\n"
        f"for name in {KEPT!r}:\n"
        "    found = by.difference(by.course(name, rl.compile), by.course(name, lambda f: f))\n"
        "    print(name, found) if found else None\n"
    )
    environment = {**os.environ, "RUSHLIGHT_HOME": str(tmp_path)}
    kept: list[set[Path]] = []
    for _ in range(2):
        told = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, env=environment
        )
        assert (told.returncode, told.stdout) == (0, ""), told.stdout + told.stderr
        kept.append({file for file in tmp_path.rglob("*") if file.is_file()})
    assert kept[0]
    assert kept[0] == kept[1]  # all that the second needs was there
