"""The plans that are made unless others are given: every part once, by whoever has least to write.

Source: https://docs.pytorch.org/docs/stable/distributed.checkpoint.html
"""

from __future__ import annotations

import dataclasses
import io
import math
from collections import ChainMap
from typing import Any

import rushlight as rl

from ...core.errors import fail
from ...core.names import explain_missing as _explain_missing
from ..tensor.dtensor import DTensor
from .flattening import Way, flattened, put
from .metadata import (
    BytesStorageMetadata,
    Metadata,
    MetadataIndex,
    StorageMeta,
    TensorProperties,
    TensorStorageMetadata,
)
from .parts import chunk_of, cut, local_of, settled, shared_region
from .planner import (
    LoadItemType,
    LoadPlan,
    LoadPlanner,
    ReadItem,
    SavePlan,
    SavePlanner,
    TensorWriteData,
    WriteItem,
    WriteItemType,
)

__all__ = [
    "DefaultLoadPlanner", "DefaultSavePlanner", "create_default_global_load_plan",
    "create_default_global_save_plan", "create_default_local_load_plan",
    "create_default_local_save_plan",
]  # fmt: skip
VERSION = "1.0.0"  # of the format


def create_default_local_save_plan(state_dict: dict[str, Any], is_coordinator: bool) -> SavePlan:
    """An item for each value: this process's part of a tensor, all of what is not in parts.

    >>> import rushlight as torch
    >>> from rushlight.distributed.checkpoint.default_planner import create_default_local_save_plan
    >>> plan = create_default_local_save_plan({"x": torch.ones(2)}, is_coordinator=True)
    >>> [item.index.fqn for item in plan.items]
    ['x']
    """
    items = []
    for name, value in state_dict.items():
        if not isinstance(value, rl.Tensor):
            items.append(WriteItem(MetadataIndex(name), WriteItemType.BYTE_IO))
            continue
        in_parts = isinstance(value, DTensor)
        if in_parts and value.device_mesh.get_coordinate() is None:
            continue
        chunk = chunk_of(value)
        if math.prod(chunk.sizes) == 0 and value.numel():
            continue
        data = TensorWriteData(
            chunk, TensorProperties.create_from_tensor(value), rl.Size(value.shape)
        )
        kind = WriteItemType.SHARD if in_parts else WriteItemType.TENSOR
        items.append(WriteItem(MetadataIndex(name, chunk.offsets), kind, tensor_data=data))
    return SavePlan(items)


def _once_each(plans: list[SavePlan], to_lowest: bool) -> list[SavePlan]:
    """Each part in one plan only: that of the first process, or of the one with least to write."""
    owners: dict[MetadataIndex, list[int]] = {}
    for rank, plan in enumerate(plans):
        for item in plan.items:
            owners.setdefault(item.index, []).append(rank)
    load = [0] * len(plans)
    chosen: dict[MetadataIndex, int] = {}
    for rank, plan in enumerate(plans):
        for item in plan.items:
            if owners[item.index][0] != rank:
                continue
            some = owners[item.index]
            owner = some[0] if to_lowest else min(some, key=lambda one: load[one])
            chosen[item.index] = owner
            load[owner] += item.tensor_storage_size() or 1
    return [
        dataclasses.replace(plan, items=[i for i in plan.items if chosen[i.index] == rank])
        for rank, plan in enumerate(plans)
    ]


def create_default_global_save_plan(
    all_plans: list[SavePlan], rewrite_index_hints: bool = True
) -> tuple[list[SavePlan], Metadata]:
    """What all write, as metadata; each part learns its number among those of its tensor."""
    found: dict[str, Any] = {}
    plans = []
    for plan in all_plans:
        items = []
        for item in plan.items:
            name, data = item.index.fqn, item.tensor_data
            if data is None:
                found[name] = BytesStorageMetadata()
                items.append(item)
                continue
            about = found.setdefault(name, TensorStorageMetadata(data.properties, data.size, []))
            number = len(about.chunks) if rewrite_index_hints else item.index.index
            index = MetadataIndex(name, item.index.offset, number)
            items.append(dataclasses.replace(item, index=index))
            about.chunks.append(data.chunk)
        plans.append(dataclasses.replace(plan, items=items))
    return plans, Metadata(found)


def _check_complete(metadata: Metadata) -> None:
    """ValueError where parts overlap, or do not make up their tensor."""
    for name, about in metadata.state_dict_metadata.items():
        if isinstance(about, BytesStorageMetadata):
            continue
        volume = sum(math.prod(chunk.sizes) for chunk in about.chunks)
        overlapping = any(
            shared_region(one, two) and math.prod(one.sizes)
            for i, one in enumerate(about.chunks) for two in about.chunks[i + 1 :]
        )  # fmt: skip
        if volume != math.prod(about.size) or overlapping:
            raise fail(
                ValueError, "Failed to validate global plan",
                f"the parts of {name} overlap, or leave some of {tuple(about.size)} out",
            )  # fmt: skip


