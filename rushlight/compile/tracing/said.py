"""What a call tells the world: `print`, records, progress bars, which wait until it is over.

Nothing in the rest of a call can tell when it was said, so a program says all of it, in order, when
it has run and everything else is done: with the numbers of that run, and as if by the user's line.
"""

from __future__ import annotations

import ast
import builtins
import sys
import warnings
from collections import deque
from collections.abc import Callable
from types import BuiltinMethodType, CodeType, FrameType, FunctionType, MethodType
from typing import Any

from ...core import dtypes
from ...core.errors import is_ours
from ...core.shapes import Size
from ...core.state import STATE
from ...core.tape import LEAF, SHAPE
from ...core.tensor import Tensor, wrap
from ..calls.guards import SCALARS
from ..disk.owned import own_file
from . import written
from .draws import Aside
from .numbers import Number
from .results import form_of_entry, spent
from .sinks import STREAMS, is_file, is_stream, only_tells
from .spots import Spot
from .written import LIVE, Text, formatted, join, knows_texts, plain, string_of

_LOOKING = frozenset(("stacklevel", "stack_info", "exc_info"))  # at who calls
_WARNED = 2  # arguments of `warn` before the one that looks at who calls
_HIDDEN = frozenset(("id", "hash"))  # what gives a number that no guard knows
_SHOWN = (dtypes.dtype, dtypes.device, Size)
_KEEPING = frozenset(("append", "extend"))
_FRAMES = (super, locals, globals, vars, dir, eval, exec, sys._getframe)
_OFTEN = ("functions/control.py", "utils/checkpoint.py")  # branches, loops, what is done again
_TRACE = __file__.replace("said.py", "capture.py")
_FILES = (__file__, formatted.__code__.co_filename)
Pair = tuple[tuple[Any, ...], dict[str, Any]]


class Stream:
    """The standard output, or that of errors, whatever it is when something is said."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Fixed:
    """Among the arguments: a tensor as it was, with the history that it shows, or a constant."""

    __slots__ = ("entry", "tensor", "value")

    def __init__(self, value: Any, tensor: Any = None, entry: Any = None) -> None:
        self.value, self.tensor, self.entry = value, tensor, entry


class Saying(Spot):
    """Something that is said after every run, in the place of one that gets new content."""

    __slots__ = ()

    def put(self, value: Pair) -> None:
        """Say it."""
        self.holder(value)

    def line(self, name: str, value: str) -> str:
        """The effect in Python."""
        return f"{name}({value})"

    def __str__(self) -> str:
        return f"{self.path}(...)"


class Grown(Spot):
    """An end of a deque, which gets one item more."""

    __slots__ = ()

    def __init__(self, owner: deque[Any], key: str) -> None:
        super().__init__(None, key, "deque", True, owner)

    def put(self, value: Any) -> None:
        """Make it so."""
        getattr(self.fixed, self.key)(value)

    def line(self, name: str, value: str) -> str:
        """The effect in Python."""
        return f"{name}.{self.key}({value})"

    def __str__(self) -> str:
        return f"{self.path}.{self.key}(...)"


class Refusal(Exception):
    """An argument that may be another at every call, though nothing says so."""


# --- what stands for such a function during a trace


def saying(function: Any) -> Callable[..., Any]:
    """A function that only tells, put off where the arguments can be had later."""

    def call(*args: Any, **kwargs: Any) -> Any:
        tracer = STATE.tracer
        if tracer is not None and not tracer.closed and tracer.promising:
            frame = _users(sys._getframe(1))
            if _put_off(tracer, function, args, kwargs, frame):
                return None
            where = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
            tracer.stop(f"{function.__name__}() must happen at every call", where)
        return function(*map(plain, args), **{key: plain(x) for key, x in kwargs.items()})

    return call


def _users(frame: Any) -> FrameType:
    while is_ours(frame) and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _put_off(tracer: Any, function: Any, args: Any, kwargs: Any, frame: FrameType) -> bool:
    """Whether something can be said later: if so it is noted."""
    looks = not _LOOKING.isdisjoint(kwargs) or (function is warnings.warn and len(args) > _WARNED)
    if looks or not _HIDDEN.isdisjoint(tracer.reach.words):
        return False
    if tracer.streams != streams() or _called_by_others(frame):  # led elsewhere; perhaps tried
        return False
    if tracer.raises is Aside:
        tracer.stop("the branch of cond that is not taken tells the world something")
    owner = getattr(function, "__self__", None)
    if type(owner) is deque:
        return _appended(tracer, function, owner, args, kwargs)
    if function is print:
        args = [string_of(x) if knows_texts(type(x).__str__) else x for x in args]
    try:
        given = _kept(tracer, tuple(args)), {key: _kept(tracer, x) for key, x in kwargs.items()}
    except Refusal:
        return False
    tracer.said.append([Saying(_teller(function, frame), None, _name(function)), given])
    return True


def _appended(tracer: Any, function: Any, owner: deque[Any], args: Any, kwargs: Any) -> bool:
    """Whether a deque may get something more after every run; here it gets it at once."""
    ends = {spot.key for spot, _ in tracer.grown if spot.fixed is owner} | {function.__name__}
    if kwargs or len(args) != 1 or len(ends) > 1 or not _is_kept(args[0]):
        return False
    function(*args)
    tracer.grown.append((Grown(owner, function.__name__), args[0]))
    return True


def _is_kept(x: Any) -> bool:
    """Whether each run can make it: numbers, texts, tensors; of other objects there are copies."""
    if type(x) is tuple:
        return all(map(_is_kept, x))
    return isinstance(x, Tensor) or type(x) in (Number, Text, *SCALARS)


def _called_by_others(frame: Any) -> bool:
    """Whether a library calls this function of the user's, or what may call it more than once."""
    while frame is not None and frame.f_code.co_filename != _TRACE:
        file = frame.f_code.co_filename
        if file.endswith(_OFTEN) if is_ours(frame) else not own_file(file):
            return True
        frame = frame.f_back
    return False


