"""How much torch.distributed shall check and say, for programs that ask."""

from __future__ import annotations

import enum
import os


class DebugLevel(enum.Enum):
    """What TORCH_DISTRIBUTED_DEBUG may say. Here the ranks compare all their calls at any level.

    >>> import rushlight.distributed as dist
    >>> dist.DebugLevel.DETAIL.name
    'DETAIL'
    """

    OFF = 0
    INFO = 1
    DETAIL = 2


_chosen: list[DebugLevel] = []


def get_debug_level() -> DebugLevel:
    """The level that was set, or that the environment asked for.

    >>> import rushlight.distributed as dist
    >>> dist.get_debug_level().name
    'OFF'
    """
    if not _chosen:
        set_debug_level_from_env()
    return _chosen[0]


def set_debug_level(debug_level: DebugLevel) -> None:
    """Choose the level: OFF, INFO or DETAIL of `DebugLevel`.

    >>> import rushlight.distributed as dist
    >>> before = dist.get_debug_level()
    >>> dist.set_debug_level(dist.DebugLevel.DETAIL)
    >>> dist.get_debug_level().name
    'DETAIL'
    >>> dist.set_debug_level(before)
    """
    _chosen[:] = [debug_level]


def set_debug_level_from_env() -> None:
    """Take the level from TORCH_DISTRIBUTED_DEBUG: OFF, INFO or DETAIL.

    Raises: ValueError if it says something else.

    >>> import rushlight.distributed as dist
    >>> dist.set_debug_level_from_env()
    >>> dist.get_debug_level() in list(dist.DebugLevel)
    True
    """
    said = os.environ.get("TORCH_DISTRIBUTED_DEBUG", "OFF") or "OFF"
    try:
        set_debug_level(DebugLevel[said.upper()])
    except KeyError:
        raise ValueError(
            "The value of TORCH_DISTRIBUTED_DEBUG must be OFF, INFO, or DETAIL."
        ) from None
