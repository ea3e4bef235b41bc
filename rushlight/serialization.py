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
from .serialize.options import (
    LoadEndianness,
    config,
    get_crc32_options,
    get_default_load_endianness,
    get_default_mmap_options,
    location_tag,
    register_package,
    set_crc32_options,
    set_default_load_endianness,
    set_default_mmap_options,
    skip_data,
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


__all__ = [
    "CheckpointError",
    "LoadEndianness",
    "SourceChangeWarning",
    "add_safe_globals",
    "clear_safe_globals",
    "config",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "register_package",
    "safe_globals",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
]


def normalize_storage_type(storage_type: type) -> Any:
    """The class of storages of that name, as the package has it.

    >>> import rushlight as torch
    >>> torch.serialization.normalize_storage_type(torch.FloatStorage) is torch.FloatStorage
    True
    """
    return getattr(rl, storage_type.__name__)
