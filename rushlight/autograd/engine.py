"""Reverse mode: one sweep from the outputs back, newest entry first.

Entries carry a clock reading, and whatever used an entry's result was recorded later. So a heap of
clock readings visits every entry after all its users, without a separate sorting pass, and the
walk is a loop: depth costs no stack. Rules run on bare arrays; with `create_graph` the same rules
run on Tensors and thereby record the backward computation itself.
"""

from __future__ import annotations

import importlib
import threading
import weakref
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import ARRAYS, OUTPUT_OF
from ..core.errors import heard, unremarked
from ..core.modes import listening
from ..core.state import DUE, SMALL, STATE, pause, resume
from ..core.tape import (
    FREED,
    HOOKS,
    INPUTS,
    LEAF,
    ORDER,
    OUTPUT,
    PARAMS,
    PARENTS,
    PRIM,
    SHAPE,
    Entry,
    last_write,
    nothing,
)
from ..core.tensor import Tensor, wrap
from ..core.values import made
from .leaves import (
    WATCHED,
    Late,
    accumulate,
    all_lead_to,
    answered,
    last_uses,
    like,
    needed_for,
    settle,
    shown,
    through_hooks,
)
from .lifting import held, lift, seed, values_of
from .refusals import check_nan, check_versions, freed, note_origin
from .saved import unpacked
from .segments import SEGMENT, recorded_again

ndarray, add = np.ndarray, np.add
TIMER: list[Any] = [None]  # a profile's `entry -> its pull, timed`


class _Running(threading.local):
    pass_: Any = None  # a weak reference to the sweep that ran last
    depth = 0  # sweeps under way: a rule may begin one of its own
    after: tuple[Callable[[], Any], ...] = ()  # to call when the outermost one is finished


RUNNING = _Running()


