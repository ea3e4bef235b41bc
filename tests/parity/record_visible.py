"""Writes torch's answers to the visible cases: `python -m tests.parity.record_visible`."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch

from tests.parity.visible_cases import answer, expressions

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    found = {text: answer(torch, text) for text in expressions()}
    target = Path(__file__).parent / "data" / "visible.json"
    target.write_text(json.dumps(found, indent=0) + "\n")
    print(len(found), "cases")
