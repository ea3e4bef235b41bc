"""Groups of the schedule as functions of one IR module, and the functions that call them."""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..code import llvm
from ..code.emit import PTR, VOID, Module
from ..middle.graph import Node
from ..products.dispatch import Product, matrix_products, product, turning_copy
from ..products.gemm import plan_gemm
from ..products.packing import emit_copy
from ..records import field, record
from . import recall
from .corners import Corner, Visit
from .expression import Expression, Layout, stores
from .frozen import Frozen
from .loops import KERNEL, emit_nest, together
from .merging import merged
from .nest import loops, plan
from .normal import Normal
from .schedule import Group, Schedule
from .segments import Move, Row, counted, emit_choice, emit_segment, now
from .templates import Templates

ALONE = 25_000  # nanoseconds of work from which a kernel is shared between threads
PIECE = 8_000  # nanoseconds that one piece should take
MANY = 1 << 24  # units; from here on the pool chooses how many are taken at a time


Operands = list[tuple[Node, int]]  # who owns the memory, and how many bytes into it


@record
class Kernel:
    """One native function and what it does, for whoever wants to see."""

    name: str
    units: int
    chunk: int  # units at a time when shared between threads; 0: one thread does all
    nodes: list[Node] = field(default_factory=list)
    read: int = 0
    written: int = 0
    flops: int = 0
    nanoseconds: float = 0.0
    pieces: int = 0  # of its chain, if its units do the pieces one after the other
    once: bool = False  # whether what it writes stays from one run to the next

    def __str__(self) -> str:
        ops = " ".join(node.op for node in self.nodes)
        return f"{self.name}: {ops}; reads {self.read} writes {self.written} flops {self.flops}"


@record
class Prepared:
    """A group that is ready to be written: equal texts make equal code."""

    text: str
    work: Expression | Product
    operands: Operands
    group: Group
    packed: str = ""  # which operands of a product, x or y, an earlier one has packed


