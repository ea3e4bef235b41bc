"""What torch's tracer knows of its surroundings: here only that no fake tensors are at work."""

from __future__ import annotations

from typing import Any

from .core.names import explain_missing as _explain_missing

_explain_missing(__name__)


def active_fake_mode() -> None:
    """None: there is no mode that makes fake tensors."""


def detect_fake_mode(inputs: Any = None) -> None:
    """None: no tensor among `inputs` is a fake one."""
