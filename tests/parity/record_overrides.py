"""Writes what torch's handlers are told: `python tests/parity/record_overrides.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from overrides_cases import answers

if __name__ == "__main__":
    target = Path(__file__).parent / "data" / "overrides.json"
    target.write_text(json.dumps(answers(torch), indent=0) + "\n")
