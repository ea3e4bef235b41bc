"""A node of a graph of calls: what is called, with which arguments, and who uses the result."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import rushlight as rl

from .._C import _nn

if TYPE_CHECKING:
    from .graph import Graph

__all__ = ["Argument", "Node", "Target", "has_side_effect", "map_aggregate", "map_arg"]

# What annotations of programs name: what a node calls, and what it may be given.
Target = Callable[..., Any] | str
Argument = Any

_KEPT: set[Callable[..., Any]] = set()  # functions whose calls stay though nobody uses them

OPCODES = frozenset({
    "placeholder", "get_attr", "call_function", "call_method", "call_module", "output",
})  # fmt: skip


def map_aggregate(value: Any, change: Callable[[Any], Any]) -> Any:
    """`change` of everything inside tuples, lists, dictionaries and slices.

    >>> from rushlight.fx.node import map_aggregate
    >>> map_aggregate([1, (2, {"a": 3})], lambda x: 10 * x)
    [10, (20, {'a': 30})]
    """
    if isinstance(value, tuple):
        parts = [map_aggregate(one, change) for one in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return [map_aggregate(one, change) for one in value]
    if isinstance(value, dict):
        return {key: map_aggregate(one, change) for key, one in value.items()}
    if isinstance(value, slice):
        ends = (value.start, value.stop, value.step)
        return slice(*(map_aggregate(one, change) for one in ends))
    return change(value)


def map_arg(value: Any, change: Callable[[Node], Any]) -> Any:
    """`change` of every node inside a nested argument; all else stays.

    >>> import rushlight as torch
    >>> graph = torch.fx.Graph()
    >>> x = graph.placeholder("x")
    >>> torch.fx.node.map_arg([x, 3], lambda node: node.name)
    ['x', 3]
    """
    return map_aggregate(value, lambda one: change(one) if isinstance(one, Node) else one)


def has_side_effect(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Keep calls of `fn` where `eliminate_dead_code` removes what nobody uses; returns `fn`.

    >>> import rushlight as torch
    >>> report = torch.fx.has_side_effect(lambda x: print(x.shape))
    >>> graph = torch.fx.Graph()
    >>> x = graph.placeholder("x")
    >>> call = graph.call_function(report, (x,))
    >>> end = graph.output(x)
    >>> graph.eliminate_dead_code()
    False
    """
    _KEPT.add(fn)
    return fn


