"""Read a state in parts.

Source: https://docs.pytorch.org/docs/stable/distributed.checkpoint.html
"""

from __future__ import annotations

import os
import warnings
from typing import Any

from ...core.names import explain_missing as _explain_missing
from .default_planner import DefaultLoadPlanner
from .filesystem import FileSystemReader
from .parties import Party
from .planner import LoadPlanner
from .state_dict_saver import alone_in
from .stateful import Stateful, states_of
from .storage import StorageReader

__all__ = ["load", "load_state_dict"]
Place = str | os.PathLike[str] | None


def load(
    state_dict: dict[str, Any], *, checkpoint_id: Place = None,
    storage_reader: StorageReader | None = None, planner: LoadPlanner | None = None,
    process_group: Any = None, no_dist: bool = False,
) -> None:  # fmt: skip
    """Fill a state in place from what `save` wrote; all processes call it.

    Tensors may lie in another way than those that were written, on another number of processes.
    Objects with `state_dict` and `load_state_dict` are given theirs.
    Raises: CheckpointException, on all processes, for what failed on any.

    >>> import rushlight as torch
    >>> import tempfile
    >>> from rushlight.distributed.checkpoint import state_dict_loader, state_dict_saver
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     state = {"weight": torch.tensor([1.0, 2.0])}
    ...     written = state_dict_saver.save(state, checkpoint_id=folder, no_dist=True)
    ...     found = {"weight": torch.zeros(2)}
    ...     state_dict_loader.load(found, checkpoint_id=folder, no_dist=True)
    >>> found
    {'weight': tensor([1., 2.])}
    """
    alone = alone_in("load", no_dist)
    party = Party(None if alone else process_group, alone)
    if storage_reader is not None:
        storage_reader.reset(checkpoint_id)
    elif checkpoint_id:
        storage_reader = FileSystemReader(checkpoint_id)
    else:
        raise RuntimeError(
            "`checkpoint_id` must be specificed if storage_reader/storage_writer is None."
        )
    states = states_of(state_dict)
    read_into(states, storage_reader, planner, party)
    for name, one in state_dict.items():
        if isinstance(one, Stateful):
            one.load_state_dict(states[name])
        else:
            state_dict[name] = states[name]


def read_into(
    state: dict[str, Any], reader: StorageReader, planner: LoadPlanner | None, party: Party
) -> None:
    """Fill a state, as one of the processes that do so."""
    plans = DefaultLoadPlanner() if planner is None else planner

    def mine() -> Any:
        about = reader.read_metadata()
        plans.set_up_planner(state, about, party.leads)
        reader.set_up_storage_reader(about, party.leads)
        return reader.prepare_local_plan(plans.create_local_plan())

    def of_all(every: list[Any]) -> list[Any]:
        return reader.prepare_global_plan(plans.create_global_plan(every))

    plan = party.joined("plan", mine, of_all)
    party.together("read", lambda: reader.read_data(plans.finish_plan(plan), plans).wait())


def load_state_dict(
    state_dict: dict[str, Any], storage_reader: StorageReader, process_group: Any = None,
    coordinator_rank: int = 0, no_dist: bool = False, planner: LoadPlanner | None = None,
) -> None:  # fmt: skip
    """The older name of `load`."""
    warnings.warn("`load_state_dict` is deprecated and will be removed in future versions."
                  " Please use `load` instead.", FutureWarning, stacklevel=2)  # fmt: skip
    load(
        state_dict, storage_reader=storage_reader, planner=planner, process_group=process_group,
        no_dist=no_dist,
    )  # fmt: skip


_explain_missing(__name__)
