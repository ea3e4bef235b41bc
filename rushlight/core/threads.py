"""How many threads computations may use: as chosen, else by environment and system."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

_chosen: list[int] = []
_followers: list[Callable[[int], None]] = []


def choose(number: int) -> None:
    """From now on `number` threads; whoever follows is told."""
    _chosen[:] = [number]
    for tell in _followers:
        tell(number)


def follow(tell: Callable[[int], None]) -> None:
    """Call `tell` with the number now and whenever another one is chosen."""
    _followers.append(tell)
    tell(number())


def number() -> int:
    """The chosen number; else RUSHLIGHT_NUM_THREADS, OMP_NUM_THREADS, what the system allows."""
    if _chosen:
        return _chosen[0]
    return asked("RUSHLIGHT_NUM_THREADS") or asked("OMP_NUM_THREADS") or allowed()


def asked(variable: str) -> int:
    """The positive number in an environment variable (the first of a list `4,2`); else 0."""
    text = os.environ.get(variable, "").split(",")[0].strip()
    return int(text) if text.isascii() and text.isdigit() else 0


def allowed() -> int:
    """Cores that this process may keep busy: its affinity mask and its control group's quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(cores, _quota() or cores))


def _quota(root: str = "/sys/fs/cgroup", own: str = "/proc/self/cgroup") -> int:
    """Whole cores of the tightest quota (containers, batch systems, systemd); 0: none."""
    if sys.platform != "linux":
        return 0
    found = []
    for folder in _groups(root, own):
        try:
            if os.path.exists(f"{folder}/cpu.max"):
                quota, period = _text(f"{folder}/cpu.max").split()
            else:
                quota = _text(f"{folder}/cpu.cfs_quota_us")
                period = _text(f"{folder}/cpu.cfs_period_us")
            if quota != "max" and int(quota) > 0:
                found.append(max(1, int(quota) // int(period)))
        except (OSError, ValueError):
            continue
    return min(found, default=0)


def _text(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()


def _groups(base: str, own: str) -> list[str]:
    """The folders of this process's control groups, from its own up to the root."""
    folders = [base, f"{base}/cpu"]
    try:
        lines = _text(own).splitlines()
    except (OSError, ValueError):
        return folders
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        top = f"{base}/{controllers}" if controllers else base
        folders += ["/".join([top, *parts[:k]]) for k in range(1, len(parts) + 1)]
    return folders
