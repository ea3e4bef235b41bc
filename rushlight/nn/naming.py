"""What torch's messages call an object."""

from __future__ import annotations

from typing import Any

import rushlight as rl


def typename(value: Any) -> str:
    """torch.typename: "torch.FloatTensor" for a tensor, else the class with its module."""
    if isinstance(value, rl.Tensor):
        return value.type()
    kind = value if isinstance(value, type) else type(value)
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", None) else f"{module}.{kind.__qualname__}"
