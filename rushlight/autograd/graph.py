"""The recorded graph as Python objects: `tensor.grad_fn` and what hangs on it."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core.dispatch import OUTPUT_OF, node_name
from ..core.errors import fail
from ..core.handles import RemovableHandle, attached, attached_to_leaf
from ..core.primitive import spared
from ..core.tape import (
    FREED,
    INPUTS,
    LEAF,
    ORDER,
    OUTPUT,
    PARAMS,
    PARENTS,
    PRIM,
    Entry,
    hooks_of,
    mark_written,
)
from ..core.tensor import Tensor
from .engine import RUNNING
from .function import FunctionCtx
from .leaves import look_after
from .refusals import freed
from .saved import (
    Packed,
    allow_mutation_on_saved_tensors,
    disable_saved_tensors_hooks,
    save_on_cpu,
    saved_tensors_hooks,
    with_history,
)

__all__ = [
    "AccumulateGrad", "GradientEdge", "Node", "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks", "get_gradient_edge", "increment_version", "node_of",
    "register_hook", "register_multi_grad_hook", "register_post_accumulate_grad_hook",
    "retain_grad", "save_on_cpu", "saved_tensors", "saved_tensors_hooks",
]  # fmt: skip


class Node:
    """One recorded operation: its name, its parents (`next_functions`) and its hooks.

    >>> import rushlight as torch
    >>> y = torch.ones(1, requires_grad=True).exp().log()
    >>> y.grad_fn.name(), y.grad_fn.next_functions[0][0].name()
    ('LogBackward0', 'ExpBackward0')
    """

    __slots__ = ("__weakref__", "entry")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def name(self) -> str:
        found = node_name(self.entry)
        return f"torch::autograd::{found}" if found in _OWN_NAMES else found

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """(node, output index) of every input; (None, 0) where no gradient goes."""
        edges, parents = self.entry[PRIM].edges, self.entry[PARENTS]
        return tuple(map(_edge, parents)) if edges is None else _edges(edges(self.entry), parents)

    def register_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        return attached(hooks_of(self.entry).post, hook)

    def register_prehook(self, hook: Callable[..., Any]) -> RemovableHandle:
        return attached(hooks_of(self.entry).pre, hook)

    @property
    def metadata(self) -> dict[Any, Any]:
        """The user's own notes on this node."""
        return hooks_of(self.entry).metadata

    def __getattr__(self, name: str) -> Any:
        """`_saved_self`, `_saved_other` and `_saved_result`: what is kept for backward.

        The node of a user's Function has what its context has.
        """
        params = self.entry[PARAMS]
        if params and isinstance(params[0], FunctionCtx) and hasattr(params[0], name):
            return _of_context(params[0], self.entry, name)
        raw = name.startswith("_raw_saved_")
        place = _SAVED.get(name.removeprefix("_raw") if raw else name)
        if place is None or not _keeps(self.entry, place):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        saved = SavedTensor(self.entry, place)
        return saved if raw else saved.tensor()

    def __dir__(self) -> list[str]:
        names = [name for name, place in _SAVED.items() if _keeps(self.entry, place)]
        return [*super().__dir__(), *names, *(f"_raw{name}" for name in names)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and other.entry is self.entry

    def __hash__(self) -> int:
        return id(self.entry)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {hex(id(self.entry))}>"


# Nodes of torch's engine itself, which carry its namespace in their names.
_OWN_NAMES = {"CopyBackwards", "CopySlices", "NotImplemented"}
_SAVED = {"_saved_self": 0, "_saved_other": 1, "_saved_result": -1}


def _of_context(context: FunctionCtx, entry: Entry, name: str) -> Any:
    """What a user's Function left for backward, its outputs with their history."""
    if name == "saved_tensors" and entry[INPUTS] is FREED:
        raise freed()
    context._entry, before = entry, context._entry
    try:
        return getattr(context, name)
    finally:
        context._entry = before


def _keeps(entry: Entry, place: int) -> bool:
    """Whether an entry keeps its input `place` (-1: its output) for backward."""
    if entry[PRIM].rule is None:
        return False
    if place < 0:
        return entry[OUTPUT] is not None and type(entry[OUTPUT]) is not tuple
    kept = entry[INPUTS]
    if kept is FREED:
        return "x" in entry[PRIM].reads and place < len(entry[PARENTS])
    if kept is None or place >= len(kept) or spared(entry[PRIM].reads, place, entry[PARENTS]):
        return False
    return isinstance(kept[place], (np.ndarray, Packed))


class SavedTensor:
    """One array that a node keeps; `register_hooks` puts it through hooks of its own."""

    __slots__ = ("entry", "place")

    def __init__(self, entry: Entry, place: int) -> None:
        self.entry, self.place = entry, place

    def tensor(self) -> Tensor:
        """The array as a tensor, with its history; torch's error after it was given back."""
        entry, place = self.entry, self.place
        kept = entry[OUTPUT] if place < 0 else entry[INPUTS]
        if kept is FREED:
            raise freed()
        kept = kept if place < 0 else kept[place]
        array = kept.array() if isinstance(kept, Packed) else kept
        parent = entry if place < 0 else entry[PARENTS][place]
        return with_history(array, parent)

    def register_hooks(
        self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]
    ) -> None:
        """Pack this array now, and unpack it in backward."""
        entry, place = self.entry, self.place
        if (entry[OUTPUT] if place < 0 else entry[INPUTS]) is FREED:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor after it has been freed. Saved"
                " intermediate values of the graph are freed when you call .backward() or"
                " autograd.grad(). Specify retain_graph=True if you need to backward through the"
                " graph a second time or if you need to access saved variables after calling"
                " backward."
            )
        packed = Packed(self.tensor(), pack_hook, unpack_hook)
        hooks_of(entry).packed = True
        if place < 0:
            entry[OUTPUT] = packed
        else:
            kept = entry[INPUTS]
            entry[INPUTS] = (*kept[:place], packed, *kept[place + 1 :])


