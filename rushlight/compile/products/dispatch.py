"""Products that the matrix kernels do, and what is computed at the end of their tiles.

A dot's letters become the axes of a `Gemm`: letters that lie behind each other in every operand
are one axis; of the rest, one is rows, one columns, and the others number matrices. The members
of the group are evaluated on the finished sums, in registers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Container
from typing import Any

from ..code.emit import Function, Module, Value, vector
from ..kernels import nest as nests
from ..kernels.expression import Expression, Layout, Store, Term, stores
from ..kernels.nest import Nest
from ..kernels.normal import Normal
from ..kernels.roots import Root, below
from ..kernels.schedule import Group, Schedule
from ..kernels.templates import Templates
from ..kernels.terms import Terms
from ..middle.graph import Node
from ..records import record, replace
from .gemm import Gemm, KernelCall, Operand, Place, Result, emit_gemm, scratch_bytes
from .packing import Copy

SMALL = 1 << 12  # multiply-adds below which a plain loop nest is as good


def matrix_products(normal: Normal) -> frozenset[Node]:
    """The dots worth a matrix kernel."""
    return frozenset(n for n in normal.nodes if n.op == "conv" or (n.op == "dot" and suits(n)))


def suits(node: Node) -> bool:
    """Whether a dot is worth a matrix kernel."""
    if node.dtype.name not in ("float32", "float64"):
        return False
    if any(below(x).op == "constant" and below(x).size == 1 for x in node.inputs):
        return False
    operands, result = node.params[0].split("->")
    parts = zip(operands.split(","), node.inputs)
    sizes = {c: n for part, x in parts for c, n in zip(part, x.shape)}
    terms = math.prod(n for c, n in sizes.items() if c not in result)
    return terms > 1 and terms * node.size >= SMALL


@record
class Product:
    """One matrix product with its members: `calls` once it is written."""

    expression: Expression
    gemm: Gemm
    nest: Nest
    result: Term
    stores: list[Store]
    keeps: bool  # whether the product itself is stored
    scratch: int
    shared: tuple[int, int] = (-1, -1)  # slots of packed operands that other products read too

    @property
    def signature(self) -> str:
        return f"{_text(self.gemm)}{self.keeps}{self.expression.signature()}"

    def write(self, module: Module, name: str, target: Any) -> list[KernelCall]:
        """Add the kernels."""
        slot = len(self.expression.slots) if self.scratch else -1
        return emit_gemm(
            module, name, self.gemm, target, slot, self._finish, self.shared, self._touched()
        )  # fmt: skip

    def _touched(self) -> list[Result]:
        """What the end of a tile reads and writes, as far as it has rows and columns of its own."""
        rows, columns, *batch = self.nest.order
        places = [(store.slot, store.index) for store in self.stores if not store.looked]
        places += [(t.slot, t.index) for t in behind(self.stores) if t.kind == "load"]
        found = [self.gemm.c] if self.keeps else []
        for slot, (offset, steps) in places:
            at = dict(steps)
            row, column, *others = (at.get(v, 0) for v in (rows, columns, *batch))
            found.append(Result(slot, row, column, tuple(others), offset))
        return found

    def _finish(self, f: Function, value: Value, place: Place) -> Value | None:
        """The end of a tile: the members' values, from one vector of finished sums."""
        if not self.stores:
            return value
        one, mask = value, place.mask
        if _single(self.gemm):  # the lanes' axis is none of the operands': a number, not a vector
            one, mask = f.extract(value, 0), None
        elif mask is not None:  # what lies beyond may be denormal, and slow
            one = value = f.select(mask, value, 0)
        terms = Terms(f, self.expression, self.nest, whole=False)
        terms.counters.update(self._counters(place))
        terms.blocks, terms.mask = 1, mask
        terms.keep(self.result, [one])
        terms.ask(behind(self.stores))
        for store in self.stores:
            terms.store(store)
        return value if self.keeps else None

    def _counters(self, place: Place) -> dict[int, Any]:
        rows, columns, *batch = self.nest.order
        found = dict(zip(batch, place.batch))
        found.update({rows: place.row, columns: place.col})
        return found


def _single(gemm: Gemm) -> bool:
    """Whether one lane is all there is: a column, or a row, that is not contiguous."""
    return (gemm.m if gemm.lane_axis == "row" else gemm.n) == 1


@functools.lru_cache(256)
def _text(gemm: Gemm) -> str:
    return str(gemm)


def behind(found: list[Store]) -> list[Term]:
    """The terms of some stores, in order."""
    known: set[Term] = set()
    stack = [t for store in found for t in (store.value, *store.looked)]
    while stack:
        t = stack.pop()
        if t not in known:
            known.add(t)
            stack.extend((*t.args, *t.looked))
    return sorted(known, key=lambda t: t.number)


def around(
    group: Group, schedule: Schedule, layout: Layout
) -> tuple[Expression, Root, list[Term], Term, Store]:
    """A group's expression around its product: also that member, what it multiplies, its sums and
    the store of them."""
    expression = Expression(group, schedule.roots, layout)
    root = next(root for root in group.place if root.node in schedule.gemm)
    factors = [expression.value(x, group.at(root, at)) for x, at in root.sinks]
    result = expression.given(root)
    own = expression.phases[0].stores[-1]
    for other in group.place:
        if other is not root:
            expression.add(other)
    expression.rebase()
    return expression, root, factors, result, own


