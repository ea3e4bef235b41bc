"""`nn.functional` beside torch's recorded answers: values, gradients, errors and warnings."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from tests.parity.functional_cases import FAMILIES, TROUBLE, run, trouble
from tests.parity.functional_code import decode

DATA = Path(__file__).parent / "data"


def recorded(name: str) -> dict[str, Any]:
    return json.loads((DATA / f"functional_{name}.json").read_text())


ANSWERS = [
    pytest.param(case, found, id=case.replace("::", ":"))
    for name in FAMILIES
    for case, found in recorded(name).items()
]


def test_the_record_is_of_these_cases() -> None:
    for name, cases in FAMILIES.items():
        assert list(recorded(name)) == list(dict.fromkeys(cases)), name
    assert list(recorded("trouble")) == list(dict.fromkeys(TROUBLE))


@pytest.mark.parametrize(("case", "answer"), ANSWERS)
def test_values_and_gradients(case: str, answer: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = run(case, rl)
    tolerance = 2e-2 if ".half" in case else 5e-5
    for name, arrays in found.items():
        assert len(arrays) == len(answer[name]), name
        for place, (array, code) in enumerate(zip(arrays, answer[name])):
            expected = decode(code)
            assert array.shape == expected.shape, (name, place)
            assert array.dtype == expected.dtype, (name, place)
            np.testing.assert_allclose(
                array.astype(np.float64), expected.astype(np.float64), rtol=tolerance,
                atol=tolerance / 5, err_msg=f"{name} {place}",
            )  # fmt: skip


@pytest.mark.parametrize(("case", "answer"), recorded("trouble").items())
def test_errors_and_warnings(case: str, answer: dict[str, Any]) -> None:
    found = trouble(case, rl)
    kind, text = answer["seen"]
    if kind == "fine":
        assert found["seen"] == ["fine", text]
    else:
        assert kind[0] in found["seen"][0]
        assert found["seen"][1] == text
    told = [one for one in found["warnings"] if "the mean of nothing is nan" not in str(one)]
    assert told == answer["warnings"]  # that nan has no elements behind it is said here only
