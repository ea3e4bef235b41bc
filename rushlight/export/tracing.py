"""A model's forward as a graph of torch's operators: every public call is bound to one of them."""

from __future__ import annotations

import gc
import linecache
import os
import sys
from typing import Any

import rushlight as rl

from .._dynamo.exc import Unsupported
from .._ops import aten
from ..compile.tracing.alive import nothing_aside
from ..core.errors import fail
from ..core.state import STATE
from ..fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from ..fx.graph import Graph
from ..fx.node import Node
from ..overrides import TorchFunctionMode
from . import handlers
from .schemas import bound

_HERE = os.path.dirname(os.path.dirname(__file__))
_INSIDE = tuple(
    os.path.join(_HERE, *part.split("/"))
    for part in ("core", "export", "overrides.py", "functions", "_ops.py", "nn/module")
)
_DECIDES = frozenset("__bool__ __int__ __float__ __index__ __complex__ is_nonzero".split())
_GIVES = frozenset(
    "item tolist numpy __array__ __contains__ equal allclose __dlpack__ __format__".split()
)
_MAKERS = frozenset(
    """
zeros ones full empty arange linspace logspace eye rand randn randint randperm tril_indices
triu_indices hann_window hamming_window blackman_window bartlett_window kaiser_window
""".split()
)


def place() -> tuple[str, int, str]:
    """File, line and function of the call in a model's code, or in the code of a layer."""
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name


def tensors_in(value: Any) -> list[Any]:
    """The tensors in arguments or results."""
    if isinstance(value, rl.Tensor):
        return [value]
    if isinstance(value, dict):
        return tensors_in(list(value.values()))
    if isinstance(value, (tuple, list)):
        return [x for one in value for x in tensors_in(one)]
    return []


