"""A graph whose repeated parts are loops: each step of a loop is written down once.

`rolled` finds them (`periods.py`) and puts a node in the place of each: op "loop", its parameter a
`Loop`. `unrolled` writes the steps out again and gives the graph that was rolled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ...core.holes import replaced
from ..records import record
from .graph import Graph, Node
from .periods import Course, Period

FEW = 6  # ops that are named


@record(eq=False)
class Loop:
    """What is done `count` times.

    The inputs of `body` are the carried values, those that are the same in all steps, and those
    that each step picks. Its outputs are the carried values of the next step, then the results;
    of those that are `stacked` the loop gives one for each step, of the others the last.
    The inputs of the loop's node are what `carried` values begin with, the `same` ones, and what
    each of `picks` tells.
    """

    body: Graph
    count: int
    carried: int
    same: int
    picks: list[Pick]
    stacked: list[bool]

    @property
    def nodes(self) -> list[Node]:
        """What one step does, in the order of the trace."""
        own = [node for node in self.body.nodes if node.op != "input"]
        return sorted(own, key=lambda node: node.index)

    def __str__(self) -> str:
        ops = Counter(node.op for node in self.nodes)
        told = [op if n == 1 else f"{n} {op}" for op, n in ops.most_common(FEW)]
        told += ["..."] * (len(ops) > FEW)
        return f"{self.count} times: {', '.join(told)}"

    @property
    def results(self) -> list[Node]:
        """What is read behind the loop."""
        return self.body.outputs[self.carried :]

    @property
    def picking(self) -> list[Node]:
        """The inputs of the body that each step picks."""
        return self.body.inputs[self.carried + self.same :]

    def picked(self, node: Node) -> list[tuple[Pick, list[Node]]]:
        """What is picked, each with the loop's inputs that it is picked from."""
        at, found = self.carried + self.same, []
        for pick in self.picks:
            size = 1 if pick.stack else self.count
            found.append((pick, list(node.inputs[at : at + size])))
            at += size
        return found


@record
class Pick:
    """Which value a step picks: one of a stack, `first + step * k` in step k, or its own."""

    stack: bool
    first: int = 0
    step: int = 1


@record(frozen=True)
class Varied:
    """A whole number in a body's parameters that is another one in each step."""

    values: tuple[int, ...]

    def __str__(self) -> str:
        first, step = self.values[0], self.values[1] - self.values[0]
        if all(value == first + step * k for k, value in enumerate(self.values)):
            return along(first, step)
        return f"{self.values}[t]"


def along(first: int, step: int) -> str:
    """The number `first + step * t` as it is written."""
    if not step:
        return str(first)
    times = "t" if abs(step) == 1 else f"{abs(step)} * t"
    if step < 0:
        return f"{first} - {times}"
    return f"{first} + {times}" if first else times


def rolled(graph: Graph) -> Graph:
    """The graph with a node for each loop in it; itself where there is none."""
    course = Course(graph)
    periods = course.periods()
    return _Rolling(graph, course, periods).graph() if periods else graph


def loops(graph: Graph) -> list[Node]:
    """The loops of a rolled graph in the order of the trace."""
    nodes = sorted(graph.nodes, key=lambda node: node.index)
    return [node for node in nodes if node.op == "loop"]


