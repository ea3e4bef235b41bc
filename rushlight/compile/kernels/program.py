"""A core graph as a native callable: kernels, memory and the way they are run.

`build` schedules the graph, writes one function per kernel and one per native segment, lays out
the memory and compiles. All addresses stand in one table: inputs, then outputs, then per kernel
call the operands of that call, so that equal kernels share their code.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..code import cache, llvm
from ..middle.graph import Graph, Node
from ..records import field, record
from . import memory
from .affine import contiguous
from .asked import Asked, asked
from .corners import Corner, corners
from .expression import STATUS
from .frozen import Frozen
from .maker import Kernel, Maker, Operands, Prepared
from .normal import base, normalise, shift, storage
from .recipe import ARENA, CONSTANT, MEMORY, VALUE, Host, Place, Recipe
from .running import Program
from .schedule import Group, Schedule, schedule
from .segments import Move, Row
from .sharing import share

PROFILE = "RUSHLIGHT_PROFILE"  # set while a program is built, it times its kernels


@record
class _Call:
    """One run of a kernel; its operands' addresses begin at `first` in the table."""

    kernel: Kernel
    operands: Operands
    first: int
    clock: int = 0  # where in the table its cycles are counted; 0: they are not
    chain: int = 0  # the chain in which it does a piece at a time


@record
class _Host:
    """A node that NumPy computes."""

    node: Node
    operands: list[Node]


@record
class _Draft:
    """What is being built."""

    schedule: Schedule
    where: dict[Node, int]  # input and output memory: the place in the table
    steps: list[list[_Call] | _Host] = field(default_factory=list)
    length: int = 0
    corners: dict[int, Corner] = field(default_factory=dict)  # by chain
    once: list[_Call] = field(default_factory=list)  # what is done again only for other inputs
    asked: Asked = field(default_factory=Asked)
    look: tuple[int, int] | None = None  # after how many calls the code looks where for an answer


def build(
    graph: Graph, target: llvm.Target | None = None, donate: Mapping[int, int] | None = None,
    strides: Sequence[Sequence[int] | None] | None = None, frozen: Sequence[int] = (),
    recalled: bool = True, asks: int | None = None,
) -> Program:  # fmt: skip
    """Compile a core graph; with `recalled`, what was written for an equal one is kept on disk.

    `donate` maps outputs to inputs whose memory they take over: the caller then passes one array
    as both. `strides` are those of the inputs in elements, where they are not contiguous. `frozen`
    inputs are as a rule the same from run to run. Output `asks` is a truth value: where it is
    false, nothing is written over.
    """
    target = target or llvm.target()
    draft, maker, writer = _drafted(graph, target, donate, strides, recalled, frozen, asks)
    code = _compile(draft, maker, target)
    program = Program(writer.recipe(), code)
    program.schedule = draft.schedule
    return program


def single(
    graph: Graph, target: llvm.Target, donate: Mapping[int, int],
    strides: Sequence[Sequence[int] | None],
) -> tuple[Recipe, str, list[Row], list[Move]] | None:  # fmt: skip
    """What runs a graph that is one native segment: its recipe, kernels, their calls, and moves.

    None where it takes more than that.
    """
    draft, maker, writer = _drafted(graph, target, donate, strides, False)
    if len(draft.steps) != 1 or not isinstance(draft.steps[0], list):
        return None
    rows, moves = maker.rows("program", draft.steps[0], draft)
    return writer.recipe(told=False), maker.module.text(), rows, moves


def _drafted(
    graph: Graph, target: llvm.Target, donate: Mapping[int, int] | None,
    strides: Sequence[Sequence[int] | None] | None, recalled: bool, frozen: Sequence[int] = (),
    asks: int | None = None,
) -> tuple[_Draft, Maker, _Writer]:  # fmt: skip
    """The kernels of a graph; with `recalled` those of an equal program are not written again."""
    found = _strides(graph, strides)
    donated = {k: j for k, j in (donate or {}).items() if graph.inputs[j] not in found}
    maker = Maker(target, found)
    normal = normalise(graph, found)
    maker.frozen = Frozen(normal.inputs[k] for k in frozen)
    question = asked(normal, asks, donated)
    donated = question.donated
    draft = _Draft(schedule(normal, maker.products(normal), donated, question), {}, asked=question)
    _fill(draft, maker, recalled)
    return draft, maker, _Writer(graph, draft, donated, found, maker.frozen)


def _strides(
    graph: Graph, strides: Sequence[Sequence[int] | None] | None
) -> dict[Node, tuple[int, ...]]:
    """The strides of inputs that do not lie in C order."""
    found = {}
    for node, given in zip(graph.inputs, strides or ()):
        if given is not None and any(
            step != usual for n, step, usual in zip(node.shape, given, contiguous(node.shape))
            if n > 1
        ):  # fmt: skip
            found[node] = tuple(given)
    return found


