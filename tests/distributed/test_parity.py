"""Two processes come to what torch's two processes come to, number by number."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

import rushlight as rl

from .programs import CASES, all_cases
from .ranks import on_ranks

RECORDED = Path(__file__).parents[1] / "parity" / "data" / "distributed.json"


def program(rank: int) -> dict[str, list[float]]:
    warnings.simplefilter("ignore")
    return all_cases(rl, rank)


@pytest.fixture(scope="module")
def found() -> Any:
    return on_ranks(program)


@pytest.mark.parametrize("name", CASES)
def test_as_torch(name: str, found: Any) -> None:
    for mine, theirs in zip(found, json.loads(RECORDED.read_text())["ranks"], strict=True):
        assert mine[name] == pytest.approx(theirs[name], rel=1e-4, abs=2e-6)


def test_the_recorded_numbers_are_different_where_they_should_be() -> None:
    first, second = json.loads(RECORDED.read_text())["ranks"]
    assert first["uneven, whole mean"] != first["uneven, mean of the rest"]
    assert first["plain"] != second["plain"] and first["hook"] != first["hook in float16"]