def streams() -> tuple[Any, ...]:
    """Where `print` writes to, and errors."""
    return sys.stdout, sys.stderr


def _kept(tracer: Any, value: Any) -> Any:
    """An argument as it is now: numbers and texts of later, constants, tensors."""
    kind = type(value)
    if kind in (Number, Text):
        if not value.followed():
            raise Refusal
        return value
    if kind in SCALARS:
        return value
    if kind in (list, tuple):
        return kind([_kept(tracer, part) for part in value])
    if kind is dict and all(type(key) in SCALARS for key in value):
        return {key: _kept(tracer, part) for key, part in value.items()}
    if kind in _SHOWN or (kind is type and issubclass(value, Warning)):
        return Fixed(value)
    if is_stream(value) and not tracer.reach.knows(value):
        return Fixed(Stream(next(x for x in STREAMS if getattr(sys, x) is value)))
    if is_file(value) and id(value) in tracer.reach.told and not tracer.reach.knows(value):
        return Fixed(value)
    if kind is Tensor:
        entry = value._entry
        if entry is not None and entry is not LEAF:
            entry = spent(*form_of_entry(entry), entry[SHAPE])
        return Fixed(None, wrap(tracer.lift(value).copy()), entry)
    raise Refusal


def _name(function: Any) -> str:
    owner, name = getattr(function, "__self__", None), function.__name__
    plain_name = owner is None or owner is builtins or is_stream(owner)
    return name if plain_name else f"{type(owner).__name__}.{name}"


def _teller(function: Any, frame: FrameType) -> Callable[[Pair], None]:
    """What says it: to where it belongs then, from a frame that looks like the user's."""
    owner = getattr(function, "__self__", None)
    stream = next((x for x in STREAMS if owner is getattr(sys, x)), None)
    call = called_from(frame)

    def tell(given: Pair) -> None:
        args, kwargs = given
        teller = function if stream is None else getattr(getattr(sys, stream), function.__name__)
        if type(kwargs.get("file")) is Stream:
            kwargs = {**kwargs, "file": getattr(sys, kwargs["file"].name)}
        call(teller, args, kwargs)

    return tell


