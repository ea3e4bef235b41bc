"""Products of matrices as kernels over the table of pointers: packing, tiles, and what follows.

    plan = plan_gemm(gemm, target)                  how, and how much scratch (`scratch_bytes`)
    calls = emit_gemm(module, name, gemm, target, scratch=slot, epilogue=finish)

The calls are made in order; units of one call may run in any order on any thread, and give the
same numbers however they are divided.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .emit import Module
from .gemm_end import Epilogue, Place
from .gemm_kernel import Driver
from .gemm_plan import Gemm, Operand, Plan, Result, plan_gemm
from .packing import Copy, emit_copy

__all__ = ["Gemm", "KernelCall", "Operand", "Place", "Result", "emit_gemm", "plan_gemm"]

CHUNK_FLOPS = 1 << 20  # what is worth handing to another thread


@dataclass(frozen=True)
class KernelCall:
    """Call `name(table, 0, units)`, or share it out in pieces of at least `grain` units."""

    name: str
    units: int
    grain: int
    flops: int = 0


def scratch_bytes(gemm: Gemm, target: Any) -> int:
    """How large the buffer `scratch` has to be; 0: none is needed."""
    plan = plan_gemm(gemm, target)
    return plan.regions[3] * plan.type.size


def emit_gemm(
    module: Module, name: str, gemm: Gemm, target: Any, scratch: int = -1,
    epilogue: Epilogue | None = None,
) -> list[KernelCall]:  # fmt: skip
    """Add the kernels that compute `gemm`; each finished vector passes through `epilogue`.

    `epilogue(f, value, place)` may write more code and gives what is stored in C (None: nothing).
    """
    plan = plan_gemm(gemm, target)
    calls: list[KernelCall] = []
    if not (gemm.m and gemm.n and math.prod(gemm.batch)):
        return calls
    for kind, copy in _copies(plan, scratch):
        emit_copy(module, f"{name}_{kind}", copy)
        size = max(1, copy.rows * copy.columns)
        calls.append(KernelCall(f"{name}_{kind}", copy.count, max(1, (1 << 15) // size)))
    units = Driver(module, name, plan, scratch, epilogue).emit()
    each = max(1, gemm.flops // units)
    calls.append(KernelCall(name, units, max(1, CHUNK_FLOPS // each), gemm.flops))
    return calls


def _copies(plan: Plan, scratch: int) -> list[tuple[str, Copy]]:
    """The copies that put operands in order: names and kernels."""
    found: list[tuple[str, Copy]] = []
    if plan.gemm.terms == 0:
        return found
    full, left = plan.panels
    if plan.packs_y and full:
        found.append(("pack", _panel(plan, scratch, full, 0, plan.width, plan.width)))
    if plan.packs_y and left:
        found.append(("pack_rest", _panel(plan, scratch, 1, full, left, plan.tail_room)))
    if plan.packs_x:
        found.append(("align", _aligned(plan, scratch)))
    return found


def _outer_units(plan: Plan, operand: Operand, packed: tuple[int, ...], matrix: int, row: int):  # noqa: ANN202
    """Units over the batch and all but the last axis of the sum."""
    sizes = zip(plan.gemm.batch, operand.batch, packed)
    units = [(size, step, to * matrix) for size, step, to in sizes if step and size > 1]
    inner = plan.gemm.k
    for number, size in enumerate(inner[:-1]):
        units.append((size, operand.inner[number], math.prod(inner[number + 1 :]) * row))
    return units


def _panel(plan: Plan, scratch: int, count: int, first: int, columns: int, room: int) -> Copy:
    """`count` panels of y from the `first`, each `room` wide."""
    terms, y = plan.gemm.terms, plan.y
    units = _outer_units(plan, y, plan.packed_batch[1], plan.y_matrix, room)
    units.append((count, plan.width * y.free, plan.width * terms))
    offsets = y.offset + first * plan.width * y.free, first * plan.width * terms
    return Copy(
        plan.type, tuple(units), plan.gemm.k[-1], columns, room, (y.inner[-1], y.free), room,
        (y.slot, scratch), offsets,
    )  # fmt: skip


def _aligned(plan: Plan, scratch: int) -> Copy:
    """x with rows that do not collide, in blocks of rows."""
    x, room = plan.x, plan.row_room
    across = plan.x_lies_across
    slots, offsets = (x.slot, scratch), (x.offset, plan.regions[1])
    if across:
        units = _outer_units(plan, x, plan.packed_batch[0], plan.x_matrix, room)
        rows, columns, source = plan.gemm.k[-1], plan.x_size, (x.inner[-1], 1)
    else:
        units = _outer_units(plan, x, plan.packed_batch[0], plan.x_matrix, 1)
        rows, columns, source = plan.x_size, plan.gemm.k[-1], (x.free, x.inner[-1])
    block = next((size for size in (16, 14, 12, 10, 8, 7, 6) if rows % size == 0), rows)
    units.append((rows // block, block * source[0], block * room))
    return Copy(
        plan.type, tuple(units), block, columns, columns, source, room, slots, offsets
    )  # fmt: skip
