"""A graph as NumPy code: readable, and what `backend="numpy"` runs.

Plain arithmetic is written as such; an op with an evaluation of its own is called by its name. A
value is deleted after its last use, so memory is given back as early as in eager code. What the
call did over and over (`rolled.py`) is a loop again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...core.holes import holds
from ...core.primitive import REGISTRY
from ..middle import foreign
from ..middle.graph import Graph, Node
from ..middle.rolled import Loop, Pick, Varied, along, fixed, like, rolled

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
        self.graph, self.name = rolled(graph), name
        self.space: dict[str, Any] = {"np": np}
        self.names: dict[Node, str] = {}
        self._count = itertools.count().__next__
        self.lines: list[str] = []
        self._steps = 0  # of the loop that is being written
        self._last: dict[Node, int] = {}
        self._emptied: set[Node] = set()  # what is picked in a loop for the last time
        for place, node in enumerate(graph.inputs):
            self.names[node] = f"x{place}"
        self._write(self.graph.nodes, {*self.graph.outputs, *self.graph.inputs})

    def _write(self, nodes: Sequence[Node], kept: Container[Node]) -> None:
        self._last = last = _last_uses(nodes)
        done: dict[int, list[Node]] = {}
        for node, index in last.items():
            if node not in kept:
                done.setdefault(index, []).append(node)
        for index, node in enumerate(nodes):
            if node.op == "loop":
                self._loop(node, index)
                self._last = last
            elif node not in self.names:
                self._statement(node)
            for one in done.get(index, ()):
                if one in self._emptied:
                    self.lines.append(f"{self.names[one]} = None")
                elif self.names.get(one, "").isidentifier() and self.names[one][0] == "v":
                    self.lines.append(f"del {self.names[one]}")

    def _loop(self, node: Node, index: int) -> None:
        """A loop: what it carries is set before it and at the end of each step."""
        loop: Loop = node.params[0]
        body, split = loop.body, loop.carried + loop.same
        before, self._steps = self.lines, loop.count
        for x, given in zip(body.inputs, node.inputs[: loop.carried]):
            self.names[x] = f"v{self._count()}"
            before.append(f"{self.names[x]} = {self.names[given]}")
        self._let_go(node, index)
        for x, given in zip(body.inputs[loop.carried :], node.inputs[loop.carried : split]):
            self.names[x] = self.names[given]
        self._emptied = self._picks(node, index)
        self.names[node] = f"loop{index}"  # its results have names
        self.lines = []
        kept = {*body.outputs, *body.inputs[loop.carried :]} - self._emptied
        self._write(loop.nodes, kept)
        stacks, self._steps = self._ends(node), 0
        inside = self.lines
        before += [f"{stack} = []" for stack in stacks]
        note = f"  # {loop.count} times"
        before.append(f"for t in range({loop.count}):{note}")
        before += [f"    {line}" for line in inside or ["pass"]]
        own = [x for x, (pick, _) in zip(loop.picking, loop.picked(node)) if not pick.stack]
        done = [self.names[x].partition("[")[0] for x in (*body.inputs[: loop.carried], *own)]
        before += self._last_values(node)
        before += [f"del {name}" for name in done]
        self.lines = before

    def _let_go(self, node: Node, index: int) -> None:
        """Delete what carried values begin with, where nobody else reads it."""
        split = node.params[0].carried
        for x in dict.fromkeys(node.inputs[:split]):
            lasts = x in self.graph.outputs or x in node.inputs[split:]
            own = self.names[x].isidentifier() and self.names[x][0] == "v"
            if own and self._last.get(x) == index and not lasts:
                self.lines.append(f"del {self.names[x]}")
                self.names[x] = ""

    def _last_values(self, node: Node) -> list[str]:
        """The results that are what was carried out of the last step."""
        loop: Loop = node.params[0]
        carried = dict(zip(loop.body.outputs[: loop.carried], loop.body.inputs))
        return [
            f"{self.names[self._result(node, slot)]} = {self.names[carried[x]]}"
            for slot, (x, all_) in enumerate(zip(loop.results, loop.stacked))
            if x in carried and not all_
        ]

    def _result(self, loop: Node, slot: int) -> Node:
        return next(x for x in self.graph.nodes if x.inputs[:1] == (loop,) and x.params[0] == slot)

    def _picks(self, node: Node, index: int) -> set[Node]:
        """Name what each step picks; those whose places nobody looks at afterwards."""
        loop: Loop = node.params[0]
        firsts: dict[Node, dict[Node, Pick]] = {}
        for x, (pick, nodes) in zip(loop.picking, loop.picked(node)):
            if pick.stack:
                self.names[x] = f"{self.names[nodes[0]]}[{along(pick.first, pick.step)}]"
                firsts.setdefault(nodes[0], {})[x] = pick
            else:
                listed = f"v{self._count()}"
                self.lines.append(f"{listed} = ({', '.join(self.names[one] for one in nodes)})")
                self.names[x] = f"{listed}[t]"
        emptied = set()
        for stack, picks in firsts.items():
            # of those who look one after the other the last lets go
            x, last = min(picks.items(), key=lambda pair: pair[1].first * pair[1].step)
            step = last.step
            if _is_stack(stack) and abs(step) == 1 and all(p.step == step for p in picks.values()):
                places = range(last.first, last.first + step * loop.count, step)
                if set(places).isdisjoint(self._looked_at(stack, index, node)):
                    emptied.add(x)
        return emptied

    def _looked_at(self, stack: Node, index: int, loop: Node) -> Iterator[int]:
        """The places of a list that are read from a statement on, but for what a loop picks."""
        outputs = {x.params[0] for x in self.graph.outputs if x.inputs[:1] == (stack,)}
        yield from outputs
        for node in self.graph.nodes[index:]:
            yield from (x.params[0] for x in node.inputs if x.inputs[:1] == (stack,))
            if stack in node.inputs and node is not loop and node.op != "output_of":
                yield from range(stack.shape[0])

    def _ends(self, node: Node) -> list[str]:
        """Write the end of a step; the lists that the loop fills."""
        loop: Loop = node.params[0]
        names, stacks = self.names, []
        after = loop.body.outputs[: loop.carried]
        for slot, (x, all_) in enumerate(zip(loop.results, loop.stacked)):
            names[self._result(node, slot)] = name = f"v{self._count()}"
            if all_:
                stacks.append(name)
                self.lines.append(f"{name}.append({names[x]})")
            elif x not in after:
                self.lines.append(f"{name} = {names[x]}")
        for x, then in zip(loop.body.inputs, after):
            self.lines.append(f"{names[x]} = {names[then]}")
        gone = dict.fromkeys(names[x] for x in loop.body.outputs)
        self.lines += [f"del {name}" for name in gone]
        return stacks

    def _statement(self, node: Node) -> None:
        if node.op == "constant":
            value = node.params[0]
            self.names[node] = "None" if value is None else self._constant(value)
            return
        if _of_stack(node) and node not in self.graph.outputs:
            self.names[node] = f"{self.names[node.inputs[0]]}[{node.params[0]}]"
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
        all_ = _listed(node.inputs, self.names) if prim.arity is None else ""
        operands = f"({all_},)" if prim.arity is None else ", ".join(reads)
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
        if type(value) is Varied:
            return str(value)
        if holds(value, Varied):
            values = [fixed(value, k) for k in range(self._steps)]
            return f"{self.keep(f'p{self._count()}', values)}[t]"
        return self.keep(f"p{self._count()}", value)

    def _foreign(self, node: Node, reads: Sequence[str]) -> str:
        text = f"{self.keep('run', foreign.run)}({self._kept(node)}, "
        text += f"({', '.join(reads)}{',' if reads else ''}))"
        return text if type(node.dtype) is tuple else f"np.asarray({text})"

    def _kept(self, node: Node) -> str:
        """A node in the program's namespace: in a loop that of the step."""
        name = f"n{self._count()}"
        if not holds(node.params, Varied):
            return self.keep(name, node)
        steps = [like(node, node.inputs, fixed(node.params, k)) for k in range(self._steps)]
        return f"{self.keep(name, steps)}[t]"

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


