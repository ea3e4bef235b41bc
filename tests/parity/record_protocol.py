"""Writes torch's answers to the protocol cases: `python tests/parity/record_protocol.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from protocol_cases import answer, expressions

if __name__ == "__main__":
    found = {text: answer(torch, text) for text in expressions()}
    target = Path(__file__).parent / "data" / "protocol.json"
    target.write_text(json.dumps(found, indent=0) + "\n")
    print(len(found), "cases")