class AccumulateGrad:
    """The end of a path: the leaf whose `.grad` collects the gradient.

    >>> import rushlight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> end = (2 * x).grad_fn.next_functions[0][0]
    >>> end.name(), end.variable is x
    ('torch::autograd::AccumulateGrad', True)
    """

    __slots__ = ("variable",)
    next_functions = ()

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def register_prehook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook((gradient,))` before it is added to `.grad`; what it returns replaces it."""

        def one(g: Tensor) -> Any:
            changed = hook((g,))
            return changed[0] if isinstance(changed, tuple) else changed

        return register_hook(self.variable, one)

    def register_hook(self, hook: Callable[..., Any]) -> _Handles:
        """Call `hook((), (gradient,))` after it was added to `.grad`."""
        seen: list[Tensor] = []

        def after(_: Tensor) -> None:
            hook((), (seen.pop(),))

        first = register_hook(self.variable, seen.append)
        second = register_post_accumulate_grad_hook(self.variable, after)
        return _Handles([first, second])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccumulateGrad) and other.variable is self.variable

    def __hash__(self) -> int:
        return id(self.variable)

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {hex(id(self.variable))}>"


_classes: dict[str, type] = {}


def node_of(entry: Entry) -> Node:
    """The Python node of an entry; its class carries torch's name.

    >>> import rushlight as torch
    >>> from rushlight.autograd.graph import node_of
    >>> y = torch.ones(2, requires_grad=True) * 3
    >>> node_of(y._entry).name(), node_of(y._entry) is y.grad_fn
    ('MulBackward0', True)
    """
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


class _Between:
    """A node of torch's that is part of one entry here: to be seen, not to be hooked."""

    metadata: dict[Any, Any]

    def __init__(self, next_functions: tuple[tuple[Any, int], ...]) -> None:
        self.next_functions, self.metadata = next_functions, {}

    def name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        return f"<{self.name()} object at {hex(id(self))}>"


def _edges(edges: tuple[Any, ...], parents: Any) -> tuple[tuple[Any, int], ...]:
    """Declared edges: the number of a parent, or a node between and its own edges."""
    return tuple(
        _edge(parents[edge]) if isinstance(edge, int)
        else (type(edge[0], (_Between,), {})(_edges(edge[1:], parents)), 0) for edge in edges
    )  # fmt: skip


def _edge(parent: Any) -> tuple[Any, int]:
    if parent is None:
        return None, 0
    if isinstance(parent, Tensor):
        return AccumulateGrad(parent), 0
    if parent[PRIM] is OUTPUT_OF:
        return node_of(parent), parent[PARAMS][0]
    return node_of(parent), 0


def register_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> RemovableHandle:
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
        look_after(self)
        return attached_to_leaf(self._hooks, hook)
    return attached(hooks_of(entry).tensor.setdefault(0, {}), hook)


def register_post_accumulate_grad_hook(
    self: Tensor, hook: Callable[[Tensor], None]
) -> RemovableHandle:
    """Call `hook(tensor)` after its `.grad` has been added to; leaves only.

    Raises: RuntimeError for other tensors. The result removes the hook again.

    >>> import rushlight as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> handle = w.register_post_accumulate_grad_hook(lambda w: print(w.grad))
    >>> (3 * w).sum().backward()
    tensor([3., 3.])
    """
    if self._entry is not LEAF:
        raise RuntimeError(
            "post accumulate grad hooks cannot be registered on non-leaf tensors"
            if self._entry is not None
            else "cannot register a hook on a tensor that doesn't require gradient"
        )
    if self._post_accumulate_hooks is None:
        self._post_accumulate_hooks = {}
    look_after(self)
    return attached_to_leaf(self._post_accumulate_hooks, hook)


def retain_grad(self: Tensor) -> None:
    """Let this non-leaf keep its gradient in `.grad` too.

    Raises: RuntimeError for a tensor that requires no grad.

    >>> import rushlight as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> y = 3 * w
    >>> y.retain_grad()
    >>> (y * y).sum().backward()
    >>> y.grad
    tensor([6., 6.])
    """
    entry = self._entry
    if entry is None:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if entry is LEAF or self._retained:
        return
    self._retained = True
    hooks_of(entry).retain[0] = weakref.ref(self)


def saved_tensors(entry: Entry) -> tuple[Any, ...]:
    """What an entry keeps for backward; torch's error after it was given back.

    >>> import rushlight as torch
    >>> from rushlight.autograd.graph import saved_tensors
    >>> y = torch.zeros(2, requires_grad=True).exp()
    >>> saved_tensors(y._entry)
    (array([1., 1.], dtype=float32),)
    """
    if entry[INPUTS] is not None and not isinstance(entry[INPUTS], tuple):
        raise fail(RuntimeError, "Trying to backward through the graph a second time")
    return tuple(entry[INPUTS] or ()) + (() if entry[OUTPUT] is None else (entry[OUTPUT],))


class GradientEdge(NamedTuple):
    """Where a gradient enters a node: the node, which of its outputs, and whose gradient it is.

    Stands for its tensor in `grad` and `backward`.

    >>> import rushlight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> y = 2 * x
    >>> edge = torch.autograd.graph.get_gradient_edge(y)
    >>> torch.autograd.grad((y * y).sum(), edge)
    (tensor([4., 4.]),)
    """

    node: Any
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The edge along which `tensor`'s gradient arrives.

    >>> import rushlight as torch
    >>> y = torch.ones(1, requires_grad=True).exp()
    >>> edge = torch.autograd.graph.get_gradient_edge(y)
    >>> edge.node.name(), edge.output_nr
    ('ExpBackward0', 0)
    """
    if tensor._entry is None:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require"
            " gradients"
        )
    return GradientEdge(*_edge(tensor if tensor._entry is LEAF else tensor._entry), tensor)


def increment_version(tensor: Any) -> None:
    """Say that a tensor (or several) was written in place by other means.

    >>> import rushlight as torch
    >>> x = torch.zeros(2)
    >>> torch.autograd.graph.increment_version(x)
    >>> x._version
    1
    """
    for one in (tensor,) if isinstance(tensor, Tensor) else tensor:
        mark_written(one._array)


class _Handles:
    """Several hooks removed as one."""

    def __init__(self, handles: list[RemovableHandle]) -> None:
        self.handles = handles

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


def register_multi_grad_hook(
    tensors: Any, fn: Callable[..., Any], *, mode: str = "all"
) -> _Handles:
    """Call `fn` with the list of gradients when all of `tensors` have theirs ("any": the first).

    Tensors that a backward does not reach have None in their place.
    Source: https://pytorch.org/docs/stable/generated/torch.autograd.graph.register_multi_grad_hook.html

    >>> import rushlight as torch
    >>> a, b = (torch.ones(1, requires_grad=True) for _ in range(2))
    >>> handle = torch.autograd.graph.register_multi_grad_hook((a, b), print)
    >>> (2 * a + 3 * b).backward()
    [tensor([2.]), tensor([3.])]
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    waiting = _Waiting(tensors, fn, mode)
    return _Handles(
        [
            register_hook(tensors[i], functools.partial(waiting.arrived, i))
            for i, x in enumerate(tensors) if x._entry is not None
        ]
    )  # fmt: skip


class _Waiting:
    """The gradients of one backward that have come so far, for `register_multi_grad_hook`."""

    def __init__(self, tensors: Any, fn: Callable[..., Any], mode: str) -> None:
        # entries and not tensors: the hook hangs on them and must not hold what hangs on it
        self.keys = [
            None if x._entry is None else id(x) if x._entry is LEAF else x._entry[ORDER]
            for x in tensors
        ]
        self.fn, self.mode = fn, mode
        self.pass_: Any = None
        self.found: dict[int, Tensor] = {}
        self.wanted = 0

    def arrived(self, place: int, g: Tensor) -> None:
        if RUNNING.pass_ is not self.pass_:
            self.pass_, self.found = RUNNING.pass_, {}
            comes = _will_come(self.pass_())
            self.wanted = sum(i == place or key in comes for i, key in enumerate(self.keys))
        self.found[place] = g
        if self.mode == "any":
            if len(self.found) == 1:
                self.fn(g)
        elif len(self.found) == self.wanted:
            found, self.found = self.found, {}
            self.fn([found.get(i) for i in range(len(self.keys))])


def _will_come(pass_: Any) -> set[int]:
    """What a sweep has a gradient for: clock readings of entries, ids of leaves."""
    found: set[int] = set(pass_.leaves)
    stack = list(pass_.roots)
    while stack:
        one = stack.pop()
        key = one[ORDER] if type(one) is list else id(one)
        if key in found and type(one) is list:
            continue
        found.add(key)
        if type(one) is list:
            stack.extend(parent for parent in one[PARENTS] if parent is not None)
    if pass_.needed is not None:
        found &= pass_.needed | pass_.capture
    return found
