"""The forms of results (`later.py`) on disk, by function."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any

import numpy as np

from ..calls.bound import Argument
from ..calls.opened import Opened
from ..code import cache
from ..tracing.later import Forms
from .digest import of_code
from .writers import writers


class KeptForms:
    """What results of a function's ops looked like when its programs were made."""

    def __init__(self, function: Callable[..., Any], arguments: Any) -> None:
        self.name: str | None = None
        kept = None
        if cache.folder() is not None:
            self.name = cache.key(
                "forms", writers(), np.__version__, _said(function), _forms(arguments)
            )
            kept = cache.load(self.name)
        self.forms = Forms(kept)

    def store(self) -> None:
        """Keep what is new."""
        if self.name is not None and self.forms.new:
            cache.store(self.name, self.forms.written())
            self.forms.new = False


def _said(function: Callable[..., Any]) -> str:
    """Something that tells most functions apart."""
    said = f"{type(function).__name__} {getattr(function, '__qualname__', '')}"
    inner: Any = function
    while inner is not None:  # and what it goes around
        code = getattr(inner, "__code__", None)
        said = f"{said} {of_code(code)}" if isinstance(code, CodeType) else said
        inner = getattr(inner, "__wrapped__", None)
    return said


def _forms(value: Any) -> str:
    """The tensors among arguments, without the values of others."""
    if isinstance(value, Opened):
        value = value.parts
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_forms, value))})"
    if isinstance(value, dict):
        return _forms(list(value.values()))
    return str(value) if isinstance(value, Argument) else ""
