"""A graph as the Python source of a `forward`."""

from __future__ import annotations

import builtins
import keyword
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import rushlight as rl

from .node import Node, target_name

if TYPE_CHECKING:
    from .graph import Graph

_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "floordiv": "//", "truediv": "/", "mod": "%", "pow": "**",
    "matmul": "@", "lshift": "<<", "rshift": ">>", "and_": "&", "or_": "|", "xor": "^",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
}  # fmt: skip
_PREFIX = {"neg": "-", "pos": "+", "invert": "~"}
_INPLACE = {
    f"i{name.rstrip('_')}": f"{sign}="
    for name, sign in _INFIX.items()
    if sign not in ("<", "<=", ">", ">=", "==", "!=")
}


@dataclass
class PythonCode:
    """Source text, and the objects that its names stand for."""

    src: str
    globals: dict[str, Any] = field(default_factory=dict)


def is_name(text: Any) -> bool:
    """Whether a text can stand in a source as a name: anything else there would be code."""
    return isinstance(text, str) and text.isidentifier() and not keyword.iskeyword(text)


def _name(text: str, stars: str = "") -> str:
    if not is_name(text.lstrip(stars)):
        raise SyntaxError(f"{text!r} is not a name")
    return text


class Writer:
    def __init__(self, graph: Graph, root: str) -> None:
        self.graph, self.root = graph, root
        self.objects: dict[str, Any] = {"torch": rl, "device": rl.device, "inf": float("inf")}
        self.objects["nan"] = float("nan")

    def named(self, name: str, value: Any) -> str:
        """A name under which the source finds `value`."""
        if name.split(".")[0] == "torch" and _reached(name) is value:
            return name
        plain = re.sub(r"[^0-9a-zA-Z_]", "_", name) or "_value"
        if keyword.iskeyword(plain) or plain[0].isdigit():
            plain = f"_{plain}"
        while plain in self.objects and self.objects[plain] is not value:
            plain += "_"
        self.objects[plain] = value
        return plain

    def function(self, target: Any) -> str:
        name = target_name(target)
        if getattr(builtins, name, None) is target:
            return name
        return self.named(name, target)

    def kind(self, kind: Any) -> str:
        """A type as an annotation."""
        if kind in (rl.Tensor, rl.nn.Parameter):
            return "torch.Tensor" if kind is rl.Tensor else "torch.nn.parameter.Parameter"
        return getattr(kind, "__qualname__", str(kind)) if _builtin(kind) else self.value(kind)

    def value(self, value: Any) -> str:
        """An argument as source."""
        if isinstance(value, Node):
            return value.name
        if isinstance(value, tuple):
            return self._tuple(value)
        if isinstance(value, list):
            return f"[{', '.join(self.value(one) for one in value)}]"
        if isinstance(value, dict):
            inner = (f"{key!r}: {self.value(one)}" for key, one in value.items())
            return f"{{{', '.join(inner)}}}"
        if isinstance(value, slice):
            ends = (value.start, value.stop, value.step)
            return f"slice({', '.join(self.value(one) for one in ends)})"
        if isinstance(value, (rl.dtype, rl.memory_format, rl.layout)):
            return str(value)
        if value is None or value is Ellipsis or isinstance(value, (bool, int, float, str)):
            return repr(value)
        if isinstance(value, (complex, bytes, range, rl.device)):
            return repr(value)
        return self.named(getattr(value, "__name__", type(value).__name__), value)

    def _tuple(self, value: tuple[Any, ...]) -> str:
        parts = ", ".join(self.value(one) for one in value)
        if hasattr(value, "_fields"):
            return f"{self.named(type(value).__name__, type(value))}({parts})"
        return f"({parts},)" if len(value) == 1 else f"({parts})"

    def arguments(self, args: Any, kwargs: Any) -> str:
        by_name = [f"{_name(key)} = {self.value(one)}" for key, one in kwargs.items()]
        return ", ".join([*(self.value(one) for one in args), *by_name])

    def step(self, node: Node) -> str:
        """A node as a line; placeholders have none."""
        call = self.arguments(node.args, node.kwargs)
        if node.op == "call_method":
            owner = self.value(node.args[0])
            rest = self.arguments(node.args[1:], node.kwargs)
            return f"{node.name} = {owner}.{_name(node.target)}({rest})"
        if node.op == "call_module":
            return f"{node.name} = {_path(self.root, node.target)}({call})"
        if node.op == "get_attr":
            return f"{node.name} = {_path(self.root, node.target)}"
        if node.op == "output":
            return f"return {self.value(node.args[0])}"
        return self._function_step(node, call)

    def _function_step(self, node: Node, call: str) -> str:
        known, name = node.target, getattr(node.target, "__name__", "")
        args = [self.value(one) for one in node.args]
        if getattr(known, "__module__", None) == "_operator" and not node.kwargs:
            if name in _INFIX and len(args) == 2:
                return f"{node.name} = {args[0]} {_INFIX[name]} {args[1]}"
            if name in _PREFIX and len(args) == 1:
                return f"{node.name} = {_PREFIX[name]}{args[0]}"
            if name in _INPLACE and len(args) == 2:
                return f"{args[0]} {_INPLACE[name]} {args[1]};  {node.name} = {args[0]}"
            if name == "setitem":
                return f"{args[0]}[{args[1]}] = {args[2]};  {node.name} = {args[0]}"
            if name == "getitem":
                return f"{node.name} = {args[0]}[{args[1]}]"
        if known is getattr and len(args) == 2 and str(node.args[1]).isidentifier():
            return f"{node.name} = {args[0]}.{node.args[1]}"
        return f"{node.name} = {self.function(known)}({call})"


