"""Checkpoints in folders: a file for each process, and `.metadata`, in torch's format.

Source: https://docs.pytorch.org/docs/stable/distributed.checkpoint.html
"""

from __future__ import annotations

import dataclasses
import io
import os
import uuid
import warnings
from enum import Enum
from pathlib import Path
from typing import Any

import rushlight as rl

from ...core.names import explain_missing as _explain_missing
from ...futures import Future
from . import metadata_file
from .metadata import Metadata, MetadataIndex, StorageMeta, _StorageInfo
from .parts import cut
from .planner import LoadItemType, LoadPlan, LoadPlanner, SavePlan, SavePlanner, WriteItemType
from .storage import Place, StorageReader, StorageWriter, WriteResult

__all__ = ["FileSystemReader", "FileSystemWriter", "SerializationFormat"]


class SerializationFormat(Enum):
    """How tensors are written: as `torch.save` writes them."""

    TORCH_SAVE = "torch_save"
    SAFETENSORS = "safetensors"


@dataclasses.dataclass(frozen=True)
class _Prefix:
    """How the names of one process's files begin."""

    prefix: str


def _done(value: Any) -> Any:
    future: Any = Future()
    future.set_result(value)
    return future


def _is_folder(place: Any) -> bool:
    return isinstance(place, os.PathLike) or "://" not in str(place)


class FileSystemWriter(StorageWriter):
    """Writes into a folder.

    Arguments: `path`; `single_file_per_rank`: else a file for each value; `sync_files`: wait until
    the disk has them; `overwrite`: whether a checkpoint that is there may be written over. The
    others change nothing. Raises NotImplementedError for another format than torch's.

    >>> import rushlight as torch
    >>> import os, tempfile
    >>> from rushlight.distributed.checkpoint.filesystem import FileSystemWriter
    >>> from rushlight.distributed.checkpoint.state_dict_saver import save
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     writer = FileSystemWriter(folder)
    ...     written = save({"x": torch.ones(2)}, storage_writer=writer, no_dist=True)
    ...     sorted(os.listdir(folder))
    ['.metadata', '__0_0.distcp']
    """

    def __init__(
        self, path: Any, single_file_per_rank: bool = True, sync_files: bool = True,
        thread_count: int = 1, per_thread_copy_ahead: int = 10_000_000,
        cache_staged_state_dict: bool = False, overwrite: bool = True, _extensions: Any = None,
        serialization_format: SerializationFormat = SerializationFormat.TORCH_SAVE,
    ) -> None:  # fmt: skip
        if serialization_format is not SerializationFormat.TORCH_SAVE:
            raise NotImplementedError("tensors are written as torch.save writes them, only")
        self.path, self.overwrite = Path(path), overwrite
        self.single_file_per_rank, self.sync_files = single_file_per_rank, sync_files
        self.save_id = str(uuid.uuid4())

    @property
    def checkpoint_id(self) -> Any:
        """The folder."""
        return self.path

    def reset(self, checkpoint_id: Place = None) -> None:
        """A new checkpoint is about to be written."""
        if checkpoint_id:
            self.path = Path(checkpoint_id)
        self.save_id = str(uuid.uuid4())

    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Be told whether this process leads."""
        self.rank = kwargs.get("rank", 0)

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        """Make the folder; a checkpoint in it is refused, or will be written over."""
        self.path.mkdir(parents=True, exist_ok=True)
        if (self.path / ".metadata").exists():
            if not self.overwrite:
                raise RuntimeError("Checkpoint already exists and self.overwrite=False.")
            warnings.warn(
                f"Detected an existing checkpoint in {self.path / '.metadata'}, overwriting since"
                f" self.overwrite={self.overwrite}. Past version 2.5 of PyTorch, `overwrite` will"
                " default to False. Set this variable to True to maintain this functionality or"
                " False to raise when an existing checkpoint is found.",
                stacklevel=2,
            )
        return plan

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """Each process's files have names of their own."""
        return [
            dataclasses.replace(plan, storage_data=_Prefix(f"__{rank}_"))
            for rank, plan in enumerate(plans)
        ]

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Any:
        """Write this process's items; a future of what was written."""
        size = max(len(plan.items), 1) if self.single_file_per_rank else 1
        found: list[WriteResult] = []
        for number, start in enumerate(range(0, len(plan.items), size)):
            name = f"{plan.storage_data.prefix}{number}.distcp"
            found += self._write(name, plan.items[start : start + size], planner)
        return _done(found)

    def _write(self, name: str, items: Any, planner: SavePlanner) -> list[WriteResult]:
        """One file, which is there whole or not at all."""
        first = [item for item in items if item.type is WriteItemType.BYTE_IO]
        rest = [item for item in items if item.type is not WriteItemType.BYTE_IO]
        found, partial = [], self.path / f"{name}.tmp"
        with open(partial, "wb") as file:
            for item in (*first, *rest):
                begin = file.tell()
                file.write(_bytes_of(planner.resolve_data(item)))
                length = file.tell() - begin
                found.append(WriteResult(item.index, length, _StorageInfo(name, begin, length)))
            if self.sync_files:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, self.path / name)
        return found

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """All have written: write `.metadata`, with which the checkpoint is complete."""
        metadata.storage_data = {one.index: one.storage_data for some in results for one in some}
        metadata.storage_meta = self.storage_meta()
        partial = self.path / ".metadata.tmp"
        with open(partial, "wb") as file:
            file.write(metadata_file.dump(metadata))
            if self.sync_files:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, self.path / ".metadata")

    def storage_meta(self) -> StorageMeta:
        """The folder and the act of writing."""
        return StorageMeta(str(self.path), self.save_id)

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: Any) -> bool:
        """Whether it is a path."""
        return _is_folder(checkpoint_id)


