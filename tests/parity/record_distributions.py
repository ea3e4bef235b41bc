"""Writes torch's answers about its distributions: `python tests/parity/record_distributions.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from distribution_cases import answer, questions

if __name__ == "__main__":
    rows = [json.dumps([*row, answer(torch, *row)], separators=(",", ":")) for row in questions()]
    target = Path(__file__).parent / "data" / "distributions.json"
    target.write_text("[\n" + ",\n".join(rows) + "\n]\n")
    print(len(rows), "cases,", target.stat().st_size, "bytes")
