"""Writes to views that name a place more than once: nothing beside those places changes."""

from __future__ import annotations

import random

import numpy as np
import pytest

import rushlight as rl

MARGIN = 16


def region(seed: int) -> tuple[list[int], list[int], int, int]:
    """Sizes, strides and offset of a view, and the elements of what it looks at."""
    draw = random.Random(seed)
    sizes = [draw.randint(1, 4) for _ in range(draw.randint(1, 3))]
    strides = [draw.choice([0, 0, 1, 1, 2, 3, 4]) for _ in sizes]
    offset = draw.randint(0, 3)
    reach = offset + sum((n - 1) * step for n, step in zip(sizes, strides)) + 1
    return sizes, strides, offset, reach + draw.randint(0, 9)


def within(size: int) -> tuple[np.ndarray, rl.Tensor]:
    """A tensor in the middle of some memory, so that writes beside it are seen."""
    memory = np.full(size + 2 * MARGIN, 9.0)
    memory[MARGIN : MARGIN + size] = np.arange(size)
    return memory, rl.from_numpy(memory[MARGIN : MARGIN + size])


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_filled_regions(backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    for seed in range(24):
        sizes, strides, offset, size = region(seed)

        def fill(
            x: rl.Tensor,
            sizes: list[int] = sizes, strides: list[int] = strides, offset: int = offset,
        ) -> tuple[rl.Tensor, rl.Tensor]:  # fmt: skip
            y = x * 2
            y.as_strided(sizes, strides, offset).fill_(7.0)
            x.as_strided(sizes, strides, offset).fill_(0.5)
            return y, y.sum()

        compiled = rl.compile(fill, backend=backend)
        wanted, x = within(size)
        eager = fill(x)
        memory, x = within(size)
        native = compiled(x)
        assert compiled.programs and not compiled.fallbacks
        np.testing.assert_array_equal(memory, wanted, f"{seed}")
        assert all(map(rl.equal, native, eager)), seed


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_a_filled_column_that_is_expanded(backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")

    def step(x: rl.Tensor) -> rl.Tensor:
        y = x * 2
        y[:3].view(3, 1).expand(3, 4).fill_(0.25)
        return y

    x = rl.arange(10.0)
    expected = [0.25] * 3 + [6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0]
    assert rl.compile(step, backend=backend)(x).tolist() == expected
