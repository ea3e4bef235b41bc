"""Write a state in parts: `save`, and `async_save`, which goes on while the program does.

Source: https://docs.pytorch.org/docs/stable/distributed.checkpoint.html
"""

from __future__ import annotations

import os
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import Any

import rushlight as rl

from ...core.names import explain_missing as _explain_missing
from ..tensor.dtensor import DTensor
from .default_planner import DefaultSavePlanner
from .filesystem import FileSystemWriter
from .metadata import Metadata
from .parties import Party
from .planner import SavePlanner
from .stateful import states_of
from .storage import StorageWriter

__all__ = ["AsyncCheckpointerType", "AsyncSaveResponse", "async_save", "save", "save_state_dict"]
dist: Any = rl.distributed
Place = str | os.PathLike[str] | None


class AsyncCheckpointerType(Enum):
    """Who writes in the background: a thread, here in either case.

    >>> from rushlight.distributed.checkpoint.state_dict_saver import AsyncCheckpointerType
    >>> [kind.value for kind in AsyncCheckpointerType]
    ['thread', 'process']
    """

    THREAD = "thread"
    PROCESS = "process"


@dataclass
class AsyncSaveResponse:
    """Two futures: the state has been copied; it has been written."""

    staging_completion: Future[None]
    upload_completion: Future[None]


def alone_in(name: str, no_dist: bool) -> bool:
    """Whether this process is by itself; a warning where that may not be meant."""
    if no_dist:
        return True
    if dist.is_initialized():
        return False
    warnings.warn(
        "torch.distributed is disabled, unavailable or uninitialized, assuming the intent is to"
        f" {name} in a single process.",
        stacklevel=3,
    )
    return True


def _writer(storage_writer: StorageWriter | None, place: Place) -> StorageWriter:
    if storage_writer is not None:
        storage_writer.reset(place)
        return storage_writer
    if not place:
        raise RuntimeError(
            "`checkpoint_id` must be specificed if storage_reader/storage_writer is None."
        )
    return FileSystemWriter(place)


def save(
    state_dict: dict[str, Any], *, checkpoint_id: Place = None,
    storage_writer: StorageWriter | None = None, planner: SavePlanner | None = None,
    process_group: Any = None, no_dist: bool = False, use_collectives: bool = True,
) -> Metadata:  # fmt: skip
    """Write a state; all processes call it, and each writes its parts. Returns the metadata.

    Objects with `state_dict` and `load_state_dict` are written by their states.
    Raises: CheckpointException, on all processes, for what failed on any.

    >>> import rushlight as torch
    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> state = {"weight": torch.tensor([1.0, 2.0]), "epoch": 3}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = checkpoint.state_dict_saver.save(state, checkpoint_id=folder, no_dist=True)
    >>> sorted(written.state_dict_metadata)
    ['epoch', 'weight']
    """
    alone = alone_in("save", no_dist)
    party = Party(None if alone else process_group, alone)
    return _save(states_of(state_dict), _writer(storage_writer, checkpoint_id), planner, party)


def _save(
    state: dict[str, Any], writer: StorageWriter, planner: SavePlanner | None, party: Party
) -> Metadata:
    plans = DefaultSavePlanner() if planner is None else planner

    def mine() -> Any:
        plans.set_up_planner(state, writer.storage_meta(), party.leads)
        writer.set_up_storage_writer(party.leads, rank=party.rank)
        return writer.prepare_local_plan(plans.create_local_plan())

    whole: list[Metadata] = []

    def of_all(every: list[Any]) -> list[Any]:
        decided, about = plans.create_global_plan(every)
        whole.append(about)
        return writer.prepare_global_plan(decided)

    plan = party.joined("plan", mine, of_all)

    def write() -> Any:
        return writer.write_data(plans.finish_plan(plan), plans).wait()

    def finish(results: list[Any]) -> list[Any]:
        writer.finish(whole[0], results)
        return [whole[0]] * party.size

    return party.joined("write", write, finish)


def _staged(value: Any) -> Any:
    """A copy that later steps of training leave alone."""
    if isinstance(value, dict):
        return {name: _staged(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_staged(one) for one in value)
    if isinstance(value, DTensor):
        return value.detach().clone()
    return value.detach().clone() if isinstance(value, rl.Tensor) else value


_groups: dict[Any, Any] = {}


def _background_group(group: Any) -> Any:
    """A group of the same processes, so that a thread does not come between their collectives."""
    group = dist.group.WORLD if group is None else group
    if group not in _groups:
        members = dist.get_process_group_ranks(group)
        _groups[group] = dist.new_group(members, use_local_synchronization=True)
    return _groups[group]


def async_save(
    state_dict: dict[str, Any], *, checkpoint_id: Place = None,
    storage_writer: StorageWriter | None = None, planner: SavePlanner | None = None,
    process_group: Any = None,
    async_checkpointer_type: AsyncCheckpointerType = AsyncCheckpointerType.THREAD,
    async_stager: Any = None, no_dist: bool = False, use_collectives: bool = True,
) -> Any:  # fmt: skip
    """Copy a state now and write it in the background: a future of the metadata.

    With `async_stager`, an object whose `stage(state)` makes the copy, an AsyncSaveResponse.

    >>> import rushlight as torch
    >>> import tempfile
    >>> from rushlight.distributed.checkpoint.state_dict_saver import async_save
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     future = async_save({"weight": torch.ones(2)}, checkpoint_id=folder, no_dist=True)
    ...     written = future.result()
    >>> list(written.state_dict_metadata)
    ['weight']
    """
    alone = alone_in("save", no_dist)
    party = Party(None if alone else _background_group(process_group), alone)
    writer = _writer(storage_writer, checkpoint_id)
    state = states_of(state_dict)
    copied = _staged(state) if async_stager is None else async_stager.stage(state)

    def work() -> Metadata:
        ready = copied.result() if isinstance(copied, Future) else copied
        return _save(ready, writer, planner, party)

    pool = ThreadPoolExecutor(1, thread_name_prefix="rushlight-checkpoint")
    written: Any = pool.submit(work)
    pool.shutdown(wait=False)
    if async_stager is None:
        return written
    staged: Any = copied
    if not isinstance(copied, Future):
        staged = Future()
        staged.set_result(None)
    return AsyncSaveResponse(staged, written)


def save_state_dict(
    state_dict: dict[str, Any], storage_writer: StorageWriter, process_group: Any = None,
    coordinator_rank: int = 0, no_dist: bool = False, planner: SavePlanner | None = None,
) -> Metadata:  # fmt: skip
    """The older name of `save`."""
    warnings.warn("`save_state_dict` is deprecated and will be removed in future versions."
                  "Please use `save` instead.", FutureWarning, stacklevel=2)  # fmt: skip
    return save(
        state_dict, storage_writer=storage_writer, planner=planner, process_group=process_group,
        no_dist=no_dist,
    )  # fmt: skip


_explain_missing(__name__)
