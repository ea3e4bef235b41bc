"""Which way to compute a product takes the fewest cycles: all that fit are counted.

Multiply-adds go at two per cycle, loads at two, instructions at four; lanes and rows that a size
leaves idle count, and so do the end of a tile and the copies that put an operand in order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

from ..code.emit import Type, vector
from ..records import replace
from .gemm_plan import (
    FAR_BYTES,
    FAR_STEP,
    KEPT_PART,
    L1_BYTES,
    LONG,
    PART,
    ROW_PART,
    Gemm,
    Operand,
    Plan,
    crowds,
    fed,
    tile_shapes,
    x_collides,
)
from .tiles import in_rounds

ROW = (1, 8)  # the tile where the result is one row


@functools.lru_cache(maxsize=512)
def plan_gemm(gemm: Gemm, target: Any) -> Plan:
    """The cheapest way found."""
    type = vector(gemm.sums, target.lanes(gemm.sums))
    best, first, found = math.inf, 0, None
    shapes = list(_candidates(gemm, type, target))
    for least, number in sorted((_least(shape, target), k) for k, shape in enumerate(shapes)):
        if least > best:
            break
        for plan in _ways(shapes[number], target):
            cost = _cost(plan, target, best)
            if found is None or cost < best or (cost == best and number < first):
                best, first, found = cost, number, plan
    assert found is not None
    return replace(found, cost=best)


# what follows from the gemm, the tile and which operand is x
_LASTING = ("x", "y", "x_size", "y_size", "width", "turned", "tiles", "height", "panels")


def _varied(plan: Plan, **changes: Any) -> Plan:
    """A plan with other copies or passes; what does not depend on these is taken over."""
    made, known = replace(plan, **changes), plan.__dict__
    for name in _LASTING:
        if name in known:
            made.__dict__[name] = known[name]
    return made


def _candidates(gemm: Gemm, type: Type, target: Any) -> Iterator[Plan]:
    """Plans that differ in their tiles and in which operand is x; none copies anything yet."""
    along = gemm.a.inner[-1] == gemm.b.inner[-1] == 1
    for swapped in (False, True):
        yield from _across(gemm, type, target, swapped)
        if along and swapped == (gemm.lane_axis == "row"):
            yield from _along(gemm, type, target, swapped)


def _across(gemm: Gemm, type: Type, target: Any, swapped: bool) -> Iterator[Plan]:
    """Tiles whose lanes are neighbours of the result, and such as leave no rows at the end."""
    x_size, y_size = (gemm.n, gemm.m) if swapped else (gemm.m, gemm.n)
    shapes = tile_shapes(target.registers, target.fma, type.lanes)
    if in_rounds(type) and x_size == 1:
        shapes = [*shapes, ROW]  # one row multiplies by what it reads from memory
    for rows, vectors in shapes:
        if vectors > 1 and (vectors - 1) * type.lanes >= y_size:
            continue  # a whole vector would be idle
        plan = Plan(gemm, type, swapped, False, rows, vectors)
        yield plan
        even = [n for n in range(6, rows) if x_size % n == 0]
        if even and plan.tiles[2]:
            yield replace(plan, rows=even[-1])


def _along(gemm: Gemm, type: Type, target: Any, swapped: bool) -> Iterator[Plan]:
    """Tiles whose lanes are neighbours of the sum."""
    y_size = gemm.m if swapped else gemm.n
    registers = target.registers - (gemm.dtype == "pairs")  # LLVM loads both factors
    for rows, vectors in tile_shapes(registers, target.fma, 0):
        if vectors <= y_size:
            yield Plan(gemm, type, swapped, True, rows, vectors)


def _ways(shape: Plan, target: Any) -> Iterator[Plan]:
    """With and without copies, in passes and at once."""
    for way in [shape] if shape.inner else _with_copies(shape):
        for cut in _cuts(way, target):
            yield _varied(way, cut=cut) if cut else way


def _with_copies(plan: Plan) -> Iterator[Plan]:
    options = [False, True] if plan.y.free == 1 or plan.y_size == 1 else [True]
    for packs_y in options:
        yield _varied(plan, packs_y=packs_y)
        again = plan.gemm.uses[plan.swapped] > 1
        if (plan.panels[0] > 2 or again) and len(plan.gemm.k) == 1:
            yield _varied(plan, packs_y=packs_y, packs_x="tiles")
            if plan.x.inner[-1] == 1 and x_collides(plan):
                yield _varied(plan, packs_y=packs_y, packs_x="rows")


def _kinds(plan: Plan) -> Iterator[tuple[int, int, int, bool]]:
    """How many tiles of which rows and vectors there are, and whether they are the last panel's."""
    count, rows, more = plan.tiles
    full, left = plan.panels
    widths = [
        (full, plan.vectors),
        (1 if left else 0, left if plan.inner else -(-left // plan.type.lanes)),
    ]
    for last, (panels, vectors) in enumerate(widths):
        for tiles, height in ((more, rows + 1), (count - more, rows)):
            if panels and tiles:
                yield panels * tiles, height, vectors, bool(last)


def _least(plan: Plan, target: Any) -> float:
    """Cycles of the multiply-adds and of storing sums, which no copy or pass makes fewer."""
    terms = plan.gemm.terms
    turns = -(-terms // plan.type.lanes) if plan.inner else terms
    cycles = 0.0
    for number, rows, vectors, _ in _kinds(plan):
        end = 0 if plan.inner or plan.turned else 2 * rows * vectors
        cycles += number * (turns * _step(plan, rows, vectors, target) + end + 30)
    return cycles * math.prod(plan.gemm.batch)


def _cost(plan: Plan, target: Any, best: float) -> float:
    """The cycles that a plan takes; endless as soon as they are more than the best one's."""
    full, batch = plan.panels[0], math.prod(plan.gemm.batch)
    cycles = written = 0.0
    for number, rows, vectors, last in _kinds(plan):
        cycles += number * _tile_cycles(plan, rows, vectors, target)
        if cycles * batch >= best:
            return math.inf
        long = not plan.inner and vectors == 1 and not (last and full)
        written += rows * vectors * (4 if long else 1)
    cycles *= batch * (1 + 0.0003 * written)  # every kind has to be compiled
    return cycles + _copy_cycles(plan)


def _cuts(plan: Plan, target: Any) -> tuple[int, ...]:
    """How many terms a pass may take; 0: all."""
    terms = plan.gemm.terms
    if _one_row(plan):
        return (ROW_PART,)
    if plan.inner or len(plan.gemm.k) > 1 or terms < 6 * PART:
        return (0,)
    if plan.tiles[0] * plan.panels[0] < 4:
        return (0,)
    longer = in_rounds(plan.type) or (terms > LONG and fed(target))
    part = KEPT_PART if longer else PART
    cut = -(-terms // -(-terms // part))
    return (cut,) if terms > LONG else (0, cut)


def _one_row(plan: Plan) -> bool:
    """Whether one row goes along y as it lies: a few rows of y at a time, in long runs."""
    y, terms = plan.y, plan.gemm.terms
    far = abs(y.inner[-1]) * plan.type.size >= 512 and terms >= 8 * ROW_PART
    lies = y.free == 1 and len(plan.gemm.k) == 1 and not (plan.packs_y or plan.inner)
    return in_rounds(plan.type) and plan.x_size == 1 and far and lies


def _step(plan: Plan, rows: int, vectors: int, target: Any) -> float:
    """One term of a tile, while all that it reads is at hand."""
    sums = rows * vectors
    if not plan.inner and in_rounds(plan.type) and target.fma:
        step = max(sums / 2, (rows + vectors) / 2, _told(rows, vectors) / 3.6, 4)
        return step + (0.4 if vectors > 2 else 0)  # found, not explained
    multiplies = sums / 2 if target.fma else sums
    instructions = sums + rows + 2 * vectors + 5 if vectors > 1 else sums + 4
    if not target.fma:  # a product of its own, copies, and broadcasts that take two instructions
        instructions = 3 * sums + rows + vectors + 2
    return max(multiplies, (rows + vectors) * 0.6, instructions / 3.6, 4 / _copies(plan, sums))


def _tile_cycles(plan: Plan, rows: int, vectors: int, target: Any) -> float:
    """One tile: its steps and its end."""
    w, sums, terms = plan.type.lanes, rows * vectors, plan.gemm.terms
    step, rounds = _step(plan, rows, vectors, target), in_rounds(plan.type) and target.fma
    if plan.inner:
        spread = terms * (rows + vectors) * plan.type.size > L1_BYTES
        step = max(step, (rows + vectors) * w * plan.type.size / (40 if spread else 120))
        end = -(-sums // w) * 4 * w + rows * -(-vectors // w) * 8
        return -(-terms // w) * step + end + 30
    step = _with_waits(plan, step, vectors, rounds, fed(target))
    return terms * step + _end_cycles(plan, rows, vectors) + 30


def _with_waits(plan: Plan, step: float, vectors: int, rounds: bool, fed: bool) -> float:
    """One term of an outer tile, with what it waits for where its operands are not at hand."""
    w, terms = plan.type.lanes, plan.gemm.terms
    near = (plan.cut or terms) * vectors * w * plan.type.size <= L1_BYTES
    apart = not plan.packs_y and abs(plan.y.inner[-1]) * plan.type.size >= 512
    if rounds:
        step += 0.35 * vectors if apart else 0 if near else 0.1 * vectors
    else:
        step += 0 if near and not apart else (0.3 if apart else 0.25) * vectors
    if not (near or plan.packs_y or _on_lines(plan.y, plan.type.size)):
        step += 1 + 0.5 * vectors  # one line more than vectors, each of which lies in two
    if apart:  # a page per term
        step += 0.5 * min(1.0, abs(plan.y.inner[-1]) * plan.type.size / 4096)
    x_step = abs(plan.x.inner[-1]) * plan.type.size
    if x_step >= 1024 and not plan.packs_x:
        step += (1 + 2 * min(1.0, x_step / 4096)) / (4 if fed and x_step < 4096 else 1)
    elif x_step >= FAR_STEP and not plan.packs_x and rounds:
        step += 0.4
    if apart and plan.tiles[0] > 1 and crowds(plan, plan.y.inner[-1]):
        step += 8 * vectors
    if not plan.packs_x and x_collides(plan):
        step *= 1.6 if plan.x.inner[-1] != 1 else 1.3 if x_collides(plan, 8) else 1.12
    return step


def _end_cycles(plan: Plan, rows: int, vectors: int) -> float:
    """What follows the steps of an outer tile."""
    w, sums, terms = plan.type.lanes, rows * vectors, plan.gemm.terms
    if plan.turned:
        blocks = vectors * -(-rows // w)
        end = blocks * 6 * w + vectors * w * -(-rows // w) * 6 + sums
    else:
        end = sums * 2
    if plan.cut:  # sums go to memory and back, and all that the end touches is asked for at once
        end += 10 * sums + -(-terms // plan.cut) * (30 + 6 * sums if rows > 1 else 10 + 2 * sums)
    return end


def _told(rows: int, vectors: int) -> float:
    """Instructions per term of a tile of 256-bit vectors, with its share of the loop's own."""
    own = 1.5 if vectors > 1 or rows <= 8 else 6
    return rows * vectors + rows + vectors + own


def _on_lines(operand: Operand, size: int) -> bool:
    """Whether its rows begin on cache lines."""
    return operand.lined and all(step * size % 64 == 0 for step in operand.inner)


def _copies(plan: Plan, sums: int) -> int:
    """How many sets of sums an inner tile keeps."""
    return max(1, 12 // sums) if plan.inner else 1


def _copy_cycles(plan: Plan) -> float:
    cycles = 0.0
    x_uses, y_uses = (_served(plan, part) for part in (0, 1))
    if plan.packs_y:
        size = plan.gemm.terms * plan.y_size * plan.matrices(plan.y)
        along = plan.y.free == 1
        each = 0.5 if along else 0.7 if plan.y.inner[-1] == 1 else 3.0
        each += 0.5 if plan.far_panels and not plan.packs_near else 0.0
        if plan.keeps:
            each = 0.15 * -(-plan.tiles[0] // plan.blocks[0])
        cycles += size * each / y_uses + 200
    if plan.packs_x:
        each = 0.6 if not plan.x_panels else 1.0 if plan.x.inner[-1] == 1 else 0.7
        each += 0.5 if plan.x_matrix * plan.type.size > plan.held(FAR_BYTES) else 0.0
        size = plan.gemm.terms * plan.x_size * plan.matrices(plan.x)
        cycles += size * each / x_uses + 200
    return cycles


def _served(plan: Plan, part: int) -> float:
    """How many products share the cost of a copy; without end if a larger one makes it."""
    side = part ^ plan.swapped
    ready = plan.gemm.ready[side]
    if ready is None or isinstance(ready, int):
        return ready or plan.gemm.uses[side]
    return math.inf if ready == plan.form(part) else 1