class Recorder(TorchFunctionMode):
    """What is called while it is active becomes a graph; the calls are carried out, too."""

    def __init__(self, strict: bool) -> None:
        super().__init__()
        self.graph, self.strict = Graph(), strict
        self.known: dict[int, tuple[Any, Node]] = {}
        self.constants: dict[str, tuple[str, Any]] = {}
        self.attributes: dict[int, str] = {}  # tensors that layers hold, by identity
        self.inputs: list[Node] = []
        # What was there before may be a constant; what a function made unseen may not.
        with nothing_aside():
            self.before = {id(x): x for x in gc.get_objects() if issubclass(type(x), rl.Tensor)}

    def __enter__(self) -> Any:
        self._exporting, STATE.exporting = STATE.exporting, True
        return super().__enter__()

    def __exit__(self, *raised: Any) -> Any:
        STATE.exporting = self._exporting
        return super().__exit__(*raised)

    # --- tensors and their nodes

    def learn(self, tensor: Any, node: Node) -> None:
        """From now on the tensor is the result of the node."""
        self.known[id(tensor)] = (tensor, node)

    def node_of(self, tensor: Any) -> Node:
        """The node of a tensor; one that was there before the call is a constant."""
        found = self.known.get(id(tensor))
        if found is not None:
            return found[1]
        if id(tensor) not in self.before:
            raise self.unsupported("a function made a tensor out of sight of the trace")
        return self.constant(tensor)

    def constant(self, tensor: Any) -> Node:
        """An input for a tensor that belongs to the code."""
        lifted = sum(target[:14] == "lifted_tensor_" for target, _ in self.constants.values())
        target = self.attributes.get(id(tensor), f"lifted_tensor_{lifted}")
        name = f"c_{target.replace('.', '_')}"
        self.constants[name] = (target, tensor)
        first = next((node for node in self.graph.nodes if node.op != "placeholder"), None)
        first = self.inputs[0] if self.inputs else first
        if first is None:
            node = self.placeholder(name, tensor)
        else:
            with self.graph.inserting_before(first):
                node = self.placeholder(name, tensor)
        self.learn(tensor, node)
        return node

    def placeholder(self, name: str, value: Any) -> Node:
        """An input of the graph."""
        node = self.graph.placeholder(name)
        node.meta["val"] = value
        return node

    def as_nodes(self, value: Any) -> Any:
        """Arguments with nodes in the place of tensors."""
        if isinstance(value, rl.Tensor):
            return self.node_of(value)
        if isinstance(value, (tuple, list)):
            return type(value)(self.as_nodes(one) for one in value)
        if isinstance(value, dict):
            return {key: self.as_nodes(one) for key, one in value.items()}
        return value

    # --- calls

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        owner = getattr(func, "__self__", None)
        if isinstance(owner, property):
            name = handlers.property_name(owner)
            return self.attribute(name, args[0], func) if name else func(*args)
        return self.called(getattr(func, "__name__", ""), func, args, kwargs or {})

    def attribute(self, name: str, tensor: Any, read: Any) -> Any:
        """A property of a tensor: an operator where it gives another tensor."""
        operator = {"T": "numpy_T", "data": "detach"}.get(name, name)
        value = read(tensor)
        if not isinstance(value, rl.Tensor) or name in ("grad", "_base"):
            return value
        return self.call(operator, tensor)

    def called(self, name: str, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """A public function or method."""
        given = tensors_in((args, kwargs))
        if name in _DECIDES or name in _GIVES:
            if any(id(x) in self.known for x in given):
                raise self.refusal(name)
            return func(*args, **kwargs)
        owned = getattr(func, "__qualname__", "").startswith("Tensor.")
        handler = handlers.TABLE.get(f"Tensor.{name}" if owned else name, handlers.TABLE.get(name))
        if handler is not None:
            return handler(self, *args, **kwargs)
        if not given and name not in _MAKERS:
            return func(*args, **kwargs)
        if (match := bound(name, args, kwargs)) is not None:
            return self.emit(name, *match)
        value = func(*args, **kwargs)
        if tensors_in(value):
            raise self.unsupported(f"{name} with these arguments has no operator of torch's here")
        return value

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """An operator by its name, carried out and noted."""
        match = bound(name, args, kwargs)
        if match is None:
            raise self.unsupported(f"{name} does not take these arguments")
        return self.emit(name, *match)

    def emit(self, name: str, form: str, args: Any, kwargs: dict[str, Any]) -> Any:
        """A form of an operator, carried out and noted."""
        target = getattr(getattr(aten, name), form)
        nodes, named = self.as_nodes(args), self.as_nodes(kwargs)
        value = target(*args, **kwargs)
        node = self.graph.call_function(target, nodes, named)
        node.meta["val"], node.meta["place"] = value, place()
        if isinstance(value, rl.Tensor):
            self.learn(value, node)
        elif isinstance(value, (tuple, list)):
            for index, part in enumerate(value):
                self._learn_part(part, node, index)
        return value

    def _learn_part(self, part: Any, node: Node, index: int) -> None:
        item = self.graph.call_function(handlers.getitem, (node, index))
        item.meta["val"] = part
        self.learn(part, item)

    # --- refusals

    def refusal(self, name: str) -> BaseException:
        """What a question for a value is answered."""
        file, line, function = place()
        code = linecache.getline(file, line).strip()
        where = f'  File "{file}", line {line}, in {function}\n    {code}'
        if name in _GIVES:
            return Unsupported(f"{name} needs the value of a tensor, in\n{where}")
        if self.strict:
            return Unsupported(
                "Data-dependent branching\n  Explanation: Detected data-dependent branching (e.g."
                " `if my_tensor.sum() > 0:`). Dynamo does not support tracing dynamic control"
                f" flow.\n{where}\n  Hint: Use `torch.cond` to express dynamic control flow."
            )
        return GuardOnDataDependentSymNode(
            f"Could not guard on data-dependent expression: {name} needs the value of a tensor."
            f"\n\nThe following call raised this error:\n{where}\n"
        )

    def unsupported(self, why: str) -> BaseException:
        """What cannot be written as torch's operators, with the line."""
        file, line, function = place()
        code = linecache.getline(file, line).strip()
        return fail(Unsupported, why, f'File "{file}", line {line}, in {function}: {code}')
