"""Random programs of users on torch itself: eager and compiled rushlight give what torch gives.

RUSHLIGHT_RANDOM_PROGRAMS=1000000 runs that many; RUSHLIGHT_RANDOM_PROGRAM=<seed> one alone.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl

sys.path.insert(0, str(Path(__file__).parents[1] / "compile"))
import user_programs

torch = pytest.importorskip("torch")

COUNT = int(os.environ.get("RUSHLIGHT_RANDOM_PROGRAMS", "0"))
ALONE = os.environ.get("RUSHLIGHT_RANDOM_PROGRAM")
GROUP = 20
SEEDS = range(COUNT or 60) if ALONE is None else range(int(ALONE), int(ALONE) + 1)
NATIVE_EVERY = 1 if COUNT or ALONE else 4


def values(seen: list[Any]) -> list[Any]:
    """Without the flags: torch says that `//` and `heaviside` want gradients, which they lack."""
    return [x for x in seen if not isinstance(x, bool)]


def attempt(seed: int) -> bool:
    """Run one program on torch and on rushlight; whether it is one that can be compared."""
    prepared = user_programs.measured(seed)
    if prepared is None:
        return False
    program, *runs, near = prepared
    eager, moved = map(values, runs)
    try:
        theirs = values(user_programs.play(program, torch, lambda step: step))
    except RuntimeError:  # torch refuses more (parts of a tensor that overlap); not asked here
        return False
    wrong = user_programs.difference(eager, theirs, moved, 30 * near)
    assert not wrong, f"seed {seed}, eager beside torch: {wrong}\n{program.text()}"
    if seed % NATIVE_EVERY == 0:
        found = values(user_programs.play(program, rl, rl.compile))
        wrong = user_programs.difference(found, theirs, moved, 30 * near)
        assert not wrong, f"seed {seed}, compiled beside torch: {wrong}\n{program.text()}"
    return True


@pytest.mark.parametrize("first", SEEDS[::GROUP])
def test_programs(first: int) -> None:
    compared, stop = 0, min(first + GROUP, SEEDS.stop)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for seed in range(first, stop):
            compared += attempt(seed)
    assert ALONE is not None or compared >= (stop - first) / 2


def test_a_wrong_number_would_be_noticed() -> None:
    prepared = next(p for p in map(user_programs.measured, range(20)) if p is not None)
    _, eager, moved, near = prepared
    changed: list[Any] = [x.copy() if isinstance(x, np.ndarray) else x for x in eager]
    place = next(i for i, x in enumerate(changed) if isinstance(x, np.ndarray) and x.size > 3)
    changed[place].reshape(-1)[1] += 1
    assert f"place {place}" in user_programs.difference(changed, eager, moved, 30 * near)