class _Rolling:
    """Makes the graph with loops."""

    def __init__(self, graph: Graph, course: Course, periods: Sequence[Period]) -> None:
        self.old, self.course, self.periods = graph, course, periods
        self.made: dict[Node, Node] = {node: node for node in graph.inputs}
        self.stacks: dict[Node, tuple[Node, int]] = {}  # where among its steps a value stands
        self.within: dict[Node, Node] = {}  # the loops of nodes
        self.read = self._read_behind()

    def _read_behind(self) -> set[Node]:
        """The nodes of loops that are read elsewhere."""
        course, home = self.course, [-1] * len(self.course.nodes)
        for number, one in enumerate(self.periods):
            home[one.start : one.stop] = [number] * (one.stop - one.start)
        found = set(self.old.outputs)
        for place, node in enumerate(course.nodes):
            for x in node.inputs:
                at = course.places.get(x, -1)
                if at >= 0 and home[at] >= 0 and home[at] != home[place]:
                    found.add(x)
        return found

    def graph(self) -> Graph:
        """The graph with loops."""
        place = 0
        for period in (*self.periods, Period(len(self.course.nodes), 0, 0)):
            for node in self.course.nodes[place : period.start]:
                self._copy(node)
            if period.count:
                self._loop(period)
            place = period.stop
        effects = [self.within.get(node) or self.made[node] for node in self.old.effects]
        outputs = [self._of(node) for node in self.old.outputs]
        return Graph(self.old.inputs, outputs, list(dict.fromkeys(effects)))

    def _of(self, node: Node) -> Node:
        """What stands for a node outside of loops."""
        found = self.made.get(node)
        if found is None and node in self.stacks:
            stack, k = self.stacks[node]
            found = Node("output_of", (stack,), (k,), node.shape, node.dtype, node.line)
            self.made[node] = found
        if found is None:  # a constant
            found = self.made[node] = node
        return found

    def _copy(self, node: Node) -> None:
        inputs = [self._of(x) for x in node.inputs]
        same = all(a is b for a, b in zip(inputs, node.inputs))
        self.made[node] = node if same else like(node, inputs)
        whole = node.inputs[0] if node.op == "output_of" else None
        if whole is not None and type(whole.dtype) is tuple:
            self.stacks[node] = inputs[0], node.params[0]

    def _loop(self, period: Period) -> None:
        """The node of a loop, and its results."""
        body = _Body(self.course, period)
        start, size, count = period
        steps = [self.course.nodes[start + k * size :][:size] for k in range(count)]
        results, stacked = self._results(steps)
        picks, given = [], []
        for operands in body.each:
            pick, nodes = self._pick(operands)
            picks.append(pick)
            given += nodes
        inside = body.graph(results, [x for x in self.old.effects if x in steps[0]])
        loop = Loop(inside, count, len(body.begins), len(body.same), picks, stacked)
        firsts = [first for _, first in body.begins]
        inputs = [*map(self._of, firsts), *map(self._of, body.same), *given]
        forms = [(((count, *x.shape) if all_ else x.shape), x.dtype)
                 for x, all_ in zip(loop.results, stacked)]  # fmt: skip
        line = steps[0][0].line
        shapes, dtypes = zip(*forms) if forms else ((), ())
        node = Node("loop", inputs, (loop,), shapes, dtypes, line)
        self.within.update({x: node for step in steps for x in step})
        for slot, (j, all_) in enumerate(zip(results, stacked)):
            shape, dtype = forms[slot]
            value = Node("output_of", (node,), (slot,), shape, dtype, steps[0][j].line)
            if all_:
                self.stacks.update({steps[k][j]: (value, k) for k in range(count)})
            else:
                self.made[steps[-1][j]] = value

    def _results(self, steps: Sequence[Sequence[Node]]) -> tuple[list[int], list[bool]]:
        """Which nodes of a step are read outside, and whether of other steps than the last."""
        places, stacked = [], []
        for place, each in enumerate(zip(*steps)):
            read = [k for k, node in enumerate(each) if node in self.read]
            if read:
                places.append(place)
                stacked.append(read != [len(steps) - 1])
        return places, stacked

    def _pick(self, operands: Sequence[Node]) -> tuple[Pick, list[Node]]:
        """How each step finds a value of its own, and the nodes it is found in."""
        places = [self.stacks.get(x, (None, 0)) for x in operands]
        stack, first = places[0]
        step = places[1][1] - first
        if stack is not None and places == [(stack, first + step * k) for k in range(len(places))]:
            return Pick(True, first, step), [stack]
        return Pick(False), [self._of(x) for x in operands]


