"""Records torchvision's answers to the cases of flow_cases.py.

Run with torch and torchvision installed: python -m tests.parity.record_flow
"""

import json
import pathlib

from tests.parity import flow_cases as cases

TARGET = pathlib.Path(__file__).parent / "data" / "flow.json"


def main():
    import torch
    from torchvision.models import optical_flow
    from torchvision.transforms.v2 import functional
    from torchvision.tv_tensors import BoundingBoxFormat
    from torchvision.utils import flow_to_image

    found = {
        "nets": {name: cases.net(torch, optical_flow, name) for name in cases.NETS},
        "painted": cases.painted(torch, flow_to_image),
        "kernels": {
            name: cases.kernel(torch, functional, BoundingBoxFormat, name)
            for name in cases.names(functional)
        },
    }
    TARGET.write_text(json.dumps(found, separators=(",", ":")) + "\n")
    print(f"{TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
