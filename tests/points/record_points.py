"""Record what torch prints for every point: `python -m tests.points.record_points`."""

from __future__ import annotations

import json

from tests.points.points import FOLDER, answers

if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    found = answers(torch)
    (FOLDER / "answers.json").write_text(json.dumps(found, indent=0, sort_keys=True) + "\n")
    print(f"{len(found)} points")