class Sweep:
    """One backward pass: gradients that wait for their entry, and those of the leaves."""

    __slots__ = (
        "__weakref__", "capture", "captured", "create", "heap", "keep", "leaves", "lifts",
        "limited", "needed", "pending", "roots", "seen",
    )  # fmt: skip

    def __init__(
        self, keep: bool, create: bool, needed: set[int] | None = None, lifts: bool = False
    ) -> None:
        self.keep, self.create, self.needed = keep, create, needed
        self.lifts = create or lifts  # rules run on Tensors: to be recorded, or over other arrays
        self.heap: list[int] = []
        self.pending: dict[int, list[Any]] = {}  # by clock reading: [entry, gradient, own sum?]
        self.leaves: dict[int, list[Any]] = {}  # by id: [leaf, gradient, own sum?]
        self.captured: dict[int, Any] = {}
        self.limited = False  # to the gradients of some inputs
        self.capture: set[int] = set()
        self.roots: Sequence[Any] = ()  # while it runs
        self.seen = False  # by a mode or a tensor class, step by step as torch goes

    def deliver(self, parent: Any, g: Any) -> None:
        """Hand a gradient to a parent: shaped as its value, added to what it already has."""
        if type(parent) is list:
            shape, order, waiting = parent[SHAPE], parent[ORDER], self.pending
            if self.needed is not None and order not in self.needed:
                return
        else:
            order, waiting = id(parent), self.leaves
            before = waiting.get(order)
            if before is not None and before[2] and type(g) is ndarray is type(before[1]):
                total = before[1]  # a sum of our own: add in place
                if g.shape == total.shape:
                    add(total, g, total)
                    return
            shape = parent._array.shape
            if self.needed is not None and order not in self.capture:
                return
        if type(g) is not ndarray and type(g) not in ARRAYS and not isinstance(g, Tensor):
            g = np.asarray(g)
        if g.shape != shape:
            g = Late.sum_to(g, shape)
        before = waiting.get(order)
        if before is None:
            waiting[order] = [parent, g, False]
            if waiting is self.pending:
                heappush(self.heap, -order)
        elif before[2] and type(g) is ndarray and type(before[1]) is ndarray:
            before[1] += g
        else:
            total = before[1] + g
            before[1] = total if isinstance(total, (ndarray, Tensor)) else np.asarray(total)
            before[2] = True

    def deliver_output(self, parent: Entry, place: int, g: Any) -> None:
        """Hand a gradient to one output of an entry that has several."""
        order = parent[ORDER]
        if self.needed is not None and order not in self.needed:
            return
        before = self.pending.get(order)
        if before is None:
            before = self.pending[order] = [parent, [None] * len(parent[SHAPE]), False]
            heappush(self.heap, -order)
        gs = before[1]
        gs[place] = g if gs[place] is None else gs[place] + g

    def run(self) -> None:
        """Visit all waiting entries, newest first."""
        heap, pending = self.heap, self.pending
        if heap and -heap[0] > DUE[0] and STATE.tracer is None:
            importlib.import_module("rushlight.core.swift").hasten()
        every = self.seen
        last = last_uses(self.roots, every) if (WATCHED or every) and self.needed is None else None
        if not (self.lifts or self.capture or STATE.anomaly or TIMER[0] or last):
            if STATE.tracer is None:
                self.run_plain()
            else:
                STATE.tracer.inside(self.run_plain)
        while heap:
            order = -heappop(heap)
            entry, g, _ = pending.pop(order)
            self.visit(entry, g)
            if last and order in last:
                del g  # the last hold on it may be the leaf's
                self.settle(last[order])

    def settle(self, complete: list[Tensor]) -> None:
        """Give leaves that nothing further uses their gradients now."""
        for leaf in complete:
            waiting = self.leaves.pop(id(leaf), None)
            if waiting is not None:
                settle(waiting, self.create)

    def run_plain(self) -> None:
        """All waiting entries in the plain case: no capture, arrays only, as in training."""
        heap, pending, leaves, keep = self.heap, self.pending, self.leaves, self.keep
        deliver, written, tracer, plain = self.deliver, last_write, STATE.tracer, _is_plain()
        walk = (SMALL.walk if plain else None) or _no_further
        while heap:
            first = pending.pop(-heappop(heap))
            entry, g = walk(first, leaves, heap, written, keep, deliver, FREED)
            while entry is not None:
                prim, parents, inputs, output, _, _, order, hooks = entry
                if prim.pull is None or hooks is not None or inputs is FREED:
                    self.visit_beside(tracer, entry, g)
                    break
                g = g if type(g) is not list else _of_several(entry, g)
                holds = inputs is not None or output is not None
                if holds and written[0] > order:
                    check_versions(entry)
                grads = prim.pull(g, entry) if plain else _pulled(tracer, entry, g)
                if holds and not keep:
                    entry[INPUTS] = entry[OUTPUT] = FREED
                following = None
                for parent, found in zip(parents, grads):
                    if parent is None or found is None:
                        continue
                    if type(found) is not ndarray:
                        deliver(parent, found)
                    elif type(parent) is list:  # straight on to it while nothing else waits
                        if following is None and found.shape == parent[SHAPE]:
                            following, g = parent, found
                        else:
                            deliver(parent, found)
                    elif (before := leaves.get(id(parent))) is None and (
                        found.shape == parent._array.shape
                    ):
                        leaves[id(parent)] = [parent, found, False]
                    elif before is not None and before[2] and found.shape == before[1].shape:
                        add(before[1], found, before[1])  # a sum of our own: in place
                    else:
                        deliver(parent, found)
                if following is not None and heap:
                    following = deliver(following, g)
                entry = following

    def visit_beside(self, tracer: Any, entry: Entry, g: Any) -> None:
        """One entry that is not plain, which a trace sees as what the user's hooks do."""
        if entry[PRIM] is OUTPUT_OF and entry[HOOKS] is None:
            self.deliver_output(entry[PARENTS][0], entry[PARAMS][0], g)
        elif tracer is None:
            self.visit(entry, g)
        else:
            tracer.outside(self.visit, entry, g)

    def visit(self, entry: Entry, g: Any) -> None:
        """One entry with whatever hangs on it."""
        order = entry[ORDER]
        if entry[HOOKS] is not None:
            g = _run_tensor_hooks(entry, g)
        if order in self.capture:
            self.captured[order] = g
            if not self._leads_on(entry):
                return
        if entry[PRIM] is OUTPUT_OF:
            self.deliver_output(entry[PARENTS][0], entry[PARAMS][0], g)
        elif entry[PRIM] is SEGMENT:
            self.record_again(entry, g)
        else:
            self.pull(entry, g)

    def record_again(self, entry: Entry, g: Any) -> None:
        """Run what was folded into one entry a second time, and go on through its tape."""
        if entry[INPUTS] is FREED:
            raise freed()
        parents = recorded_again(entry, self.needed, self.capture)
        if not self.keep:
            entry[INPUTS], entry[PARAMS] = FREED, ()
        for parent, one in zip(parents, g if type(g) is list else (g,), strict=True):
            if parent is not None and one is not None:
                self.deliver(parent, one)

    def _leads_on(self, entry: Entry) -> bool:
        """Whether some wanted tensor lies further back than this one."""
        return any(
            p[ORDER] in self.needed if type(p) is list else id(p) in self.capture
            for p in entry[PARENTS] if p is not None
        )  # fmt: skip

    def pull(self, entry: Entry, g: Any) -> None:
        """Run one entry's rule and pass its results to the parents."""
        if entry[INPUTS] is FREED:
            raise freed()
        if last_write[0] > entry[ORDER]:
            check_versions(entry)
        if type(g) is list:
            g = tuple(g) if entry[PRIM].rule is None else _fill(entry, g, self.lifts)
        if entry[HOOKS] is not None:
            g = _run_pre_hooks(entry, g)
        try:
            found = unpacked(entry) if entry[HOOKS] and entry[HOOKS].packed else entry
            pull = entry[PRIM].pull if TIMER[0] is None else TIMER[0](entry)
            given = lift(found, entry, self.create) if self.lifts else found
            try:
                grads = pull(g, given)
            except RuntimeWarning as error:
                grads = unremarked(error, pull, g, given)
        except Exception as error:
            note_origin(error, entry)
            raise
        if dtypes.bfloat16._numpy is not None:
            grads = _narrowed(grads, g, entry)
        if STATE.anomaly:
            check_nan(entry, grads)
        if self.create and entry[PRIM].flat:
            grads = held(grads, entry)
        if entry[HOOKS] is not None:
            grads = _run_post_hooks(entry, grads, g)
        if not self.keep and (entry[INPUTS] is not None or entry[OUTPUT] is not None):
            entry[INPUTS] = entry[OUTPUT] = FREED
        for parent, found in zip(entry[PARENTS], grads):
            if parent is not None and found is not None:
                self.deliver(parent, found)


