"""Write torch's answers to the calls in functional_cases*: values, gradients, errors, warnings.

Run it where torch is installed: `python -m tests.parity.record_functional`.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch

from tests.parity.functional_cases import FAMILIES, TROUBLE, run, trouble
from tests.parity.functional_code import encode

DATA = Path(__file__).parent / "data"


def answer(case: str) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = run(case, torch)
    return {name: [encode(array) for array in arrays] for name, arrays in found.items()}


def write(name: str, answers: dict[str, Any]) -> None:
    pairs = (f"{json.dumps(case)}: {json.dumps(found)}" for case, found in answers.items())
    lines = ",\n".join(pairs)
    (DATA / f"functional_{name}.json").write_text("{\n" + lines + "\n}\n")


def main() -> None:
    torch.set_num_threads(1)
    for name, cases in FAMILIES.items():
        write(name, {case: answer(case) for case in cases})
    write("trouble", {case: trouble(case, torch) for case in TROUBLE})


if __name__ == "__main__":
    main()
