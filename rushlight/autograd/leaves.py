"""What happens to gradients that reach a leaf: sums, hooks, and when they are complete.

A leaf without hooks gets its gradient when the pass is over. One with hooks gets it, and its hooks
are called, as soon as the last entry that uses it has been visited, as in torch: an optimiser's
step in such a hook lets each gradient go before the next one is made, and sums over processes
begin while backward still computes.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from sys import getrefcount
from typing import Any

import numpy as np

from ..core.errors import fail
from ..core.memory import laid_as
from ..core.modes import Late as Modes
from ..core.modes import listening
from ..core.references import ARGUMENT, RENAMED
from ..core.state import STATE
from ..core.tape import ORDER, PARENTS, PRIM, Entry, mark_written
from ..core.tensor import Tensor, wrap
from ..core.values import Value
from ..core.values import shown as as_users_meet
from .segments import SEGMENT

ndarray = np.ndarray


class Late:
    """Differentiable helpers the engine needs; the ops floor's declarations, set by `autograd`."""

    sum_to: Callable[..., Any]
    add: Callable[..., Any]
    keep: Callable[..., Any]  # a copy with its history


def shown(g: Any) -> Any:
    return g if g is None or isinstance(g, Tensor) else as_users_meet(g)


def like(result: Any, g: Any, hook: Any) -> Any:
    """A hook's result, checked, in the form that the sweep runs on."""
    if not isinstance(result, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(result).__name__}'")
    if result._array.shape != g.shape:
        name = getattr(hook, "__name__", type(hook).__name__)
        raise fail(
            RuntimeError, f"hook '{name}' has changed the size of value",
            f"the gradient has shape {tuple(g.shape)}, the hook returned {tuple(result.shape)}",
        )  # fmt: skip
    if result.dtype is not shown(g).dtype:
        name = getattr(hook, "__name__", type(hook).__name__)
        raise RuntimeError(
            f"hook '{name}' has changed the type of value (was {shown(g).type()} got"
            f" {result.type()})"
        )
    return result if isinstance(g, Tensor) else result._array


def answered(changed: Any, before: tuple[Any, ...], hook: Any) -> tuple[Any, ...]:
    """What a node's hook gave in place of some gradients: a tuple of as many."""
    if not isinstance(changed, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(changed).__name__}'")
    if len(changed) != len(before):
        name = getattr(hook, "__name__", "<unknown>")
        raise fail(
            RuntimeError, f"hook '{name}' has returned an incorrect number of values (got"
            f" {len(changed)}, but expected {len(before)})",
        )  # fmt: skip
    for one in changed:
        if one is not None and not isinstance(one, Tensor):
            raise TypeError(f"expected Variable, but hook returned '{type(one).__name__}'")
    return changed


def through_hooks(g: Any, hooks: Any) -> Any:
    """A gradient after a tensor's hooks, which see the same object until one gives another."""
    seen = shown(g)
    for hook in list(hooks.values()):
        changed = hook(seen)
        if changed is not None:
            like(changed, g, hook)
            seen = changed
    return seen if isinstance(g, Tensor) else seen._array


def accumulate(tensor: Tensor, g: Any, create: bool) -> None:
    """Add a gradient to `tensor.grad`: in place if it has one, else taken over or copied.

    It is taken over where only the caller has it, who is done with it then. A first gradient lies
    in memory in the leaf's order, if the leaf is dense, and in rows otherwise, as in torch.
    """
    if STATE.tracer is not None:
        STATE.tracer.saw_grad(tensor)
    before = tensor._grad
    leaf = tensor._array
    if before is None and type(g) is ndarray is type(leaf):
        if not (leaf.flags.c_contiguous and g.flags.carray):
            g = laid_as(g, leaf)
        if g.dtype is not leaf.dtype:
            g = g.astype(leaf.dtype)
        elif g.base is not None or getrefcount(g) > ARGUMENT:
            g = g.copy(order="K")  # somebody else's too
        tensor._grad = wrap(g)
        return
    if before is not None and type(g) is ndarray is type(before._array):
        _grow(tensor, before, g, create)  # as in a second pass of training
        return
    if isinstance(g, Tensor) and not create and (listening() or _shell(g)):
        _shown_to_modes(tensor, g)
        return
    if (apart := _apart(g, before)) is not None:  # sparse ones
        tensor._grad = apart
        return
    if isinstance(g, Tensor) and isinstance(g._array, Value) and not create:
        g = wrap(g._array.detached())
        if isinstance(g._array, Value):
            tensor._grad = g if before is None else Late.add(before, g)
            return
    if before is not None:
        _grow(tensor, before, g, create)
        return
    if isinstance(g, Tensor) and (create or g._entry is not None):
        tensor._grad = _in_order_of(leaf, Late.keep(g))
        return
    array = g._array if isinstance(g, Tensor) else g  # under a trace, neither Tensor nor ndarray
    if array.dtype != leaf.dtype:
        array = array.astype(leaf.dtype)
    elif array.base is not None or getrefcount(array) > RENAMED or not array.flags.writeable:
        array = array.copy()
    tensor._grad = wrap(laid_as(array, leaf))


def _in_order_of(leaf: Any, made: Tensor) -> Tensor:
    """A gradient with a history, which nobody else has seen, in memory as a leaf."""
    if type(made._array) is ndarray is type(leaf):
        made._array = laid_as(made._array, leaf)
    return made