class Maker:
    """Fills a module with kernels; equal ones are written once, remembered ones not at all."""

    def __init__(self, target: llvm.Target, strides: Mapping[Node, tuple[int, ...]]) -> None:
        self.target, self.layout = target, Layout(strides)
        self.module = Module(target)
        self.ir: str | None = None  # of a program that was remembered
        self._name = ""
        # per text its calls: name, units, units at a time (0: alone), flops, nanoseconds, packs
        self._facts: dict[str, list[Any]] = {}
        self._products: dict[Any, Product] = {}
        self._templates = Templates(self.layout)
        self.frozen = Frozen(())

    def products(self, normal: Normal) -> frozenset[Node]:
        """The products that the matrix kernels do."""
        return matrix_products(normal)

    def prepare(self, group: Group, schedule: Schedule) -> Prepared | None:
        """What a group's kernels are to do; None if there is nothing to be done."""
        if group.kind in ("empty", "host") or any(not group.extents[v] for v in group.kept):
            return None
        if group.kind == "gemm":
            conv = any(root.node.op == "conv" for root in group.place)
            if conv:
                frozen = self.frozen.values
                found = _convolution()(group, schedule, self.layout, self.target, frozen)
            else:
                found = product(group, schedule, self._templates, self.target, self._products)
            operands = found.expression.operands()
            if found.scratch:
                group.scratch = Node("empty", (), (), (found.scratch,), np.dtype(np.uint8))
                operands.append((group.scratch, 0))
            return Prepared("", found, operands, group)
        template = self._templates.of(group, schedule)
        expression = self._templates.filled(template, group)
        if expression is None:
            expression = Expression(group, schedule.roots, self.layout).build()
            self._templates.keep(template, expression)
        if not any(True for _ in stores(expression)):
            return None
        return Prepared(expression.signature(), expression, expression.operands(), group)

    def tell(self, prepared: Sequence[Prepared]) -> None:
        """Write down what each is to do, now that products know what they share."""
        for one in prepared:
            if not isinstance(one.work, Expression):
                one.text = one.work.signature

    def recall(self, prepared: Sequence[Prepared], plan: Sequence[str]) -> None:
        """Look for a program that did the same."""
        texts = dict.fromkeys(one.text for one in prepared)
        self._name = recall.key([*texts, *plan], self.target)
        found = recall.load(self._name)
        if found is not None:
            self.ir, facts = found
            self._facts = dict(zip(texts, facts))

    def remember(self, text: str) -> None:
        """Keep what was written for the next time, if it was looked for."""
        if self.ir is None and self._name:
            recall.store(self._name, text, list(self._facts.values()))

    def make(self, one: Prepared) -> list[tuple[Kernel, Operands]]:
        """The kernels of a group, each with the memory it is given."""
        if one.text not in self._facts:
            write: Any = self._nest if isinstance(one.work, Expression) else self._product
            self._facts[one.text] = write(f"k{len(self._facts)}", one.work)
        kernels = []
        for name, units, chunk, flops, cost, packs in self._facts[one.text]:
            if packs and packs in one.packed:
                continue
            kernel = Kernel(name, units, chunk, flops=flops, nanoseconds=cost)
            if one.group.pieces > 1 and not self._ahead(one, packs):
                kernel.pieces = one.group.pieces
            elif self.frozen:
                kernel.once = self.frozen.once(one, packs, self.target)
            kernels.append((kernel, one.operands))
        expression = one.work if isinstance(one.work, Expression) else one.work.expression
        _describe(kernels[-1][0], one.group, expression)
        return kernels

    def _ahead(self, one: Prepared, packs: str) -> bool:
        """Whether a kernel puts in order what all pieces of a chain read: a weight."""
        if not packs or not isinstance(one.work, Product):
            return False
        plan = plan_gemm(one.work.gemm, self.target)
        return not (plan.x if packs == "x" else plan.y).batch[0]

    def _nest(self, name: str, expression: Expression) -> list[Any]:
        """Write a loop nest."""
        nest = loops(expression)
        turn = turning_copy(expression, nest, self.target)
        if turn is not None:
            emit_copy(self.module, name, turn)
            units, cost = turn.count, turn.count * turn.rows * turn.columns * 0.5
        else:
            plan(expression, nest, self.target.bits)
            units, cost, rows = nest.units(), float(nest.cost), together(nest)
            whole = units < MANY and units // expression.group.pieces % rows == 0
            emit_nest(self.module, name, expression, nest, whole)
            return [[name, units, -(-_chunk(units, cost) // rows) * rows, 0, cost, ""]]
        return [[name, units, _chunk(units, cost), 0, cost, ""]]

    def _product(self, name: str, work: Product) -> list[Any]:
        calls = work.write(self.module, name, self.target)
        return [
            [call.name, call.units, call.grain if call.units > call.grain else 0, call.flops,
             call.flops / 150, call.packs]
            for call in calls
        ]  # fmt: skip

    def copy(self, nbytes: int) -> Kernel:
        """A kernel that copies its first operand's bytes to the second's."""
        name = f"copy_{nbytes}"
        if self.ir is None and name not in self.module.functions:
            f = self.module.function(name, KERNEL)
            source, target = (f.load(PTR, f.arguments[0], k) for k in (0, 1))
            f.do(
                f"call void @llvm.memcpy.p0.p0.i64(ptr {target.name}, ptr {source.name},"
                f" i64 {nbytes}, i1 false)"
            )
        return Kernel(name, 1, 0, read=nbytes, written=nbytes, nanoseconds=nbytes / 8)

    def segment(
        self, name: str, calls: Sequence[Any], draft: Any, look: tuple[int, int] | None = None
    ) -> None:
        """The function that runs the kernels of one native segment in order.

        With `look` it goes on after so many only where a truth value there is true.
        """
        if look is None or look[0] == len(calls):
            emit_segment(self.module, name, *self.rows(name, calls, draft))
            return
        count, place = look
        first, rest = f"{name}_first", f"{name}_rest"
        emit_segment(self.module, first, *self.rows(first, calls[:count], draft))
        emit_segment(self.module, rest, *self.rows(rest, calls[count:], draft))
        emit_choice(self.module, name, first, rest, place)

    def rows(self, name: str, calls: Sequence[Any], draft: Any) -> tuple[list[Row], list[Move]]:
        """The calls of a native segment in order, and what is moved before; chains are written."""
        where: Mapping[Node, int] = draft.where
        moves = [
            (where[node], offset, place)
            for call in calls for place, (node, offset) in enumerate(call.operands, call.first)
            if node in where
        ]  # fmt: skip
        rows: list[Row] = []
        for number, run in itertools.groupby(calls, lambda call: call.chain):
            found = list(run)
            if number:
                chain = self._chain(f"{name}_chain_{number}", found, draft.corners.get(number))
                rows.append((chain.name, 0, chain.units, chain.chunk, 0))
                continue
            for call in found:
                kernel = call.kernel
                rows.append((kernel.name, call.first, kernel.units, kernel.chunk, call.clock))
        return rows, moves

    def _chain(self, name: str, calls: Sequence[Any], corner: Corner | None) -> Kernel:
        """A kernel whose units are the pieces of a chain."""
        f = self.module.function(name, KERNEL)
        table, begin, end = f.arguments
        pieces = calls[0].kernel.pieces
        most = max(len(call.operands) for call in calls)
        visit = Visit(f, corner, most) if corner else None
        with f.loop(begin, end) as loop:
            start = now(f) if calls[0].clock else None
            for call in calls:
                each, rest = divmod(call.kernel.units, pieces)
                assert not rest, f"{call.kernel.name} has no {pieces} pieces"
                first = f.mul(loop.index, each)
                here = f.at(table, call.first, PTR)
                if visit:
                    here = visit.operands(call.operands, call.first, loop.index)
                f.call(call.kernel.name, VOID, here, first, f.add(first, each))
                start = start and counted(f, table, call.clock, start)
        if visit:
            visit.leave()
        cost = sum(call.kernel.nanoseconds for call in calls)
        alone = cost < ALONE or calls[0].clock
        return Kernel(name, pieces, 0 if alone else 1, nanoseconds=cost)

    def text(self) -> str:
        """The IR of it all."""
        if self.ir is not None:
            return self.ir
        functions, lines = merged(*self.module.parts(), "program_")
        return "\n".join([*lines, *functions, ""])


def _convolution() -> Any:
    """What plans convolutions; a program without any does not load it."""
    return importlib.import_module("..products.conv", __package__).convolution


def _chunk(units: int, cost: float) -> int:
    if cost < ALONE or units < 2:
        return 0
    return max(1, int(units * PIECE / cost))


def _describe(kernel: Kernel, group: Group, expression: Expression) -> None:
    """What the kernel reads, writes and computes."""
    kernel.nodes = [root.node for root in group.place]
    written = {store.slot for store in stores(expression)}
    loaded = {t.slot for t in expression.terms if t.kind == "load"}
    for node, slot in expression.slots.items():
        kernel.written += node.nbytes if slot in written else 0
        kernel.read += node.nbytes if slot in loaded else 0
    kept = math.prod(group.extents[v] for v in group.kept)
    whole = math.prod(group.extents) if group.kind == "nest" else kept
    operations = sum(1 for t in expression.terms if t.kind == "op")
    sums = sum(1 for phase in expression.phases for _ in phase.sums)
    kernel.flops += whole * (operations + sums)
