"""Floats among the arguments that differ from call to call: inputs of a program, not constants.

A program is made for the numbers it was called with, because they may choose shapes or branches.
Where a float differs at a later call (the share of a mixture, a weight that is annealed), the
function is traced once more with a `Number` in the float's place. It stands for the float, and
notes what is computed with it. Where the function asks for its value (in a branch, for a shape, in
a call of anything but arithmetic and comparisons) it is a constant again, with a program for each
of its values.
"""

from __future__ import annotations

import gc
import operator
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core import dispatch, dtypes, gates, holes
from ...core.operands import refuse_numbers
from ...core.primitive import Primitive
from ...core.state import STATE
from ...core.tensor import Tensor, wrap
from ..calls.guards import same
from .numpy_calls import value_of

_HALVES = (dtypes.float16, dtypes.bfloat16)
_CONSTANT = "the value of a float argument is asked for"
Key = int | str


class Number:
    """A float of which the arithmetic is noted: a 0-d tensor of double precision behind it."""

    __slots__ = ("__weakref__", "tensor")

    # the user's code, and ours, asks `isinstance(x, float)`
    __class__ = property(lambda self: float)

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        STATE.tracer.numbers.append(weakref.ref(self))

    def followed(self) -> bool:
        """Whether the trace that notes it still runs."""
        return STATE.tracer is not None and not STATE.tracer.closed

    def __float__(self) -> float:
        tracer = STATE.tracer
        if tracer is not None and not tracer.closed:
            tracer.raises = None  # nothing is wrong: it will be a constant
            tracer.stop(_CONSTANT)
        return float(value_of(self.tensor._array))

    def __getattr__(self, name: str) -> Any:
        if not hasattr(float, name):  # what only other classes have is asked of any object
            raise AttributeError(f"'float' object has no attribute '{name}'")
        return getattr(float(self), name)

    def __reduce__(self) -> Any:
        return float, (float(self),)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(float(self), dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*map(_plain, inputs), **kwargs)

    def __neg__(self) -> Any:
        return Number(-self.tensor) if self.followed() else -float(self)

    def __pos__(self) -> Any:
        return self


def _operands(x: Any, other: Any) -> tuple[Any, Any] | None:
    """Both sides as tensors or floats, where what is computed with them can be noted."""
    if not x.followed() or type(other) not in (int, float, Number):
        return None
    return x.tensor, other.tensor if type(other) is Number else other


def _defined(name: str, sides: tuple[Any, Any]) -> bool:
    """Whether the operator has a value; a program asks for it at every call."""
    if name != "truediv":
        return True
    divisor = sides[1]
    if isinstance(divisor, Tensor):
        return STATE.tracer.holds((divisor != 0)._array)
    return divisor != 0


def _arithmetic(name: str, reflected: bool) -> Callable[[Any, Any], Any]:
    operate = getattr(operator, name)

    def method(self: Any, other: Any) -> Any:
        if isinstance(other, Tensor):
            return NotImplemented  # tensors know numbers: see `handle_number`
        sides = _operands(self, other)
        if sides is not None:
            sides = sides[::-1] if reflected else sides
            if _defined(name, sides):
                return Number(operate(*sides))
        mine = float(self)
        return operate(other, mine) if reflected else operate(mine, other)

    return method


def _asking(name: str) -> Callable[..., Any]:
    """A method of floats that needs the value."""
    of_floats = getattr(float, name)

    def method(self: Any, *others: Any) -> Any:
        if others and isinstance(others[0], Tensor):
            return NotImplemented
        return of_floats(float(self), *map(_plain, others))

    return method


def _plain(x: Any) -> Any:
    return float(x) if type(x) is Number else x


_NOTED = ("add", "sub", "mul", "truediv")
_ASKED = (
    "abs bool ceil divmod eq floor floordiv format ge gt hash int le lt mod ne pow rdivmod"
    " repr rfloordiv rmod round rpow str trunc"
).split()
for _name in _NOTED:
    setattr(Number, f"__{_name}__", _arithmetic(_name, False))
    setattr(Number, f"__r{_name}__", _arithmetic(_name, True))
for _name in _ASKED:
    setattr(Number, f"__{_name}__", _asking(f"__{_name}__"))


