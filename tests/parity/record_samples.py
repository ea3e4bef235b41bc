"""Record what torchvision's second set of transforms gives.

python tests/parity/record_samples.py     (needs torch and torchvision)
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch
import torchvision
from PIL import Image
from sample_cases import answer, asked
from torchvision import tv_tensors
from torchvision.transforms import v2

OUT = Path(__file__).parent / "data" / "samples.json"


def main() -> None:
    warnings.simplefilter("ignore")
    cases = asked(torch, Image, v2, tv_tensors)
    answers = {name: answer(torch, case) for name, case in cases.items()}
    recorded = {"torchvision": torchvision.__version__, "answers": answers}
    lines = json.dumps(recorded, separators=(",", ":")).replace('],"', '],\n"')
    OUT.write_text(lines + "\n", "utf-8")


if __name__ == "__main__":
    main()
