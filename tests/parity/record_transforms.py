"""Record what torchvision's transforms give.

python tests/parity/record_transforms.py     (needs torch and torchvision)
"""

from __future__ import annotations

import json
import random
import warnings
from pathlib import Path

import torch
import torchvision
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F
from torchvision.transforms.v2 import functional as F2
from transform_cases import CASES, PICTURES, answer

OUT = Path(__file__).parent / "data" / "transforms.json"


def main() -> None:
    warnings.simplefilter("ignore")
    names = {"torch": torch, "InterpolationMode": InterpolationMode, "T": T, "F": F, "F2": F2}
    answers = {}
    for case in CASES:
        for name in PICTURES:
            random.seed(3)
            answers[f"{case} {name}"] = answer(torch, Image, names, case, name)
    text = json.dumps({"torchvision": torchvision.__version__, "answers": answers}, indent=0)
    OUT.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
