"""Numbers that differ from call to call: they follow from inputs of a program, or its outputs.

A first program is made for the numbers it was called with. Once a call comes with others (the share
of a mixture, a weight that is annealed, the count of a step), the function is traced with a
`Number` in the place of each. What is computed with it and tensors is noted. What the function asks
of it (a comparison in a branch, its value for a shape, or for a function that is not arithmetic)
becomes a condition, written as Python: `args[2] > 0.4`, `args[2] % 100 == 0`. The program is for
calls in which all conditions come out as they did.

What `item()` gives is a number too, but a *late* one: it is known only when the program has run. It
may be computed with, kept and returned. To ask something of it ends the trace.
"""

from __future__ import annotations

import math
import operator
import re
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...core import dispatch, dtypes
from ...core.operands import refuse_numbers
from ...core.primitive import REGISTRY, Primitive
from ...core.state import STATE
from ...core.tensor import Tensor
from .answers import CLOSE, EXACT, KINDS, VAGUE, always, decided

_HALVES = (dtypes.float16, dtypes.bfloat16)
_LONGEST = 400  # characters of what is computed with numbers before a value is taken
_LONGEST_LATE = 1500  # where to take the value ends the trace
_WIDE = 2**63
_LARGEST, _LEAST = 700.0, 1e-300  # numbers that have an exponential, and a logarithm
NAMES = {  # that texts use
    "math": math, "operator": operator, "inf": math.inf, "nan": math.nan,
}  # fmt: skip
_ITEM = re.compile(r"items(\[\d+\])+")
_FITS = "-2**63 <= {} < 2**63"
Key = int | str


class Number:
    """A float or a whole number of which is noted what is computed with it and asked of it.

    `text` says in Python how it follows from the arguments and outputs of the call. `tensor` is a
    0-d tensor of the same value, or None where tensors do not compute it just as Python does. A
    late number has a `kind` from the beginning, and a value once the call is over. `rough` says
    how far its tensor may be from it (`answers.py`).
    """

    __slots__ = ("__weakref__", "_tensor", "_value", "given", "kind", "late", "rough", "text")

    # the user's code, and ours, asks `isinstance(x, float)`
    __class__ = property(lambda self: self.kind)

    def __init__(self, text: str, tensor: Any = None, late: type | None = None) -> None:
        self._tensor: Any = tensor
        self.rough = EXACT
        self.text, self.given = text, STATE.tracer.given
        self.late, self._value = late is not None, None if late else eval(text, self.given)
        self.kind = type(self._value) if late is None else late
        STATE.tracer.numbers.append(weakref.ref(self))

    @property
    def value(self) -> Any:
        """The number itself."""
        return eval(self.text, self.given) if self.late else self._value

    @property
    def tensor(self) -> Tensor | None:
        """The tensor, made when it is first used."""
        made = self._tensor
        if made is not None and not isinstance(made, Tensor):
            made = self._tensor = made(self) if made is _foretold else made()
        return made

    def followed(self) -> bool:
        """Whether the trace that notes it still runs."""
        tracer = STATE.tracer
        return tracer is not None and not tracer.closed and tracer.given is self.given

    def plain(self) -> Any:
        """The value: a program is for calls in which it is the same, and late ones have none."""
        if not self.followed():
            return self.value
        if self.late:
            if not STATE.tracer.pin_number(self):
                STATE.tracer.escape(".item()")
            return self.value
        STATE.tracer.here.took(self.text)
        return asked(self.text)

    def __getattr__(self, name: str) -> Any:
        if not hasattr(self.kind(), name):  # what others have, classes too, is asked of any object
            raise AttributeError(f"'{self.kind.__name__}' object has no attribute '{name}'")
        return getattr(self.plain(), name)

    def __reduce__(self) -> Any:
        return self.kind, (self.plain(),)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.plain(), dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        alone = method == "__call__" and len(inputs) == 1 and not kwargs
        if alone and self.late and ufunc.__name__ in KINDS and self.followed():
            found = _decided(ufunc.__name__, inputs)
            if found is not None:
                return np.bool_(found)
        return getattr(ufunc, method)(*map(plain, inputs), **kwargs)

    def __pos__(self) -> Any:
        return self

    def __round__(self, *digits: Any) -> Any:
        if self.followed():
            if self.late and [type(n) for n in digits] == [int] and digits[0] >= 0:
                return Number(f"round({self.text}, {digits[0]})", late=self.kind)
            if not self.late and not digits:
                return whole_by("round({})", self)
            if not self.late and [type(n) for n in digits] == [int]:
                return by_python(f"round({self.text}, {digits[0]})")
        return round(self.plain(), *map(plain, digits))


