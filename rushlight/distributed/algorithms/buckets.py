"""Many tensors handled as few: which go together, and one rank's values for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl

dist: Any = rl.distributed
MEBIBYTE = 1024 * 1024


def layout(tensors: Sequence[Any], caps: Sequence[float]) -> list[list[int]]:
    """Places of tensors bucket by bucket, from the last to the first, by data type.

    A bucket is full once it holds `caps` bytes: the first cap is for the first bucket of its type,
    the last one for all that follow.
    """
    found: list[list[int]] = []
    open_: dict[Any, tuple[list[int], int, int]] = {}  # the places, their bytes, which cap
    for place in reversed(range(len(tensors))):
        tensor = tensors[place]
        places, size, turn = open_.get(tensor.dtype, ([], 0, 0))
        if not places:
            found.append(places)
        places.append(place)
        size += tensor.numel() * tensor.element_size()
        full = size >= caps[min(turn, len(caps) - 1)]
        open_[tensor.dtype] = ([], 0, turn + 1) if full else (places, size, turn)
    return found


def share(tensors: Sequence[Any], source: int, group: Any, cap: int = 250 * MEBIBYTE) -> None:
    """Give all processes the values that the tensors have on one: rank `source` of the group."""
    source = dist.get_global_rank(group, source)
    with rl.no_grad():
        for places in layout(tensors, [cap]):
            some = [tensors[i].detach() for i in places]
            flat = rl.cat([one.reshape(-1) for one in some])
            dist.broadcast(flat, source, group=group)
            for one, part in zip(some, flat.split([one.numel() for one in some])):
                one.copy_(part.view(one.shape))
