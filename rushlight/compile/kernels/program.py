"""A core graph as a native callable: kernels, memory and the way they are run.

`build` schedules the graph, writes one function per kernel and one per native segment, lays out
the memory and compiles. All addresses stand in one table: inputs, then outputs, then per kernel
call the operands of that call, so that equal kernels share their code.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...core.errors import fail
from ..code import cache, llvm
from ..graph import Graph, Node
from ..interpret import evaluate
from . import memory, runtime
from .affine import contiguous
from .expression import STATUS
from .maker import Kernel, Maker, Operands, Prepared
from .normal import base, normalise, shift, storage
from .schedule import Group, Schedule, schedule
from .sharing import share

Array = np.ndarray[Any, Any]
PROFILE = "RUSHLIGHT_PROFILE"  # set while a program is built, it times its kernels


@dataclass
class _Call:
    """One run of a kernel; its operands' addresses begin at `first` in the table."""

    kernel: Kernel
    operands: Operands
    first: int
    clock: int = 0  # where in the table its cycles are counted; 0: they are not


@dataclass
class _Host:
    """A node that NumPy computes."""

    node: Node
    operands: list[Node]


@dataclass
class _Draft:
    """What is being built."""

    schedule: Schedule
    where: dict[Node, int]  # input and output memory: the place in the table
    steps: list[list[_Call] | _Host] = field(default_factory=list)
    length: int = 0


def build(
    graph: Graph, target: llvm.Target | None = None, donate: Mapping[int, int] | None = None,
    strides: Sequence[Sequence[int] | None] | None = None,
) -> Program:  # fmt: skip
    """Compile a core graph.

    `donate` maps outputs to inputs whose memory they take over: the caller then passes one array
    as both. `strides` are those of the inputs in elements, where they are not contiguous.
    """
    target = target or llvm.target()
    found = _strides(graph, strides)
    donated = {k: j for k, j in (donate or {}).items() if graph.inputs[j] not in found}
    maker = Maker(target, found)
    normal = normalise(graph, found)
    draft = _Draft(schedule(normal, maker.products(normal), donated), {})
    _fill(draft, maker)
    return Program(graph, draft, maker, _compile(draft, maker, target), donated, found)


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


def _fill(draft: _Draft, maker: Maker) -> None:
    """Make the kernels, and the steps that call them."""
    normal = draft.schedule.normal
    for k, node in enumerate(normal.inputs):
        draft.where[node] = k
    for k, node in enumerate(normal.outputs):
        if k not in draft.schedule.late:
            draft.where[storage(node)] = len(normal.inputs) + k
    draft.length = len(normal.inputs) + len(normal.outputs)
    prepared = [(group, maker.prepare(group, draft.schedule)) for group in draft.schedule.groups]
    share([one for _, one in prepared if one], maker.target)
    maker.recall([one for _, one in prepared if one], _outline(draft, prepared))
    for group, one in prepared:
        if group.kind == "host":
            _add_host(draft, group)
        elif one is not None:
            for kernel, operands in maker.make(one):
                _add_call(draft, kernel, operands)
    for k, node in draft.schedule.late.items():
        target = Node("empty", (), (), node.shape, node.dtype)
        draft.where[target] = len(normal.inputs) + k
        _add_call(draft, maker.copy(node.nbytes), [(storage(node), 0), (target, 0)])


def _outline(draft: _Draft, prepared: Sequence[tuple[Group, Prepared | None]]) -> list[str]:
    """What, besides the kernels, decides how the segments are written."""
    lines = [f"{len(draft.where)} {draft.length} {PROFILE in os.environ}"]
    for group, one in prepared:
        operands = one.operands if one else ()
        places = [(draft.where.get(node, -1), offset) for node, offset in operands]
        text = f"{cache.key(one.text)} {one.packed}" if one else ""
        lines.append(f"{group.kind} {text} {places}")
    for k, node in draft.schedule.late.items():
        lines.append(f"late {k} {node.nbytes} {draft.where.get(storage(node), -1)}")
    return lines


def _add_host(draft: _Draft, group: Group) -> None:
    (root,) = group.place
    node = root.node
    draft.steps.append(_Host(node, list(node.inputs)))


