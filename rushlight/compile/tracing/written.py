"""Texts that numbers are written into, some of which are yet to come: f-strings, `%`, `format`.

`f"loss {loss.item():.4f}"` needs no number if all that is done with it is to print it: it may as
well be written when the program has run. So while a call is traced, such a text is a `Text`: like
a `Number` it says in Python how it follows. To ask something else of it asks for its numbers.
"""

from __future__ import annotations

import re
import string
import sys
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...core.state import STATE
from ...core.tensor import Tensor
from ..calls.guards import SCALARS
from .numbers import Number, asked
from .numbers import plain as plain_number
from .traced import Traced

_FIELD = re.compile(r"%(?:\(\w*\))?[#0 +-]*(?:\d+|\*)?(?:\.(?:\d+|\*))?[hlL]?(.)", re.DOTALL)
_FLOATS = frozenset("eEfFgG")  # how any number may be written
_TEXTS = frozenset("sra")  # how anything may be
_WHOLE = frozenset("dixXo")
_KEPT = frozenset(
    "capitalize casefold center expandtabs ljust lower lstrip removeprefix removesuffix replace"
    " rjust rstrip strip swapcase title upper zfill".split()
)
_LONGEST = 4000  # characters of how a text follows
LIVE = [0]  # how many texts somebody may still hold


class Text:
    """A text of which is noted how it follows from the numbers of a call."""

    __slots__ = ("__weakref__", "given", "late", "text")

    __class__ = property(lambda self: str)

    def __init__(self, text: str, parts: Iterable[Any]) -> None:
        LIVE[0] += 1
        tracer = STATE.tracer
        self.text, self.given = text, tracer.given
        self.late = any(x.late for x in parts if type(x) in _NOTED)
        tracer.numbers.append(weakref.ref(self))

    def __del__(self) -> None:
        LIVE[0] -= 1

    @property
    def kind(self) -> type:
        """The class that it is seen as."""
        return str

    @property
    def value(self) -> str:
        """The text itself."""
        return eval(self.text, self.given)

    def followed(self) -> bool:
        """Whether the trace that notes it still runs."""
        tracer = STATE.tracer
        return tracer is not None and not tracer.closed and tracer.given is self.given

    def plain(self) -> str:
        """The text, for who goes by it: that ends the trace, or is a condition."""
        if not self.followed():
            return self.value
        if self.late:
            STATE.tracer.escape("a text")
            return self.value
        return asked(self.text)

    def __getattr__(self, name: str) -> Any:
        if not hasattr("", name):
            raise AttributeError(f"'str' object has no attribute {name!r}")
        if name not in _KEPT:
            return getattr(self.plain(), name)

        def method(*args: Any) -> Any:
            if not self.followed() or not all(type(x) in (int, str) for x in args):
                return getattr(self.plain(), name)(*args)
            getattr("", name)(*args)  # it raises what it always raises
            return _text(f"{self.text}.{name}({', '.join(map(repr, args))})", [self])

        return method

    def __getitem__(self, key: Any) -> Any:
        ends = (key.start, key.stop, key.step) if type(key) is slice else ()
        known = ends and key.step != 0 and all(type(x) in (int, type(None)) for x in ends)
        if not known or not self.followed():  # a place may be too far
            return self.plain()[plain_number(key)]
        return _text(f"{self.text}[{key!r}]", [self])

    def __mul__(self, times: Any) -> Any:
        if type(times) is not int or not self.followed():
            return self.plain() * plain_number(times)
        return _text(f"({self.text} * {times})", [self])

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Any:
        return _sum(self, other)

    def __radd__(self, other: Any) -> Any:
        return _sum(other, self)

    def __reduce__(self) -> Any:
        return str, (self.plain(),)


def _told(name: str) -> Callable[..., Any]:
    def method(self: Text, *others: Any) -> Any:
        return getattr(str, name)(self.plain(), *map(plain, others))

    return method


for _name in (
    "__eq__ __ne__ __lt__ __le__ __gt__ __ge__ __hash__ __len__ __iter__ __contains__"
    " __mod__ __str__ __repr__ __format__"
).split():
    setattr(Text, _name, _told(_name))

_NOTED = frozenset((Number, Text))


def _text(text: str, parts: Iterable[Any]) -> Any:
    """A text of later; one that would take long to say is the text itself."""
    made = Text(text, parts)
    return made if len(text) <= _LONGEST else made.plain()


def _sum(a: Any, b: Any) -> Any:
    noted = all(type(x) in (str, Text) for x in (a, b))
    followed = all(x.followed() for x in (a, b) if type(x) is Text)
    if noted and followed:
        return _text(f"({_said(a)} + {_said(b)})", (a, b))
    return plain(a) + plain(b)


def plain(x: Any) -> Any:
    """The value of a text or number, anything else as it is."""
    return x.plain() if type(x) is Text else plain_number(x)


def _said(x: Any) -> str:
    return x.text if type(x) in _NOTED else repr(x)


def notes(x: Any) -> bool:
    """Whether it is a number or text that a running trace follows."""
    return type(x) in _NOTED and x.followed()


def item_of(x: Any) -> Any:
    """A number of later for a tensor of one number that is traced, any other thing as it is."""
    array: Any = x._array if isinstance(x, Tensor) else None
    if type(array) is not Traced or array.memory.size != 1:
        return x
    tracer = STATE.tracer
    noted = tracer is array.tracer and not tracer.closed and tracer.promising
    return array.reshape(()).item() if noted and array.memory.dtype.kind in "fiuV" else x


