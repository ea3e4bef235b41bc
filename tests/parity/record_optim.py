"""Record torch's optimisers and schedules on the cases of `optim_cases` and `schedule_cases`.

Run from the repository root, where torch is: `python -m tests.parity.record_optim`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tests.parity import optim_cases, schedule_cases

DATA = Path(__file__).parent / "data"


def short(value: Any, digits: int) -> Any:
    """The same data with floats cut to so many significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, list):
        return [short(item, digits) for item in value]
    if isinstance(value, dict):
        return {key: short(item, digits) for key, item in value.items()}
    return value


def write(name: str, data: dict[str, Any]) -> None:
    """One case per line."""
    parts = []
    for key, cases in data.items():
        lines = ",\n".join(json.dumps(case) for case in cases)
        parts.append(f"{json.dumps(key)}: [\n{lines}\n]")
    (DATA / name).write_text("{\n" + ",\n".join(parts) + "\n}\n")


def main() -> None:
    torch.set_num_threads(1)
    digits = {"float32": 9, "float64": 16}
    write(
        "optim.json",
        {
            "runs": [
                {**run, **short(optim_cases.train(torch, run), digits[run["dtype"]])}
                for run in optim_cases.runs()
            ],
            "printed": [
                {"name": name, **optim_cases.printed(torch, name)} for name in optim_cases.OPTIONS
            ],
            "mistakes": [
                {"name": name, "kwargs": kwargs, "error": optim_cases.mistake(torch, name, kwargs)}
                for name, kwargs in optim_cases.MISTAKES
            ],
            "groups": [
                {"name": name, "error": error}
                for name, error in optim_cases.wrong_groups(torch).items()
            ],
        },
    )
    write(
        "schedules.json",
        {
            "runs": [{**run, **schedule_cases.follow(torch, run)} for run in schedule_cases.runs()],
            "jumps": [
                {"name": name, "kwargs": kwargs, "rates": schedule_cases.jump(torch, name, kwargs)}
                for name, kwargs in schedule_cases.JUMPS
            ],
            "mistakes": [
                {"name": name, "error": error}
                for name, error in schedule_cases.mistakes(torch).items()
            ],
        },
    )


if __name__ == "__main__":
    main()
