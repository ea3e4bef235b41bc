"""Modules against torch's recorded answers: reprs, state, first weights, values and errors."""

import json
import math
import pathlib

import pytest

import rushlight as torch
from tests.parity.nn_answers import all_cases, answer

RECORDED = json.loads((pathlib.Path(__file__).parent / "data" / "nn.json").read_text())
CASES = list(all_cases())


def agree(ours, theirs, where="answer"):
    """Equal texts and shapes; numbers within a few float32 steps (float64 sums of them looser)."""
    if isinstance(theirs, float) and isinstance(ours, (int, float)):
        same = (math.isnan(ours) and math.isnan(theirs)) or math.isclose(
            ours, theirs, rel_tol=2e-5, abs_tol=2e-6
        )
        assert same, f"{where}: {ours} is not {theirs}"
    elif isinstance(theirs, dict):
        assert isinstance(ours, dict) and list(ours) == list(theirs), f"{where}: keys"
        for key in theirs:
            agree(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list) and len(ours) == len(theirs), where
        for place, (one, other) in enumerate(zip(ours, theirs)):
            agree(one, other, f"{where}[{place}]")
    else:
        assert ours == theirs, f"{where}: {ours!r} is not {theirs!r}"


def test_every_case_is_recorded():
    assert sorted(RECORDED) == sorted(name for name, _, _ in CASES)
    assert len(RECORDED) >= 250


@pytest.mark.parametrize(("name", "kind", "code"), CASES, ids=[name for name, _, _ in CASES])
def test_answers_as_torch_does(name, kind, code):
    agree(answer(kind, code, torch), RECORDED[name])
