"""The copies before a product: which parts of its operands are put in order, and where."""

from __future__ import annotations

import math

from .gemm_plan import Operand, Plan, Room
from .packing import Copy


def copies_before(plan: Plan, room: Room) -> list[tuple[str, Copy]]:
    """The copies that put operands in order: names and kernels."""
    found: list[tuple[str, Copy]] = []
    if plan.gemm.terms == 0:
        return found
    if plan.packs_y and not plan.packs_near:
        found += zip(("pack", "pack_rest"), panel_copies(plan, room))
    if plan.x_panels:
        found += zip(("align", "align_rest"), _tile_copies(plan, room))
    elif plan.packs_x:
        found.append(("align", _aligned(plan, room)))
    return found


def panel_copies(plan: Plan, room: Room) -> list[Copy]:
    """The full panels of y, and the last, smaller one."""
    full, left = plan.panels
    last = [_panel(plan, room, 1, full, left, plan.tail_room)] if left else []
    if not full:
        return last
    return [_panel(plan, room, full, 0, plan.width, plan.width), *last]


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


def _blocks(terms: int, step: int, room: int) -> tuple[list[tuple[int, int, int]], int]:
    """Units over blocks of terms, so that panels are cut from rows that lie in few pages."""
    block = next((size for size in (32, 64, 40, 48, 56, 24, 16) if terms % size == 0), terms)
    return [(terms // block, block * step, block * room)] * (terms > block), min(block, terms)


def _panel(plan: Plan, room: Room, count: int, first: int, columns: int, width: int) -> Copy:
    """`count` panels of y from the `first`, each `width` wide."""
    terms, y, rows = plan.gemm.terms, plan.y, plan.gemm.k[-1]
    batch = () if plan.packs_near else plan.packed_batch[1]
    units = _outer_units(plan, y, batch, plan.y_matrix, width)
    if y.free == 1 and not plan.packs_near:
        more, rows = _blocks(rows, y.inner[-1], width)
        units += more
    far = 0 if plan.packs_near and plan.near_panel else plan.width * terms
    units.append((count, plan.width * y.free, far))
    slot, start = (-1, 0) if plan.packs_near else room.of(plan, 1)
    offsets = y.offset + first * plan.width * y.free, start + first * far
    return Copy(
        plan.type, tuple(units), rows, columns, width, (y.inner[-1], y.free), width,
        (y.slot, slot), offsets,
    )  # fmt: skip


def _tile_copies(plan: Plan, room: Room) -> list[Copy]:
    """x by tiles, each term by term: first the tiles that have one row more, then the others."""
    count, rows, more = plan.tiles
    terms, x, found = plan.gemm.terms, plan.x, []
    slot, start = room.of(plan, 0)
    for tiles, first, columns in ((more, 0, rows + 1), (count - more, more, rows)):
        if tiles:
            units = _outer_units(plan, x, plan.packed_batch[0], plan.x_matrix, plan.height)
            blocks, block = _blocks(plan.gemm.k[-1], x.inner[-1], plan.height)
            units += [*blocks, (tiles, columns * x.free, plan.height * terms)]
            offsets = x.offset + first * (rows + 1) * x.free, start + first * plan.height * terms
            found.append(Copy(
                plan.type, tuple(units), block, columns, columns, (x.inner[-1], x.free),
                plan.height, (x.slot, slot), offsets, dense=True,
            ))  # fmt: skip
    return found


def _aligned(plan: Plan, place: Room) -> Copy:
    """x with rows that do not collide, in blocks of rows."""
    x, room, rows = plan.x, plan.row_room, plan.x_size
    units = _outer_units(plan, x, plan.packed_batch[0], plan.x_matrix, 1)
    block = next((size for size in range(16, 65) if rows % size == 0), rows)
    units.append((rows // block, block * x.free, block * room))
    slot, start = place.of(plan, 0)
    return Copy(
        plan.type, tuple(units), block, plan.gemm.terms, plan.gemm.terms, (x.free, x.inner[-1]),
        room, (x.slot, slot), (x.offset, start), dense=True,
    )  # fmt: skip
