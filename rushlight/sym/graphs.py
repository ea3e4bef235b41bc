"""Expressions and the compiler's `Graph`, each made from the other."""

from __future__ import annotations

import importlib
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..autograd.modes import no_grad
from ..autograd.symbolic.evaluation import by_element, fed, fed_all
from ..autograd.symbolic.expressions import (
    CONSTANT,
    DETACH,
    OUTPUT,
    VARIABLE,
    Expr,
    constant,
    make,
    order,
    variable,
)
from ..autograd.symbolic.values import SymbolicError, wrap
from ..compile.backends import choose_backend
from ..compile.middle.graph import Graph, Node
from ..compile.reports.source import NumpyProgram, Source
from ..compile.tracing.capture import Uncompilable, capture
from ..compile.tracing.results import called_apart
from ..core.errors import fail
from ..core.primitive import REGISTRY
from ..core.tensor import Tensor
from ..core.tensor import wrap as tensor
from .building import expression_of

LOG = logging.getLogger("rushlight.compile")


def graph_of(expression: Any) -> Graph:
    """The compiler's `Graph` of one or several expressions; inputs in order of first use.

    >>> import rushlight as torch
    >>> a, b = torch.sym.var("a", (2,)), torch.sym.var("b", (2,))
    >>> [node.op for node in (a * b + 1).graph()]
    ['input', 'input', 'mul', 'constant', 'add']
    """
    outputs = [expression_of(x) for x in _many(expression)]
    nodes: dict[Expr, Node] = {}
    inputs = []
    for x in order(outputs):
        if x.open:
            raise fail(
                SymbolicError, "a graph needs the shape of every variable",
                "sym.var(name, shape=(...)) says it",
            )  # fmt: skip
        nodes[x] = _node(x, nodes, len(inputs))
        if x.op == VARIABLE:
            inputs.append(nodes[x])
    return Graph(inputs, [nodes[x] for x in outputs])


def _many(expression: Any) -> list[Any]:
    return list(expression) if isinstance(expression, (list, tuple)) else [expression]


def _node(x: Expr, nodes: Mapping[Expr, Node], place: int) -> Node:
    if x.op == VARIABLE:
        return Node("input", (), (place,), x.shape, x.dtype, x.line, x.name)
    if x.op == CONSTANT:
        value = x.value if x.value is None else np.full(x.shape, x.value, x.dtype)
        return Node("constant", (), (value,), x.shape, x.dtype)
    op = "clone" if x.op == DETACH else x.op
    reads = [nodes[a] for a in x.args]
    if x.op in REGISTRY and not by_element(REGISTRY[x.op]) and x.dtype != np.dtype(bool):
        reads = [_typed(a, n, x.dtype) for a, n in zip(x.args, reads)]
    return Node(op, reads, x.params, x.shape, x.dtype, x.line)


def _typed(a: Expr, node: Node, dtype: Any) -> Node:
    """A number that takes the type of what it meets, in the type that it took."""
    weak = a.weak and isinstance(a.value, float) and isinstance(dtype, np.dtype)
    return Node("constant", (), (np.full((), a.value, dtype),), (), dtype) if weak else node


def from_graph(graph: Graph, names: Sequence[str] | None = None) -> list[Any]:
    """The outputs of a captured `Graph` as expressions; inputs become variables.

    Raises: SymbolicError where the graph holds what is no op of the registry.

    >>> import rushlight as torch
    >>> a, b = torch.sym.vars("a b")
    >>> torch.sym.from_graph(torch.sym.graph_of(a * b + a))
    [a*b + a]
    """
    made: dict[Node, Expr] = {}
    names = names or [node.module or f"x{place}" for place, node in enumerate(graph.inputs)]
    for node, name in zip(graph.inputs, names, strict=True):
        made[node] = variable(name, node.shape, node.dtype)
    for node in graph.nodes:
        if node not in made:
            made[node] = _expression(node, [made[x] for x in node.inputs])
    return [wrap(made[node]) for node in graph.outputs]


def _expression(node: Node, args: Sequence[Expr]) -> Expr:
    if node.op == "constant":
        return constant(node.params[0])
    if node.op != OUTPUT and node.op not in REGISTRY:
        raise fail(
            SymbolicError, f"the graph holds {node.op}, which has no formula",
            *([f"at {node.line}"] if node.line else []),
        )  # fmt: skip
    return make(node.op, args, node.params, node.shape, node.dtype, node.line)


