"""Packed operands that several products of a program read are packed once, by the first of them.

A recurrent layer multiplies by the same weights in every step: their copy, in the order in which
tiles read it, then lives from the first product to the last. Copies are the same when they take
the same elements of the same value to the same places.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..middle.graph import Node
from ..products.dispatch import Product
from ..products.gemm import Room, copies_before, plan_gemm, scratch_bytes
from ..products.gemm_plan import Gemm, Operand, Plan
from ..records import replace
from .normal import storage

if TYPE_CHECKING:
    from .maker import Prepared

RUNS = 1000  # that the copy of a value which never changes serves
ROWS = 8  # that pass through a packed operand; for fewer it is not worth its memory


def share(prepared: Sequence[Prepared], target: Any, frozen: Container[Node] = ()) -> None:
    """Let products that read the same packed operand read one copy of it.

    Those of `frozen` values serve many runs.
    """
    written = _last_writes(prepared)
    places = [k for k, one in enumerate(prepared) if isinstance(one.work, Product)]
    found = [prepared[k] for k in places]
    keys = [_operands(one, k, written) for one, k in zip(found, places)]
    kept = {key for pair in keys for key in pair if key is not None and key[0] in frozen}
    gemms = [one.work.gemm for one in found]  # type: ignore[union-attr]  # products all
    told = dict(_told(gemms, keys, target, kept))
    made: dict[Any, Node] = {}
    for number in sorted(told):
        _replan(found[number], told[number], made, target)


def _last_writes(prepared: Sequence[Prepared]) -> dict[Node, int]:
    """The last kernel that writes to each value that is put together out of parts."""
    found: dict[Node, int] = {}
    for number, one in enumerate(prepared):
        for root in one.group.place:
            owner = storage(root.node)
            if owner.op == "empty":  # those of a chain write piece by piece, until its end
                found[owner] = len(prepared) if one.group.chain else number
    return found


def _size(gemm: Gemm) -> tuple[int, int, tuple[int, ...]]:
    return gemm.m, gemm.n, gemm.k


def _counted(
    gemms: list[Gemm], keys: list[Any], kept: Container[Any]
) -> tuple[Counter[Any], Counter[Any]]:
    """How many products use each operand, and how many of the same sizes do."""
    uses = Counter(key for pair in keys for key in pair if key is not None)
    alike = Counter((key, _size(gemm)) for gemm, pair in zip(gemms, keys) for key in pair)
    for gemm, pair in zip(gemms, keys):
        for key, other in zip(pair, (gemm.n, gemm.m)):
            if key in kept and other >= ROWS:
                uses[key] = alike[key, _size(gemm)] = RUNS
    return uses, alike


def _told(
    gemms: list[Gemm], keys: list[Any], target: Any, kept: Container[Any]
) -> Iterator[tuple[int, Gemm]]:
    """The products that share operands: with how many, and which copies larger ones make."""
    uses, alike = _counted(gemms, keys, kept)
    forms: dict[Any, tuple[Any, Any]] = {}
    made: dict[Any, Gemm] = {}  # one object for equal ones: much is remembered by it
    for number in sorted(range(len(gemms)), key=lambda number: -gemms[number].flops):
        gemm, pair = gemms[number], keys[number]
        counts = uses.get(pair[0], 1), uses.get(pair[1], 1)
        if counts == (1, 1):
            continue
        ready: list[Any] = []
        for key, count in zip(pair, counts):
            size, form = forms.get(key, (_size(gemm), None))
            same = alike[key, size] if count > 1 else None
            ready.append(same if size == _size(gemm) else form)
        asked = id(gemm), counts, *ready
        if asked not in made:
            made[asked] = replace(gemm, uses=counts, ready=(ready[0], ready[1]))
        gemm = made[asked]
        plan = plan_gemm(gemm, target)
        for side, key in enumerate(pair):
            if counts[side] > 1:
                forms.setdefault(key, (_size(gemm), plan.form(side ^ plan.swapped)))
        yield number, gemm


def _operands(one: Prepared, number: int, written: dict[Node, int]) -> tuple[Any, Any]:
    """What A and B are: equal keys mean equal elements in the same order."""
    gemm = one.work.gemm  # type: ignore[union-attr]  # a product
    found = []
    for operand, size in ((gemm.a, gemm.m), (gemm.b, gemm.n)):
        owner, offset = one.operands[operand.slot]
        # what is still written may change in between
        done = written.get(owner, number) < number and not one.group.chain
        fixed = owner.op not in ("empty", "copy") or done
        key = owner, offset, _anywhere(operand), size, gemm.k, gemm.batch, gemm.dtype
        found.append(key if fixed else None)
    return found[0], found[1]


@functools.lru_cache(256)
def _anywhere(operand: Operand) -> Operand:
    return replace(operand, slot=0)


def _replan(one: Prepared, gemm: Gemm, made: dict[Any, Node], target: Any) -> None:
    """Plan a product anew, knowing how often its copies serve; give it the memory for them."""
    work, group = one.work, one.group
    assert isinstance(work, Product)
    work.gemm = gemm
    work.scratch = scratch_bytes(work.gemm, target)
    one.text, one.operands, group.scratch = "", work.expression.operands(), None
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
    return (*one.operands[(plan.x, plan.y)[part].slot], *_copies(plan, part))


@functools.lru_cache(256)
def _copies(plan: Plan, part: int) -> list[Any]:
    return [
        replace(copy, slots=(0, 0)) for kind, copy in copies_before(plan, Room())
        if part == int("pack" in kind)
    ]  # fmt: skip