def plain(x: Any) -> Any:
    """The value of a number, anything else as it is."""
    return x.plain() if type(x) is Number else x


def asked(text: str) -> Any:
    """What a text gives where the function goes on by it: a condition of the program."""
    tracer = STATE.tracer
    if "here[" in text and "args[" in text:
        tracer.stop("a number among the arguments is beside one that the call changes")
        return eval(text, tracer.given)
    if "drawn[" in text:
        return tracer.chances.ask(text)
    value = tracer.conditions[text] = eval(text, tracer.given)
    return value


def _text(x: Any) -> str:
    return x.text if type(x) is Number else repr(x)


def _tensor(x: Any, kind: type) -> Any:
    """A side as an operand of a tensor operation that gives a number of that kind."""
    if type(x) is not Number or x.tensor is None:
        return x if type(x) is not Number else None
    return dispatch.LATE.cast(x.tensor, dtypes.float64 if kind is float else dtypes.int64)


def _computed(name: str, text: str, sides: Sequence[Any], needs: str) -> Any:
    """What an operator gives of numbers, with what tells whether it would give that again."""
    operate = getattr(operator, name)
    number = Number(text)
    kind = number.kind
    if kind not in (int, float) or len(text) > _LONGEST:
        return number.plain()
    if needs:
        asked(needs)

    def tensor() -> Any:
        operands = [_tensor(x, kind) for x in sides]
        whole = kind is int and (name == "pow" or not asked(_FITS.format(text)))
        return None if whole or any(x is None for x in operands) else operate(*operands)

    number._tensor = _foretold if name in _BY_PYTHON else tensor
    return number


def _foretold(number: Number) -> Any:
    """An input of the program that Python computes before each run."""
    if number.kind is int and not asked(_FITS.format(number.text)):
        return None
    return STATE.tracer.foretold(number.text, number.value)


def by_python(text: str) -> Any:
    """What a text of Python gives: a number that is an input, where it is used beside tensors."""
    number = Number(text)
    if number.kind not in (int, float) or len(text) > _LONGEST:
        return number.plain()
    number._tensor = _foretold
    return number


def of_function(name: str, function: Callable[..., Any], args: Sequence[Any]) -> Any:
    """What a function of Python gives for numbers; one that is yet to come may be refused."""
    short = name.rpartition(".")[2]
    if short in KINDS and len(args) == 1 and args[0].followed():
        found = _decided(short, args) if args[0].late else asked(f"{name}({args[0].text})")
        return function(args[0].plain()) if found is None else found
    if len(args) == 1 and _is_late(args[0]) and args[0].followed():
        found = _later_of(short, args[0])
        return function(args[0].plain()) if found is None else found
    known = all(type(x) in (int, float) or (type(x) is Number and not x.late) for x in args)
    if not known or not all(x.followed() for x in args if type(x) is Number):
        return function(*map(plain, args))
    return by_python(f"{name}({', '.join(map(_text, args))})")


def as_float(x: Number) -> Any:
    """`float(x)`."""
    if x.kind is float:
        return x
    if not x.late:
        return by_python(f"float({x.text})")
    if not _ITEM.fullmatch(x.text):  # which may be too large
        return float(x.plain())
    number = Number(f"float({x.text})", lambda: _tensor(x, float), float)
    number.rough = x.rough
    return number


def as_whole(x: Number) -> Any:
    """`int(x)`."""
    if x.kind is int:
        return x
    late: Any = x
    return late.__int__() if x.late else whole_by("int({})", x)  # see `_told`


def whole_by(text: str, x: Number) -> Any:
    """The whole number that Python makes of a number, which may be none or too large."""
    if x.kind is float and not asked(_FITS.format(x.text)):
        return eval(text.format(x.text), x.given)
    return by_python(text.format(x.text))


def _later(name: str, text: str, sides: Sequence[Any]) -> Number | None:
    """What an operator gives of late numbers, where it does not raise."""
    kinds = [x.kind if type(x) is Number else type(x) for x in sides]
    kind = float if float in kinds or name == "truediv" else int
    if not all(map(_is_moderate, sides)) or len(text) > _LONGEST_LATE:
        return None

    def tensor() -> Any:
        operands = [_tensor(x, kind) for x in sides]
        whole = kind is int or any(one is None for one in operands)  # which tensors cannot hold
        return None if whole else getattr(operator, name)(*operands)

    if name == "pow":
        return _power(text, kind, sides, tensor)
    if name not in _NEVER_RAISE and not (name == "truediv" and _divides(sides[-1])):
        return None
    number = Number(text, tensor, kind)
    number.rough = _roughness(name, sides)
    return number


