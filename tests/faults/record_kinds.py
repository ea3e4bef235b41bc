"""Record which kinds of numbers torch refuses, and how: `python tests/faults/record_kinds.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from kinds import answers, calls

if __name__ == "__main__":
    import torch

    found = {source: answers(torch, source) for source in calls()}
    target = Path(__file__).parent / "kinds.json"
    target.write_text(json.dumps(found, indent=0) + "\n")
    print(len(found), "calls,", sum(map(len, found.values())), "refusals")
