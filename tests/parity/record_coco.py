"""Record torchvision's masks of COCO's outlines: `python tests/parity/record_coco.py`.

Needs torchvision and pycocotools; the notes are stored beside the answers.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torchvision import datasets

HEIGHT, WIDTH = 9, 13
OUTLINES: list[Any] = [
    [[1, 1, 8, 1, 8, 6, 1, 6]],
    [[2.5, 0.5, 11.25, 4.75, 3.2, 8.1]],
    [[0, 0, 4, 0, 4, 4, 0, 4], [7, 3, 12, 3, 12, 8, 7, 8]],
    [[1, 1, 9, 1, 9, 7, 1, 7], [3, 2, 6, 2, 6, 5, 3, 5]],  # one in the other: no hole
    [[-3, -2, 5, 4, 20, 12, 6, 11]],  # beyond the picture
    [[1, 7, 6, 1, 11, 7, 2, 3, 10, 3]],  # it crosses itself
    [[4, 4, 4, 4, 4, 4]],
    [[0, 0, 13, 0, 13, 9, 0, 9]],
    {"size": [HEIGHT, WIDTH], "counts": [10, 4, 5, 4, 5, 4, 85]},
    {"size": [HEIGHT, WIDTH], "counts": [0, 117]},
    {"size": [HEIGHT, WIDTH], "counts": "m04500NLO430000R1"},
]


def make(folder: Path) -> str:
    """Write one picture and its notes into `folder`; the path of the notes."""
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / "1.png")
    notes = [
        {"id": number, "image_id": 1, "category_id": 3, "segmentation": outline,
         "bbox": [number, 1, 2, 3]}
        for number, outline in enumerate(OUTLINES)
    ]  # fmt: skip
    path = folder / "notes.json"
    path.write_text(json.dumps({"images": [{"id": 1, "file_name": "1.png"}], "annotations": notes}))
    return str(path)


def answers(folder: Path) -> dict[str, Any]:
    """What the wrapped data set says of the picture."""
    data = datasets.CocoDetection(str(folder), make(folder))
    wrapped = datasets.wrap_dataset_for_transforms_v2(data, ("masks", "boxes", "segmentation"))
    _, target = wrapped[0]
    masks = target["masks"].tolist()
    found = {
        "notes": json.loads((folder / "notes.json").read_text()),
        "size": [HEIGHT, WIDTH],
        "dtype": str(target["masks"].dtype),
        "masks": [["".join(map(str, row)) for row in mask] for mask in masks],
        "boxes": target["boxes"].tolist(),
        "same": target["segmentation"] == OUTLINES,
        "missing": {},
    }
    for key in ("area", "iscrowd"):
        try:
            datasets.wrap_dataset_for_transforms_v2(data, (key,))[0]
        except KeyError as error:
            found["missing"][key] = str(error)
    return found


if __name__ == "__main__":
    target = Path(__file__).parent / "data" / "coco.json"
    with tempfile.TemporaryDirectory() as name:
        found = answers(Path(name))
    target.write_text(json.dumps(found, separators=(",", ":")) + "\n")
    print(f"{len(found['masks'])} masks, {target.stat().st_size} bytes")
