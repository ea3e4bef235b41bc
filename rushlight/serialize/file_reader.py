"""`torch.PyTorchFileReader`: the records of a `.pt` file by name."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

import rushlight as rl

from .archive import Archive, Source

__all__ = ["PyTorchFileReader"]


class PyTorchFileReader:
    """The records of a `.pt` file, their names without the folder that all of them lie in.

    name_or_buffer: a path, or a file opened for reading. What is read is checked against its
    checksum; a damaged file raises CheckpointError, a missing record RuntimeError.

    >>> import rushlight as torch
    >>> import io
    >>> buffer = io.BytesIO()
    >>> torch.save(torch.ones(2), buffer)
    >>> "data.pkl" in torch.PyTorchFileReader(buffer).get_all_records()
    True
    """

    def __init__(self, name_or_buffer: Any) -> None:
        stream = name_or_buffer
        if not hasattr(stream, "read"):
            stream = open(os.fspath(name_or_buffer), "rb")  # noqa: SIM115  # kept while this lives
        size = stream.seek(0, os.SEEK_END)
        self._archive = Archive(Source(stream, 0, size))
        self._folder = next(iter(self._archive.records)).partition("/")[0] + "/"

    def get_all_records(self) -> list[str]:
        """The names of all records."""
        return [name.removeprefix(self._folder) for name in self._archive.records]

    def has_record(self, name: str) -> bool:
        """Whether there is a record of that name."""
        return self._folder + name in self._archive

    def get_record(self, name: str) -> bytes:
        """The bytes of a record."""
        if not self.has_record(name):
            raise RuntimeError(f"PytorchStreamReader failed locating file {name}: file not found")
        whole = self._folder + name
        return self._archive.read(whole, self._archive.records[whole].size)

    def get_record_offset(self, name: str) -> int:
        """Where the bytes of a record begin in the file."""
        return self._archive.records[self._folder + name].start

    def get_storage_from_record(self, name: str, numel: int, dtype: Any) -> Any:
        """A record as a tensor of `numel` elements."""
        data = np.frombuffer(bytearray(self.get_record(name)), np.uint8)
        return rl.from_numpy(data)[: numel * dtype.itemsize].view(dtype)

    def version(self) -> int:
        """The version of the file's format."""
        return int(self.get_record("version")) if self.has_record("version") else 0