def _divides(right: Any) -> bool:
    """Whether a number is not zero; a program asks whenever it runs."""
    if not _is_late(right):
        return right != 0
    made = right.tensor if right.rough != VAGUE else None
    return made is not None and always(made != 0)


def _power(text: str, kind: type, sides: Sequence[Any], tensor: Any) -> Number | None:
    """A power of a late number, where that is a number and not too large."""
    base, by = sides
    plain_power = type(by) in (int, float) and math.isfinite(by)
    if kind is not float or not plain_power or base.rough == VAGUE:
        return None
    made, even = tensor(), by % 2 == 0
    if made is None or not always(dispatch.apply(REGISTRY["isfinite"], (made,), ())):
        return None
    if not even and by != int(by) and base.rough == EXACT and not always(base.tensor >= 0):
        return None
    number = Number(text, made, float)
    number.rough = CLOSE if even or base.rough or by != int(by) else VAGUE
    return number


def _roughness(name: str, sides: Sequence[Any]) -> int:
    """How far a tensor may be from what an operator gives of numbers like these."""
    worst = max(x.rough if type(x) is Number else EXACT for x in sides)
    if worst != CLOSE or (name in _OF_POSITIVE and all(map(_is_positive, sides))):
        return worst
    return VAGUE


def _is_positive(x: Any) -> bool:
    return x.rough == CLOSE if type(x) is Number else x >= 0


# what functions of `math` take, and how close to theirs is what tensors give
_OF_MATH = {
    "sqrt": (lambda x: x >= 0, EXACT), "exp": (lambda x: x <= _LARGEST, CLOSE),
    "log": (lambda x: x >= _LEAST, VAGUE), "log2": (lambda x: x >= _LEAST, VAGUE),
    "log10": (lambda x: x >= _LEAST, VAGUE),
}  # fmt: skip


def _later_of(name: str, x: Number) -> Number | None:
    """What a function of `math` gives of a late number, where it does not raise."""
    made = _tensor(x, float) if name in _OF_MATH and x.rough != VAGUE else None
    if made is None or len(x.text) > _LONGEST_LATE:
        return None
    takes, rough = _OF_MATH[name]
    if not always(takes(made)):
        return None
    number = Number(
        f"math.{name}({x.text})", lambda: dispatch.apply(REGISTRY[name], (made,), ()), float
    )
    number.rough = max(rough, x.rough)
    return number


def _is_late(x: Any) -> bool:
    return type(x) is Number and x.late


def _is_moderate(x: Any) -> bool:
    """Whether it is no whole number that may be too large for a float."""
    if type(x) is Number and x.kind is int and not x.late:
        return asked(_FITS.format(x.text))
    return type(x) is not int or -_WIDE <= x < _WIDE


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
        if any(map(_is_late, sides)):
            late = _later(name, text, sides)
            return operate(*map(plain, sides)) if late is None else late
        needed = needs.format(text, right) if name == "pow" or type(sides[1]) is Number else ""
        return _computed(name, text, sides, needed)

    return method


def _bitwise(name: str, sign: str, reflected: bool) -> Callable[[Any, Any], Any]:
    operate = getattr(operator, f"__{name}__")

    def method(self: Any, other: Any) -> Any:
        if isinstance(other, Tensor):
            return NotImplemented
        sides = (other, self) if reflected else (self, other)
        if not self.followed() or any(map(_is_late, sides)) or not isinstance(other, int):
            return operate(*map(plain, sides))
        left, right = map(_text, sides)
        return asked(f"({left} {sign} {right})")

    return method


def _comparison(name: str, sign: str) -> Callable[[Any, Any], Any]:
    compare = getattr(operator, name)

    def method(self: Any, other: Any) -> Any:
        if isinstance(other, Tensor):
            return NotImplemented
        known = self.followed() and type(other) in (int, float, Number)
        if known and (self.late or _is_late(other)):
            found = _decided(name, (self, other))
            return compare(self.plain(), plain(other)) if found is None else found
        if not known:
            return compare(self.plain(), plain(other))
        return asked(f"{self.text} {sign} {_text(other)}")

    return method


