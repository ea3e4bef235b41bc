"""What a checkpoint in parts holds, and where: the contents of its `.metadata` file.

Source: https://docs.pytorch.org/docs/stable/distributed.checkpoint.html
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import rushlight as rl

from ...core.dtypes import strided
from ...core.names import explain_missing as _explain_missing

__all__ = [
    "BytesStorageMetadata", "ChunkStorageMetadata", "Metadata", "MetadataIndex", "StorageMeta",
    "TensorProperties", "TensorStorageMetadata",
]  # fmt: skip


@dataclass
class ChunkStorageMetadata:
    """Where a part of a tensor begins, and its sizes.

    >>> import rushlight as torch
    >>> from rushlight.distributed.checkpoint.metadata import ChunkStorageMetadata
    >>> ChunkStorageMetadata(offsets=torch.Size([2, 0]), sizes=torch.Size([2, 3])).sizes
    torch.Size([2, 3])
    """

    offsets: Any
    sizes: Any


@dataclass
class TensorProperties:
    """What a tensor is, beside its values and shape.

    >>> import rushlight as torch
    >>> from rushlight.distributed.checkpoint.metadata import TensorProperties
    >>> TensorProperties(dtype=torch.float16).layout
    torch.strided
    """

    dtype: Any = field(default_factory=rl.get_default_dtype)
    layout: Any = strided
    requires_grad: bool = False
    memory_format: Any = rl.contiguous_format
    pin_memory: bool = False

    @staticmethod
    def create_from_tensor(tensor: Any) -> TensorProperties:
        """Those of a tensor."""
        return TensorProperties(tensor.dtype, requires_grad=tensor.requires_grad)


@dataclass
class TensorStorageMetadata:
    """A tensor: its properties, its whole size, and the parts in which it was written.

    >>> import rushlight as torch
    >>> from rushlight.distributed.checkpoint import metadata
    >>> whole = metadata.ChunkStorageMetadata(torch.Size([0]), torch.Size([4]))
    >>> kind = metadata.TensorProperties()
    >>> len(metadata.TensorStorageMetadata(kind, torch.Size([4]), [whole]).chunks)
    1
    """

    properties: TensorProperties
    size: Any
    chunks: list[ChunkStorageMetadata]


@dataclass
class BytesStorageMetadata:
    """A value that is no tensor.

    >>> from rushlight.distributed.checkpoint.metadata import BytesStorageMetadata
    >>> BytesStorageMetadata()
    BytesStorageMetadata()
    """


@dataclass
class StorageMeta:
    """Which checkpoint it is, and which act of writing or reading.

    >>> from rushlight.distributed.checkpoint.metadata import StorageMeta
    >>> StorageMeta("runs/a").checkpoint_id
    'runs/a'
    """

    checkpoint_id: str | os.PathLike[str] | None = None
    save_id: str | None = None
    load_id: str | None = None
    modules: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class MetadataIndex:
    """One part: the name of its tensor, where it begins, and which of the parts that is.

    The number is a hint that equality leaves out.

    >>> from rushlight.distributed.checkpoint.metadata import MetadataIndex
    >>> MetadataIndex("weight", [0], 1) == MetadataIndex("weight", [0], 2)
    True
    """

    fqn: str
    offset: Any = None
    index: int | None = field(default=None, hash=False, compare=False)

    def __init__(self, fqn: str, offset: Sequence[int] | None = None, index: int | None = None):
        object.__setattr__(self, "fqn", fqn)
        object.__setattr__(self, "index", index)
        object.__setattr__(self, "offset", None if offset is None else rl.Size(offset))


@dataclass
class Metadata:
    """All of it: every value by its name, and what planners and storages have noted."""

    state_dict_metadata: dict[str, Any]
    planner_data: Any = None
    storage_data: Any = None
    storage_meta: StorageMeta | None = None
    version: str | None = None


@dataclass
class _StorageInfo:
    """Where a part lies: the file, and the bytes in it."""

    relative_path: str
    offset: int
    length: int
    transform_descriptors: Sequence[str] | None = None


_explain_missing(__name__)
