"""Distributions, divergences, transforms and regions against torch's recorded answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl

sys.path.insert(0, str(Path(__file__).parent))
from distribution_cases import answer, questions

RECORDED = json.loads((Path(__file__).parent / "data" / "distributions.json").read_text())
TOLERANCE = {"float64": 1e-7, "float32": 2e-5}
# torch approximates the derivatives of gamma and Dirichlet draws to three or four digits.
ROUGH = ("Gamma(", "Dirichlet(", "Beta(", "Chi2(", "StudentT(", "FisherSnedecor(")


def test_the_record_holds_every_question() -> None:
    assert [tuple(row[:3]) for row in RECORDED] == questions()


@pytest.mark.parametrize(
    ("x", "v", "ask", "expected"), RECORDED, ids=[f"{x}-{ask}" for x, _, ask, _ in RECORDED]
)
def test_answers_are_torchs(x: str, v: str, ask: str, expected: dict[str, Any]) -> None:
    found = answer(rl, x, v, ask)
    if "error" in expected:
        kind = found.get("error", "")
        assert {"ShapeError": "RuntimeError"}.get(kind, kind) == expected["error"], found
        first = found["text"].replace("rushlight.", "torch.").splitlines()[:1]
        assert first == expected["text"].splitlines()[:1]
        return
    assert "error" not in found, found
    _same(found["value"], expected["value"], 5e-6 if "Multinomial" in x else 0)
    assert len(found["grads"]) == len(expected["grads"])
    rough = "rsample" in ask and any(name in x for name in ROUGH)
    for mine, theirs in zip(found["grads"], expected["grads"]):
        if isinstance(theirs, str):
            assert "is not implemented" in mine
            assert "is not implemented" in theirs
        elif mine is None or theirs is None:
            assert not any(mine or theirs or ())
        else:
            np.testing.assert_allclose(mine, theirs, rtol=2e-3 if rough else 2e-5, atol=1e-6)


def _same(found: Any, expected: Any, least: float = 0) -> None:
    # torch keeps a multinomial's count in float32, whatever the type of the probabilities.
    if isinstance(expected, dict):
        assert found["dtype"] == expected["dtype"]
        assert found["shape"] == expected["shape"]
        near = max(TOLERANCE.get(expected["dtype"], 0), least)
        np.testing.assert_allclose(found["values"], expected["values"], rtol=near, atol=near)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for mine, theirs in zip(found, expected):
            _same(mine, theirs, least)
    else:
        assert found == expected
