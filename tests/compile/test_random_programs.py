"""Random programs of users: eager, as NumPy code and as native code give the same.

RUSHLIGHT_RANDOM_PROGRAMS=1000000 runs that many on both; of a failing seed's program,
`pytest tests/compile/test_random_programs.py` with RUSHLIGHT_RANDOM_PROGRAM=<seed> runs it alone.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl

sys.path.insert(0, str(Path(__file__).parent))
import user_programs

COUNT = int(os.environ.get("RUSHLIGHT_RANDOM_PROGRAMS", "0"))
ALONE = os.environ.get("RUSHLIGHT_RANDOM_PROGRAM")
NATIVE_EVERY = 1 if COUNT or ALONE else 5  # making native code takes most of the time
GROUP = 10
SEEDS = range(COUNT or 40) if ALONE is None else range(int(ALONE), int(ALONE) + 1)
NATIVE = importlib.util.find_spec("llvmlite") is not None


def attempt(seed: int) -> tuple[int, int]:
    """Run one program everywhere: how many runs were made, and how many of them compiled."""
    prepared = user_programs.measured(seed)
    if prepared is None:
        return 0, 0
    program, wanted, moved, near = prepared
    ran = compiled = 0
    for backend in ("numpy", "llvm") if NATIVE and seed % NATIVE_EVERY == 0 else ("numpy",):
        made: list[Any] = []

        def wrap(step: Any, backend: str = backend, made: list[Any] = made) -> Any:
            made.append(rl.compile(step, backend=backend))
            return made[-1]

        found = user_programs.play(program, rl, wrap)
        wrong = user_programs.difference(found, wanted, moved, near)
        assert not wrong, f"seed {seed}, {backend}: {wrong}\n{program.text()}"
        assert not made[0].fallbacks, f"seed {seed}\n{program.text()}"
        ran, compiled = ran + 1, compiled + bool(made[0].programs)
    return ran, compiled


@pytest.mark.parametrize("first", SEEDS[::GROUP])
def test_programs(first: int) -> None:
    ran = compiled = 0
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for seed in range(first, min(first + GROUP, SEEDS.stop)):
            a, b = attempt(seed)
            ran, compiled = ran + a, compiled + b
    assert ALONE is not None or (ran >= GROUP / 2 and compiled >= 0.6 * ran)
