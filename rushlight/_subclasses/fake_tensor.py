"""Fake tensors: there are none. Tensors without values are those of the meta device."""

from __future__ import annotations

from typing import Any

from ..core.names import explain_missing as _explain_missing


def is_fake(x: Any) -> bool:
    """False, of anything."""
    return False


_explain_missing(__name__)
