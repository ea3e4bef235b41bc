"""Products, linear algebra and Fourier transforms against torch's recorded answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from tests.parity.linalg_cases import cases, worked_out

ROWS = json.loads((Path(__file__).parent / "data" / "linalg.json").read_text())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} | {' '.join(row[1])}")
@pytest.mark.filterwarnings("ignore")
def test_answers_are_torchs(row: list[Any]) -> None:
    code, specs, expected = row
    found = worked_out(rl, (code, tuple(specs)))
    assert "no curve" in expected or found.keys() == expected.keys()
    for key in ("error", "says", "type", "shape", "no slope"):
        assert found.get(key) == expected.get(key)
    for key in ("value", "slope", "curve"):
        for place, numbers in enumerate(expected.get(key, [])):
            got = found[key][place]
            if numbers is None or got is None:  # None and zeros say the same of a gradient
                assert not np.any(got or 0) and not np.any(numbers or 0), key
                continue
            if key == "curve":  # at a kink torch has nan where nothing can be said
                got = np.where(np.isnan(numbers), np.nan, got)
            scale = max([1.0, *np.abs(np.nan_to_num(numbers))])
            np.testing.assert_allclose(got, numbers, rtol=1e-6, atol=1e-7 * scale, err_msg=key)


def test_enough_cases() -> None:
    assert len(ROWS) == len(cases()) >= 400
