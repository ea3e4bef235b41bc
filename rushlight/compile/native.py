"""A captured graph as native code: lowered, simplified, scheduled, compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .entry import arrays, nothing
from .graph import Graph
from .kernels import program
from .lowering import lower
from .simplify import simplify
from .verify import verify

CHECKED = frozenset(("take", "scatter_add"))  # may find a bad index: nothing is written before
LONG = 20_000  # nanoseconds from which other Python threads run meanwhile


class NativeProgram:
    """Native code for a graph.

    `writes` are (input, output) pairs whose output replaces the input's content: where the input
    lies in C order the code writes there itself, and `wrote` names it.
    """

    def __init__(
        self, graph: Graph, writes: Sequence[tuple[int, int]], forms: Sequence[np.ndarray]
    ) -> None:
        core = lower(graph)
        verify(core, core=True)
        self.core, self.fired = simplify(core)
        verify(self.core, core=True)
        checked = any(node.op in CHECKED for node in self.core)
        donate = {
            output: place for place, output in writes
            if forms[place].flags.c_contiguous and forms[place].flags.aligned and not checked
        }  # fmt: skip
        strides = [_steps(form) for form in forms] if forms else None
        self.native = program.build(self.core, donate=donate, strides=strides)
        self.wrote = frozenset(self.native.donate.values())
        steps: list[Any] = list(self.native._steps) or [None]
        *draws, last = steps
        simple = last is not None and hasattr(last, "address")
        placed = self.native._where
        drawn = all(_is_draw(step) and step.node not in placed for step in draws)
        self.draws = draws if simple and drawn else None
        self.blank = program._State([], [])  # what a draw reads: nothing
        self.releases = sum(k.nanoseconds for k in self.native.kernels) > LONG

    def array_entry(
        self, slots: Sequence[int], forms: Sequence[Any], watched: Any, run: bool = True
    ) -> Any:
        """The code as a function of arrays, in the order of `slots` of the table.

        Without `run` it only looks: at the watched words and at the arrays' forms.
        """
        address = self.native.code.address("program_0") if run else nothing()
        return arrays(
            address, self.native.table, slots, forms, run and self.releases, self.native, watched
        )

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs for these inputs."""
        return self.native.run(arrays)


def _is_draw(step: Any) -> bool:
    return getattr(getattr(step, "node", None), "op", "") == "draw" and not step.operands


def _steps(form: np.ndarray) -> Any:
    """An input's strides in elements, where it is not laid out in C order."""
    if form.flags.c_contiguous or any(step % form.itemsize for step in form.strides):
        return None
    return tuple(step // form.itemsize for step in form.strides)
