"""torch's name for saving and loading: see `serialize`."""

from collections.abc import Callable
from typing import Any

from .serialize import (
    CheckpointError,
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    load,
    safe_globals,
    save,
)

# What `load` takes as `map_location`; annotations of programs name these.
MAP_LOCATION = Callable[[Any, str], Any] | str | dict[str, str] | None
FILE_LIKE = Any
DEFAULT_PROTOCOL = 2  # of pickle

__all__ = [
    "CheckpointError",
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "safe_globals",
    "save",
]
