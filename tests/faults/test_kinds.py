"""Numbers of kinds that an op does not take are refused as in torch, and no others are."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path

import pytest

import rushlight as rl

sys.path.insert(0, str(Path(__file__).parent))
from kinds import answer, answers, calls, names

TORCH = json.loads((Path(__file__).parent / "kinds.json").read_text())


def test_every_call_is_recorded() -> None:
    assert list(TORCH) == calls(), "run tests/faults/record_kinds.py"


@pytest.mark.parametrize("source", TORCH)
def test_kinds(source: str) -> None:
    pytest.importorskip("ml_dtypes")
    assert answers(rl, source) == TORCH[source]


COMPILED = [
    "torch.abs(x(4, 4))", "x(4, 4) @ x(4, 4)", "F.linear(x(4, 4), x(4, 4))",
    "F.conv2d(x(1, 1, 4, 4), x(1, 1, 2, 2))", "F.layer_norm(x(4, 4), (4,))", "F.glu(x(4, 4))",
    "F.max_pool2d(x(1, 1, 4, 4), 2)", "F.mse_loss(x(4, 4), x(4, 4))", "x(4, 4).softmax(1)",
    "x(4, 4).argmax()", "torch.cdist(x(4, 4), x(4, 4))", "x(4, 4) // x(4, 4)",
]  # fmt: skip


@pytest.mark.parametrize("source", COMPILED)
def test_compiled_programs_refuse_as_eager_calls_do(source: str) -> None:
    for kind, said in TORCH[source].items():
        given = names(rl, kind)
        program = rl.compile(eval(f"lambda x: {source}", given))
        assert answer(functools.partial(program, given["x"])) == said, kind
