"""A graph as NumPy code: readable, and what `backend="numpy"` runs.

Plain arithmetic is written as such; an op with an evaluation of its own is called by its name. A
value is deleted after its last use, so memory is given back as early as in eager code.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.primitive import REGISTRY
from . import foreign
from .graph import Graph, Node

INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "matmul": "@", "lt": "<", "le": "<=",
    "gt": ">", "ge": ">=", "eq": "==", "ne": "!=", "logical_and": "&", "logical_or": "|",
}  # fmt: skip
CALLS = {
    "neg": "-{0}", "exp": "np.exp({0})", "log": "np.log({0})", "sqrt": "np.sqrt({0})",
    "relu": "np.maximum({0}, 0)", "maximum": "np.maximum({0}, {1})", "square": "{0} * {0}",
    "minimum": "np.minimum({0}, {1})", "linear": "{0} @ {1}.T", "linear_bias": "{0} @ {1}.T + {2}",
}  # fmt: skip
PLAIN, BOOL = frozenset("fd"), frozenset("?")
LOGIC = frozenset(("logical_and", "logical_or"))


class Source:
    """The text of a program and the objects it names."""

    def __init__(self, graph: Graph, name: str = "step") -> None:
        self.graph, self.name = graph, name
        self.space: dict[str, Any] = {"np": np}
        self.names: dict[Node, str] = {}
        self._count = itertools.count().__next__
        self.lines: list[str] = []
        self._last = _last_uses(graph)
        self._write()

    def _write(self) -> None:
        graph = self.graph
        for place, node in enumerate(graph.inputs):
            self.names[node] = f"x{place}"
        for index, node in enumerate(graph.nodes):
            if node.op != "input":
                self._statement(node)
            for done in self._last.get(index, ()):
                if self.names.get(done, "").startswith("v"):
                    self.lines.append(f"del {self.names[done]}")

    def _statement(self, node: Node) -> None:
        if node.op == "constant":
            value = node.params[0]
            self.names[node] = "None" if value is None else self._constant(value)
            return
        name = self.names[node] = f"v{self._count()}"
        text = self._expression(node)
        note = f"  # {'x'.join(map(str, node.shape))}" if type(node.dtype) is not tuple else ""
        self.lines.append(f"{name} = {text}{note}")

    def _constant(self, value: np.ndarray) -> str:
        return self.keep(f"c{self._count()}", value)

    def keep(self, name: str, value: Any) -> str:
        """Give an object a name in the program's namespace."""
        self.space[name] = value
        return name

    def _expression(self, node: Node) -> str:
        reads = [self.names[x] for x in node.inputs]
        op = node.op
        if op == "output_of":
            return f"{reads[0]}[{node.params[0]}]"
        if not foreign.has_hole(node.params):
            kinds = {x.dtype.char for x in node.inputs if type(x.dtype) is not tuple}
            if len(kinds) == 1 and node.ndim and kinds <= (BOOL if op in LOGIC else PLAIN):
                if op in INFIX:
                    return f"{reads[0]} {INFIX[op]} {reads[1]}"
                if op in CALLS and not (op == "linear" and node.inputs[0].ndim < 2):
                    return CALLS[op].format(*reads)
            if op in REGISTRY:
                return self._registered(node, reads)
        return self._foreign(node, reads)

    def _registered(self, node: Node, reads: Sequence[str]) -> str:
        prim = REGISTRY[node.op]
        function = self.keep(node.op, prim.eval)
        operands = f"({', '.join(reads)},)" if prim.arity is None else ", ".join(reads)
        rest = "".join(f", {self._param(param)}" for param in node.params)
        text = f"{function}({operands}{rest})"
        return text if type(node.dtype) is tuple or node.ndim else f"np.asarray({text})"

    def _param(self, value: Any) -> str:
        if isinstance(value, (bool, int, str, type(None))):
            return repr(value)
        if type(value) is float and np.isfinite(value):
            return repr(value)
        if type(value) is tuple and all(isinstance(part, int) for part in value):
            return repr(value)
        return self.keep(f"p{self._count()}", value)

    def _foreign(self, node: Node, reads: Sequence[str]) -> str:
        text = f"{self.keep('run', foreign.run)}({self.keep(f'n{self._count()}', node)}, "
        text += f"({', '.join(reads)}{',' if reads else ''}))"
        return text if type(node.dtype) is tuple else f"np.asarray({text})"

    def text(self) -> str:
        """The whole program as a function of its inputs."""
        inputs = ", ".join(f"x{place}" for place in range(len(self.graph.inputs)))
        outputs = ", ".join(self.names[node] for node in self.graph.outputs)
        body = "\n    ".join([*self.lines, f"return [{outputs}]"])
        return f"def {self.name}({inputs}):\n    {body}\n"

    def function(self) -> Callable[..., list[np.ndarray]]:
        """The program, ready to be called with arrays."""
        space = dict(self.space)
        exec(compile(self.text(), f"<{self.name}>", "exec"), space)
        return space[self.name]


def _last_uses(graph: Graph) -> dict[int, list[Node]]:
    """After which statement each value is no longer needed."""
    last: dict[Node, int] = {}
    for index, node in enumerate(graph.nodes):
        for x in node.inputs:
            last[x] = index
        last.setdefault(node, index)
    kept = {*graph.outputs, *graph.inputs}
    found: dict[int, list[Node]] = {}
    for node, index in last.items():
        if node not in kept:
            found.setdefault(index, []).append(node)
    return found


class NumpyProgram:
    """A graph that NumPy runs, statement by statement."""

    wrote: frozenset[int] = frozenset()  # inputs that a run overwrites by itself

    def __init__(self, graph: Graph) -> None:
        self.source = Source(graph)
        self._function = self.source.function()

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs for these inputs."""
        return self._function(*arrays)
