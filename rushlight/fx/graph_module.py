"""A module whose forward is the source of a graph."""

from __future__ import annotations

import copy
import itertools
import linecache
from typing import Any

import rushlight as rl

from .graph import Graph
from .tracer import Tracer

__all__ = ["GraphModule", "symbolic_trace"]

_counter = itertools.count()


class GraphModule(rl.nn.Module):
    """A module made of a graph and of the parts that the graph uses.

    root: the module that has the parts, or a dictionary of them by dotted name. After a change of
    the graph `recompile` makes the forward anew (assigning `graph` does so by itself).
    Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.GraphModule

    >>> import rushlight as torch
    >>> traced = torch.fx.symbolic_trace(lambda x: x + 1)
    >>> isinstance(traced, torch.nn.Module), traced(torch.tensor(2))
    (True, tensor(3))
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> GraphModule:
        for one in cls.__mro__:  # each has a forward of its own, so each has a class of its own
            if "forward" not in vars(one) or one is GraphModule:
                break
        made = type(cls.__name__, (cls,), {"__module__": cls.__module__})
        return super().__new__(made)  # type: ignore[arg-type]  # a class of its own each

    def __init__(self, root: Any, graph: Graph, class_name: str = "GraphModule") -> None:
        super().__init__()
        type(self).__name__ = type(self).__qualname__ = class_name
        self.meta: dict[str, Any] = {}  # for those who work on the graph
        if isinstance(root, rl.nn.Module):
            self.training = root.training
        for node in graph.nodes:
            if node.op not in ("get_attr", "call_module"):
                continue
            if isinstance(root, dict):
                if node.target not in root:
                    raise RuntimeError(
                        f"Node {node} referenced target {node.target} but that target was not"
                        " provided in `root`!"
                    )
                _place(self, node.target, root[node.target])
            else:
                _place(self, node.target, _found(root, node.target))
        self.graph = graph

    @property
    def graph(self) -> Graph:
        """The graph that forward was made of."""
        return self.__dict__["_graph"]

    @graph.setter
    def graph(self, g: Graph) -> None:
        if not isinstance(g, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(g)}")
        g.owning_module = self
        self.__dict__["_graph"] = g
        self.recompile()

    @property
    def code(self) -> str:
        """The source of forward."""
        return self.__dict__["_code"]

    def recompile(self) -> Any:
        """Make forward of the graph as it is now; returns its source and what that names."""
        made = self.graph.python_code("self")
        self.__dict__["_code"] = made.src
        file = f"<eval_with_key>.{next(_counter)}"
        linecache.cache[file] = (len(made.src), None, made.src.splitlines(True), file)
        space = dict(made.globals)
        exec(compile(made.src, file, "exec"), space)
        type(self).forward = space["forward"]
        return made

    def print_readable(self, print_output: bool = True, **kwargs: Any) -> str:
        """The source of the class, printed as well."""
        body = self.code.strip().replace("\n", "\n    ")
        text = f"class {type(self).__name__}(torch.nn.Module):\n    {body}\n"
        if print_output:
            print(text)
        return text

    def add_submodule(self, target: str, m: Any) -> bool:
        """Put a module at a dotted name; says whether there was room for it."""
        *path, last = target.split(".")
        owner: Any = self
        for part in path:
            owner = getattr(owner, part) if hasattr(owner, part) else _new_part(owner, part)
            if not isinstance(owner, rl.nn.Module):
                return False
        owner.add_module(last, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Remove the module at a dotted name; says whether there was one."""
        *path, last = target.split(".")
        owner: Any = self
        for part in path:
            owner = getattr(owner, part, None)
        if not isinstance(getattr(owner, last, None), rl.nn.Module):
            return False
        delattr(owner, last)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Remove the parts that no node uses."""
        used: set[str] = set()
        for node in self.graph.nodes:
            if node.op in ("get_attr", "call_module"):
                parts = node.target.split(".")
                used.update(".".join(parts[: i + 1]) for i in range(len(parts)))
        whole = {node.target for node in self.graph.nodes if node.op == "call_module"}
        for name, _ in list(self.named_modules()):
            inside = any(name.startswith(f"{one}.") for one in whole)
            if name and name not in used and not inside:
                self.delete_submodule(name)

    def __deepcopy__(self, memo: dict[int, Any]) -> GraphModule:
        parts = rl.nn.Module()
        for name, value in self.__dict__.items():
            if name not in ("_graph", "_code"):
                parts.__dict__[name] = copy.deepcopy(value, memo)
        made = GraphModule(parts, copy.deepcopy(self.graph), type(self).__name__)
        made.__dict__.update(parts.__dict__)
        return made

    def __copy__(self) -> GraphModule:
        made = GraphModule(self, self.graph, type(self).__name__)
        made.meta = self.meta
        return made

    def __reduce__(self) -> Any:
        held = {k: v for k, v in self.__dict__.items() if k not in ("_graph", "_code")}
        return _rebuilt, (held, self.graph, type(self).__name__)

    def __str__(self) -> str:
        return (
            f"{super().__str__()}\n{self.code}\n# To see more debug info, please use"
            " `graph_module.print_readable()`"
        )


def _rebuilt(held: dict[str, Any], graph: Graph, name: str) -> GraphModule:
    parts = rl.nn.Module()
    parts.__dict__.update(held)
    made = GraphModule(parts, graph, name)
    made.__dict__.update(held)
    return made


def _found(root: Any, target: str) -> Any:
    for part in target.split("."):
        root = getattr(root, part)
    return root


def _new_part(owner: Any, name: str) -> Any:
    owner.add_module(name, rl.nn.Module())
    return getattr(owner, name)


def _place(owner: Any, target: str, value: Any) -> None:
    """Put a part at the same dotted name as in the original."""
    *path, last = target.split(".")
    for part in path:
        held = getattr(owner, part, None)
        owner = held if isinstance(held, rl.nn.Module) else _new_part(owner, part)
    if isinstance(value, rl.Tensor) and not isinstance(value, rl.nn.Parameter):
        owner.register_buffer(last, value)
    else:
        setattr(owner, last, value)


def symbolic_trace(root: Any, concrete_args: dict[str, Any] | None = None) -> GraphModule:
    """A module that does what a module or function does, with its graph.

    Raises: TraceError where the code asks for a value (`if x.sum() > 0:`).
    Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.symbolic_trace

    >>> import rushlight as torch
    >>> traced = torch.fx.symbolic_trace(lambda x: torch.relu(x + 1).sum(-1))
    >>> print(traced.code.strip())
    def forward(self, x):
        add = x + 1;  x = None
        relu = torch.relu(add);  add = None
        sum_1 = relu.sum(-1);  relu = None
        return sum_1
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    is_module = isinstance(root, rl.nn.Module)
    name = type(root).__name__ if is_module else getattr(root, "__name__", "GraphModule")
    return GraphModule(tracer.root, graph, name)
