"""Files of torch before 1.6: five pickles in a row, then the bytes of each storage.

They carry no checksums, so damage inside the numbers cannot be seen. Only reading is supported.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from .archive import Source
from .errors import CheckpointError, short
from .makers import Storage
from .pickle import Reader
from .rebuild import Rebuilder

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


class LegacyFile:
    """The parts of an old file; `value` is the rebuilt object."""

    def __init__(self, source: Source, locate: Any, trusted: bool) -> None:
        self.data = source.read(0, source.size)
        self.locate = locate
        self.rebuilder = Rebuilder(self.read_storage, trusted)
        self.position = 0
        self.places: dict[str, int] = {}
        self.kinds: dict[str, dtypes.dtype] = {}
        self.loaded: dict[str, np.ndarray] = {}

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
        keys = self._next()
        if type(keys) is not list or any(type(key) is not str for key in keys):
            raise CheckpointError("the list of storages is damaged")
        self.order = keys
        made = self.rebuilder.rebuild(root)
        self._fill()
        return made

    def _next(self) -> Any:
        reader = Reader(self.data, self.rebuilder.known, self.position)
        found = reader.load()
        self.position = reader.position
        return found

    def read_storage(self, storage: Storage, kind: dtypes.dtype, label: str) -> np.ndarray:
        """The bytes of one storage, after a walk over those before it."""
        self.locate(storage.location)
        if storage.key not in self.loaded:
            self._sizes(storage, kind)
        data = self.loaded[storage.key]
        if len(data) != storage.numel * kind.itemsize:
            raise CheckpointError(f"storage of {short(label)} has two sizes; refused")
        return data

    def _sizes(self, storage: Storage, kind: dtypes.dtype) -> None:
        # A storage's place depends on the element sizes of all before it, which only the tensors
        # tell: so the walk notes what each tensor asks for, and the bytes are filled in at the end.
        size = storage.numel * kind.itemsize
        if storage.key not in self.order or not 0 <= size <= len(self.data):
            raise CheckpointError(f"storage {short(storage.key)} is not in the file")
        self.kinds[storage.key] = kind
        self.loaded[storage.key] = np.zeros(size, np.uint8)

    def _fill(self) -> None:
        """Copy the bytes of every storage into the arrays that the tensors stand on."""
        at = self.position
        for key in self.order:
            if key not in self.loaded:
                raise CheckpointError(f"storage {short(key)} belongs to no tensor; refused")
            data, kind = self.loaded[key], self.kinds[key]
            numel = int.from_bytes(self.data[at : at + 8], "little")
            end = at + 8 + len(data)
            if numel * kind.itemsize != len(data) or end > len(self.data):
                raise CheckpointError(
                    f"storage {short(key)} claims {numel} elements at byte {at}; the file has"
                    f" {len(self.data)} bytes"
                )
            data[:] = np.frombuffer(self.data, np.uint8, len(data), at + 8)
            at = end
