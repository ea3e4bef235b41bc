"""Recurrent layers and cells against torch's recorded answers, both orders of derivative."""

import json
import pathlib

import numpy as np
import pytest

import rushlight as rl
from tests.parity.recurrent_cases import all_cases, answer

RECORDED = json.loads((pathlib.Path(__file__).parent / "data" / "recurrent.json").read_text())


def test_every_case_is_recorded():
    assert list(RECORDED) == all_cases()


@pytest.mark.parametrize("case", all_cases())
def test_values_and_gradients_are_those_of_torch(case):
    found, expected = answer(rl, case), RECORDED[case]
    assert [shape for shape, *_ in found] == [shape for shape, *_ in expected]
    tolerance = 1e-8 if case.endswith("double") else 2e-5
    for (_, *ours), (_, *theirs) in zip(found, expected):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
