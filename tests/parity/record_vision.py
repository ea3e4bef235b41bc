"""Record torch's answers for resizing and for the draws that random transforms make.

python tests/parity/record_vision.py     (needs torch; torchvision is not needed: its draws
are written out here as torchvision documents them)
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from torch.nn import functional as F

OUT = Path(__file__).parent / "data" / "vision.json"
SIZES = [(5, 7, 3, 4), (4, 4, 9, 6), (6, 5, 6, 2), (1, 3, 4, 1), (8, 3, 2, 11)]
MODES = [
    ("bilinear", True),
    ("bilinear", False),
    ("bicubic", True),
    ("bicubic", False),
    ("nearest", False),
    ("nearest-exact", False),
]


def ramp(height: int, width: int) -> torch.Tensor:
    """A picture that is a formula, so that it need not be stored."""
    index = torch.arange(height * width, dtype=torch.float64)
    return torch.sin(index * index * 0.37).reshape(1, 1, height, width)


def resizes() -> list[dict]:
    cases = []
    for h, w, new_h, new_w in SIZES:
        for mode, antialias in MODES:
            smooth = mode.startswith("bi")
            result = F.interpolate(
                ramp(h, w),
                (new_h, new_w),
                mode=mode,
                antialias=antialias,
                align_corners=False if smooth else None,
            )
            values = [round(value, 9) for value in result.flatten().tolist()]
            cases.append(
                {"from": [h, w], "to": [new_h, new_w], "mode": mode, "antialias": antialias}
                | {"values": values}
            )
    return cases


def corner(height: int, width: int, h: int, w: int) -> list[int]:
    top = torch.randint(0, height - h + 1, size=(1,)).item()
    return [top, torch.randint(0, width - w + 1, size=(1,)).item(), h, w]


def random_crops() -> list[dict]:
    cases = []
    for seed in range(6):
        torch.manual_seed(seed)
        cases.append({"seed": seed, "place": corner(32, 40, 20, 11)})
    return cases


def random_resized_crops() -> list[dict]:
    cases = []
    for seed in range(12):
        torch.manual_seed(seed)
        log_ratio = torch.log(torch.tensor((3 / 4, 4 / 3)))
        for _ in range(10):
            area = 24 * 50 * torch.empty(1).uniform_(0.08, 1.0).item()
            aspect = torch.exp(torch.empty(1).uniform_(log_ratio[0], log_ratio[1])).item()
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= 50 and 0 < h <= 24:
                cases.append({"seed": seed, "place": corner(24, 50, h, w)})
                break
    return cases


def flips() -> list[dict]:
    cases = []
    for seed in range(12):
        torch.manual_seed(seed)
        cases.append({"seed": seed, "flipped": [bool(torch.rand(1) < 0.5) for _ in range(3)]})
    return cases


def jitters() -> list[dict]:
    cases = []
    for seed in range(8):
        torch.manual_seed(seed)
        order = torch.randperm(4).tolist()
        ranges = ((0.5, 1.5), (0.8, 1.2), (0.0, 3.0), (-0.1, 0.1))
        factors = [float(torch.empty(1).uniform_(low, high)) for low, high in ranges]
        cases.append({"seed": seed, "order": order, "factors": factors})
    return cases


def erasings() -> list[dict]:
    cases = []
    for seed in range(10):
        torch.manual_seed(seed)
        log_ratio = torch.log(torch.tensor((0.3, 3.3)))
        if not torch.rand(1) < 0.9:
            cases.append({"seed": seed, "place": None})
            continue
        for _ in range(10):
            area = 16 * 18 * torch.empty(1).uniform_(0.02, 0.6).item()
            aspect = torch.exp(torch.empty(1).uniform_(log_ratio[0], log_ratio[1])).item()
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if h < 16 and w < 18:
                patch = torch.empty([1, h, w]).normal_()
                place = corner(16, 18, h, w)
                cases.append({"seed": seed, "place": place, "first": float(patch[0, 0, 0])})
                break
    return cases


def fakes() -> list[dict]:
    cases = []
    for index in range(5):
        torch.manual_seed(index)
        picture = torch.randn(3, 4, 5)
        target = int(torch.randint(0, 10, size=(1,))[0])
        # whole steps of 255 only: what a negative float is as a byte is left open by C
        steps = (picture * 255).to(torch.int64) % 256
        cases.append({"index": index, "pixels": steps.flatten().tolist(), "target": target})
    return cases


def main() -> None:
    recorded = {
        "torch": torch.__version__,
        "resize": resizes(),
        "random_crop": random_crops(),
        "random_resized_crop": random_resized_crops(),
        "flip": flips(),
        "jitter": jitters(),
        "erasing": erasings(),
        "fake": fakes(),
    }
    OUT.write_text(json.dumps(recorded, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    main()
