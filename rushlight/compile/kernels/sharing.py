"""Packed operands that several products of a program read are packed once, by the first of them.

A recurrent layer multiplies by the same weights in every step: their copy, in the order in which
tiles read it, then lives from the first product to the last. Copies are the same when they take
the same elements of the same value to the same places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Node
from ..products.dispatch import Product
from ..products.gemm import Room, copies_before, plan_gemm, scratch_bytes
from ..products.gemm_plan import Plan

if TYPE_CHECKING:
    from .maker import Prepared


def share(prepared: Sequence[Prepared], target: Any) -> None:
    """Let products that read the same packed operand read one copy of it."""
    found = [one for one in prepared if isinstance(one.work, Product)]
    keys = [_operands(one) for one in found]
    uses = Counter(key for pair in keys for key in pair if key is not None)
    made: dict[Any, Node] = {}
    for one, (a, b) in zip(found, keys):
        counts = uses.get(a, 1), uses.get(b, 1)
        if counts != (1, 1):
            _replan(one, counts, made, target)


def _operands(one: Prepared) -> tuple[Any, Any]:
    """What A and B are: equal keys mean equal elements in the same order."""
    gemm = one.work.gemm  # type: ignore[union-attr]
    found = []
    for operand, size in ((gemm.a, gemm.m), (gemm.b, gemm.n)):
        owner, offset = one.operands[operand.slot]
        fixed = owner.op not in ("empty", "copy")  # else it may be written again in between
        key = owner, offset, replace(operand, slot=0), size, gemm.k, gemm.batch, gemm.dtype
        found.append(key if fixed else None)
    return found[0], found[1]


def _replan(one: Prepared, uses: tuple[int, int], made: dict[Any, Node], target: Any) -> None:
    """Plan a product anew, knowing how often its copies serve; give it the memory for them."""
    work, group = one.work, one.group
    assert isinstance(work, Product)
    work.gemm = replace(work.gemm, uses=uses)
    work.scratch = scratch_bytes(work.gemm, target)
    one.text, one.operands, group.scratch = work.signature, work.expression.operands(), None
    if work.scratch:
        group.scratch = _memory(work.scratch)
        one.operands.append((group.scratch, 0))
    plan, slots = plan_gemm(work.gemm, target), [-1, -1]
    for part in (0, 1):
        if plan.shared[part]:
            key = _content(one, plan, part)
            if key in made:
                one.packed += "xy"[part]
            node = made.setdefault(key, _memory(plan.packed_bytes(part)))
            slots[part] = len(one.operands)
            one.operands.append((node, 0))
            group.packs.append(node)
    work.shared = slots[0], slots[1]


def _memory(size: int) -> Node:
    return Node("empty", (), (), (size,), np.dtype(np.uint8))


def _content(one: Prepared, plan: Plan, part: int) -> Any:
    """What a packed operand holds."""
    copies = [
        replace(copy, slots=(0, 0)) for kind, copy in copies_before(plan, Room())
        if part == int("pack" in kind)
    ]  # fmt: skip
    return (*one.operands[(plan.x, plan.y)[part].slot], *copies)