def _builtin(kind: Any) -> bool:
    return getattr(builtins, getattr(kind, "__name__", ""), None) is kind


def _reached(name: str) -> Any:
    """The object under a dotted name that begins with torch."""
    found: Any = rl
    for part in name.split(".")[1:]:
        found = getattr(found, part, None)
    return found


def _path(root: str, target: str) -> str:
    """`self.layer1.0.conv` as source."""
    text = root
    for part in target.split("."):
        quoted = f'"{part}"' if part.isalnum() else repr(part)
        text = f"{text}.{part}" if is_name(part) else f"getattr({text}, {quoted})"
    return text


def last_uses(graph: Graph) -> dict[Node, list[Node]]:
    """After which step which results are no longer needed."""
    seen: set[Node] = set()
    ends: dict[Node, list[Node]] = {}
    for node in reversed(graph.nodes):
        if node.op == "output":
            seen.update(node.all_input_nodes)
            continue
        fresh = [one for one in node.all_input_nodes if one not in seen]
        seen.update(fresh)
        unused = [] if node.users or node.op == "placeholder" else [node]
        ends[node] = [*fresh, *unused]
    return ends


def forward_source(graph: Graph, root: str) -> PythonCode:
    """The source of `forward(self, ...)`; values are let go after their last use."""
    writer, ends = Writer(graph, root), last_uses(graph)
    inputs, lines = [], []
    for node in graph.nodes:
        if node.op == "placeholder":
            default = f" = {writer.value(node.args[0])}" if node.args else ""
            kind = "" if node.type is None else f" : {writer.kind(node.type)}"
            inputs.append(f"{_name(node.target, '*')}{kind}{default}")
            plain = node.target.lstrip("*")
            if plain != node.name:
                lines.append(f"{node.name} = {plain}")
            continue
        done = "".join(f"{one.name} = " for one in ends.get(node, ()))
        lines.append(writer.step(node) + (f";  {done}None" if done else ""))
    head = f"def forward({', '.join([root, *inputs])}):"
    body = "\n    ".join(lines or ["pass"])
    return PythonCode(f"\n\n\n{head}\n    {body}\n    ", writer.objects)