class _Body:
    """What one step does, over inputs of its own."""

    def __init__(self, course: Course, period: Period) -> None:
        self.course, self.period = course, period
        columns = course.columns(period)
        assert columns is not None, "asked before"
        self.columns = columns
        ways = [way for row in columns for way in row]
        # by where they come from, each once
        self.same = {x: None for kind, x in ways if kind == "same"}
        self.each = {tuple(xs): None for kind, xs in ways if kind == "each"}
        self.begins: dict[tuple[int, Node], None] = {}  # of carried values: places, first ones

    def graph(self, results: Sequence[int], effects: Sequence[Node]) -> Graph:
        """The step as a graph."""
        start, size, count = self.period
        steps = [self.course.nodes[start + k * size :][:size] for k in range(count)]
        for node, row in zip(steps[0], self.columns):
            for x, (kind, q) in zip(node.inputs, row):
                if kind == "carried":
                    self.begins[q, x] = None
        carried = {key: _given(key[1]) for key in self.begins}
        same = {x: _given(x) for x in self.same}
        each = {xs: _given(xs[0]) for xs in self.each}
        made: list[Node] = []
        for j, (node, row) in enumerate(zip(steps[0], self.columns)):
            inputs = []
            for x, (kind, q) in zip(node.inputs, row):
                if kind == "inner":
                    inputs.append(made[q])
                elif kind == "carried":
                    inputs.append(carried[q, x])
                else:
                    inputs.append(same[q] if kind == "same" else each[tuple(q)])
            params = varied([step[j].params for step in steps])
            made.append(like(node, inputs, params))
        places = {node: j for j, node in enumerate(steps[0])}
        outputs = [made[q] for q, _ in carried] + [made[j] for j in results]
        inputs = [*carried.values(), *same.values(), *each.values()]
        return Graph(inputs, outputs, [made[places[x]] for x in effects])


def like(node: Node, inputs: Sequence[Node], params: Any = None) -> Node:
    """A node over other inputs."""
    given = node.params if params is None else params
    return Node(node.op, inputs, given, node.shape, node.dtype, node.line, node.module)


def _given(like: Node) -> Node:
    """An input of a body."""
    return Node("input", (), ("loop",), like.shape, like.dtype)


def varied(values: Sequence[Any]) -> Any:
    """Parameters of all steps as one: whole numbers that differ are `Varied`."""
    first = values[0]
    kind = type(first)
    if kind is int:
        return first if all(x == first for x in values) else Varied(tuple(values))
    if kind is tuple or kind is list:
        return kind(varied(parts) for parts in zip(*values))
    if kind is dict:
        return {key: varied([x[key] for x in values]) for key in first}
    if kind is slice:
        return slice(*(varied([getattr(x, name) for x in values])
                       for name in ("start", "stop", "step")))  # fmt: skip
    return first


def fixed(value: Any, k: int) -> Any:
    """The parameters of step k."""
    return replaced(value, Varied, lambda part: part.values[k])


def unrolled(graph: Graph) -> Graph:
    """The graph with all steps of its loops written out."""
    made: dict[Node, Any] = {node: node for node in graph.inputs}
    effects: list[Node] = []
    for node in sorted(graph.nodes, key=lambda node: node.index):
        if node in made:
            continue
        if node.op == "loop":
            made[node] = _steps(node, made, effects)
        elif node.op == "output_of" and type(made[node.inputs[0]]) is list:
            made[node] = made[node.inputs[0]][node.params[0]]
        else:
            made[node] = like(node, [made[x] for x in node.inputs])
            effects += [made[node]] * (node in graph.effects)
    return Graph(graph.inputs, [made[x] for x in graph.outputs], effects)


def _steps(node: Node, made: dict[Node, Any], effects: list[Node]) -> list[Any]:
    """The results of a loop: of each its last value, or the list of all."""
    loop: Loop = node.params[0]
    body, split = loop.body, loop.carried + loop.same
    carried = [made[x] for x in node.inputs[: loop.carried]]
    same = [made[x] for x in node.inputs[loop.carried : split]]
    found: list[Any] = [[] for _ in loop.stacked]
    order = sorted(body.nodes, key=lambda node: node.index)
    for k in range(loop.count):
        picked = [_chosen(pick, nodes, k, made) for pick, nodes in loop.picked(node)]
        here: dict[Node, Node] = dict(zip(body.inputs, [*carried, *same, *picked]))
        for one in order:
            if one not in here:
                here[one] = like(one, [here[x] for x in one.inputs], fixed(one.params, k))
                effects += [here[one]] * (one in body.effects)
        carried = [here[x] for x in body.outputs[: loop.carried]]
        for values, x in zip(found, loop.results):
            values.append(here[x])
    return [values if all_ else values[-1] for values, all_ in zip(found, loop.stacked)]


def _chosen(pick: Pick, nodes: Sequence[Node], k: int, made: dict[Node, Any]) -> Node:
    if not pick.stack:
        return made[nodes[k]]
    whole, place = made[nodes[0]], pick.first + pick.step * k
    if type(whole) is list:
        return whole[place]
    shape, dtype = whole.shape[place], whole.dtype[place]
    return Node("output_of", (whole,), (place,), shape, dtype, whole.line)
