"""Record how torch fails in every row: `python tests/faults/record_rows.py` (needs torch)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from rows import failure, head, rows

if __name__ == "__main__":
    import torch

    answers = {title: head(failure(row.source, torch)) for title, row in rows().items()}
    target = Path(__file__).parent / "rows.json"
    target.write_text(json.dumps(answers, indent=0) + "\n")
    print(len(answers), "rows")