def _bytes_of(value: Any) -> Any:
    """What is written for a value: bytes as they are, a tensor as `save` writes it."""
    if isinstance(value, io.BytesIO):
        return value.getbuffer()
    stream = io.BytesIO()
    plain = value.detach()
    if plain.numel() != plain.untyped_storage().nbytes() // max(plain.element_size(), 1):
        plain = plain.clone()  # of a view, what is seen
    rl.save(plain, stream)
    return stream.getbuffer()


class FileSystemReader(StorageReader):
    """Reads what FileSystemWriter, or torch's, has written into a folder `path`.

    >>> import rushlight as torch
    >>> import tempfile
    >>> from rushlight.distributed.checkpoint.filesystem import FileSystemReader
    >>> from rushlight.distributed.checkpoint.state_dict_saver import save
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = save({"x": torch.ones(2)}, checkpoint_id=folder, no_dist=True)
    ...     about = FileSystemReader(folder).read_metadata()
    >>> about.state_dict_metadata["x"].size
    torch.Size([2])
    """

    def __init__(self, path: Any, _extension_registry: Any = None) -> None:
        self.path = Path(path)
        self.storage_data: dict[MetadataIndex, _StorageInfo] = {}
        self.load_id = str(uuid.uuid4())

    @property
    def checkpoint_id(self) -> Any:
        """The folder."""
        return self.path

    def reset(self, checkpoint_id: Place = None) -> None:
        """A checkpoint is about to be read."""
        self.storage_data = {}
        if checkpoint_id:
            self.path = Path(checkpoint_id)
        self.load_id = str(uuid.uuid4())

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """What was written. Raises FileNotFoundError where nothing was."""
        found = metadata_file.load((self.path / ".metadata").read_bytes())
        if found.storage_meta is None:
            found.storage_meta = StorageMeta()
        found.storage_meta.load_id = self.load_id
        return found

    def set_up_storage_reader(
        self, metadata: Metadata, is_coordinator: bool, *args: Any, **kwargs: Any
    ) -> None:
        """Be told what was written."""
        self.storage_data = metadata.storage_data

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        """The plan as it is."""
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """The plans as they are."""
        return plans

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Any:
        """Read what the plan says, file by file; a future of None."""
        by_file: dict[str, list[Any]] = {}
        for item in plan.items:
            info = self.storage_data[item.storage_index]
            by_file.setdefault(info.relative_path, []).append((item, info))
        for name, wanted in by_file.items():
            with open(self.path / name, "rb") as file:
                for item, info in wanted:
                    file.seek(info.offset)
                    self._take(item, io.BytesIO(file.read(info.length)), planner)
        return _done(None)

    def _take(self, item: Any, stream: io.BytesIO, planner: LoadPlanner) -> None:
        if item.type is LoadItemType.BYTE_IO:
            planner.load_bytes(item, stream)
            return
        tensor = cut(rl.load(stream, map_location="cpu"), item.storage_offsets, item.lengths)
        target = planner.resolve_tensor(item).detach()
        if target.size() != tensor.size():
            raise AssertionError(
                f"req {item.storage_index} mismatch sizes {target.size()} vs {tensor.size()}"
            )
        target.copy_(tensor)
        planner.commit_tensor(item, target)

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: Any) -> bool:
        """Whether it is a path."""
        return _is_folder(checkpoint_id)


_explain_missing(__name__)