def trace(function: Callable[..., Any], *tensors: Tensor) -> Any:
    """What a call of an eager function computed, as expressions over its arguments.

    The function runs once, on real values, and the branch that it takes is the one traced. Tensors
    it reads from elsewhere become variables too, a module's parameters under their own names.

    >>> import rushlight as torch
    >>> torch.sym.trace(lambda x: (x * x).sum(), torch.ones(3))
    sum(x ⊙ x)
    """
    plain = tuple(x.detach() for x in tensors)
    with no_grad():
        result, captured, _ = capture(called_apart, (function, *plain), {})
    if isinstance(captured, Uncompilable):
        raise fail(SymbolicError, f"the call is not one graph: {captured}")
    for step in captured.afterwards:
        step()
    known = _argument_names(function, len(tensors))
    parameters = _parameter_names(function)
    names = [
        known[source.owner]
        if source.kind == "argument"
        else parameters.get(id(source.owner), f"p{place}")
        for place, source in enumerate(captured.sources)
    ]
    found = from_graph(captured.graph, names)
    return tuple(found) if isinstance(result, (tuple, list)) else found[0]


def _parameter_names(function: Any) -> dict[int, str]:
    """The names of a module's own tensors."""
    named = getattr(function, "named_parameters", None)
    buffers = getattr(function, "named_buffers", None)
    found = [*(named() if named else ()), *(buffers() if buffers else ())]
    return {id(tensor): name for name, tensor in found}


def _argument_names(function: Any, count: int) -> list[str]:
    try:
        names = list(inspect.signature(getattr(function, "forward", function)).parameters)[:count]
    except (TypeError, ValueError):
        names = []
    return names + [f"x{place}" for place in range(len(names), count)]


class Program:
    """A compiled expression: call it with the variables by name, or in their order.

    `backend` is what runs it: "llvm" or "numpy" (which also stands in for what native code lacks).
    `source()` is the same program as NumPy code.

    >>> import rushlight as torch
    >>> a, b = torch.sym.vars("a b")
    >>> program = torch.sym.compiled(a * b + a)
    >>> program.names, program(a=2.0, b=3.0)
    (['a', 'b'], tensor(8.))
    """

    def __init__(self, expression: Any, backend: str | None = None) -> None:
        self.several = isinstance(expression, (list, tuple))
        self.outputs = [expression_of(x) for x in _many(expression)]
        self.inputs = [x for x in order(self.outputs) if x.op == VARIABLE]
        self.names = [x.name for x in self.inputs]
        self.graph = graph_of(expression)
        self.backend, self._program = _program(self.graph, choose_backend(backend))

    def __call__(self, *values: Any, **named: Any) -> Any:
        """The value (a list of them where several expressions were compiled), without gradients."""
        if len(values) > len(self.names):
            raise TypeError(f"{len(values)} values for {len(self.names)} variables")
        given = {**dict(zip(self.names, values)), **named}
        if not given.keys() >= set(self.names):
            fed_all(self.outputs, given)  # raises, naming what is missing
        arrays = [np.asarray(fed(x, given[x.name])._array, order="C") for x in self.inputs]
        found = self._program.run(arrays)
        tensors = [tensor(_own(y, x)) for x, y in zip(self.outputs, found)]
        return tensors if self.several else tensors[0]

    def source(self) -> str:
        """The program as Python text."""
        return Source(self.graph).text()


def _own(y: Any, x: Expr) -> np.ndarray:
    """An output in memory of its own (a program may give an input or a constant back)."""
    return np.array(y if np.shape(y) == x.shape else np.broadcast_to(y, x.shape), x.dtype)


def _program(graph: Graph, backend: str) -> tuple[str, Any]:
    """Native code where it can be made, else NumPy's."""
    if backend == "llvm":
        native = importlib.import_module("rushlight.compile.native")  # its modules load on use
        try:
            return "llvm", native.NativeProgram(graph, [], [])
        except Exception as error:
            LOG.warning("native code could not be made", exc_info=error)
    return "numpy", NumpyProgram(graph)


def compiled(expression: Any, backend: str | None = None) -> Program:
    """One or several expressions as one program without the cost of building or dispatch.

    `backend` is "llvm" (the default where llvmlite is installed) or "numpy".

    >>> import rushlight as torch
    >>> x = torch.sym.var("x", (3,))
    >>> f = torch.sym.grad(torch.sigmoid(x).sum(), x).compile()
    >>> f(torch.zeros(3))
    tensor([0.2500, 0.2500, 0.2500])
    """
    return Program(expression, backend)
