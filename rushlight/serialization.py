"""torch's name for saving and loading: see `serialize`."""

from collections.abc import Callable
from typing import Any

import rushlight as rl

from .serialize import (
    CheckpointError,
    add_safe_globals,
    clear_safe_globals,
    default_restore_location,
    get_safe_globals,
    get_unsafe_globals_in_checkpoint,
    load,
    safe_globals,
    save,
)

# What `load` takes as `map_location`; annotations of programs name these.
MAP_LOCATION = Callable[[Any, str], Any] | str | dict[str, str] | None
FILE_LIKE = Any
DEFAULT_PROTOCOL = 2  # of pickle


class SourceChangeWarning(Warning):
    """torch's warning that a class's text has changed since it was saved.

    Files hold no text of classes here, so it is never given; programs name it to silence it.

    >>> import warnings
    >>> import rushlight as torch
    >>> warnings.simplefilter("ignore", torch.serialization.SourceChangeWarning)
    """


def location_tag(storage: Any) -> str:
    """The place that `save` writes down for a storage.

    >>> import rushlight as torch
    >>> torch.serialization.location_tag(torch.ones(2).untyped_storage())
    'cpu'
    """
    return str(storage.device)


__all__ = [
    "CheckpointError",
    "SourceChangeWarning",
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "safe_globals",
    "save",
]


def normalize_storage_type(storage_type: type) -> Any:
    """The class of storages of that name, as the package has it.

    >>> import rushlight as torch
    >>> torch.serialization.normalize_storage_type(torch.FloatStorage) is torch.FloatStorage
    True
    """
    return getattr(rl, storage_type.__name__)
