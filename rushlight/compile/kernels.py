"""Groups of the schedule as functions of one IR module, and the functions that call them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import llvm
from .emit import I64, PTR, VOID, Module, Value
from .expression import Expression, Layout, stores
from .graph import Node
from .loops import KERNEL, emit_nest
from .nest import Nest, plan
from .normal import Normal
from .schedule import Group, Schedule

ALONE = 25_000  # nanoseconds of work from which a kernel is shared between threads
PIECE = 8_000  # nanoseconds that one piece should take


@dataclass
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

    def __str__(self) -> str:
        ops = " ".join(node.op for node in self.nodes)
        return f"{self.name}: {ops}; reads {self.read} writes {self.written} flops {self.flops}"


class Maker:
    """Fills a module with kernels; equal ones are written once."""

    def __init__(self, target: llvm.Target, strides: Mapping[Node, tuple[int, ...]]) -> None:
        self.target, self.layout = target, Layout(strides)
        self.module = Module(target)
        self._made: dict[str, str] = {}
        self._segments: list[str] = []

    def products(self, normal: Normal) -> frozenset[Node]:
        """The products that the matrix kernels do."""
        return frozenset()

    def make(self, group: Group, schedule: Schedule) -> list[tuple[Kernel, list[Node]]]:
        """The kernels of a group, each with the nodes whose addresses it is given."""
        if group.kind == "empty":
            return []
        expression = Expression(group, schedule.roots, self.layout).build()
        if not any(True for _ in stores(expression)):
            return []
        if any(not n for v, n in enumerate(group.extents) if v in group.kept):
            return []
        nest = plan(expression, self.target.bits)
        name = f"k{len(self._made)}"
        emit_nest(self.module, name, expression, nest)
        kernel = Kernel(self._once(name), nest.units(), _chunk(nest))
        _describe(kernel, group, expression, nest)
        return [(kernel, list(expression.slots))]

    def _once(self, name: str) -> str:
        """The name under which a function like the newest was first written."""
        text = self.module.functions[name].text().replace(f"@{name}(", "@(", 1)
        known = self._made.setdefault(text, name)
        if known != name:
            del self.module.functions[name]
        return known

    def copy(self, nbytes: int) -> Kernel:
        """A kernel that copies its first operand's bytes to the second's."""
        name = f"copy_{nbytes}"
        if name not in self.module.functions:
            f = self.module.function(name, KERNEL)
            source, target = (f.load(PTR, f.arguments[0], k) for k in (0, 1))
            f.do(
                f"call void @llvm.memcpy.p0.p0.i64(ptr {target.name}, ptr {source.name},"
                f" i64 {nbytes}, i1 false)"
            )
        return Kernel(name, 1, 0, read=nbytes, written=nbytes, nanoseconds=nbytes / 8)

    def segment(self, name: str, calls: Sequence[Any], where: Mapping[Node, int]) -> None:
        """The function that runs the kernels of one native segment in order."""
        f = self.module.function(name, [("table", PTR)])
        table = f.arguments[0]
        begin = f.constant(0, I64)
        for call in calls:
            for place, node in enumerate(call.operands, call.first):
                if node in where:
                    f.store(f.load(PTR, table, where[node]), table, place)
            own = f.at(table, call.first, PTR)
            kernel = call.kernel
            units = f.constant(kernel.units, I64)
            if kernel.chunk:
                self.module.declare("rushlight_parallel", VOID, [PTR, PTR, I64, I64])
                chunk = f.constant(kernel.chunk, I64)
                f.call("rushlight_parallel", VOID, Value(f"@{kernel.name}", PTR), own, units, chunk)
            else:
                f.call(kernel.name, VOID, own, begin, units)

    def text(self) -> str:
        return self.module.text()


def _chunk(nest: Nest) -> int:
    units = nest.units()
    if nest.cost < ALONE or units < 2:
        return 0
    return max(1, int(units * PIECE / nest.cost))


def _describe(kernel: Kernel, group: Group, expression: Expression, nest: Nest) -> None:
    """What the kernel reads, writes and computes."""
    kernel.nodes = [root.node for root in group.place]
    kernel.nanoseconds = nest.cost
    written = {store.slot for store in stores(expression)}
    for node, slot in expression.slots.items():
        if slot in written:
            kernel.written += node.nbytes
        if any(t.kind == "load" and t.slot == slot for t in expression.terms):
            kernel.read += node.nbytes
    volume = 1
    for n in group.extents:
        volume *= n
    operations = sum(1 for t in expression.terms if t.kind == "op" and t.depth)
    kernel.flops = volume * (operations + sum(1 for p in expression.phases for _ in p.sums))