def handle_number(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """An op on tensors with a number beside them: a tensor of the type it would have there."""
    found = [x for x in inputs if type(x) is Number]
    if prim.dtype == "first" or not found[0].followed():
        return dispatch.apply(prim, tuple(map(_plain, inputs)), params)
    beside = tuple([1.0 if type(x) is Number else x for x in inputs])
    if prim.arity == 2:
        refuse_numbers(prim.name, beside)
    kind = dispatch.result_type(*beside)
    if kind in _HALVES and any(isinstance(x, Tensor) and x._array.ndim for x in beside):
        kind = dtypes.float32  # of a number these take more digits than they have
    elif kind.category == dtypes.COMPLEX:
        kind = kind.to_real()
    operands = [dispatch.LATE.cast(x.tensor, kind) if type(x) is Number else x for x in inputs]
    return dispatch.apply(prim, tuple(operands), params)


dispatch.WRAPPERS[Number] = handle_number


class _Boundary:
    """The mode of public calls in which only some are given numbers, all others floats."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") not in _TAKE_NUMBERS and holes.holds(
            (args, kwargs), Number
        ):
            args, kwargs = holes.replaced((args, kwargs), Number, float)
        return func(*args, **kwargs)


# public names of what is noted: operators of tensors, their spellings as functions, mixtures
_TAKE_NUMBERS = frozenset(
    """
add add_ sub sub_ subtract subtract_ rsub mul mul_ multiply multiply_ div div_ divide divide_
true_divide true_divide_ pow pow_ eq ne lt le gt ge less less_equal greater greater_equal not_equal
__rsub__ __rtruediv__ __rpow__ __pow__ __ipow__ __eq__ __radd__ __rmul__ lerp lerp_
""".split()
)


class Followed:
    """A function of which some floats are given as 0-d tensors: numbers while it is traced."""

    __slots__ = ("function", "keys")

    def __init__(self, function: Callable[..., Any], keys: Sequence[Key]) -> None:
        self.function, self.keys = function, keys

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = exchanged(args, kwargs, self.keys, _given)
        gates.enter_mode(_Boundary())
        try:
            result = self.function(*args, **kwargs)
        finally:
            gates.leave_mode()
        return holes.replaced(result, Number, float) if holes.holds(result, Number) else result


def _given(x: Tensor) -> Any:
    return x._array.item() if type(x._array) is np.ndarray else Number(x)


def let_go(made: Sequence[weakref.ref[Number]]) -> None:
    """Objects in which a call left numbers get floats instead."""
    left = {id(one): one for ref in made if (one := ref()) is not None}
    for holder in gc.get_referrers(*left.values()) if left else ():
        if type(holder) is types.CellType:
            holder.cell_contents = float(holder.cell_contents)
        elif holder is not left:
            place = holder if isinstance(holder, (dict, list)) else getattr(holder, "__dict__", {})
            pairs = place.items() if isinstance(place, dict) else enumerate(place)
            for key in [key for key, value in pairs if id(value) in left]:
                place[key] = float(place[key])


def as_tensors(args: Any, kwargs: Any, keys: Sequence[Key]) -> tuple[Any, Any] | None:
    """The arguments with 0-d tensors for floats; None where one of them is none now."""
    given = {**dict(enumerate(args)), **kwargs}
    if any(type(given.get(key)) is not float for key in keys):
        return None
    return exchanged(args, kwargs, keys, lambda x: wrap(np.array(x)))


def exchanged(
    args: Any, kwargs: Any, keys: Sequence[Key], new: Callable[[Any], Any]
) -> tuple[Any, Any]:
    """The arguments with others in some places."""
    args, kwargs = list(args), dict(kwargs)
    for key in keys:
        place: Any = kwargs if type(key) is str else args
        place[key] = new(place[key])
    return tuple(args), kwargs


def differing(
    args: Any, kwargs: Any, wanted: Any, fits: Callable[[Any, Any, list[Tensor]], bool]
) -> list[Key]:
    """The places of floats in which arguments differ from a pattern; none if more does."""
    given, asked = {**dict(enumerate(args)), **kwargs}, {**dict(enumerate(wanted[0])), **wanted[1]}
    if given.keys() != asked.keys():
        return []
    found: list[Key] = []
    for key, x in given.items():
        if type(x) is float and type(asked[key]) is float:
            found += [] if same(x, asked[key]) else [key]
        elif not fits(x, asked[key], []):
            return []
    return found
