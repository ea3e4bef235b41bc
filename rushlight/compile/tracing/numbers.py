"""Numbers among the arguments that differ from call to call: inputs of a program, not constants.

A first program is made for the numbers it was called with. Once a call comes with others (the share
of a mixture, a weight that is annealed, the count of a step), the function is traced with a
`Number` in the place of each. What is computed with it and tensors is noted. What the function asks
of it (a comparison in a branch, its value for a shape, or for a function that is not arithmetic)
becomes a condition, written as Python: `args[2] > 0.4`, `args[2] % 100 == 0`. The program is for
calls in which all conditions come out as they did.
"""

from __future__ import annotations

import gc
import math
import operator
import types
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...core import dispatch, dtypes, gates, holes
from ...core.operands import refuse_numbers
from ...core.primitive import Primitive
from ...core.state import STATE
from ...core.tensor import Tensor
from .numpy_calls import value_of

_HALVES = (dtypes.float16, dtypes.bfloat16)
_LONGEST = 400  # characters of what is computed with numbers before a value is taken
_NAMES = {"math": math, "operator": operator}  # that texts use
_FITS = "-2**63 <= {} < 2**63"
Key = int | str


class Number:
    """A float or a whole number of which is noted what is computed with it and asked of it.

    `text` says in Python how it follows from the arguments. `tensor` is a 0-d tensor of the same
    value, or None where tensors do not compute it just as Python does.
    """

    __slots__ = ("__weakref__", "tensor", "text", "value")

    # the user's code, and ours, asks `isinstance(x, float)`
    __class__ = property(lambda self: type(self.value))

    def __init__(self, text: str, tensor: Tensor | None = None) -> None:
        self.text, self.tensor, self.value = text, tensor, _value(text)
        STATE.tracer.numbers.append(weakref.ref(self))

    def followed(self) -> bool:
        """Whether the trace that notes it still runs."""
        return STATE.tracer is not None and not STATE.tracer.closed

    def plain(self) -> Any:
        """The value; a program is for calls in which it is the same."""
        return _asked(self.text) if self.followed() else self.value

    def __getattr__(self, name: str) -> Any:
        if not hasattr(self.value, name):  # what only other classes have is asked of any object
            raise AttributeError(f"'{type(self.value).__name__}' object has no attribute '{name}'")
        return getattr(self.plain(), name)

    def __reduce__(self) -> Any:
        return type(self.value), (self.plain(),)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.plain(), dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*map(plain, inputs), **kwargs)

    def __pos__(self) -> Any:
        return self


def plain(x: Any) -> Any:
    """The value of a number, anything else as it is."""
    return x.plain() if type(x) is Number else x


def _value(text: str) -> Any:
    """What a text of ours gives for the arguments of the traced call."""
    return eval(text, STATE.tracer.given)


def _asked(text: str) -> Any:
    """The same, where the function goes on by it: a condition of the program."""
    value = STATE.tracer.conditions[text] = _value(text)
    return value


def _text(x: Any) -> str:
    return x.text if type(x) is Number else repr(x)


def _tensor(x: Any, kind: type) -> Any:
    """A side as an operand of a tensor operation that gives a number of that kind."""
    if type(x) is not Number or x.tensor is None:
        return x if type(x) is not Number else None
    return dispatch.LATE.cast(x.tensor, dtypes.float64 if kind is float else dtypes.int64)


def _computed(operate: Callable[..., Any], text: str, sides: Sequence[Any], needs: Any) -> Any:
    """What an operator gives of numbers; with a tensor if `needs` is asked and holds."""
    number = Number(text)
    kind = type(number.value)
    if kind not in (int, float) or len(text) > _LONGEST:
        return number.plain()
    operands = [_tensor(x, kind) for x in sides]
    if needs is None or any(one is None for one in operands):
        return number
    conditions = [needs] if needs else []
    if kind is int:
        conditions.append(_FITS.format(text))
    if all(map(_asked, conditions)):
        number.tensor = operate(*operands)
    return number


def _arithmetic(name: str, reflected: bool) -> Callable[[Any, Any], Any]:
    operate, (sign, needs) = getattr(operator, name), _ARITHMETIC[name]

    def method(self: Any, other: Any) -> Any:
        if isinstance(other, Tensor):
            return NotImplemented  # tensors know numbers: see `handle_number`
        sides = (other, self) if reflected else (self, other)
        if not self.followed() or type(other) not in (int, float, Number):
            return operate(*map(plain, sides))
        left, right = map(_text, sides)
        text = f"({left} {sign} {right})"
        return _computed(operate, text, sides, needs and needs.format(text, right))

    return method


def _comparison(name: str, sign: str) -> Callable[[Any, Any], Any]:
    compare = getattr(operator, name)

    def method(self: Any, other: Any) -> Any:
        if isinstance(other, Tensor):
            return NotImplemented
        if not self.followed() or type(other) not in (int, float, Number):
            return compare(self.plain(), plain(other))
        return _asked(f"{self.text} {sign} {_text(other)}")

    return method


def _told(name: str, text: str) -> Callable[..., Any]:
    """A method that gives something of a number: that is asked, or else the number itself."""

    def method(self: Any, *others: Any) -> Any:
        if not self.followed() or others or not text:
            return getattr(type(self.value), name)(self.plain(), *map(plain, others))
        return _asked(text.format(self.text))

    return method


def _of_one(operate: Callable[..., Any], text: str) -> Callable[[Any], Any]:
    def method(self: Any) -> Any:
        if not self.followed():
            return operate(self.value)
        return _computed(operate, text.format(self.text), (self,), "")

    return method


