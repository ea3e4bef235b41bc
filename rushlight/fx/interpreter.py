"""Runs a graph node by node, so that subclasses can inspect values or change calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .graph import Graph
from .graph_module import GraphModule
from .node import Node, map_arg
from .proxy import Proxy
from .tracer import Tracer

__all__ = ["Interpreter", "Transformer"]


class Interpreter:
    """Runs the graph of a module; each kind of node is a method that a subclass may replace.

    Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.Interpreter

    >>> import rushlight as torch
    >>> class Counting(torch.fx.Interpreter):
    ...     def call_function(self, target, args, kwargs):
    ...         print(target.__name__, args)
    ...         return super().call_function(target, args, kwargs)
    >>> Counting(torch.fx.symbolic_trace(lambda x: x * 2 + 1)).run(3)
    mul (3, 2)
    add (6, 1)
    7
    """

    def __init__(
        self, module: Any, garbage_collect_values: bool = True, graph: Graph | None = None
    ) -> None:
        self.module = module
        self.submodules = dict(module.named_modules())
        self.graph: Graph = module.graph if graph is None else graph
        self.garbage_collect_values = garbage_collect_values
        self.env: dict[Node, Any] = {}
        self.args_iter: Iterator[Any] = iter(())
        seen: set[Node] = set()
        self._ends: dict[Node, list[Node]] = {}
        for node in reversed(self.graph.nodes):
            self._ends[node] = [one for one in node.all_input_nodes if one not in seen]
            seen.update(node.all_input_nodes)

    def run(
        self,
        *args: Any,
        initial_env: dict[Node, Any] | None = None,
        enable_io_processing: bool = True,
    ) -> Any:
        """What the graph gives for these inputs."""
        self.env = dict(initial_env or {})
        self.args_iter = iter(args)
        for node in self.graph.nodes:
            if node in self.env:
                continue
            self.env[node] = self.run_node(node)
            if node.op == "output":
                return self.env[node]
            if self.garbage_collect_values:
                for one in self._ends[node]:
                    del self.env[one]
        return None

    def run_node(self, n: Node) -> Any:
        """The value of one node."""
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        return getattr(self, n.op)(n.target, args, kwargs)

    def fetch_args_kwargs_from_env(self, n: Node) -> tuple[Any, Any]:
        """The arguments of a node as values."""
        return self.map_nodes_to_values(n.args, n), self.map_nodes_to_values(n.kwargs, n)

    def map_nodes_to_values(self, args: Any, n: Node) -> Any:
        """Nodes inside an argument as values."""

        def value(one: Node) -> Any:
            if one not in self.env:
                raise RuntimeError(f"Node {n} referenced nonexistent value {one}!")
            return self.env[one]

        return map_arg(args, value)

    def fetch_attr(self, target: str) -> Any:
        """What the module has at a dotted name."""
        found = self.module
        for i, part in enumerate(target.split(".")):
            if not hasattr(found, part):
                path = ".".join(target.split(".")[: i + 1])
                raise RuntimeError(f"Node referenced nonexistent target {path}")
            found = getattr(found, part)
        return found

    def placeholder(self, target: str, args: Any, kwargs: Any) -> Any:
        """The next input, or the default."""
        if target.startswith("*"):
            return list(self.args_iter)
        try:
            return next(self.args_iter)
        except StopIteration:
            if args:
                return args[0]
        raise RuntimeError(
            f"Expected positional argument for parameter {target}, but one was not passed in!"
        )

    def get_attr(self, target: str, args: Any, kwargs: Any) -> Any:
        """A parameter, buffer or constant."""
        return self.fetch_attr(target)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """A function's result."""
        return target(*args, **kwargs)

    def call_method(self, target: str, args: Any, kwargs: Any) -> Any:
        """A method's result."""
        owner, *rest = args
        return getattr(owner, target)(*rest, **kwargs)

    def call_module(self, target: str, args: Any, kwargs: Any) -> Any:
        """A part's result."""
        return self.fetch_attr(target)(*args, **kwargs)

    def output(self, target: str, args: Any, kwargs: Any) -> Any:
        """What is returned."""
        return args[0]


class _Following(Tracer):
    """Adds nodes to the graph of a Transformer: whatever module is called is one node."""

    def __init__(self, graph: Graph, root: Any) -> None:
        super().__init__()
        self.graph, self.root = graph, root

    def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:
        return True


class Transformer(Interpreter):
    """An Interpreter whose values are proxies: `transform` gives the graph of what it does.

    Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.Transformer

    >>> import rushlight as torch
    >>> import operator
    >>> class Sums(torch.fx.Transformer):
    ...     def call_function(self, target, args, kwargs):
    ...         target = operator.add if target is operator.mul else target
    ...         return super().call_function(target, args, kwargs)
    >>> Sums(torch.fx.symbolic_trace(lambda x: x * 5)).transform()(2)
    7
    """

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        self.new_graph = Graph()
        self.tracer = _Following(self.new_graph, module)

    def placeholder(self, target: str, args: Any, kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("placeholder", target, args, {})

    def get_attr(self, target: str, args: Any, kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("get_attr", target, args, kwargs)

    def call_module(self, target: str, args: Any, kwargs: Any) -> Any:
        return self.tracer.create_proxy("call_module", target, args, kwargs)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        return self.tracer.create_proxy("call_function", target, args, kwargs)

    def transform(self) -> GraphModule:
        """The module of the new graph."""
        result = super().run(enable_io_processing=False)
        if result is not None:
            self.new_graph.output(self.tracer.create_arg(result))
        return GraphModule(self.module, self.new_graph)
