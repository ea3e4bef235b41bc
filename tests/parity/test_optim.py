"""Optimisers and schedules against torch's recorded answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight
from tests.parity import optim_cases, schedule_cases

DATA = Path(__file__).parent / "data"
RECORDED = json.loads((DATA / "optim.json").read_text())
SCHEDULES = json.loads((DATA / "schedules.json").read_text())


def name_run(run: dict[str, Any]) -> str:
    options = ",".join(f"{key}={value}" for key, value in run["kwargs"].items())
    return f"{run['name']}({options})-{run.get('dtype', run.get('optimizer', ''))}"


def by_name(case: dict[str, Any]) -> str:
    return case["name"]


def first_line(error: list[str]) -> list[str]:
    """KeyError quotes its text: compare up to the first line break, however written."""
    return [part.split("\n")[0].split("\\n")[0] for part in error]


@pytest.mark.parametrize("run", RECORDED["runs"], ids=name_run)
def test_training_goes_as_in_torch(run: dict[str, Any]) -> None:
    told = optim_cases.train(rushlight, run)
    exact = run["dtype"] == "float64"
    # torch fuses a multiply and an add into one rounding, NumPy rounds twice
    rtol, atol = (1e-12, 1e-13) if exact else (2e-5, 1e-6)
    if run["name"] == "LBFGS":
        rtol, atol = (1e-8, 1e-9) if exact else (1e-3, 1e-4)
    np.testing.assert_allclose(told["losses"], run["losses"], rtol, atol)
    for ours, theirs in zip(told["params"], run["params"], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol, atol)
    assert told["state"].keys() == run["state"].keys()
    for number, entries in run["state"].items():
        for ours, theirs in zip(told["state"][number], entries, strict=True):
            assert [str(part).replace("rushlight", "torch") for part in ours[:3]] == [
                str(part) for part in theirs[:3]
            ]
            if len(theirs) == 4 and run["name"] != "LBFGS":
                np.testing.assert_allclose(ours[3], theirs[3], rtol * 10, atol * 10)


@pytest.mark.parametrize("case", RECORDED["printed"], ids=by_name)
def test_text_and_groups_are_torchs(case: dict[str, Any]) -> None:
    told = optim_cases.printed(rushlight, case["name"])
    assert told["text"] == case["text"]
    assert json.loads(json.dumps(told["groups"])) == case["groups"]


@pytest.mark.parametrize("case", RECORDED["mistakes"], ids=name_run)
def test_bad_options_are_refused_as_in_torch(case: dict[str, Any]) -> None:
    told = optim_cases.mistake(rushlight, case["name"], case["kwargs"])
    assert told == case["error"]


def test_bad_parameters_are_refused_as_in_torch() -> None:
    told = optim_cases.wrong_groups(rushlight)
    recorded = {case["name"]: case["error"] for case in RECORDED["groups"]}
    assert told == recorded


@pytest.mark.parametrize("run", SCHEDULES["runs"], ids=name_run)
def test_schedules_give_torchs_rates(run: dict[str, Any]) -> None:
    told = schedule_cases.follow(rushlight, run)
    assert {name: told[name] for name in told} == {name: run[name] for name in told}


@pytest.mark.parametrize("case", SCHEDULES["jumps"], ids=name_run)
def test_named_epochs_and_resuming_give_torchs_rates(case: dict[str, Any]) -> None:
    assert schedule_cases.jump(rushlight, case["name"], case["kwargs"]) == case["rates"]


def test_schedules_refuse_and_warn_as_torch() -> None:
    told = schedule_cases.mistakes(rushlight)
    for case in SCHEDULES["mistakes"]:
        assert first_line(told[case["name"]]) == first_line(case["error"]), case["name"]
