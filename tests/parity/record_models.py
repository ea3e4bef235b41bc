"""Records torchvision's answers to the cases of model_cases.py.

Run with torch and torchvision installed: python -m tests.parity.record_models
"""

import json
import pathlib

from tests.parity.model_cases import DRAWN, NAMES, drawn, layout

TARGET = pathlib.Path(__file__).parent / "data" / "models.json"


def main():
    import torch
    from torchvision import models
    from torchvision.models import regnet

    # it reckons widths with tensors, whose values a meta device does not have
    widths = regnet.BlockParams.from_init_params.__func__

    def reckoned(cls, *args, **kwargs):
        with torch.device("cpu"):
            return widths(cls, *args, **kwargs)

    regnet.BlockParams.from_init_params = classmethod(reckoned)
    found = {"layout": {}, "drawn": {}}
    for name in NAMES:
        with torch.device("meta"):
            found["layout"][name] = layout(models.get_model(name))
    for case, (name, arguments, side) in DRAWN.items():
        found["drawn"][case] = drawn(getattr(models, name), torch, arguments, side)
    TARGET.write_text(json.dumps(found, separators=(",", ":")) + "\n")
    print(f"{TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
