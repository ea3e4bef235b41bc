"""Records torchvision's answers to the cases of dense_cases.py.

Run with torch and torchvision installed: python -m tests.parity.record_dense
"""

import json
import pathlib

from tests.parity.dense_cases import NAMES, SMALL, WHOLE, answers, built, whole
from tests.parity.model_cases import layout

TARGET = pathlib.Path(__file__).parent / "data" / "dense_models.json"


def _rounded(x):
    if isinstance(x, float):
        return float(f"{x:.9g}")
    if isinstance(x, dict):
        return {key: _rounded(value) for key, value in x.items()}
    return [_rounded(value) for value in x] if isinstance(x, list) else x


def main():
    import torch
    import torchvision
    from torchvision import models, ops

    found = {"torchvision": torchvision.__version__, "layout": {}}
    for name in NAMES:
        found["layout"][name] = layout(built(models, name))
    found["small"] = {kind: answers(torch, models, ops, kind) for kind in SMALL}
    found["empty"] = {kind: answers(torch, models, ops, kind, False) for kind in SMALL}
    found["whole"] = {case: whole(torch, models, case) for case in WHOLE}
    TARGET.write_text(json.dumps(_rounded(found), separators=(",", ":")) + "\n")
    print(f"{TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
