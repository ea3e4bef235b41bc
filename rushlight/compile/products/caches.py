"""How large the caches are that products are cut for.

What is cut for 512-bit vectors was fitted on processors with at least 1 MiB of L2 in 16 ways, and
stays so. For other vectors the running machine is asked; one that does not say counts as having
32 KiB of L1 and 512 KiB of L2, in 8 ways each.
"""

from __future__ import annotations

import functools
from pathlib import Path

from ..code.emit import Type
from ..records import record

LINE = 64
_HOME = Path("/sys/devices/system/cpu/cpu0/cache")


@record(frozen=True)
class Caches:
    """Sets and ways of L1 and L2, of lines of 64 bytes each."""

    l1_sets: int = 64
    l1_ways: int = 8
    l2_sets: int = 1024
    l2_ways: int = 8

    @property
    def l2_bytes(self) -> int:
        """All of L2."""
        return self.l2_sets * self.l2_ways * LINE


FITTED = Caches(l1_ways=12, l2_ways=16)


def caches_for(type: Type) -> Caches:
    """The caches that a product of such vectors runs in."""
    return FITTED if type.lanes * type.size == 64 else _running()


@functools.cache
def _running() -> Caches:
    """The caches of the running machine, from what Linux tells."""
    return read_caches(_HOME)


def read_caches(home: Path) -> Caches:
    """What a folder like /sys/devices/system/cpu/cpu0/cache says, as far as it is there."""
    found = {}
    for place in sorted(home.glob("index*")):
        try:
            kind, level, line = (
                (place / name).read_text("ascii").strip()
                for name in ("type", "level", "coherency_line_size")
            )
            sizes = [
                int((place / name).read_text("ascii"))
                for name in ("number_of_sets", "ways_of_associativity")
            ]
        except (OSError, ValueError):
            continue
        if kind in ("Data", "Unified") and level in "12" and int(line) == LINE and min(sizes) > 0:
            found[f"l{level}_sets"], found[f"l{level}_ways"] = sizes
    return Caches(**found)
