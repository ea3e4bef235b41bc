"""Programs on two processes, beside torch's with gloo, in this very torch."""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch")

import rushlight as rl
from tests.distributed.programs import CASES, all_cases
from tests.distributed.ranks import on_ranks
from tests.parity.record_distributed import answers


def ours(rank: int) -> dict[str, list[float]]:
    warnings.simplefilter("ignore")
    return all_cases(rl, rank)


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without collectives")
def test_two_processes_agree_with_torchs_two() -> None:
    for mine, theirs in zip(on_ranks(ours), answers(), strict=True):
        for name in CASES:
            assert mine[name] == pytest.approx(theirs[name], rel=1e-4, abs=2e-6), name