def _decided(name: str, sides: Sequence[Any]) -> bool | None:
    """What a question gives that late numbers take part in; None where no program can ask it."""
    if not all(map(_is_moderate, sides)):
        return None
    kinds = [x.kind if type(x) is Number else type(x) for x in sides]
    kind = float if name in KINDS or float in kinds else int
    rough = max(x.rough if type(x) is Number else EXACT for x in sides)
    if len(sides) > 1 and sides[0] is sides[1] and rough == CLOSE:  # whether it is a number
        rough = EXACT
    return decided(name, [_tensor(x, kind) for x in sides], kinds, kind, rough)


def _told(name: str, text: str) -> Callable[..., Any]:
    """A method that gives something of a number: that is asked, or else the number itself."""

    def method(self: Any, *others: Any) -> Any:
        if name == "__bool__" and self.late and self.followed():
            found = _decided("ne", (self, 0))
            if found is not None:
                return found
        if text in _WHOLE and not self.late and self.followed():
            return whole_by(text, self)
        if self.late or not self.followed() or others or not text:
            return getattr(self.kind, name)(self.plain(), *map(plain, others))
        return asked(text.format(self.text))

    return method


def _of_one(operate: Callable[..., Any], text: str) -> Callable[[Any], Any]:
    def method(self: Any) -> Any:
        if not self.followed():
            return operate(self.value)
        if self.late:
            return _later(operate.__name__, text.format(self.text), (self,))
        return _computed(operate.__name__, text.format(self.text), (self,), "")

    return method


# operators with what is asked so that they give the like again: {0} the result, {1} the right side
_ARITHMETIC = {
    "add": ("+", ""), "sub": ("-", ""), "mul": ("*", ""), "truediv": ("/", "{1} != 0"),
    "pow": ("**", "type({0}) is float"), "mod": ("%", "{1} != 0"), "floordiv": ("//", "{1} != 0"),
}  # fmt: skip
_BY_PYTHON = frozenset(("mod", "floordiv"))  # tensors compute them otherwise
_NEVER_RAISE = frozenset(("add", "sub", "mul", "neg", "abs"))
_OF_POSITIVE = frozenset(("add", "mul", "truediv", "abs"))  # what is as close of these
_COMPARED = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_WHOLE = frozenset(("math.floor({})", "math.ceil({})"))
_TOLD = {
    "bool": "bool({})", "int": "int({})", "index": "operator.index({})", "trunc": "int({})",
    "floor": "math.floor({})", "ceil": "math.ceil({})", "invert": "(~{})",
    **dict.fromkeys("divmod float format hash rdivmod repr str".split(), ""),
}  # fmt: skip
for _name in _ARITHMETIC:
    setattr(Number, f"__{_name}__", _arithmetic(_name, False))
    setattr(Number, f"__r{_name}__", _arithmetic(_name, True))
for _name, _sign in _COMPARED.items():
    setattr(Number, f"__{_name}__", _comparison(_name, _sign))
for _name, _sign in (("and", "&"), ("or", "|"), ("xor", "^"), ("lshift", "<<"), ("rshift", ">>")):
    setattr(Number, f"__{_name}__", _bitwise(_name, _sign, False))
    setattr(Number, f"__r{_name}__", _bitwise(_name, _sign, True))
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
        refuse_numbers(prim, beside)
    kind = dispatch.result_type(*beside)
    if kind in _HALVES and any(isinstance(x, Tensor) and x._array.ndim for x in beside):
        kind = dtypes.float32  # of a number these take more digits than they have
    elif kind.category == dtypes.COMPLEX:
        kind = kind.to_real()
    operands = [dispatch.LATE.cast(x.tensor, kind) if type(x) is Number else x for x in inputs]
    return dispatch.apply(prim, tuple(operands), params)


dispatch.WRAPPERS[Number] = handle_number


def condition(conditions: Mapping[str, Any], given: str = "args, kwargs") -> Callable[..., bool]:
    """Whether texts give these values for what they are given; also not where one gives none."""
    questions = [
        f"repr({text}) == {repr(value)!r}" if _is_odd(value) else f"({text}) == {value!r}"
        for text, value in conditions.items()
    ]
    holds = eval(f"lambda {given}: {' and '.join(questions) or True}", {**NAMES})

    def tried(*found: Any) -> bool:
        try:
            return holds(*found)
        except ArithmeticError:
            return False

    return tried


def _is_odd(value: Any) -> bool:
    """Whether a number is not told from others by ==, or not written as it is read."""
    return isinstance(value, (float, complex)) and not 0 < abs(value) < math.inf