def _last_uses(nodes: Sequence[Node]) -> dict[Node, int]:
    """The statement after which each value is no longer needed."""
    last: dict[Node, int] = {}
    for index, node in enumerate(nodes):
        for x in node.inputs:
            last[x] = index
            if _of_stack(x):
                last[x.inputs[0]] = index
        last.setdefault(node, index)
    return last


def _is_stack(node: Node) -> bool:
    """Whether a node is the list of what all steps of a loop gave."""
    if node.op != "output_of" or node.inputs[0].op != "loop":
        return False
    loop: Loop = node.inputs[0].params[0]
    return loop.stacked[node.params[0]]


def _of_stack(node: Node) -> bool:
    return node.op == "output_of" and _is_stack(node.inputs[0])


def _listed(operands: Sequence[Node], names: Mapping[Node, str]) -> str:
    """The names of operands, one after the other; all that a loop gave by the name of its list."""
    found: list[str] = []
    rest = list(operands)
    while rest:
        size, (stack, *_) = 1, rest[0].inputs or (None,)
        if stack is not None and _of_stack(rest[0]):
            count = stack.inputs[0].params[0].count
            steps = [x.params[0] for x in rest[:count] if x.inputs[:1] == (stack,)]
            size = count if steps == list(range(count)) else 1
        found.append(names[rest[0]] if size == 1 else f"*{names[stack]}")  # type: ignore[index]  # of several there is one
        del rest[:size]
    return ", ".join(found)


class NumpyProgram:
    """A graph that NumPy runs, statement by statement."""

    wrote: frozenset[int] = frozenset()  # inputs that a run overwrites by itself

    def __init__(self, graph: Graph) -> None:
        self.source = Source(graph)
        self._function = self.source.function()

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs for these inputs."""
        return self._function(*arrays)
