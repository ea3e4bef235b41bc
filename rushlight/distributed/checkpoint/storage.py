"""Storages: where the parts of a state are written to and read from.

Source: https://docs.pytorch.org/docs/stable/distributed.checkpoint.html
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from ...core.names import explain_missing as _explain_missing
from .metadata import Metadata, MetadataIndex, StorageMeta
from .planner import LoadPlan, LoadPlanner, SavePlan, SavePlanner

__all__ = ["StorageReader", "StorageWriter", "WriteResult"]
Place = str | os.PathLike[str] | None


@dataclass(frozen=True)
class WriteResult:
    """What was written, how many bytes, and what the storage needs to find it."""

    index: MetadataIndex
    size_in_bytes: int
    storage_data: Any


class StorageWriter(ABC):
    """Writes what plans say: `reset`, `set_up_storage_writer`, `prepare_local_plan`, on the
    coordinator `prepare_global_plan`, `write_data`, and on the coordinator `finish`."""

    @abstractmethod
    def reset(self, checkpoint_id: Place = None) -> None:
        """A new checkpoint is about to be written."""

    @abstractmethod
    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Be told whether this process leads."""

    @abstractmethod
    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        """Add to this process's plan what the storage needs."""

    @abstractmethod
    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """Add to all plans what the storage needs."""

    @abstractmethod
    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Any:
        """Write; a future of the list of WriteResult."""

    @abstractmethod
    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """All have written: write the metadata."""

    @classmethod
    @abstractmethod
    def validate_checkpoint_id(cls, checkpoint_id: Any) -> bool:
        """Whether this storage can have such a place."""

    def storage_meta(self) -> StorageMeta | None:
        """What planners are told of the storage."""
        return None


class StorageReader(ABC):
    """Reads what plans say: `reset`, `read_metadata`, `set_up_storage_reader`,
    `prepare_local_plan`, on the coordinator `prepare_global_plan`, and `read_data`."""

    @abstractmethod
    def reset(self, checkpoint_id: Place = None) -> None:
        """A checkpoint is about to be read."""

    @abstractmethod
    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """What was written."""

    @abstractmethod
    def set_up_storage_reader(
        self, metadata: Metadata, is_coordinator: bool, *args: Any, **kwargs: Any
    ) -> None:
        """Be told what was written, and whether this process leads."""

    @abstractmethod
    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        """Add to this process's plan what the storage needs."""

    @abstractmethod
    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """Add to all plans what the storage needs."""

    @abstractmethod
    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Any:
        """Read; a future of None."""

    @classmethod
    @abstractmethod
    def validate_checkpoint_id(cls, checkpoint_id: Any) -> bool:
        """Whether this storage can have such a place."""


_explain_missing(__name__)
