"""What a program can ask about its groups."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import rushlight as rl

from .process_group import (
    Backend,
    GroupMember,
    ProcessGroup,
    State,
    default_group,
    group_of,
    new_group,
)
from .reduce_op import ReduceOp


def is_available() -> bool:
    """Whether this process is one of several: it was launched as such, or has made a group.

    A program on its own is told False, as by torch's builds without the collectives: libraries ask
    this before they import what splits networks over processes, and then do not. Here all of it
    works whatever the answer: `init_process_group`, FSDP, sharded checkpoints.

    >>> import rushlight.distributed as dist
    >>> dist.is_available()
    False
    """
    return is_initialized() or "WORLD_SIZE" in os.environ


def is_initialized() -> bool:
    """Whether `init_process_group` was called.

    >>> import rushlight.distributed as dist
    >>> dist.is_initialized()
    False
    """
    return GroupMember.WORLD is not None


def is_nccl_available() -> bool:
    """False: there are no graphics cards here.

    >>> import rushlight.distributed as dist
    >>> dist.is_nccl_available()
    False
    """
    return False


is_ucc_available = is_xccl_available = is_nccl_available


def is_gloo_available() -> bool:
    """True: "gloo" names the backend for tensors in main memory.

    >>> import rushlight.distributed as dist
    >>> dist.is_gloo_available()
    True
    """
    return True


def is_mpi_available() -> bool:
    """Whether mpi4py is installed.

    >>> import importlib.util
    >>> import rushlight.distributed as dist
    >>> dist.is_mpi_available() == (importlib.util.find_spec("mpi4py") is not None)
    True
    """
    return importlib.util.find_spec("mpi4py") is not None


def is_backend_available(backend: str) -> bool:
    """Whether `init_process_group` takes the name.

    >>> import rushlight.distributed as dist
    >>> dist.is_backend_available("gloo"), dist.is_backend_available("carrier pigeons")
    (True, False)
    """
    name = backend.lower()
    return name in ("gloo", "shm", "tcp") or (name == "mpi" and is_mpi_available())


def is_torchelastic_launched() -> bool:
    """Whether the launcher started this process.

    >>> import rushlight.distributed as dist
    >>> dist.is_torchelastic_launched()
    False
    """
    return os.environ.get("TORCHELASTIC_RUN_ID") is not None


def get_rank(group: Any = None) -> int:
    """This process's number in the group; -1 if it is not in it.

    Raises: ValueError before `init_process_group`.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_rank()
    0
    >>> dist.destroy_process_group()
    """
    found = group_of(group)
    return -1 if found is None else found.rank()


def get_world_size(group: Any = None) -> int:
    """How many processes are in the group; -1 if this one is not.

    Raises: ValueError before `init_process_group`.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_world_size()
    1
    >>> dist.destroy_process_group()
    """
    found = group_of(group)
    return -1 if found is None else found.size()


def get_backend(group: Any = None) -> Backend:
    """The backend's name.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_backend()
    'gloo'
    >>> dist.destroy_process_group()
    """
    return Backend((group_of(group) or default_group()).name())


def get_backend_config(group: Any = None) -> str:
    """The backend of each kind of device: `device:backend`.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_backend_config()
    'cpu:gloo'
    >>> dist.destroy_process_group()
    """
    return f"cpu:{get_backend(group)}"


def get_default_backend_for_device(device: Any) -> str:
    """The backend for a kind of device, a name or a `torch.device`: "gloo" for all.

    >>> import rushlight.distributed as dist
    >>> dist.get_default_backend_for_device("cpu")
    'gloo'
    """
    return "gloo"


def get_pg_count() -> int:
    """How many groups this process is in, that of all processes among them.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> group = dist.new_group([0])
    >>> dist.get_pg_count()
    2
    >>> dist.destroy_process_group()
    """
    return len(State.groups)


def get_process_group_ranks(group: Any) -> list[int]:
    """The numbers, among all processes, of those in the group (None: of all).

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_process_group_ranks(dist.new_group([0]))
    [0]
    >>> dist.destroy_process_group()
    """
    return list((group_of(group) or default_group())._ranks)


def get_global_rank(group: ProcessGroup, group_rank: int) -> int:
    """The number among all processes of a rank of the group.

    Raises: ValueError if it has no such rank.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_global_rank(dist.new_group([0]), 0)
    0
    >>> dist.destroy_process_group()
    """
    if group is GroupMember.WORLD:
        return group_rank
    if not 0 <= group_rank < group.size():
        raise ValueError(f"Group rank {group_rank} is not part of group {group}")
    return group._ranks[group_rank]


def get_group_rank(group: ProcessGroup, global_rank: int) -> int:
    """The number in the group of one of all processes.

    Raises: ValueError if that is not in the group.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_group_rank(dist.new_group([0]), 0)
    0
    >>> dist.destroy_process_group()
    """
    if group is GroupMember.WORLD:
        return global_rank
    if global_rank not in group._ranks:
        raise ValueError(f"Global rank {global_rank} is not part of group {group}")
    return group._ranks.index(global_rank)


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """This process's number on its machine: the variable LOCAL_RANK, else `fallback_rank`.

    Raises: RuntimeError without either.

    >>> import os
    >>> import rushlight.distributed as dist
    >>> dist.get_node_local_rank(fallback_rank=0) == int(os.environ.get("LOCAL_RANK", 0))
    True
    """
    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is not None:
        return int(fallback_rank)
    raise RuntimeError(
        "LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow"
        " `get_node_local_rank` to work, assuming you are not running in a multi-device context and"
        " want the code to run locally instead."
    )


def new_subgroups(
    group_size: int | None = None, group: Any = None, timeout: Any = None, backend: Any = None,
    pg_options: Any = None, group_desc: str | None = None,
) -> tuple[Any, list[Any]]:  # fmt: skip
    """Cut all processes into groups of neighbouring ranks; this process's group, and all.

    group_size: how many are in each. Raises: ValueError without it, or where it does not divide the
    number of processes.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mine, groups = dist.new_subgroups(1)
    >>> mine.size(), len(groups)
    (1, 1)
    >>> dist.destroy_process_group()
    """
    world = get_world_size(group)
    if group_size is None:
        raise ValueError("group_size must be given: there are no graphics cards to count")
    if world % group_size:
        raise ValueError(f"The world size ({world}) must be divisible by 'group_size={group_size}'")
    rows = [list(range(i, i + group_size)) for i in range(0, world, group_size)]
    return new_subgroups_by_enumeration(rows, timeout, backend, pg_options, group_desc)


def new_subgroups_by_enumeration(
    ranks_per_subgroup_list: list[list[int]], timeout: Any = None, backend: Any = None,
    pg_options: Any = None, group_desc: str | None = None,
) -> tuple[Any, list[Any]]:  # fmt: skip
    """Groups of the ranks in each list; this process's, and all.

    Raises: ValueError without lists, or for a rank in two of them.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mine, groups = dist.new_subgroups_by_enumeration([[0]])
    >>> mine.rank(), len(groups)
    (0, 1)
    >>> dist.destroy_process_group()
    """
    if not ranks_per_subgroup_list:
        raise ValueError("The arg 'ranks_per_subgroup_list' cannot be empty")
    first: dict[int, list[int]] = {}
    for ranks in ranks_per_subgroup_list:
        for rank in dict.fromkeys(ranks):
            if rank in first:
                raise ValueError(
                    f"Rank {rank} has appeared in both subgroup {first[rank]} and {ranks}"
                )
            first[rank] = ranks
    mine, groups = None, []
    for ranks in ranks_per_subgroup_list:
        made = new_group(ranks, timeout, backend, pg_options, group_desc=group_desc)
        groups.append(made)
        if isinstance(made, ProcessGroup):
            mine = made
    return mine, groups


def supports_complex(reduceOp: ReduceOp) -> bool:  # torch's name
    """Whether a reduction takes complex tensors: sums and means do.

    >>> import rushlight.distributed as dist
    >>> dist.supports_complex(dist.ReduceOp.SUM), dist.supports_complex(dist.ReduceOp.MAX)
    (True, False)
    """
    return reduceOp in (ReduceOp.SUM, ReduceOp.AVG) and rl.complex64.is_complex