class Node:
    """One step of a `Graph`.

    `op` is one of placeholder (an input: target is its name, args may hold a default), get_attr
    (target: a dotted name in the module), call_function (target: the function), call_method
    (target: the method's name, args begins with its owner), call_module (target: the module's
    dotted name) and output (args holds what is returned). `users` has the nodes that take the
    result; `meta` is for those who work on the graph.
    Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.Node

    >>> import rushlight as torch
    >>> traced = torch.fx.symbolic_trace(lambda x: x.relu() + 1)
    >>> [(node.op, node.name) for node in traced.graph.nodes]
    [('placeholder', 'x'), ('call_method', 'relu'), ('call_function', 'add'), ('output', 'output')]
    """

    def __init__(
        self, graph: Graph, name: str, op: str, target: Any, args: Any, kwargs: Any,
        return_type: Any = None,
    ) -> None:  # fmt: skip
        if op not in OPCODES:
            raise AssertionError(f"Unknown op: {op}")
        if op == "call_function" and not callable(target):
            raise ValueError(
                f"Node [graph = {graph}, name = '{name}'] target {target} has type"
                f" {type(target)} but a Callable is expected"
            )
        if op != "call_function" and not isinstance(target, str):
            raise ValueError(
                f"Node [graph = {graph}, name = '{name}'] target {target} has type"
                f" {type(target)} but a str is expected"
            )
        self.graph, self.name, self.op = graph, name, op
        self.target: Any = target
        self.type = return_type
        self.users: dict[Node, None] = {}
        self.meta: dict[str, Any] = {}
        self._inputs: dict[Node, None] = {}
        self._args: tuple[Any, ...] = ()
        self._kwargs: dict[str, Any] = {}
        self._prev = self._next = self
        self._erased = False
        self._update(args, kwargs)

    @property
    def next(self) -> Node:
        """The node after this one in its graph."""
        return self._next

    @property
    def prev(self) -> Node:
        """The node before this one in its graph."""
        return self._prev

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments, nodes among them; a new tuple may be assigned."""
        return self._args

    @args.setter
    def args(self, value: tuple[Any, ...]) -> None:
        self._update(value, self._kwargs)

    @property
    def kwargs(self) -> dict[str, Any]:
        """The arguments given by name; a new dictionary may be assigned."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, value: dict[str, Any]) -> None:
        self._update(self._args, value)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes among the arguments, each once."""
        return list(self._inputs)

    @property
    def stack_trace(self) -> str | None:
        """Where the program asked for the step, if whoever made the graph wrote it down."""
        return self.meta.get("stack_trace")

    @stack_trace.setter
    def stack_trace(self, trace: str | None) -> None:
        self.meta["stack_trace"] = trace

    def _update(self, args: Any, kwargs: Any) -> None:
        for old in self._inputs:
            old.users.pop(self, None)
        self._args, self._kwargs, self._inputs = tuple(args), dict(kwargs), {}

        def used(node: Node) -> Node:
            self._inputs.setdefault(node)
            node.users.setdefault(self)
            return node

        map_arg((self._args, self._kwargs), used)

    def update_arg(self, idx: int, arg: Any) -> None:
        """Put another positional argument at `idx`."""
        args = list(self._args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Any) -> None:
        """Put one more positional argument in front of `idx`."""
        self.args = (*self._args[:idx], arg, *self._args[idx:])

    def update_kwarg(self, key: str, arg: Any) -> None:
        """Put another argument under a name."""
        self.kwargs = {**self._kwargs, key: arg}

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Take `new_input` wherever `old_input` is an argument."""
        both = map_arg((self._args, self._kwargs), lambda n: new_input if n is old_input else n)
        self._update(*both)

    def replace_all_uses_with(
        self,
        replace_with: Node,
        delete_user_cb: Callable[[Node], bool] = lambda user: True,
        *,
        propagate_meta: bool = False,
    ) -> list[Node]:
        """Let every user of this node take `replace_with`; returns those that used it."""
        if propagate_meta:
            replace_with.meta.update(self.meta)
        users = [user for user in self.users if delete_user_cb(user)]
        for user in users:
            user.replace_input_with(self, replace_with)
        return users

    def prepend(self, x: Node) -> None:
        """Move `x` in front of this node."""
        if x is self:
            return
        x._leave()
        before = self._prev
        before._next, x._prev, x._next, self._prev = x, before, self, x

    def append(self, x: Node) -> None:
        """Move `x` behind this node."""
        if x is not self:
            self._next.prepend(x) if self._next is not x else None

    def _leave(self) -> None:
        self._prev._next, self._next._prev = self._next, self._prev

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether the node must stay although nobody uses it."""
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_function":
            return (
                self.target is rl._assert
                or self.target in _KEPT
                or getattr(self.target, "__name__", "").startswith(
                    ("setitem", "iadd", "isub", "imul")
                )
            )
        return False

    def format_node(self, placeholder_names: Any = None, maybe_return_typename: Any = None) -> str:
        """A line about the node, as it is printed with its graph."""
        home = "builtins." if getattr(builtins, str(self._label()), None) is self.target else ""
        target = f"{self.op}[target={home}{target_name(self.target)}]"
        start = f"%{self.name} : [num_users={len(self.users)}] = {target}"
        if self.op == "placeholder":
            default = f"(default={self.args[0]})" if self.args else ""
            return f"{start}{default}"
        if self.op == "output":
            return f"return {self.args[0]}"
        if self.op == "get_attr":
            return start
        return f"{start}(args = {_shown(self.args)}, kwargs = {_shown(self.kwargs)})"

    def __repr__(self) -> str:
        return self.name

    def __lt__(self, other: Node) -> bool:
        return self._place() < other._place()

    def _label(self) -> Any:
        return getattr(self.target, "__name__", None)

    def _place(self) -> int:
        return next(i for i, node in enumerate(self.graph.nodes) if node is self)


def _shown(value: Any) -> str:
    if isinstance(value, Node):
        return f"%{value.name}"
    if isinstance(value, tuple):
        inner = ", ".join(_shown(one) for one in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, list):
        return f"[{', '.join(_shown(one) for one in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_shown(one)}' for key, one in value.items())}}}"
    return str(value)


def target_name(target: Any) -> str:
    """How a function is written in source: `torch.flatten`, `operator.add`, `len`."""
    if isinstance(target, str):
        return target
    if hasattr(target, "overloadpacket"):
        return f"torch.ops.{target}"
    name = getattr(target, "__name__", repr(target))
    if getattr(builtins, name, None) is target:
        return name
    if name in _nn.BUILT_IN and getattr(rl.nn.functional, name) is target:
        return f"torch._C._nn.{name}"
    for place, module in (("torch", rl), ("torch.nn.functional", rl.nn.functional)):
        if vars(module).get(name) is target:
            return f"{place}.{name}"
    module = getattr(target, "__module__", None) or ""
    return f"{module.replace('rushlight', 'torch', 1).replace('_operator', 'operator')}.{name}"