def _narrowed(grads: Any, g: Any, entry: Entry) -> Any:
    """A rule's results in bfloat16 where its gradient is: beside NumPy's numbers it widens.

    Casts give another type, and what the user's Functions give is the user's. A leaf says its own.
    """
    kind = getattr(g[0] if type(g) is tuple else g, "dtype", None)
    if not isinstance(kind, np.dtype) or kind.char != "E":
        return grads
    prim, parents = entry[PRIM], entry[PARENTS]
    if prim.rule is None or prim.name == "cast":
        return grads
    kept = entry[INPUTS] if type(entry[INPUTS]) is tuple else ()
    kinds = [one.dtype if type(one) is ndarray else kind for one in kept]  # beside it, its own
    kinds += [kind] * (len(parents) - len(kinds))
    return [
        one.astype(own if type(parent) is list else parent._array.dtype)
        if parent is not None and isinstance(one, (ndarray, np.generic)) and one.dtype.kind == "f"
        else one
        for one, parent, own in zip(grads, parents, kinds)
    ]


def _no_further(waiting: list[Any], *_: Any) -> tuple[Entry, Any]:
    """In the place of a native walk: what waits is where Python goes on."""
    entry, g, waiting[1] = waiting[0], waiting[1], None
    return entry, g


def _is_plain() -> bool:
    """Whether rules give what they should by themselves.

    No trace runs, bfloat16 is not in use, and nobody hears what NumPy remarks on numbers.
    """
    return STATE.tracer is None and dtypes.bfloat16._numpy is None and not heard()


def _pulled(tracer: Any, entry: Entry, g: Any) -> Any:
    """A pull where rules alone do not do, or in a trace, which looks at the user's Functions."""
    prim = entry[PRIM]
    if tracer is None and prim.rule is None:
        return prim.pull(g, entry)
    if tracer is None:
        with np.errstate(all="ignore"):
            grads = prim.pull(g, entry)
        return grads if dtypes.bfloat16._numpy is None else _narrowed(grads, g, entry)
    if prim.rule is None:
        return tracer.outside(prim.pull, g, entry)
    return tracer.pulls.pulled(entry, g)


def _of_several(entry: Entry, gs: list[Any]) -> tuple[Any, ...]:
    """What a pull takes for an op with several outputs."""
    return tuple(gs) if entry[PRIM].rule is None else _fill(entry, gs, False)


def _fill(entry: Entry, gs: list[Any], lifts: bool) -> tuple[Any, ...]:
    """Zeros for the outputs of an entry that nobody used."""
    dtype: Any = None
    for g in gs:
        if g is not None:
            dtype = g.dtype
            break
    if isinstance(dtype, dtypes.dtype):
        dtype = dtype.numpy
    found = []
    for g, shape in zip(gs, entry[SHAPE]):
        if g is None:
            g = wrap(np.zeros(shape, dtype)) if lifts else made(nothing(shape, dtype))
        found.append(g)
    return tuple(found)


def _run_tensor_hooks(entry: Entry, g: Any) -> Any:
    for place, hooks in entry[HOOKS].tensor.items():
        part = g[place] if type(g) is list else g
        if part is None:
            continue
        part = through_hooks(part, hooks)
        if type(g) is list:
            g[place] = part
        else:
            g = part
    for place, ref in entry[HOOKS].retain.items():
        tensor = ref()
        part = g[place] if type(g) is list else g
        if tensor is not None and part is not None:
            kept = part.copy() if type(part) is ndarray else part  # the sweep goes on with its own
            accumulate(tensor, kept, isinstance(part, Tensor))
    return g


