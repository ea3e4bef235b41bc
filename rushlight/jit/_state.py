"""What libraries ask about scripting: whether it is on, which classes it knows."""

from __future__ import annotations

from typing import Any

_script_classes: dict[Any, Any] = {}


class EnabledProxy:
    """Whether `torch.jit.script` and `trace` do anything: True."""

    enabled = True

    def __bool__(self) -> bool:
        return self.enabled


_enabled = EnabledProxy()