def _grow(tensor: Tensor, before: Tensor, g: Any, create: bool) -> None:
    """Add to a leaf's gradient: in place, where nothing is recorded."""
    if create or before._entry is not None:
        tensor._grad = _in_order_of(before._array, Late.add(before, shown(g)))
        return
    before._array += g._array if isinstance(g, Tensor) else g
    mark_written(before._array)


def _shown_to_modes(tensor: Tensor, g: Tensor) -> None:
    """Give a leaf its gradient by torch's operators for it, which modes see."""
    if tensor._grad is None:
        tensor._grad = Modes.detach(g)
    else:
        Modes.grow(tensor._grad, g)


def _shell(x: Tensor) -> bool:
    """Whether a tensor is a class's own, which sees operators itself (`aten/shell.py`)."""
    return getattr(type(x._array), "shell", False)


def _apart(g: Any, before: Tensor | None) -> Tensor | None:
    """The new `.grad` where an array's class says itself how gradients add up."""
    array = g._array if isinstance(g, Tensor) else g
    if issubclass(type(array), Value) and array.gradient is not None:
        return array.gradient(before)
    if before is not None and issubclass(type(before._array), Value) and before._array.gradient:
        return Late.add(shown(g), before)
    return None


# Leaves that have (or had) hooks, by id: no pass looks for them while there are none.
WATCHED: dict[int, weakref.ref[Tensor]] = {}


def look_after(leaf: Tensor) -> None:
    """Remember that a leaf was given a hook."""
    key = id(leaf)
    WATCHED[key] = weakref.ref(leaf, lambda _: WATCHED.pop(key, None))


def _hooked(leaf: Tensor) -> bool:
    return bool(leaf._hooks or leaf._post_accumulate_hooks)


def _places(edges: tuple[Any, ...]) -> Iterator[int]:
    for edge in sorted(edges, key=lambda edge: not isinstance(edge, int)):  # leaves come first
        yield from (edge,) if isinstance(edge, int) else _places(edge[1:])


def _forget() -> None:
    """Look no longer after leaves that died, or whose hooks are gone."""
    for key in list(WATCHED):  # of the keys alone: making pairs may collect, and so remove some
        ref = WATCHED.get(key)
        if ref is None or (leaf := ref()) is None or not _hooked(leaf):
            WATCHED.pop(key, None)


def last_uses(roots: Iterable[Any], every: bool = False) -> dict[int, list[Tensor]]:
    """Leaves with hooks behind `roots`, by the clock reading of the entry that is visited last.

    With `every`, those without hooks too.
    None are told where part of the tape was folded: what uses them inside is not known yet.
    """
    _forget()
    if not (WATCHED or every):
        return {}
    earliest: dict[int, tuple[int, int, Tensor]] = {}
    seen: set[int] = set()
    stack = [root for root in roots if type(root) is list]
    while stack:
        entry: Entry = stack.pop()
        order = entry[ORDER]
        if order in seen:
            continue
        seen.add(order)
        if entry[PRIM] is SEGMENT:
            return {}
        parents = entry[PARENTS]
        if (edges := entry[PRIM].edges) is not None:
            parents = [parents[place] for place in _places(edges(entry))]
        for place, parent in enumerate(parents):
            if type(parent) is list:
                stack.append(parent)
            elif id(parent) in WATCHED or (every and parent is not None):
                before = earliest.get(id(parent))
                if before is None or order < before[0]:
                    earliest[id(parent)] = order, place, parent
    found: dict[int, list[Tensor]] = {}
    for order, _, leaf in sorted(earliest.values(), key=lambda one: one[:2]):
        found.setdefault(order, []).append(leaf)
    return found


def settle(waiting: list[Any], create: bool) -> None:
    """Give a leaf its whole gradient, through its hooks; `waiting` is what `deliver` gathered."""
    leaf, g = waiting[0], waiting.pop(1)  # the last hold on it
    if leaf._hooks:
        g = through_hooks(g, leaf._hooks)
    accumulate(leaf, g, create)
    if leaf._post_accumulate_hooks:
        for hook in list(leaf._post_accumulate_hooks.values()):
            if hook(leaf) is not None:
                raise RuntimeError("Tensor post accumulate grad hooks should return None.")


def needed_for(roots: Iterable[Any], targets: set[int]) -> set[int]:
    """Clock readings of all entries on a way to some target (by reading or leaf id)."""
    seen: dict[int, Entry] = {}
    stack = [root for root in roots if type(root) is list]
    while stack:
        entry = stack.pop()
        if entry[ORDER] not in seen:
            seen[entry[ORDER]] = entry
            stack.extend(p for p in entry[PARENTS] if type(p) is list)
    needed: set[int] = set()
    for order in sorted(seen):
        if order in targets or any(
            (p[ORDER] in needed) if type(p) is list else (p is not None and id(p) in targets)
            for p in seen[order][PARENTS]
        ):
            needed.add(order)
    return needed


def all_lead_to(roots: Iterable[Any], leaves: set[int]) -> bool:
    """Whether these leaves (by id) are all that is behind entries, so that a plain pass finds them.

    No entry's own gradient may be asked for, nor be folded away.
    """
    seen: set[int] = set()
    stack = [root for root in roots if type(root) is list]
    while stack:
        entry = stack.pop()
        order = entry[ORDER]
        if order in seen:
            continue
        seen.add(order)
        if order in leaves or entry[PRIM] is SEGMENT:
            return False
        for parent in entry[PARENTS]:
            if type(parent) is list:
                stack.append(parent)
            elif parent is not None and id(parent) not in leaves:
                return False
    return True
