"""The tensor surface beside torch's recorded answers: values, types, strides, gradients, errors."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl

sys.path.insert(0, str(Path(__file__).parent))
from tensor_language import FAMILIES, TOLERANCE, answer, cases

DATA = Path(__file__).parent / "data"
RECORDED = {family: json.loads((DATA / f"tensor_{family}.json").read_text()) for family in FAMILIES}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_record_holds_every_case(family: str) -> None:
    recorded = [(kind, expression) for kind, expression, _ in RECORDED[family]]
    assert recorded == cases(family)


@pytest.mark.parametrize(
    ("kind", "expression", "expected"),
    [case for family in FAMILIES for case in RECORDED[family]],
    ids=[f"{family}-{kind}-{text}" for family in FAMILIES for kind, text, _ in RECORDED[family]],
)
def test_expressions_have_torchs_values(
    kind: str, expression: str, expected: dict[str, Any]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = answer(rl, kind, expression)
    if "error" in expected:
        assert _kinds(found.get("error"), expected["error"]), found
        assert found["text"] == expected["text"]
        return
    assert "error" not in found, found
    if "value" in expected:
        assert found["value"] == expected["value"]
        return
    assert len(found["out"]) == len(expected["out"])
    for mine, theirs in zip(found["out"], expected["out"]):
        for field in ("dtype", "shape", "stride", "node"):
            assert mine[field] == theirs[field], (field, mine, theirs)
        _same(mine["values"], theirs["values"], TOLERANCE.get(mine["dtype"], 0))
    assert found["named"] == expected["named"]
    if expected["grads"] is None:  # torch itself has no gradient here
        return
    assert found["grads"] is not None and len(found["grads"]) == len(expected["grads"])
    slack = TOLERANCE.get(expected["out"][0]["dtype"], 1e-8) * 10
    for mine, theirs in zip(found["grads"], expected["grads"]):
        if mine is None or theirs is None:
            assert not any(mine or theirs or ()), (mine, theirs)
        else:
            _same(mine, theirs, slack)


def _kinds(found: str | None, expected: str) -> bool:
    """torch's exception type, or one of ours that derives from it."""
    ours = {
        "ShapeError": "RuntimeError",
        "DTypeError": "RuntimeError",
        "OutOfMemoryError": "RuntimeError",
    }
    return found is not None and ours.get(found, found) == expected


def _same(mine: list[Any], theirs: list[Any], tolerance: float) -> None:
    np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)
