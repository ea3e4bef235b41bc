"""torch.distributed.rpc in a build without it: `is_available()` is False, requests are refused."""

from __future__ import annotations

from typing import Any, NoReturn

from ..core.errors import fail


def is_available() -> bool:
    """False: there are no calls to other processes.

    >>> import rushlight as torch
    >>> import rushlight.distributed.rpc
    >>> torch.distributed.rpc.is_available()
    False
    """
    return False


def init_rpc(*args: Any, **kwargs: Any) -> NoReturn:
    """Refused."""
    raise fail(
        ValueError,
        "Default process group has not been initialized, please make sure to call "
        "init_process_group.",
        "there are no calls to other processes: they exchange tensors and objects by"
        " torch.distributed.send, broadcast_object_list and the like",
    )


shutdown = rpc_sync = rpc_async = remote = get_worker_info = init_rpc
