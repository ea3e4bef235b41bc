"""One seed, one script, one loss curve: training goes as in torch, to four digits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import rushlight

sys.path.insert(0, str(Path(__file__).parent))
from curves import CURVES, losses

TORCH = json.loads((Path(__file__).parent / "data" / "curves.json").read_text())


@pytest.mark.parametrize("name", CURVES)
def test_training_follows_torchs_curve(name: str) -> None:
    found, expected = losses(name, rushlight), TORCH[name]
    assert len(expected) >= 20
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
