"""The graph: an ordered list of nodes, the names in it, and the ways to change it."""

from __future__ import annotations

import builtins
import copy
import keyword
import re
from collections.abc import Callable, Iterator
from typing import Any

from .node import Node, map_aggregate, map_arg
from .noting import GraphAppendingTracer
from .source import PythonCode, forward_source

__all__ = ["Graph"]

_NAME = re.compile(r"^(.*?)(?:_(\d+))?$")
_TAKEN = {*keyword.kwlist, *dir(builtins), "torch", "inf", "nan", "NoneType", "device"}


class _Names:
    """Names that are given out once: `add`, `add_1`, `add_2`."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.counts: dict[str, int] = {}

    def create(self, candidate: str) -> str:
        candidate = re.sub("[^0-9a-zA-Z_]+", "_", candidate) or "_unnamed"
        if candidate[0].isdigit():
            candidate = f"_{candidate}"
        match = _NAME.match(candidate)
        assert match is not None
        base, number = match.groups()
        if number is None or candidate in self.used:
            count = self.counts.get(candidate, 0)
            if candidate in _TAKEN:
                count += 1
                candidate = f"{base}_{count}"
        else:
            count = int(number)
        while candidate in self.used:
            count += 1
            candidate = f"{base}_{count}"
        self.used.add(candidate)
        self.counts[base] = count
        return candidate


def _snake_case(name: str) -> str:
    """`MaxPool` as `max_pool`."""
    return re.sub("(?<=[a-z])([A-Z])", r"_\1", name).lower()


class _NodeList:
    """The nodes of a graph in their order; it may change while it is walked."""

    def __init__(self, graph: Graph, backwards: bool = False) -> None:
        self.graph, self.backwards = graph, backwards

    def __iter__(self) -> Iterator[Node]:
        root = self.graph._root
        node = root._prev if self.backwards else root._next
        while node is not root:
            if not node._erased:
                yield node
            node = node._prev if self.backwards else node._next

    def __reversed__(self) -> Iterator[Node]:
        return iter(_NodeList(self.graph, not self.backwards))

    def __len__(self) -> int:
        return self.graph._length


class _InsertPoint:
    """Where new nodes go, from when it is made; the end of a block puts the former place back."""

    def __init__(self, graph: Graph, put: Callable[[Node], None]) -> None:
        self.graph, self.before = graph, graph._insert
        graph._insert = put

    def __enter__(self) -> None: ...

    def __exit__(self, *failure: object) -> None:
        self.graph._insert = self.before


class Graph:
    """What a function does with its inputs, step by step, as data.

    Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.Graph

    >>> import rushlight as torch
    >>> graph = torch.fx.Graph()
    >>> x = graph.placeholder("x")
    >>> out = graph.output(graph.call_function(torch.relu, (x,)))
    >>> print(graph)
    graph():
        %x : [num_users=1] = placeholder[target=x]
        %relu : [num_users=1] = call_function[target=torch.relu](args = (%x,), kwargs = {})
        return relu
    """

    def __init__(
        self, owning_module: Any = None, tracer_cls: Any = None, tracer_extras: Any = None
    ) -> None:
        self.owning_module = owning_module
        self._tracer_cls, self._tracer_extras = tracer_cls, tracer_extras
        self._names = _Names()
        self._length = 0
        self._root = Node(self, "", "output", "root", (), {})
        self._insert: Callable[[Node], None] = self._root.prepend

    @property
    def nodes(self) -> _NodeList:
        """All nodes, in the order in which they run."""
        return _NodeList(self)

    def find_nodes(self, *, op: str, target: Any = None, sort: bool = True) -> list[Node]:
        """The nodes of one kind, of one target if it is given."""
        found = (node for node in self.nodes if node.op == op)
        return [node for node in found if target is None or node.target == target]

    def create_node(
        self, op: str, target: Any, args: Any = None, kwargs: Any = None, name: str | None = None,
        type_expr: Any = None,
    ) -> Node:  # fmt: skip
        """Put a node where nodes are put now (at the end, or as `inserting_before` says)."""
        label = self._names.create(name if name is not None else self._label(target))
        node = Node(self, label, op, target, args or (), kwargs or {}, type_expr)
        self._insert(node)
        self._length += 1
        return node

    def _label(self, target: Any) -> str:
        target = getattr(target, "overloadpacket", target)
        name = target if isinstance(target, str) else getattr(target, "__name__", "call")
        if name.startswith("__") and name.endswith("__"):
            name = name[2:-2]
        return _snake_case(name)

    def appending(self) -> GraphAppendingTracer:
        """What notes the uses of a Proxy that was made from a node alone."""
        return GraphAppendingTracer(self)

    def placeholder(self, name: str, type_expr: Any = None, default_value: Any = ...) -> Node:
        """An input; `name` may begin with one or two stars."""
        args = () if default_value is ... else (default_value,)
        return self.create_node("placeholder", name, args, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """A parameter, buffer or other attribute of the module."""
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(
        self, module_name: str, args: Any = None, kwargs: Any = None, type_expr: Any = None
    ) -> Node:
        """A call of a module's part."""
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(
        self, method_name: str, args: Any = None, kwargs: Any = None, type_expr: Any = None
    ) -> Node:
        """A call of a method of `args[0]`."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(
        self, the_function: Callable[..., Any], args: Any = None, kwargs: Any = None,
        type_expr: Any = None, name: str | None = None,
    ) -> Node:  # fmt: skip
        """A call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def output(self, result: Any, type_expr: Any = None) -> Node:
        """What the graph returns."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def output_node(self) -> Node:
        """The node that returns."""
        return next(reversed(self.nodes))

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Any] = lambda x: x) -> Node:
        """Append a node of another graph; `arg_transform` finds its arguments in this one."""
        args, kwargs = map_arg((node.args, node.kwargs), arg_transform)
        result = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        result.meta = copy.copy(node.meta)
        return result

    def graph_copy(self, g: Graph, val_map: dict[Node, Node], return_output_node: bool = False):
        """Append all nodes of a graph; returns what its output is here.

        `val_map` takes and gives which node became which. With `return_output_node` the result is
        a pair with the output node of `g`.
        """
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                result = map_arg(node.args[0], val_map.__getitem__)
                return (result, node) if return_output_node else result
            val_map[node] = self.node_copy(node, val_map.__getitem__)
        return None

    def erase_node(self, to_erase: Node) -> None:
        """Remove a node. Raises: RuntimeError when its result is used."""
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in"
                f" the graph: {to_erase.users}!"
            )
        if to_erase.graph is not self:
            raise RuntimeError(f"Attempting to remove {to_erase} from wrong graph!")
        if to_erase._erased:
            return
        to_erase._leave()
        to_erase._erased = True
        self._length -= 1
        to_erase._update((), {})

    def inserting_before(self, n: Node | None = None) -> _InsertPoint:
        """New nodes come in front of `n` (of all nodes, without `n`) from now on, or in a block.

        Raises: AssertionError for a node of another graph.
        """
        if n is None:
            return self.inserting_after(self._root)
        if n.graph is not self:
            raise AssertionError("Node to insert before is not in graph.")
        return _InsertPoint(self, n.prepend)

    def inserting_after(self, n: Node | None = None) -> _InsertPoint:
        """New nodes come right behind `n` (behind all, without `n`) from now on, or in a block.

        Raises: AssertionError for a node of another graph.
        """
        if n is None:
            return self.inserting_before(self._root)
        if n.graph is not self:
            raise AssertionError("Node to insert after is not in graph.")
        return _InsertPoint(self, n.append)

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Remove the nodes whose results nobody uses; says whether there were any."""
        impure = is_impure_node or Node.is_impure
        before = self._length
        for node in reversed(self.nodes):
            if not impure(node) and not node.users:
                self.erase_node(node)
        return self._length < before

    def lint(self) -> None:
        """Check that nodes come before their users, once each, and that targets exist.

        Raises: RuntimeError naming the first that is wrong.
        """
        seen: set[str] = set()
        for node in self.nodes:
            if node.graph is not self:
                raise RuntimeError(f"Node '{node}' does not belong to this Graph!")
            if node.name in seen:
                raise RuntimeError(f"Node redefined name {node.name}!")
            for one in node.all_input_nodes:
                if one.graph is not self:
                    raise RuntimeError(
                        f"Argument '{one}' of Node '{node}' does not belong to this Graph, but was"
                        " used as an argument! If you are copying nodes from another graph, make"
                        f" sure to use ``arg_transform`` on node_copy() to remap values\n{self}"
                    )
                if one.name not in seen:
                    raise RuntimeError(
                        f"Argument '{one}' of Node '{node}' was used before it has been defined!"
                        f" Please check that Nodes in the graph are topologically ordered\n{self}"
                    )
            seen.add(node.name)
            if self.owning_module is not None and node.op in ("get_attr", "call_module"):
                self._lint_target(node)

    def _lint_target(self, node: Node) -> None:
        found = self.owning_module
        for part in node.target.split("."):
            if not hasattr(found, part):
                raise RuntimeError(
                    f"Node {node} target {node.target} references nonexistent attribute {part} of"
                    f" {' '.join(str(found).split())[:80]}"
                )
            found = getattr(found, part)

    def python_code(self, root_module: str = "self", *, verbose: bool = False) -> PythonCode:
        """The graph as the source of a function, with the objects that the source names."""
        return forward_source(self, root_module)

    def print_tabular(self) -> None:
        """Print a line per node, in columns."""
        head = ("opcode", "name", "target", "args", "kwargs")
        rows = [
            (node.op, node.name, str(node.target), str(node.args), str(node.kwargs))
            for node in self.nodes
        ]
        widths = [max(len(name) + 2, *(len(row[i]) for row in rows)) for i, name in enumerate(head)]
        for row in (head, tuple("-" * width for width in widths), *rows):
            print("  ".join(part.ljust(width) for part, width in zip(row, widths)).rstrip())

    def __str__(self) -> str:
        return "\n    ".join(["graph():", *(node.format_node() for node in self.nodes)])

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Graph:
        made = Graph(tracer_cls=self._tracer_cls, tracer_extras=self._tracer_extras)
        found: dict[Node, Node] = {}
        result = made.graph_copy(self, found)
        if any(node.op == "output" for node in self.nodes):
            made.output(result).meta = copy.copy(self.output_node().meta)
        return made

    def __reduce__(self) -> Any:
        steps = [
            (n.op, n.target, *map_arg((n.args, n.kwargs), _Reference), n.name) for n in self.nodes
        ]
        return _rebuilt, (steps,)


class _Reference:
    """Another node of a graph that is being stored, by its name."""

    def __init__(self, node: Node) -> None:
        self.name = node.name


def _rebuilt(steps: list[Any]) -> Graph:
    graph, known = Graph(), {}

    def found(one: Any) -> Any:
        return known[one.name] if isinstance(one, _Reference) else one

    for op, target, args, kwargs, name in steps:
        args, kwargs = map_aggregate((args, kwargs), found)
        known[name] = graph.create_node(op, target, args, kwargs, name)
    return graph