def _of_scalar(x: Any) -> Any:
    """A tensor without dimensions as its number: as which it is written."""
    return item_of(x) if type(x) is Tensor and not x._array.ndim else x


def _like(x: Any) -> Any:
    """Something of the same class, to see whether it can be written."""
    kind: Any = x.kind if type(x) is Number else None
    return kind(1) if kind is not None else "" if type(x) is Text else x


# --- what code does instead while it is traced

_CONVERTED: dict[int, Any] = {115: str, 114: repr, 97: ascii}


def formatted(value: Any, conversion: int, spec: Any) -> Any:
    """`{value!conversion:spec}` in an f-string."""
    spec, convert = plain(spec), _CONVERTED.get(conversion)
    if convert is None:
        value = _of_scalar(value)
    if not notes(value) or spec.endswith("c"):  # a letter, which not every number is
        value = plain(value)
        if convert is None and (spec or not _says_itself(value)):
            return format(value, spec)
        value = string_of(value) if convert in (None, str) else represented(value, convert)
        return formatted(value, -1, spec) if type(value) is Text else format(value, spec)
    sample, text = _like(value), value.text
    if convert is not None:
        sample, text = convert(sample), f"{convert.__name__}({text})"
    format(sample, spec)  # it raises what it always raises
    return _text(f"format({text}, {spec!r})", [value])


def _says_itself(x: Any) -> bool:
    """Whether `format(x, "")` is `str(x)`."""
    return type(x).__format__ is object.__format__


def string_of(x: Any) -> Any:
    """`str(x)`, perhaps a text of later that the user's `__str__` gives."""
    kind = type(x)
    if kind.__str__ is object.__str__:
        return represented(x, repr, str)
    method: Any = kind.__str__
    return method(x) if knows_texts(method) else str(x)


def represented(x: Any, convert: Any, otherwise: Any = None) -> Any:
    """`repr(x)`, as `string_of` is `str(x)`."""
    method: Any = type(x).__repr__
    if convert is not repr or not knows_texts(method):
        return (otherwise or convert)(x)
    return method(x)


def knows_texts(function: Any) -> bool:
    """Whether a function's code is one in which texts are led by way of ours."""
    tracer = STATE.tracer
    return tracer is not None and id(getattr(function, "__code__", None)) in tracer.called.written


def given_back(x: Any) -> Any:
    """What `__str__` returns: to Python it must be a text."""
    asks = sys._getframe(2).f_code
    return x if type(x) is not Text or asks in _ASK else x.plain()


_ASK = (string_of.__code__, represented.__code__)


def joined(*parts: Any) -> Any:
    """The parts of an f-string."""
    return join("", parts)


def join(between: str, parts: Iterable[Any]) -> Any:
    """`between.join(parts)`."""
    found = list(parts)
    texts = [x for x in found if type(x) is Text]
    if texts and all(type(x) is str or (notes(x) and type(x) is Text) for x in found):
        return _text(f"{between!r}.join(({''.join(f'{_said(x)}, ' for x in found)}))", texts)
    return between.join(map(plain, found))


def modulo(pattern: str, right: Any) -> Any:
    """`pattern % right`."""
    ways = [way for way in _FIELD.findall(pattern) if way != "%"]
    parts = list(right) if type(right) is tuple else [right]
    if len(ways) == len(parts):
        parts = [item_of(x) if way in _FLOATS else x for way, x in zip(ways, parts)]
    noted = [x for x in parts if notes(x)]
    fine = len(ways) == len(parts) and "*" not in pattern and _simple(parts)
    if not noted or not fine or not all(map(_may_be, parts, ways)):
        return pattern % (tuple(map(plain, right)) if type(right) is tuple else plain(right))
    str.__mod__(pattern, tuple(map(_like, parts)))  # it raises what it always raises
    return _text(f"({pattern!r} % ({''.join(f'{_said(x)}, ' for x in parts)}))", noted)


def _may_be(x: Any, way: str) -> bool:
    """Whether `%` never raises as it writes something of later in a way."""
    if not notes(x) or way in _TEXTS:
        return True
    return way in _FLOATS or (way in _WHOLE and x.kind is int)


def put_in(pattern: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """`pattern.format(*args, **kwargs)`."""
    plainly = _plainly(pattern)
    if plainly:
        args = [_of_scalar(x) for x in args]
        kwargs = {key: _of_scalar(x) for key, x in kwargs.items()}
    parts = [*args, *kwargs.values()]
    noted = [x for x in parts if notes(x)]
    if not noted or not plainly or not _simple(parts):
        return pattern.format(*map(plain, args), **{k: plain(x) for k, x in kwargs.items()})
    pattern.format(*map(_like, args), **{k: _like(x) for k, x in kwargs.items()})
    said = [*map(_said, args), *(f"{key}={_said(x)}" for key, x in kwargs.items())]
    return _text(f"{pattern!r}.format({', '.join(said)})", noted)


def _plainly(pattern: str) -> bool:
    """Whether a pattern asks for values as they are: none of their attributes, nor letters."""
    try:
        found = list(string.Formatter().parse(pattern))
    except ValueError:  # it raises when it is used
        return False
    return not any(
        conversion or "." in (name or "") or "[" in (name or "") or "{" in (spec or "")
        or (spec or "").endswith("c") for _, name, spec, conversion in found
    )  # fmt: skip


def _simple(parts: Iterable[Any]) -> bool:
    """Whether all are numbers and texts, of later or as they are."""
    return all(notes(x) or type(x) in SCALARS for x in parts)
