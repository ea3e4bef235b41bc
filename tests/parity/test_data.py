"""Loaders, samplers and batches against torch's recorded answers."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

import rushlight
from rushlight.utils.data.worker import numpy_seed
from tests.parity import data_cases

RECORDED = json.loads((Path(__file__).parent / "data" / "data.json").read_text())


def name_case(case: dict[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in case["case"].items())


def by_name(case: dict[str, Any]) -> str:
    return case["name"]


def plain(value: Any) -> Any:
    """As JSON would give it back."""
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("case", RECORDED["loaders"], ids=name_case)
def test_loaders_give_torchs_batches(case: dict[str, Any]) -> None:
    told = data_cases.load(rushlight, case["case"])
    assert plain(told) == {name: case[name] for name in told}


@pytest.mark.parametrize("case", RECORDED["samplers"], ids=name_case)
def test_samplers_give_torchs_order(case: dict[str, Any]) -> None:
    told = data_cases.sample(rushlight, case["case"])
    assert plain(told) == {name: case[name] for name in told}


@pytest.mark.parametrize("case", RECORDED["splits"], ids=name_case)
def test_splits_are_torchs(case: dict[str, Any]) -> None:
    told = data_cases.split(rushlight, case["case"])
    assert plain(told) == {name: case[name] for name in told}


@pytest.mark.parametrize("case", RECORDED["batches"], ids=by_name)
def test_collation_is_torchs(case: dict[str, Any]) -> None:
    told = data_cases.collated(rushlight, case["name"])
    assert plain(told) == {name: case[name] for name in told}


@pytest.mark.parametrize("case", RECORDED["conversions"], ids=by_name)
def test_conversion_is_torchs(case: dict[str, Any]) -> None:
    sample = data_cases.conversions(rushlight)[case["name"]]
    told = data_cases.describe(rushlight, rushlight.utils.data.default_convert(sample))
    assert plain(told) == case["value"]


def test_mistakes_are_refused_as_in_torch() -> None:
    told = data_cases.mistakes(rushlight)
    recorded = {case["name"]: case["error"] for case in RECORDED["mistakes"]}
    methods = str(multiprocessing.get_all_start_methods())  # their order changed with Python 3.14
    kind, text = recorded["unknown context"]
    recorded["unknown context"] = [kind, text.replace("['fork', 'spawn', 'forkserver']", methods)]
    assert told == recorded


def test_numpy_is_seeded_in_workers_as_in_torch() -> None:
    for case in RECORDED["numpy_seeds"]:
        assert numpy_seed(case["base"], case["worker"]) == case["words"]
