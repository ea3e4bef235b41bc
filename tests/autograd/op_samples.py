"""The samples of `tests/ops`, as functions of their float operands, for the tests of transforms."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core.dispatch import apply
from rushlight.core.primitive import REGISTRY, Primitive
from rushlight.core.tensor import wrap

sys.path.insert(0, str(Path(__file__).parent.parent / "ops"))
from sampling import Sample, all_samples

SAMPLES = all_samples()
CASES = [
    pytest.param(REGISTRY[name], sample, id=f"{name}-{place}")
    for name, samples in sorted(SAMPLES.items())
    if name in REGISTRY
    for place, sample in enumerate(samples)
]
SMOOTH = [case for case in CASES if case.values[0].rule is not None and case.values[1].smooth]


def is_float(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def direction(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape))


def floats(sample: Sample) -> list[np.ndarray]:
    """The operands to differentiate by."""
    return [x for x in sample.inputs if is_float(x)]


def outputs_of(prim: Primitive, sample: Sample, xs: Any) -> tuple[rl.Tensor, ...]:
    """The float results of the op, with `xs` in the place of the float operands."""
    given = iter(xs)
    full = tuple(
        next(given) if is_float(x) else rl.from_numpy(x.copy()) if isinstance(x, np.ndarray) else x
        for x in sample.inputs
    )
    found = apply(prim, full, sample.params)
    found = found if isinstance(found, tuple) else (found,)
    return tuple(y for y in found if y.is_floating_point())


def scalar_of(prim: Primitive, sample: Sample) -> Callable[..., rl.Tensor]:
    """The op followed by an inner product with fixed random directions."""

    def function(*xs: Any) -> rl.Tensor:
        total = rl.zeros((), dtype=rl.float64)
        for place, y in enumerate(outputs_of(prim, sample, xs)):
            total = total + (y * wrap(direction(y.shape, place + 1))).sum()
        return total

    return function


def tensors(arrays: list[np.ndarray]) -> tuple[rl.Tensor, ...]:
    return tuple(wrap(x.copy()) for x in arrays)
