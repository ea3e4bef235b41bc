"""The door: public calls, and ops that the library itself runs, as torch's operators."""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

from .._ops import aten
from ..core import dispatch, gates, modes
from ..core.dispatch import promote, record
from ..core.modes import emit, listening, standing, tensors_in
from ..core.overrides import MODES
from ..core.primitive import Primitive
from ..core.state import STATE, WATCHED
from ..core.tensor import Tensor
from ..core.values import raw
from ..export import handlers
from ..export.schemas import bound, table
from . import attention, layers, pointwise, primitives, products, shapes
from .operators import OPERATORS, NotTaken, call, carried, grafted, run

DECLARED = attention, layers, pointwise, products, shapes  # their operators are in the table now


class _Taker:
    """What `export.handlers` asks for to say a function as operators."""

    known: dict[int, Any] = {}  # nothing is remembered

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return call(name, *args, **kwargs)

    def emit(self, name: str, form: str, args: Any, kwargs: Any) -> Any:
        return run(f"{name}.{form}", *args, **kwargs)

    def constant(self, tensor: Any) -> None:
        """An index made of a list is a tensor like any other."""

    def unsupported(self, why: str) -> BaseException:
        return NotTaken(why)


_TAKER = _Taker()
_NUMBERS = frozenset(("item", "__bool__", "__int__", "__float__", "__index__", "__complex__"))
_MAKERS = frozenset(
    """
zeros ones full empty arange linspace logspace eye rand randn randint randperm tril_indices
triu_indices normal
""".split()
)
_ASIDE = frozenset(
    """
lift_fresh_copy detach_ requires_grad_ retain_grad tensor_split einsum inner matrix_power
""".split()
)
_INITIALISERS = frozenset(rl.nn.init.__all__)  # some are called as methods are, but need no grad


class Door:
    """The outermost mode of functions while there are modes below autograd."""

    hidden = True

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return entered(func, args, kwargs or {})


