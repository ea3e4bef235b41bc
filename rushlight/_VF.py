"""`torch._VF`: torch's functions under the name by which code for TorchScript calls them.

>>> import rushlight as torch
>>> torch._VF.tanh(torch.zeros(1))
tensor([0.])
"""

from __future__ import annotations

from typing import Any

import rushlight as rl


def __getattr__(name: str) -> Any:
    return getattr(rl, name)
