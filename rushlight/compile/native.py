"""A captured graph as native code: lowered, simplified, scheduled, compiled; or remembered."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .calls.entry import arrays, nothing
from .disk import remembered
from .disk.digest import nodes_of
from .kernels.running import HostStep, Program, State
from .middle.graph import Graph

LONG = 20_000  # nanoseconds from which other Python threads run meanwhile


class NativeProgram:
    """Native code for a graph.

    `writes` are (input, output) pairs whose output replaces the input's content: where the input
    lies in C order the code writes there itself, and `wrote` names it. `frozen` inputs hardly
    ever differ from those of the run before. `name`: what it is called on the disk, where that is
    known without looking at the graph. `asks`: the output that says whether the code may write.
    """

    def __init__(
        self, graph: Graph, writes: Sequence[tuple[int, int]], forms: Sequence[np.ndarray],
        frozen: Sequence[int] = (), asks: int | None = None, name: str | None = None,
    ) -> None:  # fmt: skip
        self._asks = asks
        self.graph, self._writes, self._forms = graph, list(writes), list(map(_form, forms))
        self._frozen = frozen
        self._core: Any = None
        nodes: Any = graph if name else None  # a kept one's, by number
        self.name = name or remembered.name(graph, self._writes, forms, frozen, asks)
        self.native = self._remembered(nodes)
        self.wrote = frozenset(self.native.donate.values())
        steps: list[Any] = list(self.native._steps) or [None]
        *draws, last = steps
        simple = last is not None and hasattr(last, "address")
        alone = all(isinstance(step, HostStep) and step.independent() for step in draws)
        self.draws = draws if simple and alone else None
        self.blank = State([None] * len(graph.inputs), [])  # type: ignore[list-item]  # filled by each call
        self.releases = self.native.work > LONG

    def _remembered(self, nodes: Any) -> Program:
        """The program from the disk cache, or made now and kept there."""
        if self.name is None:
            return self._built()
        nodes = nodes or nodes_of(self.graph)
        found = remembered.load(self.name, nodes, lambda: self._built().ir)
        if found is None:
            found = self._built()
            remembered.store(self.name, found, self.graph)
        return found

    def _built(self) -> Program:
        """The program, made of the graph."""
        program: Any = importlib.import_module(".kernels.program", __package__)
        forms, core = self._forms, self.core
        donate = {
            output: place for place, output in self._writes
            if forms[place].plain and forms[place].aligned
        }  # fmt: skip
        hosted = importlib.import_module(".kernels.normal", __package__).hosted
        if any(hosted(node) and node.op != "draw" for node in core):
            donate = {}  # NumPy may raise in the middle: nothing is written before the end
        strides = [_steps(form) for form in forms] if forms else None
        return program.build(
            core, donate=donate, strides=strides, frozen=self._frozen, recalled=self.name is None,
            asks=self._asks,
        )  # fmt: skip

    def _lowered(self) -> tuple[Graph, Any]:
        """The core graph that kernels are made of, and which rules made it simpler."""
        if self._core is None:
            # not if a program is remembered
            parts = "lowering", "simplify", "gathering", "joins", "turned", "verify"
            lowering, simplify, gathering, joins, turned, verify = (
                importlib.import_module(f".middle.{part}", __package__) for part in parts
            )
            core = lowering.lower(self.graph)
            verify.verify(core, core=True)
            core, fired = simplify.simplify(core)
            core = joins.merged(gathering.gathered(core))
            if importlib.import_module(".code.llvm", __package__).target().pairs:
                core = importlib.import_module(".products.pairs", __package__).paired(core)
            self._core = turned.turned_last(core), fired
            verify.verify(self._core[0], core=True)
        return self._core

    @property
    def core(self) -> Graph:
        """The graph in core ops, simplified."""
        return self._lowered()[0]

    @property
    def fired(self) -> Any:
        """How often each rule of simplification was used."""
        return self._lowered()[1]

    def array_entry(
        self, slots: Sequence[int], forms: Sequence[Any], watched: Any, run: bool = True,
        held: bool = False, **more: Any,
    ) -> Any:  # fmt: skip
        """The code as a function of arrays, in the order of `slots` of the table (`entry.arrays`).

        Without `run` it only looks: at watched words, the arrays' forms and `more`. `held`: no
        other Python thread runs meanwhile, whatever it takes.
        """
        address = self.native.code.address("program_0") if run else nothing()
        releases = run and self.releases and not held
        table = self.native.table
        return arrays(address, table, slots, forms, releases, self.native, watched, **more)

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs for these inputs."""
        return self.native.run(arrays)


class _Form(NamedTuple):
    """How an input lies in memory; the array itself is not to be kept."""

    plain: bool  # in C order
    aligned: bool
    strides: tuple[int, ...]
    itemsize: int


def _form(x: np.ndarray) -> _Form:
    return _Form(x.flags.c_contiguous, x.flags.aligned, x.strides, x.itemsize)


def _steps(form: _Form) -> Any:
    """An input's strides in elements, where it is not laid out in C order."""
    if form.plain or any(step % form.itemsize for step in form.strides):
        return None
    return tuple(step // form.itemsize for step in form.strides)
