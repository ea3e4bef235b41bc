"""Whether the memory that a program writes is still that of one input alone.

A program reads and writes in an order of its own, which is right as long as inputs that lay apart
in the traced call lie apart. A tensor may be given another one's memory at any time
(`target.data = weight.data`), and no guard would see it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.tape import owner_of
from ..tracing.traced import overlap


def overlapping(arrays: Sequence[np.ndarray], written: int) -> bool:
    """Whether one of the first arrays, which are written, lies in the memory of another one."""
    owners = [id(x if x.base is None else owner_of(x)) for x in arrays]
    if len(set(owners)) == len(owners):
        return False
    groups: dict[int, list[int]] = {}
    for k, owner in enumerate(owners):
        groups.setdefault(owner, []).append(k)
    found = [group for group in groups.values() if len(group) > 1 and group[0] < written]
    return any(_meet(arrays, group, written) for group in found)


def _meet(arrays: Sequence[np.ndarray], group: Sequence[int], written: int) -> bool:
    """The same among arrays over the same memory: those that come next to one another in it."""
    bounds = sorted((*np.lib.array_utils.byte_bounds(arrays[k]), k) for k in group)
    for place, (_, end, k) in enumerate(bounds):
        for start, _, other in bounds[place + 1 :]:
            if start >= end:
                break
            if min(k, other) < written and overlap(arrays[k], arrays[other]):
                return True
    return False
