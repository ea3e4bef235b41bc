"""Record torch's answers to the expressions of `linalg_cases` (needs torch).

Run from the repository root: `python -m tests.parity.record_linalg`.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch

from tests.parity.linalg_cases import cases, worked_out

DATA = Path(__file__).parent / "data" / "linalg.json"

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    rows = [[*case, worked_out(torch, case)] for case in cases()]
    DATA.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    print(len(rows), "cases,", DATA.stat().st_size, "bytes")
