"""Plans: who writes which part of a state, and who reads which.

Source: https://docs.pytorch.org/docs/stable/distributed.checkpoint.html
"""

from __future__ import annotations

import io
import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum, auto
from functools import reduce
from typing import Any

from ...core.names import explain_missing as _explain_missing
from .metadata import ChunkStorageMetadata, Metadata, MetadataIndex, StorageMeta, TensorProperties

__all__ = [
    "BytesIOWriteData", "LoadItemType", "LoadPlan", "LoadPlanner", "ReadItem", "SavePlan",
    "SavePlanner", "TensorWriteData", "WriteItem", "WriteItemType",
]  # fmt: skip


class WriteItemType(Enum):
    """A whole tensor, a part of one, or bytes.

    >>> from rushlight.distributed.checkpoint.planner import WriteItemType
    >>> [kind.name for kind in WriteItemType]
    ['TENSOR', 'SHARD', 'BYTE_IO']
    """

    TENSOR = auto()
    SHARD = auto()
    BYTE_IO = auto()


class LoadItemType(Enum):
    """A tensor or bytes.

    >>> from rushlight.distributed.checkpoint.planner import LoadItemType
    >>> [kind.name for kind in LoadItemType]
    ['TENSOR', 'BYTE_IO']
    """

    TENSOR = auto()
    BYTE_IO = auto()


@dataclass(frozen=True)
class BytesIOWriteData:
    """How many bytes."""

    nbytes: int


@dataclass(frozen=True)
class TensorWriteData:
    """Which part of a tensor of which size.

    >>> import rushlight as torch
    >>> from rushlight.distributed.checkpoint.default_planner import create_default_local_save_plan
    >>> plan = create_default_local_save_plan({"x": torch.ones(2)}, is_coordinator=True)
    >>> plan.items[0].tensor_data.properties.dtype
    torch.float32
    """

    chunk: ChunkStorageMetadata
    properties: TensorProperties
    size: Any


@dataclass(frozen=True)
class WriteItem:
    """One thing to write.

    >>> import rushlight as torch
    >>> from rushlight.distributed.checkpoint.default_planner import create_default_local_save_plan
    >>> plan = create_default_local_save_plan({"x": torch.ones(2)}, is_coordinator=True)
    >>> plan.items[0].type.name, plan.items[0].tensor_data.size
    ('TENSOR', torch.Size([2]))
    """

    index: MetadataIndex
    type: WriteItemType
    bytes_io_data: BytesIOWriteData | None = None
    tensor_data: TensorWriteData | None = None

    def tensor_storage_size(self) -> int | None:
        """How many bytes a tensor takes; None for what is none."""
        if self.tensor_data is None:
            return None
        count = reduce(operator.mul, self.tensor_data.size, 1)
        return count * self.tensor_data.properties.dtype.itemsize


@dataclass(frozen=True)
class ReadItem:
    """One thing to read: which region of what was written goes where."""

    type: LoadItemType
    dest_index: MetadataIndex
    dest_offsets: Any
    storage_index: MetadataIndex
    storage_offsets: Any
    lengths: Any


@dataclass(frozen=True)
class SavePlan:
    """What one process writes.

    >>> import rushlight as torch
    >>> from rushlight.distributed.checkpoint.default_planner import create_default_local_save_plan
    >>> plan = create_default_local_save_plan({"x": torch.ones(2), "epoch": 3}, is_coordinator=True)
    >>> type(plan).__name__, [item.index.fqn for item in plan.items]
    ('SavePlan', ['x', 'epoch'])
    """

    items: list[WriteItem]
    storage_data: Any = None
    planner_data: Any = None
    usable: bool = True


@dataclass
class LoadPlan:
    """What one process reads."""

    items: list[ReadItem]
    storage_data: Any = None
    planner_data: Any = None


class SavePlanner(ABC):
    """Says what is written. One object on each process; the steps run in this order:
    `set_up_planner`, `create_local_plan`, on the coordinator `create_global_plan`, `finish_plan`,
    and `resolve_data` for each item."""

    @abstractmethod
    def set_up_planner(
        self, state_dict: dict[str, Any], storage_meta: StorageMeta | None = None,
        is_coordinator: bool = False,
    ) -> None:  # fmt: skip
        """Be told the state."""

    @abstractmethod
    def create_local_plan(self) -> SavePlan:
        """What this process could write."""

    @abstractmethod
    def create_global_plan(self, all_plans: list[SavePlan]) -> tuple[list[SavePlan], Metadata]:
        """What each process shall write, and what the whole is."""

    @abstractmethod
    def finish_plan(self, new_plan: SavePlan) -> SavePlan:
        """The plan of this process, as decided."""

    @abstractmethod
    def resolve_data(self, write_item: WriteItem) -> Any:
        """The tensor, or the BytesIO, of one item."""


class LoadPlanner(ABC):
    """Says what is read, and where it goes; steps as in SavePlanner."""

    @abstractmethod
    def set_up_planner(
        self, state_dict: dict[str, Any], metadata: Metadata | None = None,
        is_coordinator: bool = False,
    ) -> None:  # fmt: skip
        """Be told the state to fill, and what was written."""

    @abstractmethod
    def create_local_plan(self) -> LoadPlan:
        """What this process needs."""

    @abstractmethod
    def create_global_plan(self, global_plan: list[LoadPlan]) -> list[LoadPlan]:
        """What each process shall read."""

    @abstractmethod
    def finish_plan(self, central_plan: LoadPlan) -> LoadPlan:
        """The plan of this process, as decided."""

    @abstractmethod
    def load_bytes(self, read_item: ReadItem, value: io.BytesIO) -> None:
        """Take a value that is no tensor."""

    def resolve_bytes(self, read_item: ReadItem) -> io.BytesIO:
        """The bytes that an item fills."""
        raise NotImplementedError("LoadPlanner.resolve_bytes is not implemented")

    @abstractmethod
    def resolve_tensor(self, read_item: ReadItem) -> Any:
        """The tensor that an item fills."""

    @abstractmethod
    def commit_tensor(self, read_item: ReadItem, tensor: Any) -> None:
        """It has been filled."""


_explain_missing(__name__)
