"""Saving and loading: `save`, `load`, and the classes that files may name.

Files hold data, never code. `save` writes torch's zip layout, which torch reads with
`weights_only=True`, or safetensors where the name ends so; `load` recognises either by content.
"""

from __future__ import annotations

from .errors import CheckpointError
from .loading import default_restore_location, get_unsafe_globals_in_checkpoint, load
from .safe import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from .saving import save

__all__ = [
    "CheckpointError",
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "safe_globals",
    "save",
]
