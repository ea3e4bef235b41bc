"""What a program sets for all of its saving and loading, apart from the arguments of each call."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Any

__all__ = [
    "LoadEndianness", "config", "get_crc32_options", "get_default_load_endianness",
    "get_default_mmap_options", "location_tag", "register_package", "set_crc32_options",
    "set_default_load_endianness", "set_default_mmap_options", "skip_data",
]  # fmt: skip

Tagger = Callable[[Any], str | None]
Restorer = Callable[[Any, str], Any]

# The ranks of torch's own places; what a program registers goes by its rank among them.
RANKS = {"cpu": 10, "cuda": 20, "meta": 22}
_PRIVATE = getattr(mmap, "MAP_PRIVATE", None)  # Windows has no such flags
SHARED = getattr(mmap, "MAP_SHARED", None)


class LoadEndianness(Enum):
    """The byte order of files that do not say theirs.

    >>> import rushlight as torch
    >>> torch.serialization.LoadEndianness.BIG.name
    'BIG'
    """

    NATIVE = 1
    LITTLE = 2
    BIG = 3


class Saving:
    """The options of `save`."""

    __slots__ = ("compute_crc32",)

    def __init__(self) -> None:
        self.compute_crc32 = True


class Loading:
    """The options of `load`."""

    __slots__ = ("endianness", "mmap", "mmap_flags")

    def __init__(self) -> None:
        self.mmap = False
        self.endianness: LoadEndianness | None = None
        self.mmap_flags: int | None = _PRIVATE


class _Skipping(threading.local):
    on = False


SAVE, LOAD, SKIPPING = Saving(), Loading(), _Skipping()


class Config:
    """The options of `save` and `load`; `patch` sets some within a block.

    `save.compute_crc32`, `load.mmap` (what `load` takes `mmap=None` for), `load.mmap_flags` and
    `load.endianness`; any other name is refused with AttributeError.

    >>> import rushlight as torch
    >>> from rushlight.utils.serialization import config
    >>> with config.patch("save.compute_crc32", False):
    ...     torch.serialization.get_crc32_options()
    False
    """

    load, save = LOAD, SAVE

    @contextmanager
    def patch(self, changes: str | Mapping[str, Any], value: Any = None) -> Iterator[None]:
        """Set one option, or those of a dictionary, until the block ends."""
        wanted = {changes: value} if isinstance(changes, str) else dict(changes)
        places = {name: (getattr(self, name.split(".")[0]), name.split(".")[1]) for name in wanted}
        before = {name: getattr(*place) for name, place in places.items()}
        try:
            for name, place in places.items():
                setattr(*place, wanted[name])
            yield
        finally:
            for name, place in places.items():
                setattr(*place, before[name])


config = Config()
PACKAGES: list[tuple[int, Tagger, Restorer]] = []


def get_crc32_options() -> bool:
    """Whether `save` writes a checksum of each record; True unless set.

    >>> import rushlight as torch
    >>> torch.serialization.get_crc32_options()
    True
    """
    return SAVE.compute_crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """Set whether `save` writes a checksum of each record.

    Files without any are loaded unverified; other programs may call them damaged.

    >>> import rushlight as torch
    >>> torch.serialization.set_crc32_options(True)
    """
    SAVE.compute_crc32 = compute_crc32


def get_default_load_endianness() -> LoadEndianness | None:
    """The byte order of files that do not say theirs; None stands for little.

    >>> import rushlight as torch
    >>> print(torch.serialization.get_default_load_endianness())
    None
    """
    return LOAD.endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Set the byte order of files that do not say theirs.

    Raises: TypeError for what is neither a LoadEndianness nor None.

    >>> import rushlight as torch
    >>> torch.serialization.set_default_load_endianness(None)
    """
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    LOAD.endianness = endianness


def get_default_mmap_options() -> int | None:
    """How `load(mmap=True)` maps a file: `mmap.MAP_PRIVATE` unless set.

    >>> import mmap
    >>> import rushlight as torch
    >>> torch.serialization.get_default_mmap_options() == getattr(mmap, "MAP_PRIVATE", None)
    True
    """
    return LOAD.mmap_flags


class set_default_mmap_options:
    """Set how `load(mmap=True)` maps a file, for good or within a `with` block.

    flags: `mmap.MAP_PRIVATE`, or `mmap.MAP_SHARED`, with which writes to loaded tensors go to the
    file. Its checksums are then those of before, so that only `load(mmap=True)` takes it.
    Raises: ValueError for other flags.

    >>> import mmap
    >>> import rushlight as torch
    >>> with torch.serialization.set_default_mmap_options(mmap.MAP_SHARED):
    ...     torch.serialization.get_default_mmap_options() == mmap.MAP_SHARED
    True
    """

    def __init__(self, flags: int) -> None:
        if SHARED is None:
            raise RuntimeError(
                "Changing the default mmap options is currently not supported for Windows"
            )
        if flags not in (_PRIVATE, SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE"
                f" or mmap.MAP_SHARED, but got {flags}"
            )
        self.prev = LOAD.mmap_flags
        LOAD.mmap_flags = flags

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        LOAD.mmap_flags = self.prev


class skip_data:
    """Within the block, `save` leaves the place of the values empty and `load` does not read them.

    Both give zeros: the form of a checkpoint, in which the values are written by other means.

    >>> import io
    >>> import rushlight as torch
    >>> stream = io.BytesIO()
    >>> with torch.serialization.skip_data():
    ...     torch.save(torch.ones(2), stream)
    >>> _ = stream.seek(0)
    >>> torch.load(stream)
    tensor([0., 0.])
    """

    def __init__(self, materialize_fake_tensors: bool = False) -> None:
        self.materialize_fake_tensors = materialize_fake_tensors

    def __enter__(self) -> None:
        self._before, SKIPPING.on = SKIPPING.on, True

    def __exit__(self, *error: object) -> None:
        SKIPPING.on = self._before


def register_package(priority: int, tagger: Tagger, deserializer: Restorer) -> None:
    """Say which place `save` writes down for a storage, and take over loading from places.

    The lowest priority is asked first (torch's own: cpu 10, cuda 20, meta 22). tagger(storage)
    gives the text to be written down, deserializer(storage, place) the storage where it belongs;
    None leaves it to the next.

    >>> import rushlight as torch
    >>> def tag(storage): return None
    >>> def onto_the_cpu(storage, place): return storage.cpu() if place.startswith("npu") else None
    >>> torch.serialization.register_package(30, tag, onto_the_cpu)
    """
    PACKAGES.append((priority, tagger, deserializer))
    PACKAGES.sort(key=lambda one: one[0])


def location_tag(storage: Any) -> str:
    """The place that `save` writes down for a storage.

    >>> import rushlight as torch
    >>> torch.serialization.location_tag(torch.ones(2).untyped_storage())
    'cpu'
    """
    place = str(storage.device)
    for priority, tagger, _ in PACKAGES:
        if priority > RANKS.get(place, priority):
            break
        found = tagger(storage)
        if found:
            return found
    return place


def restored(storage: Any, place: str) -> Any:
    """What a registered deserializer makes of the storage; None where it is left to `load`."""
    rank = RANKS.get(place.split(":")[0])
    for priority, _, deserializer in PACKAGES:
        if rank is not None and priority > rank:
            break
        found = deserializer(storage, place)
        if found is not None:
            return found
    return None
