"""Random reads and writes by index, and random prints, beside torch itself."""

from __future__ import annotations

import pytest

import rushlight as rl

torch = pytest.importorskip("torch")

from tests.live import indexing_programs, printing_programs

BATCH, READS, PRINTS = 250, 2000, 1000


def alike(wanted: str, found: str) -> bool:
    """Equal; of errors about places only the kind counts: torch numbers dimensions as it works."""
    return wanted == found or wanted[:11] == found[:11] == "IndexError:"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("first", range(0, READS, BATCH))
def test_reads_and_writes(first: int) -> None:
    for seed in range(first, first + BATCH):
        for step in indexing_programs.program(seed):
            wanted, found = (indexing_programs.outcome(lib, step) for lib in (torch, rl))
            assert alike(wanted, found), f"seed {seed}: {found}, not {wanted}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("first", range(0, PRINTS, BATCH))
def test_prints(first: int) -> None:
    for seed in range(first, first + BATCH):
        run = printing_programs.program(seed)
        assert run(rl) == run(torch), f"seed {seed}"