def entered(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """A public function as torch's operators; itself where it is none."""
    shells = any(type(x._array) is not np.ndarray for x in tensors_in((args, kwargs)))
    if not (listening() or shells):
        return func(*args, **kwargs)
    owner = getattr(func, "__self__", None)
    if isinstance(owner, property):
        name = {"T": "numpy_T", "data": "detach"}.get(handlers.property_name(owner), "")
        name = name or handlers.property_name(owner)
        return (
            call(name, *args)
            if name in ("numpy_T", "mT", "detach") and len(args) == 1
            else func(*args)
        )
    if func.__name__ == "__setitem__" and isinstance(args[2], (int, float, bool)):
        return _filled(*args)
    name = getattr(func, "__name__", "")
    if name in _NUMBERS:
        return _number(func, args)
    if name in ("allclose", "equal"):
        return emit(aten.packet(name).default, args, kwargs)
    if name in ("tensor", "asarray"):
        return _fresh(func, args, kwargs)
    try:
        return _taken(name, func, args, kwargs)
    except NotTaken:
        return _inside(func, args, kwargs)


def _inside(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """A function that is no operator: what it calls comes here again (backward: checkpoints)."""
    gate = gates.GATES.get(id(func))
    if gate is None or not listening():
        return func(*args, **kwargs)
    before = MODES.active
    MODES.active = [*before, Door()]
    try:
        return gate.inner(*args, **kwargs)
    finally:
        MODES.active = before


def _taken(name: str, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    owned = getattr(func, "__qualname__", "").startswith("Tensor.")
    handler = handlers.TABLE.get(f"Tensor.{name}" if owned else name, handlers.TABLE.get(name))
    if "out" in kwargs and kwargs["out"] is not None:
        raise NotTaken(name)
    if handler is not None:
        return handler(_TAKER, *args, **kwargs)
    if name in _INITIALISERS and getattr(rl.nn.init, name) is func:
        raise NotTaken(name)
    if name in _ASIDE or (name not in _MAKERS and next(tensors_in((args, kwargs)), None) is None):
        raise NotTaken(name)
    if name not in table() and name.removesuffix("_") not in table() and not _known(name):
        raise NotTaken(name)
    result = call(name, *args, **kwargs)
    if kwargs.get("requires_grad") and isinstance(result, Tensor):
        result.requires_grad_()
    return result


def _filled(x: Any, key: Any, number: Any) -> None:
    """`x[...] = 2`: a fill of the part, by a tensor of that number."""
    value = _fresh(rl.tensor, (number,), {"dtype": x.dtype})
    try:
        part = handlers.indexed(_TAKER, x, key)
    except NotTaken:
        x[key] = value
        return
    run("fill_.Tensor", part, value)


def _known(name: str) -> bool:
    return f"{name}.default" in OPERATORS


def _number(func: Any, args: Any) -> Any:
    """A question for a number: of one element, by torch's operator for it."""
    x = args[0]
    if x.numel() != 1:
        return func(*args)
    number = emit(aten.packet("_local_scalar_dense").default, (x,), {})
    kind = {"__bool__": bool, "__int__": int, "__float__": float, "__complex__": complex}
    return kind.get(func.__name__, lambda one: one)(number)


def _fresh(func: Any, args: Any, kwargs: Any) -> Any:
    """A tensor of the program's numbers, as new ones come into torch."""
    with standing(silent=True):
        value = func(*args, **kwargs)
    if args and isinstance(args[0], Tensor):
        return value
    found = emit(aten.packet("lift_fresh").default, (value,), {})
    if found is not value and isinstance(found, Tensor) and value.requires_grad:
        found.requires_grad_()
    return found


def below(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """An op that came this way without a public call: the library's own, or a gradient's rule."""
    shells = any(isinstance(x, Tensor) and _shell(x) for x in inputs)
    if not (listening() or shells):
        return dispatch.apply_plain(prim, inputs, params)
    said = primitives.said(prim, inputs, params)
    if said is not None:
        name, args, kwargs = said
        try:
            if name in primitives.WHOLE:
                return call(name, *args, **kwargs)
            match = bound(name, args, kwargs) if "." not in name else (None, args, kwargs)
            if match is not None:
                form, args, kwargs = match
                whole = name if form is None else f"{name}.{form}"
                if whole in OPERATORS and prim.outputs == 1:
                    return run(whole, *args, **kwargs)
                overload = _overload(whole)
                return _shown(prim, inputs, params, overload, args, kwargs)
        except NotTaken:
            pass
    return _shown(prim, inputs, params, primitives.own(prim), (*inputs, *params), {})


def _shell(x: Tensor) -> bool:
    return getattr(type(x._array), "shell", False)


def _overload(name: str) -> Any:
    packet, _, form = name.partition(".")
    return getattr(aten.packet(packet), form)


def _shown(prim: Primitive, inputs: Any, params: Any, overload: Any, args: Any, kwargs: Any) -> Any:
    """An operator that stands for one op: shown once, its tape is the op's."""
    y = emit(overload, args, kwargs)
    wanted = STATE.grad and any(x._entry is not None for x in tensors_in(inputs))
    if not wanted or prim.rule is None:
        return y
    if "z" in prim.reads:  # results that only an evaluation for a gradient has
        with standing(silent=True):
            again = dispatch.apply_plain(prim, inputs, params)
        for one, twin in zip(y, again):
            grafted(one, twin._entry)
        return y
    with standing(silent=True):
        given = promote(prim, inputs)
    arrays = tuple(map(raw, given))
    ys = raw(y) if isinstance(y, Tensor) else tuple(map(raw, y))
    entry = record(prim, given, arrays, ys, params)
    if entry is None:
        return y
    if prim.outputs != 1:
        return dispatch.finish_many(prim, entry, ys, inputs)
    if y.is_floating_point() or y.is_complex():
        grafted(y, entry)
    if WATCHED[0] and STATE.watchers:
        dispatch.observe(entry, ys, inputs)
    return y


def _run_overload(overload: Any, args: Any, kwargs: Any) -> Any:
    name = overload.__name__
    known = OPERATORS.get(name)
    if known is not None:
        return known(*args, **kwargs)
    return carried(overload, args, kwargs)


def _detach(x: Tensor) -> Tensor:
    return emit(aten.packet("detach").default, (x,), {})


def _seed(x: Tensor) -> Tensor:
    named = {"pin_memory": False, "memory_format": rl.preserve_format}
    return emit(aten.packet("ones_like").default, (x,), named)


def _grow(x: Tensor, g: Tensor) -> None:
    emit(aten.packet("add_").Tensor, (x, g), {})


modes.Late.run, modes.Late.detach = _run_overload, _detach
modes.Late.seed, modes.Late.grow = _seed, _grow
