"""torch.distributed in a build without it: questions are answered, requests refused.

One process, no group of processes: `is_available()` is False, as in torch's own builds without
the collectives, so that programs take the branch they have for a single process.
"""

from __future__ import annotations

from typing import Any, NoReturn

from ..core.errors import fail
from ..core.names import explain_missing as _explain_missing


def is_available() -> bool:
    """False: computations are not spread over processes."""
    return False


def is_initialized() -> bool:
    """False: no group of processes was made."""
    return False


def is_nccl_available() -> bool:
    """False."""
    return False


def is_gloo_available() -> bool:
    """False."""
    return False


def is_mpi_available() -> bool:
    """False."""
    return False


def is_torchelastic_launched() -> bool:
    """False: nothing launched this process as one of several."""
    return False


class ProcessGroup:
    """Refuse: RuntimeError. The class that annotations name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        init_process_group()


def init_process_group(*args: Any, **kwargs: Any) -> NoReturn:
    """Refused: there are no collectives over processes."""
    raise fail(
        RuntimeError,
        "Distributed package doesn't have a backend built in",
        "rushlight computes in one process; `torch.distributed.is_available()` says so",
    )


def _no_group(*args: Any, **kwargs: Any) -> NoReturn:
    """Refused: no group of processes was made."""
    raise fail(
        ValueError,
        "Default process group has not been initialized, please make sure to call "
        "init_process_group.",
        "rushlight computes in one process; ask `torch.distributed.is_initialized()` first",
    )


get_rank = get_world_size = get_backend = barrier = destroy_process_group = new_group = _no_group
all_reduce = all_gather = all_gather_object = broadcast = broadcast_object_list = _no_group
reduce = reduce_scatter = gather = scatter = send = recv = isend = irecv = _no_group
_explain_missing(
    __name__,
    {
        name: (f"rushlight.distributed.{name}", None)
        for name in ("algorithms", "device_mesh", "nn", "optim", "rpc", "tensor")
    }
    | {
        "GradBucket": (
            "rushlight.distributed.algorithms.ddp_comm_hooks.default_hooks",
            "GradBucket",
        ),
    },
)