def _fill(draft: _Draft, maker: Maker, recalled: bool) -> None:
    """Make the kernels, and the steps that call them."""
    normal = draft.schedule.normal
    for k, node in enumerate(normal.inputs):
        draft.where[node] = k
    for k, node in enumerate(normal.outputs):
        if k not in draft.schedule.late:
            draft.where[storage(node)] = len(normal.inputs) + k
    draft.length = len(normal.inputs) + len(normal.outputs)
    draft.corners = corners(draft.schedule, draft.where)
    prepared = []
    for group in draft.schedule.groups:
        one = maker.prepare(group, draft.schedule)
        maker.frozen.note(group, one, draft.where, draft.schedule)
        prepared.append((group, one))
    busy = [one for _, one in prepared if one]
    share(busy, maker.target, maker.frozen.values)
    maker.tell(busy)
    if recalled:
        maker.recall(busy, _outline(draft, prepared, maker.frozen))
    for group, one in prepared:
        if group.kind == "host":
            _add_host(draft, group)
        elif one is not None:
            for kernel, operands in maker.make(one):
                _add_call(draft, kernel, operands, group.chain)
        _answered(draft, group)
    for k, node in draft.schedule.late.items():
        target = Node("empty", (), (), node.shape, node.dtype)
        draft.where[target] = len(normal.inputs) + k
        _add_call(draft, maker.copy(node.nbytes), [(storage(node), 0), (target, 0)])


def _answered(draft: _Draft, group: Group) -> None:
    """Have the code look at the answer to what is asked of the call, once a group gave it."""
    node, segment = draft.asked.node, draft.steps[-1] if draft.steps else ()
    if node is not None and isinstance(segment, list) and draft.schedule.home[node] is group:
        draft.look = len(segment), draft.where[node]


def _outline(
    draft: _Draft, prepared: Sequence[tuple[Group, Prepared | None]], frozen: Frozen
) -> list[str]:
    """What, besides the kernels, decides how the segments are written."""
    lines = [f"{len(draft.where)} {draft.length} {PROFILE in os.environ}"]
    node = draft.asked.node
    lines += (
        [] if node is None else [f"asks {draft.where[node]} {draft.schedule.home[node].number}"]
    )
    lines += [f"frozen {k}" for x, k in draft.where.items() if x in frozen.values]
    lines += [f"corner {k} {corner.size}" for k, corner in draft.corners.items()]
    near = {x: place for corner in draft.corners.values() for x, place in corner.values.items()}
    for group, one in prepared:
        operands = one.operands if one else ()
        places = [(draft.where.get(x, -1), offset, near.get(x)) for x, offset in operands]
        text = f"{cache.key(one.text)} {one.packed}" if one else ""
        text += f" {group.number in frozen.groups}" * bool(frozen)
        lines.append(f"{group.kind} {group.chain} {text} {places}")
    for k, node in draft.schedule.late.items():
        lines.append(f"late {k} {node.nbytes} {draft.where.get(storage(node), -1)}")
    return lines


def _add_host(draft: _Draft, group: Group) -> None:
    (root,) = group.place
    node = root.node
    draft.steps.append(_Host(node, list(node.inputs)))


def _add_call(draft: _Draft, kernel: Kernel, operands: Operands, chain: int = 0) -> None:
    """Add a call; of a chain's kernels, what is no part of its pieces comes before it."""
    if kernel.once:
        draft.once.append(_Call(kernel, operands, draft.length))
        draft.length += len(operands)
        return
    if not draft.steps or isinstance(draft.steps[-1], _Host):
        draft.steps.append([])
    segment = draft.steps[-1]
    assert isinstance(segment, list)
    call = _Call(kernel, operands, draft.length, chain=chain if kernel.pieces else 0)
    at = len(segment)
    if chain and not call.chain:
        at = next((k for k, other in enumerate(segment) if other.chain == chain), at)
    segment.insert(at, call)
    draft.length += len(operands)
    corner = draft.corners.get(call.chain)
    if corner and not corner.at:
        call.operands = [*operands, (corner.memory, 0)]
        corner.at = draft.length
        draft.length += 2
    if PROFILE in os.environ:
        call.clock = draft.length
        draft.length += 1


def _compile(draft: _Draft, maker: Maker, target: llvm.Target) -> llvm.Code:
    if maker.ir is None:
        for number, segment in enumerate(s for s in draft.steps if isinstance(s, list)):
            maker.segment(f"program_{number}", segment, draft, draft.look)
        if draft.once:
            maker.segment("program_once", draft.once, draft)
    text = maker.text()
    code = llvm.compile(text, target)
    maker.remember(text)
    return code


