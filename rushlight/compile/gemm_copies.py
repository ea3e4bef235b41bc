"""The copies before a product: which parts of its operands are put in order, and where."""

from __future__ import annotations

import math

from .gemm_plan import Operand, Plan
from .packing import Copy


def copies_before(plan: Plan, scratch: int) -> list[tuple[str, Copy]]:
    """The copies that put operands in order: names and kernels."""
    found: list[tuple[str, Copy]] = []
    if plan.gemm.terms == 0:
        return found
    if plan.packs_y and not plan.packs_near:
        found += zip(("pack", "pack_rest"), panel_copies(plan, scratch))
    if plan.packs_x:
        found.append(("align", _aligned(plan, scratch)))
    return found


def panel_copies(plan: Plan, scratch: int) -> list[Copy]:
    """The full panels of y, and the last, smaller one."""
    full, left = plan.panels
    last = [_panel(plan, scratch, 1, full, left, plan.tail_room)] if left else []
    if not full:
        return last
    return [_panel(plan, scratch, full, 0, plan.width, plan.width), *last]


def _outer_units(
    plan: Plan, operand: Operand, packed: tuple[int, ...], matrix: int, row: int
) -> list[tuple[int, int, int]]:
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
    batch = () if plan.packs_near else plan.packed_batch[1]
    units = _outer_units(plan, y, batch, plan.y_matrix, room)
    units.append((count, plan.width * y.free, plan.width * terms))
    offsets = y.offset + first * plan.width * y.free, first * plan.width * terms
    return Copy(
        plan.type, tuple(units), plan.gemm.k[-1], columns, room, (y.inner[-1], y.free), room,
        (y.slot, scratch), offsets,
    )  # fmt: skip


def _aligned(plan: Plan, scratch: int) -> Copy:
    """x with rows that do not collide, in blocks of rows."""
    x, room, rows = plan.x, plan.row_room, plan.x_size
    units = _outer_units(plan, x, plan.packed_batch[0], plan.x_matrix, 1)
    block = next((size for size in range(16, 65) if rows % size == 0), rows)
    units.append((rows // block, block * x.free, block * room))
    return Copy(
        plan.type, tuple(units), block, plan.gemm.terms, plan.gemm.terms, (x.free, x.inner[-1]),
        room, (x.slot, scratch), (x.offset, plan.regions[1]),
    )  # fmt: skip
