"""What torch keeps in torch._C._nn and other libraries call."""

from __future__ import annotations

from typing import Any

from ..core.names import explain_missing as _explain_missing
from ..nn.module_moves import parse_to


def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any, bool, Any]:
    """(device, dtype, non_blocking, memory_format) of a call of `to`."""
    return *parse_to(args, kwargs), kwargs.get("memory_format")


_explain_missing(__name__)
