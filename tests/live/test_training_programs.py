"""Random training programs on torch itself: eager rushlight leaves what torch leaves.

RUSHLIGHT_TRAINING_PROGRAMS=1000 runs that many; RUSHLIGHT_TRAINING_PROGRAM=<seed> one alone.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import rushlight as rl

sys.path.insert(0, str(Path(__file__).parents[1] / "compile"))
import training_programs

torch = pytest.importorskip("torch")

COUNT = int(os.environ.get("RUSHLIGHT_TRAINING_PROGRAMS", "0"))
ALONE = os.environ.get("RUSHLIGHT_TRAINING_PROGRAM")
GROUP = 8
SEEDS = range(COUNT or 24) if ALONE is None else range(int(ALONE), int(ALONE) + 1)


def attempt(seed: int, file: str) -> bool:
    """Run one program on torch and on rushlight; whether it is one that can be compared."""
    text = training_programs.program(seed)
    dtype, near, noise = training_programs.tolerances(seed, text)
    try:
        wanted = training_programs.play(text, torch, lambda f: f, dtype, file)
        moved = training_programs.play(text, torch, lambda f: f, dtype, file, noise)
    except (RuntimeError, ValueError):  # torch refuses it; not asked here
        return False
    if "orthogonal(" in text:
        near = max(near, 1e-8)  # torch's matrix_exp is off by 2e-10 for norms just below 0.05
    found = training_programs.play(text, rl, lambda f: f, dtype, file)
    wrong = training_programs.difference(found, wanted, moved, near)
    assert not wrong, f"seed {seed}: {wrong}\n{text}"
    return True


@pytest.mark.parametrize("first", SEEDS[::GROUP])
def test_programs(first: int, tmp_path: Path) -> None:
    compared, stop = 0, min(first + GROUP, SEEDS.stop)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for seed in range(first, stop):
            compared += attempt(seed, str(tmp_path / "state.pt"))
    assert ALONE is not None or compared >= (stop - first) / 2