def product(
    group: Group, schedule: Schedule, templates: Templates, target: Any, known: dict[Any, Product]
) -> Product:
    """A group around a dot as a `Gemm` and what follows it; `known` are those of its program."""
    template = templates.of(group, schedule)
    expression = templates.filled(template, group)
    if template is not None and expression is not None:
        like = known.get((template.key, _lined(expression)))
        if like is not None:
            return replace(like, expression=expression)
    expression, root, (a, b), result, own = around(group, schedule, templates.layout)
    keeps = root in group.stored
    lined = _lined(expression)
    key = expression.form(), a.number, b.number, result.number, keeps, lined
    like = known.get(key)
    if like is not None:
        if template is not None:
            known[template.key, lined] = like
            templates.keep(template, expression)
        return replace(like, expression=expression.taken_from(like.expression))
    nest = nests.loops(expression)
    written = [store for store in stores(expression) if store is not own]
    expression.phases[0].stores = written
    del expression.phases[1:]
    gemm = _gemm(nest, a, b, own, root.node, written, keeps, lined)
    nests.mark(expression, nest)
    nest.lanes = 1 if _single(gemm) else target.lanes(root.node.dtype)
    known[key] = Product(
        expression, gemm, nest, result, written, keeps, scratch_bytes(gemm, target)
    )  # fmt: skip
    if template is not None:
        known[template.key, lined] = known[key]
        templates.keep(template, expression)
    return replace(known[key])


def _lined(expression: Expression) -> frozenset[int]:
    """The operands that begin on a line of the cache in every run."""
    return frozenset([
        slot for slot, (owner, start) in enumerate(expression.operands())
        if owner.op != "input" and start % 64 == 0
    ])  # fmt: skip


def _gemm(
    nest: Nest, a: Term, b: Term, own: Store, node: Node, written: list[Store], keeps: bool,
    lined: Container[int],
) -> Gemm:  # fmt: skip
    """The axes: rows and columns first, in the order that `nest` then lists them."""
    left, right, out = dict(a.index[1]), dict(b.index[1]), dict(own.index[1])
    free = [v for v in nest.kept if v != nest.pieces]
    rows = _axis([v for v in free if v in left and v not in right], nest)
    columns = _axis([v for v in free if v in right and v not in left], nest)
    batch = [v for v in nest.kept if v not in (rows, columns)]
    inner = sorted(nest.reduced, key=lambda v: (-min(left.get(v, 0), right.get(v, 0)), v))
    for number in (rows, columns):
        nest.extents.setdefault(number, 1)
    nest.kept, nest.reduced = [rows, columns, *batch], []
    slot = own.slot if keeps else written[0].slot
    gemm = Gemm(
        nest.extents[rows], nest.extents[columns], tuple(nest.extents[v] for v in inner),
        _operand(a, left, rows, inner, batch, lined),
        _operand(b, right, columns, inner, batch, lined),
        Result(slot, out.get(rows, 0), out.get(columns, 0),
               tuple(out.get(v, 0) for v in batch), own.index[0]),
        tuple(nest.extents[v] for v in batch),
        node.dtype.name if node.inputs[0].dtype == node.dtype else "pairs",
    )  # fmt: skip
    nest.vector = rows if gemm.lane_axis == "row" else columns
    nest.at = dict.fromkeys([*nest.order, *inner], 0)
    return gemm


def _axis(found: list[int], nest: Nest) -> int:
    """The longest of some axes; a number of its own where there is none."""
    if found:
        return max(found, key=lambda v: nest.extents[v])
    return 1 + max(nest.extents, default=-1) + 100 * (1 + len(nest.extents))


def _operand(
    t: Term, at: dict[int, int], free: int, inner: list[int], batch: list[int],
    lined: Container[int],
) -> Operand:  # fmt: skip
    begins = t.slot in lined and t.index[0] * t.dtype.itemsize % 64 == 0
    return Operand(
        t.slot, at.get(free, 0), tuple(at.get(v, 0) for v in inner),
        tuple(at.get(v, 0) for v in batch), t.index[0], begins,
    )  # fmt: skip


def turning_copy(expression: Expression, nest: Nest, target: Any) -> Copy | None:
    """A kernel that only moves floats to where another dimension is the contiguous one."""
    found = list(stores(expression))
    value = found[0].value
    if len(found) != 1 or value.kind != "load" or value.looked or nest.reduced or found[0].looked:
        return None
    if value.dtype.name not in ("float32", "float64") or found[0].adds:
        return None
    source, goal = dict(value.index[1]), dict(found[0].index[1])
    rows = next((v for v in nest.kept if source.get(v) == 1), None)
    columns = next((v for v in nest.kept if goal.get(v) == 1), None)
    if rows is None or columns is None or rows == columns or goal.get(rows) in (None, 1):
        return None
    sizes = nest.extents[rows], nest.extents[columns]
    if min(sizes) < 8 or source.get(columns, 0) < 1:
        return None
    units = [(nest.extents[v], source.get(v, 0), goal.get(v, 0)) for v in nest.kept
             if v not in (rows, columns)]  # fmt: skip
    block = next((n for n in (16, 32, 64) if sizes[0] % n == 0), sizes[0])
    units.append((sizes[0] // block, block, block * goal[rows]))
    return Copy(
        vector(value.dtype, target.lanes(value.dtype)), tuple(units), block, sizes[1], sizes[1],
        (1, source[columns]), goal[rows], (value.slot, found[0].slot),
        (value.index[0], found[0].index[0]),
    )  # fmt: skip