def called_from(frame: FrameType) -> Callable[..., None]:
    """A function that calls another as if that call stood at a frame's line: records tell it."""
    code, line = frame.f_code, frame.f_lineno
    tree = ast.parse("def call(function, args, kwargs):\n    function(*args, **kwargs)")
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = line  # type: ignore[attr-defined]  # they have both
    whole = compile(tree, code.co_filename, "exec", dont_inherit=True)
    inner = next(x for x in whole.co_consts if isinstance(x, CodeType))
    inner = inner.replace(co_name=code.co_name, co_qualname=code.co_qualname)
    return FunctionType(inner, frame.f_globals)


def given_values(given: Any) -> Any:
    """The arguments of the traced call itself, with what was to come."""
    kind = type(given)
    if kind in (Number, Text):
        return given.value
    if kind is Fixed:
        if given.tensor is None:
            return given.value
        return wrap(given.tensor._array, given.entry)
    if kind in (list, tuple):
        return kind([given_values(part) for part in given])
    if kind is dict:
        return {key: given_values(part) for key, part in given.items()}
    return given


def say(said: list[list[Any]]) -> None:
    """Say what a traced call has put off, in order, each once; an error ends it."""
    rest, said[:] = said[:], []
    for spot, given in rest:
        spot.put(given_values(given))


# --- what stands in the places of calls: see `rewritten.py`


def stated(function: Any) -> Any:
    """What a call that stands as a statement of its own calls."""
    tracer = STATE.tracer
    if tracer is not None and not tracer.closed and only_tells(function, tracer.reach):
        return saying(function)
    return used(function)


def used(function: Any) -> Any:
    """What any other call calls: of the functions that make texts, ours."""
    text: Any = getattr(function, "__self__", None)
    if type(function) is BuiltinMethodType and type(text) is str:
        if function.__name__ == "join":
            return lambda parts: join(text, parts)
        if function.__name__ == "format":
            return lambda *args, **kwargs: written.put_in(text, args, kwargs)
    if function is str or function is repr or function is format:
        return lambda *args, **kwargs: _as_text(function, args, kwargs)
    return _valued(function) if LIVE[0] and not _takes_texts(function) else function


def _as_text(function: Any, args: Any, kwargs: Any) -> Any:
    """`str(x)`, `repr(x)` and `format(x, spec)` of a number of later."""
    if kwargs or not args or (len(args) > 1 and function is not format):
        return function(*map(plain, args), **kwargs)
    conversion = 115 if function is str else 114 if function is repr else -1
    return formatted(args[0], conversion, args[1] if len(args) > 1 else "")


def is_own(function: Any) -> bool:
    """Whether it is one of the functions here, or made by one."""
    return type(function) is FunctionType and function.__code__.co_filename in _FILES


def _takes_texts(function: Any) -> bool:
    """Whether a function takes texts of later as they are: what is ours, or now runs as ours.

    A list may keep them: the call's own as what it holds, one of before as what it grows by.
    """
    if type(function) is BuiltinMethodType and type(function.__self__) is list:
        return function.__name__ in _KEEPING
    inner = function.__func__ if type(function) is MethodType else function
    return knows_texts(inner) or is_own(inner) or any(inner is one for one in _FRAMES)


def _valued(function: Any) -> Any:
    """A function that is given texts, not what stands for them."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*map(_whole, args), **{key: _whole(x) for key, x in kwargs.items()})

    return call


def _whole(value: Any) -> Any:
    """An argument with its texts; lists and dictionaries stay the objects that they are."""
    kind = type(value)
    if kind is Text:
        return value.plain()
    if kind is tuple:
        parts = tuple(map(_whole, value))
        return parts if any(a is not b for a, b in zip(parts, value)) else value
    if kind is list or kind is dict:
        for key, part in list(enumerate(value) if kind is list else value.items()):
            new = _whole(part)
            if new is not part:
                value[key] = new
    return value


HELPERS = {
    "stated": stated, "used": used, "formatted": formatted, "joined": written.joined,
    "modulo": written.modulo, "given_back": written.given_back,
    "known": lambda x: x.plain() if type(x) is Text else x,
}  # fmt: skip
