"""Where torch's public classes say that they are from (needs torch).

Run: python tests/parity/record_homes.py
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path

SPACES = (
    "torch", "torch.nn", "torch.nn.modules.loss", "torch.nn.modules.batchnorm",
    "torch.nn.modules.conv", "torch.nn.utils.rnn", "torch.optim", "torch.optim.lr_scheduler",
    "torch.optim.swa_utils", "torch.utils.data", "torch.autograd", "torch.autograd.function",
    "torch.distributions", "torch.distributions.transforms", "torch.amp", "torch.utils.hooks",
    "torch.return_types",
)  # fmt: skip


def homes() -> dict[str, dict[str, str]]:
    """For each public namespace the classes in it, and the module that each names."""
    found: dict[str, dict[str, str]] = {}
    for space in SPACES:
        module = importlib.import_module(space)
        kinds = {name: getattr(module, name) for name in dir(module) if name[:2] != "__"}
        found[space] = {
            name: kind.__module__
            for name, kind in sorted(kinds.items())
            if isinstance(kind, type) and kind.__module__.partition(".")[0] == "torch"
        }
    return found


if __name__ == "__main__":
    path = Path(__file__).parent / "data" / "homes.json"
    path.write_text(json.dumps(homes(), indent=0) + "\n")
