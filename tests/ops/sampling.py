"""What a sample of an op is, and how inputs for it are drawn."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Sample:
    """Inputs and params of one call. Float inputs are float64 and lie where the op is smooth.

    `inputs` is the tuple of operands (for ops on a sequence of tensors: the sequence). `smooth` is
    False where differences cannot check the derivative (kinks, complex, integer results).
    """

    inputs: tuple[Any, ...]
    params: tuple[Any, ...] = ()
    smooth: bool = True


def uniform(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> np.ndarray:
    """Distinct values in [low, high), at least a small step apart, so that no two tie."""
    rng = np.random.default_rng([seed, *shape])
    size = int(np.prod(shape))
    steps = (rng.permutation(size) + rng.uniform(0.2, 0.8, size)) / max(size, 1)
    return (low + (high - low) * steps).reshape(shape)


def integers(*shape: int, low: int = 0, high: int = 5, seed: int = 0) -> np.ndarray:
    """Integers in [low, high)."""
    return np.random.default_rng([seed, *shape]).integers(low, high, shape)


def booleans(*shape: int, seed: int = 0) -> np.ndarray:
    """A mask with both values in it."""
    mask = integers(*shape, high=2, seed=seed).astype(bool)
    if mask.size > 1:
        mask.reshape(-1)[:2] = True, False
    return mask


def all_samples() -> dict[str, list[Sample]]:
    """Every `samples_*.py` beside this file, merged."""
    merged: dict[str, list[Sample]] = {}
    for path in sorted(Path(__file__).parent.glob("samples_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name, samples in module.SAMPLES.items():
            assert name not in merged, f"{name} has samples in two files"
            merged[name] = samples
    return merged
