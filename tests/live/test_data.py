"""Loaders with drawn options beside torch itself, where torch is installed."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl
from tests.parity import data_cases

torch = pytest.importorskip("torch")


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 60),
    batch_size=st.one_of(st.none(), st.integers(1, 20)),
    shuffle=st.booleans(),
    generator=st.one_of(st.none(), st.integers(0, 2**40)),
)
def test_loading_beside_torch(n, batch_size, shuffle, generator):
    case = {"n": n, "batch_size": batch_size, "shuffle": shuffle, "generator": generator}
    assert data_cases.load(rl, case) == data_cases.load(torch, case)


class Draws:
    """What a worker's generators give; the library's own by its name."""

    def __init__(self, t):
        self.t = t

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return index, random.random(), float(np.random.rand()), self.t.rand(1).item()


def test_workers_draw_what_torchs_workers_draw():
    """Same seed, same worker for each batch, same numbers of all three generators."""
    found = []
    for t in (rl, torch):
        t.manual_seed(21)
        loader = t.utils.data.DataLoader(
            Draws(t), batch_size=2, shuffle=True, num_workers=2, collate_fn=list
        )
        found.append([list(loader) for _ in range(2)])
    assert found[0] == found[1]
