"""Record torch's answers to the expressions of `creation_cases` (needs torch).

Run from the repository root: `python -m tests.parity.record_creation`.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch

from tests.parity.creation_cases import CREATIONS, DRAWS, answer

DATA = Path(__file__).parent / "data" / "creation.json"

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    rows = [json.dumps([code, answer(torch, code)]) for code in [*CREATIONS, *DRAWS]]
    DATA.write_text("[\n" + ",\n".join(rows) + "\n]\n")
    print(len(rows), "cases,", DATA.stat().st_size, "bytes")
