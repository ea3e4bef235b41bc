"""Files of torch before 1.6: five pickles in a row, then the bytes of each storage.

They carry no checksums, so damage inside the numbers cannot be seen. Only reading is supported.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from .archive import Source
from .errors import CheckpointError, short
from .makers import KNOWN, Storage, StorageKind
from .pickle import Persistent, Reader, Tag
from .rebuild import Rebuilder, full_name

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


class LegacyFile:
    """The parts of an old file; `value` is the rebuilt object."""

    def __init__(self, source: Source, locate: Any, trusted: bool) -> None:
        self.data = source.read(0, source.size)
        self.locate = locate
        self.rebuilder = Rebuilder(self.read_storage, trusted)
        self.position = 0
        self.storages: dict[str, np.ndarray] = {}

    def value(self) -> Any:
        """Read everything; CheckpointError for whatever is not as it should be."""
        if self._next() != MAGIC:
            error = CheckpointError("Invalid magic number; corrupt file?")
            error.add_note("it is a pickle, but not one that torch.save wrote")
            raise error
        version, system = self._next(), self._next()
        if version != PROTOCOL:
            raise CheckpointError(f"Invalid protocol version: {short(str(version))}")
        if type(system) is not dict or system.get("little_endian") is not True:
            raise CheckpointError("the file was written on a machine of another byte order")
        root = self._next()
        widths = dict(map(_width, self.references))
        keys = self._next()
        if type(keys) is not list or any(type(key) is not str for key in keys):
            raise CheckpointError("the list of storages is damaged")
        for key in keys:
            self.storages[key] = self._storage(key, widths.get(key, 0))
        return self.rebuilder.rebuild(root)

    def _next(self) -> Any:
        reader = Reader(self.data, self.rebuilder.known, self.position)
        found = reader.load()
        self.position, self.references = reader.position, reader.references
        return found

    def _storage(self, key: str, width: int) -> np.ndarray:
        """The next storage: a count of elements, then their bytes."""
        numel = int.from_bytes(self.data[self.position : self.position + 8], "little")
        start = self.position + 8
        end = start + numel * width
        if not width or key in self.storages or end > len(self.data):
            raise CheckpointError(
                f"storage {short(key)} claims {numel} elements of {width} bytes at byte {start};"
                f" the file has {len(self.data)} bytes"
            )
        self.position = end
        return np.frombuffer(bytearray(self.data[start:end]), np.uint8)

    def read_storage(self, storage: Storage, kind: dtypes.dtype, label: str) -> np.ndarray | None:
        """The bytes of one storage; its size must be what the structure says."""
        if self.locate(storage.location):
            return None
        data = self.storages.get(storage.key)
        width = storage.kind.dtype.itemsize if storage.kind.dtype else 1
        if data is None or storage.numel * width != len(data):
            raise CheckpointError(f"storage of {short(label)} is missing or of another size")
        if kind.name == "bool" and data.size and data.max() > 1:
            raise CheckpointError(f"{short(label)} of bool has values beyond 0 and 1; refused")
        return data


def _width(reference: Persistent) -> tuple[str, int]:
    """(key, bytes of an element) of a storage that the structure refers to."""
    match reference.key:
        case ("storage", Tag() as tag, str() as key, *_):
            kind = KNOWN.get(full_name(tag))
            if isinstance(kind, StorageKind):
                return key, kind.dtype.itemsize if kind.dtype else 1
    raise CheckpointError("the pickle refers to something that is no tensor storage; refused")
