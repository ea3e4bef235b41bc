"""The recorded graph as Python objects: `tensor.grad_fn` and what hangs on it."""

from __future__ import annotations

import functools
import itertools
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from ..core.dispatch import OUTPUT_OF
from ..core.errors import fail
from ..core.tape import INPUTS, LEAF, OUTPUT, PARAMS, PARENTS, PRIM, Entry, hooks_of, mark_written
from ..core.tensor import Tensor
from .engine import node_name

_keys = itertools.count().__next__


class Handle:
    """What `register_hook` returns: `remove()` takes the hook away; usable in a `with` block."""

    def __init__(self, table: dict[int, Any], hook: Any) -> None:
        self.table, self.id = table, _keys()
        table[self.id] = hook

    def remove(self) -> None:
        self.table.pop(self.id, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class Node:
    """One recorded operation: its name, its parents (`next_functions`) and its hooks."""

    __slots__ = ("__weakref__", "entry")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def name(self) -> str:
        found = node_name(self.entry)
        return f"torch::autograd::{found}" if found == "CopySlices" else found

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """(node, output index) of every input; (None, 0) where no gradient goes."""
        return tuple(_edge(parent) for parent in self.entry[PARENTS])

    def register_hook(self, hook: Callable[..., Any]) -> Handle:
        return Handle(hooks_of(self.entry).post, hook)

    def register_prehook(self, hook: Callable[..., Any]) -> Handle:
        return Handle(hooks_of(self.entry).pre, hook)

    @property
    def metadata(self) -> dict[Any, Any]:
        """The user's own notes on this node."""
        return hooks_of(self.entry).metadata

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and other.entry is self.entry

    def __hash__(self) -> int:
        return id(self.entry)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {hex(id(self.entry))}>"


class AccumulateGrad:
    """The end of a path: the leaf whose `.grad` collects the gradient."""

    __slots__ = ("variable",)
    next_functions = ()

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccumulateGrad) and other.variable is self.variable

    def __hash__(self) -> int:
        return id(self.variable)

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {hex(id(self.variable))}>"


_classes: dict[str, type] = {}


def node_of(entry: Entry) -> Node:
    """The Python node of an entry; its class carries torch's name."""
    base = entry[PARENTS][0] if entry[PRIM] is OUTPUT_OF else entry
    name = node_name(base)
    kind = _classes.get(name)
    if kind is None:
        kind = _classes[name] = type(name, (Node,), {"__slots__": ()})
    hooks = hooks_of(base)
    node = None if hooks.node is None else hooks.node()
    if node is None:
        node = kind(base)
        hooks.node = weakref.ref(node)
    return node


def _edge(parent: Any) -> tuple[Any, int]:
    if parent is None:
        return None, 0
    if isinstance(parent, Tensor):
        return AccumulateGrad(parent), 0
    if parent[PRIM] is OUTPUT_OF:
        return node_of(parent), parent[PARAMS][0]
    return node_of(parent), 0


def register_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> Handle:
    """Call `hook(gradient)` when this tensor's gradient is known; what it returns replaces it.

    >>> import rushlight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> handle = x.register_hook(lambda g: g * 2)
    >>> x.sum().backward(); x.grad
    tensor([2., 2.])
    """
    entry = self._entry
    if entry is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if entry is LEAF:
        if self._hooks is None:
            self._hooks = {}
        return Handle(self._hooks, hook)
    return Handle(hooks_of(entry).tensor.setdefault(0, {}), hook)


def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], None]) -> Handle:
    """Call `hook(tensor)` after its `.grad` has been added to; leaves only."""
    if self._entry is not LEAF:
        raise RuntimeError(
            "post accumulate grad hooks cannot be registered on non-leaf tensors"
            if self._entry is not None
            else "cannot register a hook on a tensor that doesn't require gradient"
        )
    if self._post_accumulate_hooks is None:
        self._post_accumulate_hooks = {}
    return Handle(self._post_accumulate_hooks, hook)


def retain_grad(self: Tensor) -> None:
    """Let this non-leaf keep its gradient in `.grad` too."""
    entry = self._entry
    if entry is None:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if entry is LEAF or self._retained:
        return
    self._retained = True
    hooks_of(entry).retain[0] = weakref.ref(self)


def saved_tensors(entry: Entry) -> tuple[Any, ...]:
    """What an entry keeps for backward; torch's error after it was given back."""
    if entry[INPUTS] is not None and not isinstance(entry[INPUTS], tuple):
        raise fail(RuntimeError, "Trying to backward through the graph a second time")
    return tuple(entry[INPUTS] or ()) + (() if entry[OUTPUT] is None else (entry[OUTPUT],))


class GradientEdge(NamedTuple):
    """Where a gradient enters a node: the node, and which of its outputs."""

    node: Any
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The edge along which `tensor`'s gradient arrives."""
    if tensor._entry is None:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require"
            " gradients"
        )
    return GradientEdge(*_edge(tensor if tensor._entry is LEAF else tensor._entry))


def increment_version(tensor: Any) -> None:
    """Say that a tensor (or several) was written in place by other means."""
    for one in (tensor,) if isinstance(tensor, Tensor) else tensor:
        mark_written(one._array)


class save_on_cpu:
    """Saved tensors are on the CPU anyway: a block that changes nothing."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        self.pin_memory = pin_memory

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        return None


class _Handles:
    """Several hooks removed as one."""

    def __init__(self, handles: list[Handle]) -> None:
        self.handles = handles

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


def register_multi_grad_hook(
    tensors: Any, fn: Callable[..., Any], *, mode: str = "all"
) -> _Handles:
    """Call `fn` with the list of gradients when all of `tensors` have theirs ("any": the first).

    Tensors that a backward does not reach keep "all" from being called.
    Source: https://pytorch.org/docs/stable/generated/torch.autograd.graph.register_multi_grad_hook.html
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    found: dict[int, Tensor] = {}
    wanted = {place for place, x in enumerate(tensors) if x._entry is not None}

    def arrived(place: int, g: Tensor) -> None:
        found[place] = g
        if mode == "any" and len(found) == 1:
            fn(g)
        if len(found) == len(wanted):
            gradients = [found.get(i) for i in range(len(tensors))]
            found.clear()
            if mode == "all":
                fn(gradients)

    return _Handles(
        [register_hook(tensors[i], functools.partial(arrived, i)) for i in sorted(wanted)]
    )
