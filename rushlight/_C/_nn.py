"""What torch keeps in torch._C._nn and other libraries call."""

from __future__ import annotations

from typing import Any

from ..core.names import explain_missing as _explain_missing
from ..nn.module_moves import parse_to


def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any, bool, Any]:
    """(device, dtype, non_blocking, memory_format) of a call of `to`."""
    return *parse_to(args, kwargs), kwargs.get("memory_format")


# Functions that torch.nn.functional has from here, and that graphs call by this name.
BUILT_IN = (
    "avg_pool2d", "avg_pool3d", "gelu", "linear", "one_hot", "scaled_dot_product_attention",
    "softplus", "softshrink",
)  # fmt: skip
_names = {name: name for name in BUILT_IN} | {"log_sigmoid": "logsigmoid"}
_explain_missing(__name__, {name: ("rushlight.nn.functional", own) for name, own in _names.items()})