class DefaultSavePlanner(SavePlanner):
    """Nested states are flattened; what several processes have is written once.

    Arguments: `flatten_state_dict`; `dedup_save_to_lowest_rank`: by the first process that has it,
    and not by the one with least to write. The others change nothing.

    >>> import rushlight as torch
    >>> from rushlight.distributed.checkpoint.default_planner import DefaultSavePlanner
    >>> planner = DefaultSavePlanner()
    >>> planner.set_up_planner({"net": {"x": torch.ones(2)}}, is_coordinator=True)
    >>> [item.index.fqn for item in planner.create_local_plan().items]
    ['net.x']
    """

    def __init__(
        self, flatten_state_dict: bool = True, flatten_sharded_tensors: bool = True,
        dedup_replicated_tensors: bool | None = None, dedup_save_to_lowest_rank: bool = False,
        enable_plan_caching: bool = False,
    ) -> None:  # fmt: skip
        self.flatten_state_dict = flatten_state_dict
        self.dedup_save_to_lowest_rank = dedup_save_to_lowest_rank
        self.mappings: dict[str, Way] = {}

    def set_up_planner(
        self, state_dict: dict[str, Any], storage_meta: StorageMeta | None = None,
        is_coordinator: bool = False,
    ) -> None:  # fmt: skip
        """Be told the state."""
        if self.flatten_state_dict:
            state_dict, self.mappings = flattened(state_dict)
        self.state_dict = {name: settled(value) for name, value in state_dict.items()}
        self.is_coordinator = is_coordinator

    def create_local_plan(self) -> SavePlan:
        """What this process could write."""
        plan = create_default_local_save_plan(self.state_dict, self.is_coordinator)
        if self.flatten_state_dict:
            said = {name: _sayable(way) for name, way in self.mappings.items()}
            plan = dataclasses.replace(plan, planner_data=said)
        return plan

    def create_global_plan(self, all_plans: list[SavePlan]) -> tuple[list[SavePlan], Metadata]:
        """What each process shall write, and what the whole is."""
        chosen = _once_each(all_plans, self.dedup_save_to_lowest_rank)
        plans, metadata = create_default_global_save_plan(chosen)
        if self.flatten_state_dict:
            metadata.planner_data = dict(ChainMap(*[plan.planner_data for plan in plans]))
        metadata.version = VERSION
        _check_complete(metadata)
        return plans, metadata

    def finish_plan(self, new_plan: SavePlan) -> SavePlan:
        """The plan as decided."""
        self.plan = new_plan
        return new_plan

    def lookup_object(self, index: MetadataIndex) -> Any:
        """The value of a name, this process's part of it."""
        value = self.state_dict[index.fqn]
        return local_of(value) if isinstance(value, rl.Tensor) else value

    def transform_object(self, write_item: WriteItem, object: Any) -> Any:
        """A value that is no tensor, as bytes."""
        if write_item.type is WriteItemType.BYTE_IO:
            stream = io.BytesIO()
            rl.save(object, stream)
            object = stream
        return object

    def resolve_data(self, write_item: WriteItem) -> Any:
        """The tensor, or the BytesIO, of one item."""
        return self.transform_object(write_item, self.lookup_object(write_item.index))


def _sayable(way: Way) -> Way:
    """A way as torch notes it: places in lists are numbers, names are texts."""
    return tuple(name if isinstance(name, int) else str(name) for name in way)


def create_default_local_load_plan(
    state_dict: dict[str, Any], metadata: Metadata, strict: bool = True
) -> LoadPlan:
    """An item for each region of what was written that a part here needs.

    Raises: RuntimeError for a name that was not written, ValueError for another size.
    """
    items: list[ReadItem] = []
    for name, value in state_dict.items():
        about = metadata.state_dict_metadata.get(name)
        if about is None:
            if strict:
                raise RuntimeError(f"Missing key in checkpoint state_dict: {name}.")
            continue
        if isinstance(about, BytesStorageMetadata) or not isinstance(value, rl.Tensor):
            if not isinstance(about, BytesStorageMetadata):
                items += _whole(name, about)
                continue
            zero, index = rl.Size([0]), MetadataIndex(name)
            items.append(ReadItem(LoadItemType.BYTE_IO, index, zero, index, zero, zero))
            continue
        if tuple(about.size) != tuple(value.shape):
            raise ValueError(
                f"Size mismatch between saved {about.size} and current: {value.size()} for {name}"
            )
        items += _regions(name, value, about)
    return LoadPlan(items)