def _add_call(draft: _Draft, kernel: Kernel, operands: Operands) -> None:
    if not draft.steps or isinstance(draft.steps[-1], _Host):
        draft.steps.append([])
    segment = draft.steps[-1]
    assert isinstance(segment, list)
    segment.append(_Call(kernel, operands, draft.length))
    draft.length += len(operands)
    if PROFILE in os.environ:
        segment[-1].clock = draft.length
        draft.length += 1


def _compile(draft: _Draft, maker: Maker, target: llvm.Target) -> llvm.Code:
    if maker.ir is None:
        for number, segment in enumerate(s for s in draft.steps if isinstance(s, list)):
            maker.segment(f"program_{number}", segment, draft.where)
    code = llvm.compile(maker.text(), target)
    maker.remember()
    return code


class Program:
    """Native code with its memory; one call at a time."""

    def __init__(
        self, graph: Graph, draft: _Draft, maker: Maker, code: llvm.Code,
        donate: dict[int, int], strides: dict[Node, tuple[int, ...]],
    ) -> None:  # fmt: skip
        self.graph, self.code, self.ir, self.donate = graph, code, code.ir, donate
        self.schedule = draft.schedule
        self.kernels = [c.kernel for s in draft.steps if isinstance(s, list) for c in s]
        self._clocks = [c.clock for s in draft.steps if isinstance(s, list) for c in s]
        self._inputs = [_form(node, strides) for node in graph.inputs]
        self._outputs = [(node.shape, node.dtype) for node in graph.outputs]
        self._where = draft.where
        self._constants: dict[Node, Array] = {}
        self.status: Array | None = None  # an int64 that an index out of range sets to 1
        self._arena, self._offsets, self.plan = self._memory(draft)
        self.table = runtime.Table(max(draft.length, 1))
        self.addresses = self.table.slots
        self._fill(draft)
        self._lock = threading.Lock()
        self._steps: list[Callable[..., None]] = []
        self._bind(draft)

    def _memory(self, draft: _Draft) -> tuple[Array, dict[Node, int], memory.Plan]:
        plan = memory.plan(draft.schedule, {n for n in draft.where if n.op != "constant"})
        return runtime.aligned(max(plan.size, 64)), plan.offsets, plan

    def _fill(self, draft: _Draft) -> None:
        """Addresses that stay: temporaries, constants, the status."""
        start = self._arena.ctypes.data
        for segment in draft.steps:
            if isinstance(segment, _Host):
                continue
            for call in segment:
                for place, (node, offset) in enumerate(call.operands, call.first):
                    if node in self._offsets:
                        self.addresses[place] = start + self._offsets[node] + offset
                    elif node.op == "constant":
                        self.addresses[place] = self._constant(node).ctypes.data + offset
                    elif node is STATUS:
                        if self.status is None:
                            self.status = runtime.aligned(8).view(np.int64)
                            self.status[0] = 0
                        self.addresses[place] = self.status.ctypes.data

    def _constant(self, node: Node) -> Array:
        found = self._constants.get(node)
        if found is None:
            found = runtime.aligned(max(node.nbytes, 1))[: node.nbytes].view(node.dtype)
            found = self._constants[node] = found.reshape(node.shape)
            found[...] = node.params[0]
        return found

    def _bind(self, draft: _Draft) -> None:
        """What a run does, step by step."""
        simple = len(draft.steps) == 1 and isinstance(draft.steps[0], list)
        number = 0
        self.entry: Callable[[int], None] | None = None
        work = sum(kernel.nanoseconds for kernel in self.kernels)
        for step in draft.steps:
            if isinstance(step, _Host):
                self._steps.append(_HostStep(step, self))
                continue
            run = runtime.entry(self.code, f"program_{number}", release_gil=work > 20_000)
            self._steps.append(_Native(run, self.table.address))
            self.entry = run if simple else None
            number += 1

    def cycles(self) -> list[int]:
        """Processor cycles spent in each of `kernels` since the last call (see `PROFILE`)."""
        found = [int(self.addresses[clock]) if clock else 0 for clock in self._clocks]
        self.addresses[[clock for clock in self._clocks if clock]] = 0
        return found

    def array(self, node: Node, state: _State) -> Any:
        """A value as NumPy sees it, for host calls."""
        home = base(node)
        owner = storage(home)
        if owner in state.values:
            return state.values[owner]
        if home.op == "constant":
            return self._constant(home).reshape(node.shape)
        place = self._where.get(owner)
        if place is not None:
            n = len(state.inputs)
            found = state.inputs[place] if place < n else state.outputs[place - n]
        else:
            at = self._offsets[owner]
            found = self._arena[at : at + owner.nbytes].view(owner.dtype)
        first = shift(home)
        return found.reshape(-1)[first : first + home.size].reshape(node.shape)

    def run(
        self, inputs: Sequence[Array], outputs: Sequence[Array | None] | None = None
    ) -> list[Array]:
        """The graph's outputs for these inputs, in the given arrays or in new ones.

        An output that took over an input's memory is written there unless an array is given.
        """
        given = [_fitting(x, form) for x, form in zip(inputs, self._inputs, strict=True)]
        wanted = list(outputs) if outputs is not None else [None] * len(self._outputs)
        results = []
        for k, (shape, dtype) in enumerate(self._outputs):
            out = wanted[k]
            if out is None and k in self.donate:
                out = given[self.donate[k]]
            good = out is not None and out.shape == shape and out.dtype == dtype
            usable = good and out.flags.c_contiguous  # type: ignore[union-attr]
            results.append(out if usable else np.empty(shape, dtype))
        with self._lock:
            self._run(given, results)  # type: ignore[arg-type]
        for result, out in zip(results, wanted):
            if out is not None and out is not result:
                np.copyto(out, result)
        return [result if out is None else out for result, out in zip(results, wanted)]

    def _run(self, inputs: list[Array], outputs: list[Array]) -> None:
        for k, x in enumerate((*inputs, *outputs)):
            self.addresses[k] = x.__array_interface__["data"][0]
        state = _State(inputs, outputs)
        for step in self._steps:
            step(state)
        self.check()

    def check(self) -> None:
        """Complain about an index that was out of range in the last run."""
        if self.status is not None and self.status[0]:
            self.status[0] = 0
            raise fail(IndexError, "index out of range in self", "in a compiled program")


