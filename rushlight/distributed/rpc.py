"""torch.distributed.rpc in a build without it: `is_available()` is False, requests are refused."""

from __future__ import annotations

from . import _no_group


def is_available() -> bool:
    """False: there are no calls to other processes."""
    return False


init_rpc = shutdown = rpc_sync = rpc_async = remote = get_worker_info = _no_group