def _run_pre_hooks(entry: Entry, g: Any) -> Any:
    for hook in list(entry[HOOKS].pre.values()):
        gs = g if type(g) is tuple else (g,)
        changed = hook(tuple(map(shown, gs)))
        if changed is not None:
            changed = answered(changed, gs, hook)
            g = tuple(like(new, old, hook) for new, old in zip(changed, gs))
            g = g if len(gs) > 1 else g[0]
    return g


def _run_post_hooks(entry: Entry, grads: Any, g: Any) -> Any:
    gs = g if type(g) is tuple else (g,)
    for hook in list(entry[HOOKS].post.values()):
        before = tuple(
            None if one is None or parent is None else shown(one)
            for one, parent in zip(grads, entry[PARENTS])
        )
        changed = hook(before, tuple(map(shown, gs)))
        if changed is not None:
            raw = not isinstance(gs[0], Tensor)
            changed = answered(changed, before, hook)
            grads = [one._array if raw and isinstance(one, Tensor) else one for one in changed]
    return grads


def sweep(
    roots: Sequence[tuple[Tensor, Any]], inputs: Sequence[Tensor] | None, keep: bool, create: bool
) -> Sweep:
    """Run one backward pass from (tensor, gradient) pairs; grad mode follows `create`."""
    needed, capture = None, set()
    values = values_of(roots)
    shells = any(getattr(type(one), "shell", False) for one in values)
    if inputs is not None:
        capture = {x._entry[ORDER] if type(x._entry) is list else id(x) for x in inputs}
        entries = [tensor._entry for tensor, _ in roots]
        if create or WATCHED or listening() or shells or not all_lead_to(entries, capture):
            needed = needed_for(entries, capture)
        else:
            capture = set()
    if STATE.tracer is not None:
        STATE.tracer.sweeps(keep, [tensor._entry for tensor, _ in roots], needed, capture)
    seen = listening()  # by a mode, which rules show their ops if they run on Tensors
    pass_ = Sweep(keep, create, needed, bool(values) or seen)
    pass_.capture, pass_.limited = capture, inputs is not None
    pass_.seen = seen or shells
    pass_.roots = [tensor if tensor._entry is LEAF else tensor._entry for tensor, _ in roots]
    outer, RUNNING.pass_ = RUNNING.pass_, weakref.ref(pass_)
    RUNNING.depth += 1
    before = STATE.grad
    STATE.grad = create or (before and any(value.nested for value in values))
    try:
        for tensor, g in roots:
            entry = tensor._entry
            first = g if seen else seed(tensor, g, create, values)
            pass_.deliver(tensor if entry is LEAF else entry, first)
        pass_.run()
    finally:
        STATE.grad = before
        pass_.roots = ()
        RUNNING.depth -= 1
        if RUNNING.depth:
            RUNNING.pass_ = outer  # which goes on, and whose hooks ask for it
    return pass_


_ONES = {kind: np.ones((), kind) for kind in map(np.dtype, "fd")}


def _first(array: np.ndarray, gradient: Any) -> np.ndarray | None:
    """What a plain pass begins with: one, or the gradient given; None where more is to be asked."""
    if gradient is None:
        one = _ONES.get(array.dtype)
        if one is None or array.size != 1:
            return None
        return one.copy() if array.ndim == 0 else np.ones_like(array)
    if type(gradient) is not Tensor:
        return None
    g = gradient._array
    fits = type(g) is ndarray and g.dtype is array.dtype and g.shape == array.shape
    return g if fits else None


def sweep_plain(tensor: Tensor, gradient: Any, keep: bool) -> Sweep | None:
    """`sweep` from one tensor on, as training runs it; None if it is anything else."""
    array, entry = tensor._array, tensor._entry
    if type(array) is not ndarray or type(entry) is not list or STATE.tracer is not None:
        return None
    first = None if listening() else _first(array, gradient)
    if first is None:
        return None
    pass_ = Sweep(keep, False)
    pass_.roots = (entry,)
    RUNNING.pass_ = weakref.ref(pass_)
    RUNNING.depth += 1
    order = entry[ORDER]
    pass_.heap.append(-order)
    pass_.pending[order] = [entry, first, False]
    paused = pause()
    try:
        pass_.run()
    finally:
        if paused:
            resume()
        pass_.roots = ()
        RUNNING.depth -= 1
    return pass_


def accumulate_leaves(pass_: Sweep, only: set[int] | None, create: bool) -> None:
    """Give the leaves of a finished pass their gradients."""
    for waiting in pass_.leaves.values():  # which hooks ask for, to know whose gradients come
        if only is None or id(waiting[0]) in only:
            settle(waiting, create)
    pass_.leaves.clear()
    while RUNNING.after and not RUNNING.depth:  # what follows may ask for more
        following, RUNNING.after = RUNNING.after, ()
        for follow in following:
            follow()
