"""Tensors and parameters in parts come to what torch's come to, on two processes."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import pytest

import rushlight as rl

from .ranks import on_ranks
from .sharded_programs import CASES, all_cases

RECORDED = Path(__file__).parents[1] / "parity" / "data" / "sharded.json"


def program(rank: int) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    return all_cases(rl, rank)


def agree(mine: Any, theirs: Any, where: str = "") -> None:
    """The same structure and texts, and numbers that are close."""
    if isinstance(theirs, list):
        assert isinstance(mine, (list, tuple)) and len(mine) == len(theirs), where
        for place, (a, b) in enumerate(zip(mine, theirs)):
            agree(a, b, f"{where}[{place}]")
    elif isinstance(theirs, float) and not math.isnan(theirs):
        assert mine == pytest.approx(theirs, rel=2e-3, abs=2e-4), where
    elif not isinstance(theirs, float):
        assert mine == theirs, where


@pytest.fixture(scope="module")
def found() -> Any:
    return on_ranks(program, seconds=120)


@pytest.mark.parametrize("name", CASES)
def test_as_torch(name: str, found: Any) -> None:
    for mine, theirs in zip(found, json.loads(RECORDED.read_text())["ranks"], strict=True):
        agree(mine[name], theirs[name], name)


def test_the_comparison_can_fail() -> None:
    with pytest.raises(AssertionError):
        agree([1.0, ["a"]], [1.0, ["b"]])
    with pytest.raises(AssertionError):
        agree([1.0, [2.0]], [1.0, [2.1]])