@dataclass
class _State:
    """What host calls of one run see: the arrays, and values no memory is planned for."""

    inputs: list[Array]
    outputs: list[Array]
    values: dict[Node, Any] = field(default_factory=dict)


class _Native:
    """A native segment."""

    __slots__ = ("address", "run")

    def __init__(self, run: Callable[[int], None], address: int) -> None:
        self.run, self.address = run, address

    def __call__(self, state: _State) -> None:
        self.run(self.address)


class _HostStep:
    """A node that NumPy computes; its value is copied to where kernels look for it."""

    __slots__ = ("node", "operands", "program")

    def __init__(self, step: _Host, program: Program) -> None:
        self.node, self.operands, self.program = step.node, step.operands, program

    def __call__(self, state: _State) -> None:
        arrays = [self.program.array(x, state) for x in self.operands]
        with np.errstate(all="ignore"):
            found = evaluate(self.node, arrays)
        if isinstance(self.node.dtype, tuple):
            state.values[self.node] = found
        elif self.node in self.program._offsets or self.node in self.program._where:
            np.copyto(self.program.array(self.node, state), found)


def _form(node: Node, strides: Mapping[Node, tuple[int, ...]]) -> Any:
    steps = strides.get(node) or contiguous(node.shape)
    return node.shape, node.dtype, tuple(step * node.dtype.itemsize for step in steps)


def _fitting(x: Array, form: Any) -> Array:
    """An input as the program expects it, copied if it lies otherwise."""
    shape, dtype, strides = form
    if x.shape != shape or x.dtype != dtype:
        raise ValueError(f"the program takes {dtype}{list(shape)}, not {x.dtype}{list(x.shape)}")
    for n, have, want in zip(shape, x.strides, strides):
        if n > 1 and have != want:
            break
    else:
        return x
    if strides == _form_strides(shape, dtype):
        return np.ascontiguousarray(x)
    low = sum((n - 1) * step for n, step in zip(shape, strides) if step < 0 and n)
    high = sum((n - 1) * step for n, step in zip(shape, strides) if step > 0 and n)
    memory = np.empty(high - low + dtype.itemsize, np.uint8)
    fresh = np.ndarray(shape, dtype, memory, -low, strides)
    fresh[...] = x
    return fresh


def _form_strides(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, ...]:
    return tuple(step * dtype.itemsize for step in contiguous(shape))


__all__ = ["Program", "build"]
