"""format_tensor against the torch that is installed, on random tensors, options and suffixes."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tests.parity.printing_cases import random_recipe, rushlight_text
from tests.parity.record_printing import torch_text

FIRST_SEED, NUM_CASES, BATCH = 100_000, 600, 50


@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + NUM_CASES, BATCH))
def test_random_tensors_print_alike(first: int) -> None:
    for seed in range(first, first + BATCH):
        recipe = random_recipe(seed)
        assert rushlight_text(recipe) == torch_text(recipe), f"seed {seed}: {recipe}"
