"""Record torch's loss curves: `python tests/parity/record_curves.py` (needs torch)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from curves import CURVES, losses

if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    answers = {name: [float(f"{one:.6g}") for one in losses(name, torch)] for name in CURVES}
    target = Path(__file__).parent / "data" / "curves.json"
    target.write_text(json.dumps(answers, indent=0).replace(",\n", ", ") + "\n")
    print(len(answers), "curves", target.stat().st_size, "bytes")
