"""Record what torchvision's operations on feature maps give.

python tests/parity/record_vision_ops.py     (needs torch and torchvision)
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torchvision
from torchvision import ops
from vision_ops_cases import CASES, answer

OUT = Path(__file__).parent / "data" / "vision_ops.json"


def main() -> None:
    answers = {case: answer(torch, ops, case) for case in CASES}
    recorded = {"torchvision": torchvision.__version__, "answers": answers}
    lines = json.dumps(recorded, separators=(",", ":")).replace(',"ops.', ',\n"ops.')
    OUT.write_text(lines + "\n", "utf-8")


if __name__ == "__main__":
    main()