class _Writer:
    """Writes down what was built as plain data."""

    def __init__(
        self, graph: Graph, draft: _Draft, donate: dict[int, int],
        strides: Mapping[Node, tuple[int, ...]], frozen: Frozen,
    ) -> None:  # fmt: skip
        self.frozen = frozen
        self.graph, self.draft, self.donate, self.strides = graph, draft, donate, strides
        fixed = {node for node in draft.where if node.op != "constant"}
        fixed.update(node for corner in draft.corners.values() for node in corner.values)
        self.plan = memory.plan(draft.schedule, fixed, frozen.lasting)
        self.constants: dict[Node, int] = {}
        self.calls = [call for step in draft.steps if isinstance(step, list) for call in step]
        self.hosts = {step.node: k for k, step in enumerate(draft.steps) if isinstance(step, _Host)}

    def recipe(self, told: bool = True) -> Recipe:
        """What was built, with what is said of its kernels if that is `told`."""
        draft, graph = self.draft, self.graph
        temporaries, fixed, status = self._addresses()
        steps = [self._host(step) if isinstance(step, _Host) else None for step in draft.steps]
        notes: dict[Any, int] = {}
        kernels = [_facts(call.kernel, notes) for call in self.calls if told]
        return Recipe(
            inputs=[_form(node, self.strides) for node in graph.inputs],
            outputs=[(node.shape, node.dtype) for node in graph.outputs],
            donate=self.donate, length=draft.length, arena=self.plan.size,
            reused=self.plan.reused, work=sum(call.kernel.nanoseconds for call in self.calls),
            steps=steps, temporaries=temporaries, fixed=fixed, status=status,
            clocks=_numbers([[call.clock] for call in self.calls], 1)[0],
            frozen=self._read_once() if draft.once else None,
            constants=[_value(node) for node in self.constants],
            kernels=kernels, notes=list(notes),
            again=[[node.op, node.nbytes] for node in draft.schedule.normal.again],
        )  # fmt: skip

    def _read_once(self) -> list[int]:
        """The inputs of what is done once."""
        where = self.draft.where
        read = {node for call in self.draft.once for node, _ in call.operands}
        return sorted(where[node] for node in read & self.frozen.values if node in where)

    def _addresses(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Addresses that stay: of temporaries, constants and the status."""
        temporaries, fixed, status = [], [], []
        offsets = self.plan.offsets
        for call in (*self.draft.once, *self.calls):
            for place, (node, offset) in enumerate(call.operands, call.first):
                if node in offsets:
                    temporaries.append((place, offsets[node] + offset))
                elif node.op == "constant":
                    fixed.append((place, self._constant(node), offset))
                elif node is STATUS:
                    status.append((place,))
        return _numbers(temporaries, 2), _numbers(fixed, 3), _numbers(status, 1)[0]

    def _constant(self, node: Node) -> int:
        return self.constants.setdefault(node, len(self.constants))

    def _host(self, step: _Host) -> Host:
        node = step.node
        kept = node in self.plan.offsets or node in self.draft.where
        target = self._place(node) if kept and not isinstance(node.dtype, tuple) else None
        return Host(node, [self._place(x) for x in step.operands], target)

    def _place(self, node: Node) -> Place:
        """Where NumPy finds a value."""
        home = base(node)
        owner = storage(home)
        if isinstance(owner.dtype, tuple):
            return VALUE, self.hosts[owner], np.dtype(bool), 0, 0, ()
        if home.op == "constant":
            return CONSTANT, self._constant(home), owner.dtype, 0, 0, node.shape
        place = self.draft.where.get(owner)
        if place is not None:
            return MEMORY, place, owner.dtype, owner.size, shift(home), node.shape
        at = self.plan.offsets[owner]
        return ARENA, at, owner.dtype, owner.size, shift(home), node.shape


def _value(node: Node) -> np.ndarray:
    """A constant in its own shape and type."""
    value = node.params[0]
    if isinstance(value, np.ndarray) and value.shape == node.shape and value.dtype == node.dtype:
        return value
    found = np.zeros(node.shape, node.dtype)
    if value is not None:
        found[...] = value
    return found


def _facts(kernel: Kernel, notes: dict[Any, int]) -> list[Any]:
    """What is told of a kernel call (`recipe.Kernel`)."""
    numbers = [
        notes.setdefault((node.op, node.shape, node.line), len(notes)) for node in kernel.nodes
    ]
    return [kernel.name, kernel.units, kernel.chunk, kernel.read, kernel.written, kernel.flops,
            kernel.nanoseconds, numbers]  # fmt: skip


def _numbers(rows: Sequence[Sequence[int]], columns: int) -> np.ndarray:
    return np.array(rows, np.int64).reshape(-1, columns).T


def _form(node: Node, strides: Mapping[Node, tuple[int, ...]]) -> Any:
    steps = strides.get(node) or contiguous(node.shape)
    return node.shape, node.dtype, tuple(step * node.dtype.itemsize for step in steps)


__all__ = ["Program", "build"]
