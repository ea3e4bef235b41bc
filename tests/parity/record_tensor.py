"""Write torch's answers to the tensor cases: `python tests/parity/record_tensor.py`."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from tensor_language import FAMILIES, answer, cases


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    data = Path(__file__).parent / "data"
    for family in FAMILIES:
        lines = []
        for kind, expression in cases(family):
            found = answer(torch, kind, expression)
            lines.append(json.dumps([kind, expression, found], separators=(",", ":")))
        (data / f"tensor_{family}.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
        print(family, len(lines))


if __name__ == "__main__":
    main()