def _whole(name: str, about: TensorStorageMetadata) -> list[ReadItem]:
    """torch's refusal, for a tensor that shall fill what is none."""
    raise fail(
        ValueError, f"Invalid checkpoint metadata for {name}, expected BytesStorageMetadata"
        f" but found {type(about)}",
        "a tensor was written: put a tensor of its size there",
    )  # fmt: skip


def _regions(name: str, value: Any, about: TensorStorageMetadata) -> list[ReadItem]:
    if isinstance(value, DTensor) and value.device_mesh.get_coordinate() is None:
        return []
    mine, items = chunk_of(value), []
    for number, chunk in enumerate(about.chunks):
        region = shared_region(mine, chunk)
        if region is None:
            continue
        here, there, sizes = map(rl.Size, region)
        index = MetadataIndex(name, mine.offsets)
        stored = MetadataIndex(name, chunk.offsets, number)
        items.append(ReadItem(LoadItemType.TENSOR, index, here, stored, there, sizes))
    return items


def create_default_global_load_plan(all_plans: list[LoadPlan]) -> list[LoadPlan]:
    """The plans as they are: every process reads what it needs."""
    return all_plans


class DefaultLoadPlanner(LoadPlanner):
    """Fills tensors in place, and puts other values in the places of those in the state.

    Arguments: `flatten_state_dict`; `allow_partial_load`: names that were not written are left as
    they are.

    >>> import rushlight as torch
    >>> import tempfile
    >>> from rushlight.distributed.checkpoint import state_dict_loader, state_dict_saver
    >>> from rushlight.distributed.checkpoint.default_planner import DefaultLoadPlanner
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     state, found = {"x": torch.ones(2)}, {"x": torch.zeros(2)}
    ...     planner = DefaultLoadPlanner()
    ...     written = state_dict_saver.save(state, checkpoint_id=folder, no_dist=True)
    ...     state_dict_loader.load(found, checkpoint_id=folder, planner=planner, no_dist=True)
    >>> found
    {'x': tensor([1., 1.])}
    """

    def __init__(
        self, flatten_state_dict: bool = True, flatten_sharded_tensors: bool = True,
        allow_partial_load: bool = False,
    ) -> None:  # fmt: skip
        self.flatten_state_dict = flatten_state_dict
        self.allow_partial_load = allow_partial_load
        self.original_state_dict: dict[str, Any] = {}
        self.mappings: dict[str, Way] = {}

    def set_up_planner(
        self, state_dict: dict[str, Any], metadata: Metadata | None = None,
        is_coordinator: bool = False,
    ) -> None:  # fmt: skip
        """Be told the state to fill, and what was written."""
        self.original_state_dict = state_dict
        if self.flatten_state_dict:
            state_dict, self.mappings = flattened(state_dict)
        self.state_dict, self.metadata = state_dict, metadata
        self.is_coordinator = is_coordinator

    def create_local_plan(self) -> LoadPlan:
        """What this process needs."""
        assert self.metadata is not None
        return create_default_local_load_plan(
            self.state_dict, self.metadata, not self.allow_partial_load
        )

    def create_global_plan(self, global_plan: list[LoadPlan]) -> list[LoadPlan]:
        """What each process shall read."""
        return create_default_global_load_plan(global_plan)

    def finish_plan(self, central_plan: LoadPlan) -> LoadPlan:
        """The plan as decided."""
        return central_plan

    def load_bytes(self, read_item: ReadItem, value: io.BytesIO) -> None:
        """Take a value that is no tensor."""
        name, found = read_item.dest_index.fqn, rl.load(value, weights_only=False)
        self.state_dict[name] = found
        if self.flatten_state_dict:
            put(self.original_state_dict, self.mappings[name], found)

    def lookup_tensor(self, index: MetadataIndex) -> Any:
        """This process's part of a tensor."""
        return local_of(self.state_dict[index.fqn].detach())

    def transform_tensor(self, read_item: ReadItem, tensor: Any) -> Any:
        """The region that an item fills."""
        return cut(tensor, read_item.dest_offsets, read_item.lengths)

    def resolve_tensor(self, read_item: ReadItem) -> Any:
        """The tensor that an item fills."""
        return self.transform_tensor(read_item, self.lookup_tensor(read_item.dest_index))

    def commit_tensor(self, read_item: ReadItem, tensor: Any) -> None:
        """It has been filled, in place."""


_explain_missing(__name__)
