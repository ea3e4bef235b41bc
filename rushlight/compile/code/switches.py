"""LLVM's switches: what it does for others in half of its time is left out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

_KNOWN = range(14, 23)  # versions of LLVM that know these switches
_IDLE = (  # passes that find nothing in what is written here, or nothing that can be measured
    "lsr cgp constant-hoisting mergeicmps partial-libcall-inlining early-ifcvt machine-sink"
    " postra-machine-sink machine-cse machine-dce peephole copyprop branch-fold tail-duplicate"
    " early-taildup block-placement post-ra"
).split()


@contextlib.contextmanager
def without_idle_passes(llvm: Any) -> Iterator[None]:
    """Leave out passes that are not worth their time.

    The switches are the process's, and others may use LLVM too: they are turned back. A version of
    LLVM that does not know a switch ends the process, so only those get it that are known to.
    """
    known = llvm.llvm_version_info[0] in _KNOWN
    if known:
        _turn(llvm, "true")
    try:
        yield
    finally:
        if known:
            _turn(llvm, "false")


def _turn(llvm: Any, value: str) -> None:
    """Turn all switches: from a file in one go, as each go costs 0.05 ms."""
    switches = [f"-disable-{name}={value}" for name in _IDLE]
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError), open(os.memfd_create("switches"), "wb") as file:
            file.write("\n".join(switches).encode())
            file.flush()
            path = f"/proc/self/fd/{file.fileno()}"
            if os.path.getsize(path):
                return llvm.set_option("", f"@{path}")
    for switch in switches:
        llvm.set_option("", switch)
    return None
