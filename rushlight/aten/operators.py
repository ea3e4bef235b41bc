"""torch's operators with their gradients, as a mode below autograd sees them.

An `Operator` has a function of its own (`kernel`), made of the public functions, and a gradient
written in operators again, in the order in which torch runs them. Operators without an entry here
are the public function of that name; their tape is the function's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import rushlight as rl

from .._ops import KERNELS, aten
from ..autograd.lifting import lift
from ..core.dispatch import observe
from ..core.modes import Late, emit, standing, tensors_in
from ..core.primitive import General, Primitive
from ..core.state import STATE, WATCHED
from ..core.tape import LEAF, Entry, tick
from ..core.tensor import Tensor, link_view, wrap
from ..core.values import raw
from ..export.schemas import bound

OPERATORS: dict[str, Operator] = {}
COMPOSITES: dict[str, Callable[..., Any]] = {}


class Saved:
    """What a gradient sees of a call: its arguments, results, and whose gradient is wanted."""

    __slots__ = ("args", "kinds", "kwargs", "outputs", "shapes", "wanted", "y")

    def __init__(self, layout: _Layout, entry: Entry) -> None:
        inputs, parents = entry[2] or (), entry[1]
        tensors = iter(range(len(layout.shapes)))
        self.wanted: list[bool] = []

        def place(one: Any) -> Any:
            if one is _TENSOR:
                at = next(tensors)
                self.wanted.append(parents[at] is not None)
                return inputs[at] if at < len(inputs) else None
            if isinstance(one, list):
                return [place(part) for part in one]
            self.wanted.append(False)
            return one

        self.args = [place(one) for one in layout.args]
        self.kwargs, self.shapes, self.kinds = layout.kwargs, layout.shapes, layout.kinds
        self.y = entry[3]
        self.outputs: Any = inputs[len(layout.shapes) :]


_TENSOR = object()


class _Layout:
    """The arguments of a call without its tensors."""

    __slots__ = ("args", "kinds", "kwargs", "shapes")

    def __init__(self, args: Any, kwargs: Any, tensors: list[Tensor]) -> None:
        self.args = [_outline(one) for one in args]
        self.kwargs = kwargs
        self.shapes = [list(x.shape) for x in tensors]
        self.kinds = [x.dtype for x in tensors]


def _outline(one: Any) -> Any:
    if isinstance(one, Tensor):
        return _TENSOR
    return [_outline(part) for part in one] if isinstance(one, (tuple, list)) else one


class Operator:
    """One form of an operator: its function, and its gradient if it has one of its own.

    `keeps` says what the gradient reads: places of arguments, "y" for the (first) result, "more"
    for the other results. `backward(saved, g)` gives a gradient for each tensor among the
    arguments, in their order.
    """

    def __init__(
        self, name: str, kernel: Any, backward: Any = None, keeps: str = "", node: str = ""
    ) -> None:
        packet, _, form = name.partition(".")
        self.name, self.backward, self.keeps = name, backward, frozenset(keeps.split())
        if kernel is not None:
            KERNELS[name] = kernel
        self.overload = getattr(aten.packet(packet), form)
        title = "".join(part[:1].upper() + part[1:] for part in packet.strip("_").split("_"))
        self.prim = Primitive(
            packet, eval=None, rule=General(None),  # type: ignore[arg-type]  # recorded by hand
            pull=self._pull,
            node=node or f"{title}Backward0", listed=False,
        )  # fmt: skip
        OPERATORS[name] = self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tensors = list(tensors_in(args))
        wanted = STATE.grad and any(x._entry is not None for x in tensors)
        if wanted and self.backward is None:  # the gradient of a gradient: by the steps inside
            return carried(self.overload, args, kwargs)
        y = emit(self.overload, args, kwargs)
        if wanted:
            self._record(args, kwargs, tensors, y)
        return y

    def _record(self, args: Any, kwargs: Any, tensors: list[Tensor], y: Any) -> None:
        first, more = (y, ()) if isinstance(y, Tensor) else (y[0], tuple(y[1:]))
        kept = {id(x) for place in self.keeps if place.isdigit() and int(place) < len(args)
                for x in tensors_in(args[int(place)])}  # fmt: skip
        arrays = [x._array if id(x) in kept else None for x in tensors]
        extras = [raw(one) for one in more] if "more" in self.keeps else []
        parents = [x if x._entry is LEAF else x._entry for x in tensors]
        entry = [
            self.prim, (*parents, *[None] * len(extras)), (*arrays, *extras),
            first._array if "y" in self.keeps else None,
            (_Layout(args, kwargs, tensors),), first._array.shape, tick(), None,
        ]  # fmt: skip
        grafted(first, entry)
        if "y" in self.keeps:
            Late.detach(first)  # as torch keeps results
        if WATCHED[0] and STATE.watchers:
            observe(entry, first._array, tensors)

    def _pull(self, g: Any, entry: Entry) -> Any:
        if isinstance(g, Tensor):
            saved = Saved(entry[4][0], entry)
            if "y" in self.keeps and not STATE.grad:
                saved.y = Late.detach(saved.y)
            return self.backward(saved, g)
        found = self.backward(Saved(entry[4][0], lift(entry, entry, False)), wrap(g))
        return [raw(one) for one in found]


def grafted(y: Tensor, entry: Any) -> Tensor:
    """A result with its history; of a view, its base knows it from now on."""
    y._entry = entry
    if y._base is not None and y._base is not y:
        link_view(y, y._base)
    return y


def operator(name: str, backward: Any = None, keeps: str = "", node: str = "") -> Any:
    """Declare an operator by its function."""

    def declare(kernel: Any) -> Operator:
        return Operator(name, kernel, backward, keeps, node)

    return declare


def run(name: str, *args: Any, **kwargs: Any) -> Any:
    """One form of an operator, by its whole name ("mm.default")."""
    known = OPERATORS.get(name)
    if known is not None:
        return known(*args, **kwargs)
    packet, _, form = name.partition(".")
    return carried(getattr(aten.packet(packet), form), args, kwargs)


def carried(overload: Any, args: Any, kwargs: Any, function: Any = None) -> Any:
    """An operator whose tape is that of its function: shown once, and carried out for the tape."""
    if _written_by(overload):
        return _overwritten(overload, args, kwargs)
    tensors = list(tensors_in((args, kwargs)))
    kept = STATE.grad and overload.overloadpacket.__name__ != "detach"  # which leaves no history
    wanted = kept and any(x._entry is not None for x in tensors)
    if wanted and any(type(x._array) is not np.ndarray for x in tensors):
        return (function or overload.kernel)(*args, **kwargs)
    state = rl.get_rng_state()
    y = emit(overload, args, kwargs)
    if wanted:
        rl.set_rng_state(state)  # what it draws it draws alike
        with standing(silent=True):
            again = overload.kernel(*args, **kwargs)
        for one, twin in zip(tensors_in(y), tensors_in(again)):
            if twin._entry is not None and one._entry is None:
                grafted(one, twin._entry)
    return y


def _written_by(overload: Any) -> bool:
    name = overload.overloadpacket.__name__
    return name.endswith("_") and not name.endswith("__")


def _overwritten(overload: Any, args: Any, kwargs: Any) -> Any:
    """An operator that writes to its first argument, which takes over the history."""
    target = args[0]
    recorded = STATE.grad and any(x._entry is not None for x in tensors_in(args))
    if not recorded or type(target._array) is not np.ndarray:
        emit(overload, args, kwargs)
        return target
    before = target._array.copy()
    emit(overload, args, kwargs)
    np.copyto(target._array, before)
    with standing(silent=True):
        overload.kernel(*args, **kwargs)
    return target


class NotTaken(Exception):
    """No operator of torch's takes these arguments."""


def call(name: str, *args: Any, **kwargs: Any) -> Any:
    """An operator by its name, taken apart as torch does, in the form that fits the arguments."""
    taken = COMPOSITES.get(name)
    if taken is not None:
        match = bound(name, args, kwargs)
        _, given, named = match or ("", args, kwargs)
        found = taken(*given, **named)
        if found is not NotImplemented:
            return found
    match = bound(name, args, kwargs)
    if match is None:
        if f"{name}.default" in OPERATORS:
            return run(f"{name}.default", *args, **kwargs)
        raise NotTaken(name)
    form, args, kwargs = match
    return run(f"{name}.{form}", *args, **kwargs)


def composite(name: str) -> Any:
    """Declare how torch takes an operator apart; NotImplemented where it does not."""

    def declare(function: Any) -> Any:
        COMPOSITES[name] = function
        return function

    return declare
