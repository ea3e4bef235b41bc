"""Random training programs: compiled (NumPy code, native code) they leave what eager ones leave.

RUSHLIGHT_TRAINING_PROGRAMS=1000 runs that many on both; RUSHLIGHT_TRAINING_PROGRAM=<seed> alone.
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
import training_programs

COUNT = int(os.environ.get("RUSHLIGHT_TRAINING_PROGRAMS", "0"))
ALONE = os.environ.get("RUSHLIGHT_TRAINING_PROGRAM")
NATIVE_EVERY = 1 if COUNT or ALONE else 3  # making native code takes most of the time
GROUP = 3
SEEDS = range(COUNT or 12) if ALONE is None else range(int(ALONE), int(ALONE) + 1)
NATIVE = importlib.util.find_spec("llvmlite") is not None


def attempt(seed: int, file: str) -> bool:
    """Run one program everywhere; whether it is one that can be compared."""
    text = training_programs.program(seed)
    dtype, near, noise = training_programs.tolerances(seed, text)
    try:
        wanted = training_programs.play(text, rl, lambda f: f, dtype, file)
        moved = training_programs.play(text, rl, lambda f: f, dtype, file, noise)
    except (RuntimeError, ValueError):  # the sizes of some batch suit no part of it
        return False
    for backend in ("numpy", "llvm") if NATIVE and seed % NATIVE_EVERY == 0 else ("numpy",):

        def wrap(function: Any, backend: str = backend) -> Any:
            return rl.compile(function, backend=backend)

        try:
            found = training_programs.play(text, rl, wrap, dtype, file)
        except RuntimeError as error:  # a compiled part has no second derivative, as in torch
            assert "double backward" in str(error), f"seed {seed}, {backend}\n{text}"
            continue
        wrong = training_programs.difference(found, wanted, moved, near)
        assert not wrong, f"seed {seed}, {backend}: {wrong}\n{text}"
    return True


@pytest.mark.parametrize("first", SEEDS[::GROUP])
def test_programs(first: int, tmp_path: Path) -> None:
    compared, stop = 0, min(first + GROUP, SEEDS.stop)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for seed in range(first, stop):
            compared += attempt(seed, str(tmp_path / "state.pt"))
    assert ALONE is not None or compared >= (stop - first) / 2


def test_a_wrong_number_would_be_noticed() -> None:
    seen = [("loss", np.array([1.0, 2.0])), ("step", np.array(3))]
    assert not training_programs.difference(seen, seen, seen, 1e-10)
    other = [("loss", np.array([1.0, 2.0 + 1e-8])), ("step", np.array(3))]
    assert training_programs.difference(other, seen, seen, 1e-10).startswith("loss")
    other = [("loss", np.array([1.0, 2.0])), ("step", np.array(4))]
    assert training_programs.difference(other, seen, seen, 1e-10).startswith("step")
