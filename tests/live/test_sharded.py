"""Tensors and parameters in parts, beside torch's with gloo, on four processes."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tests.distributed.ranks import on_ranks
from tests.distributed.sharded_programs import CASES
from tests.distributed.test_sharded_parity import agree, program
from tests.parity.record_sharded import answers


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without collectives")
def test_four_processes_agree_with_torchs_four() -> None:
    for mine, theirs in zip(on_ranks(program, 4, seconds=240), answers(4), strict=True):
        for name in CASES:
            agree(mine[name], theirs[name], name)
