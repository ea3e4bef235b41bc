"""Products of matrices as kernels over the table of pointers: packing, tiles, and what follows.

    plan = plan_gemm(gemm, target)                  how, and how much scratch (`scratch_bytes`)
    calls = emit_gemm(module, name, gemm, target, scratch=slot, epilogue=finish)

The calls are made in order; units of one call may run in any order on any thread, and give the
same numbers however they are divided.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..code.emit import Module
from ..records import record
from .gemm_copies import copies_before
from .gemm_end import Epilogue, Place, worth_asking
from .gemm_kernel import Driver
from .gemm_plan import Gemm, Operand, Result, Room
from .gemm_search import plan_gemm
from .packing import emit_copy

__all__ = [
    "Gemm", "KernelCall", "Operand", "Place", "Result", "Room", "copies_before", "emit_gemm",
    "plan_gemm",
]  # fmt: skip

CHUNK_FLOPS = 1 << 20  # what is worth handing to another thread


@record(frozen=True)
class KernelCall:
    """Call `name(table, 0, units)`, or share it out in pieces of at least `grain` units."""

    name: str
    units: int
    grain: int
    flops: int = 0
    packs: str = ""  # the operand that it packs: "x" or "y"


def scratch_bytes(gemm: Gemm, target: Any) -> int:
    """How large the buffer `scratch` has to be; 0: none is needed."""
    if gemm.empty:
        return 0
    plan = plan_gemm(gemm, target)
    return plan.regions[3] * plan.type.size


def emit_gemm(
    module: Module, name: str, gemm: Gemm, target: Any, scratch: int = -1,
    epilogue: Epilogue | None = None, shared: tuple[int, int] = (-1, -1),
    touched: Sequence[Result] = (),
) -> list[KernelCall]:  # fmt: skip
    """Add the kernels that compute `gemm`; each finished vector passes through `epilogue`.

    `epilogue(f, value, place)` may write more code and gives what is stored in C (None: nothing).
    `shared` are the slots of a packed x and y that other products read too, where the plan says so.
    `touched` are arrays that the epilogue reads or writes at the places of C: they are asked for
    before a tile's sums begin.
    """
    calls: list[KernelCall] = []
    if gemm.empty:
        return calls
    plan, room = plan_gemm(gemm, target), Room(scratch, shared)
    for kind, copy in copies_before(plan, room):
        emit_copy(module, f"{name}_{kind}", copy)
        grain, which = max(1, (1 << 15) // max(1, copy.rows * copy.columns)), "xy"["pack" in kind]
        calls.append(KernelCall(f"{name}_{kind}", copy.count, grain, packs=which))
    units = Driver(module, name, plan, room, epilogue, worth_asking(gemm, touched)).emit()
    each = max(1, gemm.flops // units)
    calls.append(KernelCall(name, units, max(1, CHUNK_FLOPS // each), gemm.flops))
    return calls