# operators with what must hold for tensors to compute the same: {0} the result, {1} the right side
_ARITHMETIC = {
    "add": ("+", ""), "sub": ("-", ""), "mul": ("*", ""), "truediv": ("/", "{1} != 0"),
    "pow": ("**", "type({0}) is float"), "mod": ("%", None), "floordiv": ("//", None),
}  # fmt: skip
_COMPARED = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_TOLD = {
    "bool": "bool({})", "int": "int({})", "index": "operator.index({})", "trunc": "int({})",
    "floor": "math.floor({})", "ceil": "math.ceil({})", "round": "round({})",
    **dict.fromkeys("divmod float format hash rdivmod repr str".split(), ""),
}  # fmt: skip
for _name in _ARITHMETIC:
    setattr(Number, f"__{_name}__", _arithmetic(_name, False))
    setattr(Number, f"__r{_name}__", _arithmetic(_name, True))
for _name, _sign in _COMPARED.items():
    setattr(Number, f"__{_name}__", _comparison(_name, _sign))
for _name, _template in _TOLD.items():
    setattr(Number, f"__{_name}__", _told(f"__{_name}__", _template))
for _operate, _template in ((operator.neg, "(-{})"), (operator.abs, "abs({})")):
    setattr(Number, f"__{_operate.__name__}__", _of_one(_operate, _template))


def handle_number(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """An op on tensors with a number beside them: a tensor of the type it would have there."""
    found = [x for x in inputs if type(x) is Number]
    noted = prim.dtype != "first" and all(x.tensor is not None and x.followed() for x in found)
    if not noted:
        return dispatch.apply(prim, tuple(map(plain, inputs)), params)
    beside = tuple([x.value if type(x) is Number else x for x in inputs])
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
    """The mode of public calls in which only some are given numbers, all others their values."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        noted = getattr(func, "__name__", "") in _TAKE_NUMBERS
        if not noted and holes.holds((args, kwargs), Number):
            args, kwargs = holes.replaced((args, kwargs), Number, plain)
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
    """A function given 0-d tensors for some numbers, as which it takes them while it is traced.

    `keys` are their places among the arguments. What the calls of its programs have in common is
    in `conditions`. With `constant` all numbers are.
    """

    def __init__(self, function: Callable[..., Any], keys: Sequence[Key]) -> None:
        self.function, self.keys = function, keys
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self.conditions: dict[str, Any] = {}
        self.holds: Callable[[Any, Any], bool] = condition({})
        self.constant = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tracer = STATE.tracer
        given = {**dict(enumerate(args)), **kwargs}
        tensors = {key: given[key] for key in self.keys}
        values = {key: value_of(x._array).item() for key, x in tensors.items()}
        args, kwargs = exchanged(args, kwargs, values)
        if tracer is None or tracer.closed:
            return self.function(*args, **kwargs)
        tracer.given = {**_NAMES, "args": args, "kwargs": kwargs}
        if self.constant:
            for key in self.keys:
                _asked(_place(key))
            return self.function(*args, **kwargs)
        numbers = {key: Number(_place(key), x) for key, x in tensors.items()}
        args, kwargs = exchanged(args, kwargs, numbers)
        gates.enter_mode(_Boundary())
        try:
            result = self.function(*args, **kwargs)
        finally:
            gates.leave_mode()
        return holes.replaced(result, Number, plain) if holes.holds(result, Number) else result

    def noted(self, conditions: Mapping[str, Any]) -> None:
        """What a trace asked is asked before programs are run, from now on."""
        self.conditions = {**self.conditions, **conditions}
        self.holds = condition(self.conditions)


def _place(key: Key) -> str:
    return f"kwargs[{key!r}]" if type(key) is str else f"args[{key}]"


def condition(conditions: Mapping[str, Any]) -> Callable[[Any, Any], bool]:
    """Whether texts give these values for arguments; where one cannot be computed, they do not."""
    asked = [
        f"repr({text}) == {repr(value)!r}" if _is_odd(value) else f"({text}) == {value!r}"
        for text, value in conditions.items()
    ]
    holds = eval(f"lambda args, kwargs: {' and '.join(asked) or True}", {**_NAMES})

    def tried(args: Any, kwargs: Any) -> bool:
        try:
            return holds(args, kwargs)
        except ArithmeticError:
            return False

    return tried


def _is_odd(value: Any) -> bool:
    """Whether a number is not told from others by ==, or not written as it is read."""
    return isinstance(value, (float, complex)) and not 0 < abs(value) < math.inf


def exchanged(args: Any, kwargs: Any, new: Mapping[Key, Any]) -> tuple[Any, Any]:
    """The arguments with others in some places."""
    args, kwargs = list(args), dict(kwargs)
    for key, value in new.items():
        place: Any = kwargs if type(key) is str else args
        place[key] = value
    return tuple(args), kwargs


def let_go(made: Sequence[weakref.ref[Number]]) -> None:
    """Objects in which a call left numbers get their values instead."""
    left = {id(one): one for ref in made if (one := ref()) is not None}
    for holder in gc.get_referrers(*left.values()) if left else ():
        if type(holder) is types.CellType:
            holder.cell_contents = holder.cell_contents.value
        elif holder is not left:
            place = holder if isinstance(holder, (dict, list)) else getattr(holder, "__dict__", {})
            pairs = place.items() if isinstance(place, dict) else enumerate(place)
            for key in [key for key, value in pairs if id(value) in left]:
                place[key] = place[key].value
