"""torch's refusals of arguments of the wrong kind, looked for only when a call has failed.

`signatures.txt` has the forms of torch's functions, written by `tests/faults/record_signatures.py`.
A call that fits one of a function's forms failed for another reason, and its own error stands.
"""

from __future__ import annotations

import bisect
import dis
import functools
import inspect
import re
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from . import dtypes
from .errors import PACKAGE, fail
from .folders import content_of
from .names import home
from .overrides import ASKING, CODES, ON_CONTACT, overloaded, speaks
from .tensor import Tensor
from .word_order import listed

_KINDS_OF_ERRORS = (AttributeError, TypeError, ValueError, IndexError, KeyError, RuntimeError)
_AS_GIVEN = (str, list, dict, object, float)  # what functions never put in an argument's place
_HEAP_TYPE = 1 << 9  # classes made by Python code say no module in torch's messages


class Lost(NamedTuple):
    """An argument that the function has put another value in the place of: this one."""

    value: Any


class Parameter(NamedTuple):
    """An argument as torch's messages spell it; `default` is None where there is none."""

    kind: str
    name: str
    default: str | None
    named: bool  # by name only


class Form(NamedTuple):
    """One of the ways to call a function that goes by `name` in messages."""

    name: str
    text: str
    parameters: tuple[Parameter, ...]


@functools.cache
def _table(name: str) -> dict[str, list[str]]:
    """The lines of a file by the functions they are about."""
    found: dict[str, list[str]] = {}
    for line in content_of(Path(__file__).with_name(f"{name}.txt")).decode().splitlines():
        path, _, rest = line.partition(" | ")
        found.setdefault(path, []).append(rest)
    return found


@functools.cache
def forms_of(path: str) -> list[Form]:
    """The forms of a function in torch's order; none for what torch has written in Python.

    >>> from rushlight.core.misuse import forms_of
    >>> [form.text for form in forms_of("Tensor.mm")]
    ['Tensor mat2']
    """
    forms = []
    for line in _table("signatures").get(path, ()):
        name, _, text = line.partition(" | ")
        parameters, named = [], False
        for part in re.split(r", (?![^{]*\})", text):
            if part == "*":
                named = True
            elif part:
                left, _, default = part.partition(" = ")
                kind, _, argument = left.rpartition(" ")
                parameters.append(Parameter(kind, argument, default or None, named))
        forms.append(Form(name, text, tuple(parameters)))
    return forms


class _Next(threading.local):
    call: Any = None


_NEXT = _Next()


def explain() -> bool:
    """Raise torch's error in the place of the one on its way out of a public function, if the
    arguments fit no form of it. True if its call is to be made again: a handler is among them."""
    error = sys.exc_info()[1]
    if not isinstance(error, _KINDS_OF_ERRORS) or error.__traceback__ is None:
        return False
    frame = error.__traceback__.tb_frame
    public: Any = CODES.get(id(frame.f_code)) or ASKING.get(id(frame.f_code))
    if public is None:
        return False
    place = error.__traceback__.tb_lasti
    said = str(error).startswith(f"{public.__name__}(): argument ")
    if said and _row_of(frame.f_code) in _lost(frame.f_code, place):
        return False  # it has taken its arguments apart itself, and told which is wrong
    args, kwargs = _call(frame, place, public)
    if overloaded(args, kwargs):
        return _to_be_asked(public, args, kwargs)
    given = () if isinstance(error, ValueError) else map(_plain, (*args, *kwargs.values()))
    if any(dtypes.said(one) is not one for one in given):  # which functions need not look for
        return _repeated(public, args, kwargs, dtypes.said)
    path = path_of(public)
    forms, uses = forms_of(path), _table("first_uses").get(path)
    if forms:
        found = misfit(forms, args[1:] if "Tensor." in public.__qualname__ else args, kwargs)
    elif uses:
        own: Any = inspect.unwrap(public) if id(frame.f_code) in ASKING else public
        found = _first_use(own, uses, args, kwargs)
    else:
        return False
    text = str(found).partition("\n")[0]
    counted = " positional argument" in text and _said(frame)[0] is None
    if counted and not frame.f_locals.get(_row_of(frame.f_code) or ""):
        return False  # what was given by name counts as given by place there
    if found is not None and text != str(error).partition("\n")[0]:
        raise found from None
    return False


def _to_be_asked(public: FunctionType, args: list[Any], kwargs: dict[str, Any]) -> bool:
    """Whether public functions learn only now that there are classes that handle operations."""
    before = public.__code__
    for told in ON_CONTACT:
        told()
    return public.__code__ is not before and _repeated(public, args, kwargs)


def _repeated(public: FunctionType, args: list[Any], kwargs: dict[str, Any],
              read: Callable[[Any], Any] = lambda value: value) -> bool:  # fmt: skip
    given = {key: read(_plain(value)) for key, value in kwargs.items()}
    _NEXT.call = public, [read(_plain(value)) for value in args], given
    return True


def _plain(value: Any) -> Any:
    return value.value if type(value) is Lost else value


def again() -> Any:
    """The call that is to be made again."""
    (public, args, kwargs), _NEXT.call = _NEXT.call, None
    return public(*args, **kwargs)


def _first_use(
    public: FunctionType, uses: list[str], args: list[Any], kwargs: dict[str, Any]
) -> BaseException | None:
    """torch's error for what is no tensor, where its function is written in Python: it has not an
    attribute, or a built-in function refuses it."""
    code = public.__code__
    names = code.co_varnames[: code.co_argcount]
    given = {**dict(zip(names, args)), **kwargs}
    defaults = dict(zip(names[::-1], (public.__defaults__ or ())[::-1]))
    for line in uses:
        name, _, steps = line.partition(" | ")
        if name == "*":
            return _row_trouble(args[len(names) :] or args, steps)
        if name[-1] == "?" and given.get(name[:-1]) is None:
            continue
        name = name.rstrip("?")
        value = given.get(name)
        taken = isinstance(value, Tensor) or _strange(value) or value is defaults.get(name, public)
        if taken or name not in given:
            continue
        for step in steps.split(" | "):
            if step[0] != ".":
                function, argument, place = step.split()
                return TypeError(_must_be("Tensor", function, argument, place, value))
            if not hasattr(value, step[1:]):
                text = f"{kind_name(value)!r} object has no attribute {step[1:]!r}"
                return AttributeError(text)
    return None


def _row_trouble(values: list[Any], place: str) -> BaseException | None:
    """torch's error for tensors in a row, or in a list, of which one is none."""
    if place == "1":  # after an equation; without one, lists of labels stand among the tensors
        if not isinstance(values[0], str):
            return None
        values = values[1:]
    if len(values) == 1 and isinstance(values[0], (list, tuple)):
        values = list(values[0])
    trouble = _element_trouble(values, place)
    return None if trouble is None else TypeError(trouble)


def _element_trouble(values: Sequence[Any], place: Any) -> str | None:
    for at, part in enumerate(values):
        if not isinstance(part, Tensor) and not _strange(part):
            return f"expected Tensor as element {at} in argument {place}, but got {kind_name(part)}"
    return None


def _must_be(kind: str, function: str, name: str, place: Any, value: Any) -> str:
    at = f" (position {place})" if place else ""
    return f"{function}(): argument '{name}'{at} must be {kind}, not {kind_name(value)}"


def path_of(public: FunctionType) -> str:
    """The dotted name of a public function below the package's."""
    module = home(public).partition(".")[2]  # type: ignore[arg-type]  # functions say it as classes do
    return f"{module}.{public.__qualname__}" if module else public.__qualname__


def _call(frame: FrameType, place: int, public: FunctionType) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call that failed at a place, by place and by name, as they were given."""
    code, values = frame.f_code, frame.f_locals
    lost = _lost(code, place)

    def take(name: str) -> Any:
        value = values.get(name)
        if name not in lost or (name == "input" and type(value) in (int, complex, type(None))):
            return value
        return _lost_value(value)

    named, by_place = _said(frame)
    spoken, count = named or (), code.co_argcount
    names = code.co_varnames[:count]
    defaults = dict(zip(names[::-1], (public.__defaults__ or ())[::-1]))
    given = [
        i for i, name in enumerate(names)
        if name not in spoken and not (name in defaults and (
            values.get(name) is defaults[name] or not _given(name, take(name))))
    ]  # fmt: skip
    taken = max(given[-1] + 1 if given else 0, min(by_place, count))
    if named is None:  # behind what was left out, all that was given was given by name
        taken = next((at for at, i in enumerate(given) if at != i), len(given))
        spoken = [names[i] for i in given[taken:]]
    args = [take(name) for name in names[:taken] if name not in spoken]
    kwargs = {name: take(name) for name in names if name in spoken}
    for name in names[taken:]:
        if name in defaults and type(take(name)) is Lost:
            kwargs[name] = take(name)  # given or not: it fits by name, and is not missed
    after = count + code.co_kwonlyargcount
    for name in code.co_varnames[count:after]:
        if values.get(name) is not (public.__kwdefaults__ or {}).get(name, Lost):
            kwargs[name] = take(name)
    if code.co_flags & 4:
        rest = take(code.co_varnames[after])
        args += map(_lost_value, rest.value) if type(rest) is Lost else rest
        after += 1
    if code.co_flags & 8:
        more = take(code.co_varnames[after])
        kwargs.update({} if type(more) is Lost else more)
    return args, kwargs


def _no_place(value: Any) -> bool:
    """Whether an argument that was put another value in the place of was True or False, or is a
    tensor of several: what stands for a place is never made that by a function."""
    plain = _plain(value)
    return type(value) is Lost and (
        type(plain) is bool or (isinstance(plain, Tensor) and not _is_number(plain))
    )


def _given(name: str, value: Any) -> bool:
    """Whether an argument was given for certain."""
    return type(value) is not Lost or (name == "dim" and _no_place(value))


def _lost_value(value: Any) -> Any:
    return value if type(value) in _AS_GIVEN else Lost(value)


def _row_of(code: CodeType) -> str | None:
    """The name under which a function has a row of arguments (`*args`)."""
    named = code.co_argcount + code.co_kwonlyargcount
    return code.co_varnames[named] if code.co_flags & 4 else None


def _lost(code: CodeType, place: int) -> set[str]:
    """The names that a function may have given other values when it has come to a place."""
    stores, jumps = _movements(code)
    return {
        name for name, at in stores
        if at < place or any(start > at and end <= place for start, end in jumps)
    }  # fmt: skip


@functools.lru_cache(4096)
def _movements(code: CodeType) -> tuple[list[tuple[str, int]], list[tuple[int, int]]]:
    """Where names of a function are given values, and from where to where it jumps back."""
    stores, jumps = [], []
    for one in dis.get_instructions(code):
        if one.opname.startswith(("STORE_FAST", "STORE_DEREF", "DELETE_FAST")):
            names = one.argval if type(one.argval) is tuple else (one.argval,)
            stores += [(str(name), one.offset) for name in names]
        elif "JUMP_BACKWARD" in one.opname:
            jumps.append((one.offset, int(one.argval)))
    return stores, jumps


def _said(frame: FrameType) -> tuple[tuple[str, ...] | None, int]:
    """What a call gives by name (None where it hands on `**kwargs`), and how much by place."""
    caller = frame.f_back
    if caller is None:
        return (), 0
    places, said = _calls(caller.f_code)
    found = bisect.bisect_right(places, caller.f_lasti)
    return said[found - 1] if found else ((), 0)


@functools.lru_cache(512)
def _calls(code: CodeType) -> tuple[list[int], list[tuple[tuple[str, ...] | None, int]]]:
    """The places of all calls in a function, and what each gives by name and by place."""
    places: list[int] = []
    said: list[tuple[tuple[str, ...] | None, int]] = []
    last: Any = ()
    for one in dis.get_instructions(code):
        if one.opname == "KW_NAMES":
            last = code.co_consts[one.arg or 0]
        elif one.opname.startswith("CALL"):
            places.append(one.offset)
            plain = one.opname in ("CALL", "CALL_KW")
            told = last if type(last) is tuple and plain else ()
            count = (one.arg or 0) - len(told) if plain else 0
            said.append((None if one.opname.startswith("CALL_FUNCTION_EX") else told, count))
            last = ()
        elif one.opname != "PRECALL":
            last = one.argval if one.opname == "LOAD_CONST" else ()
    return places, said


def misfit(forms: list[Form], args: list[Any], kwargs: dict[str, Any]) -> BaseException | None:
    """torch's TypeError for a call that fits no form; None for one that does, or might."""
    known = {one.name for form in forms for one in form.parameters}
    if not known.issuperset(kwargs):
        return None
    troubles = []
    for form in forms:
        trouble = _trouble(form, args, kwargs)
        if trouble is None or trouble.startswith("expected Tensor as element"):
            return None if trouble is None else TypeError(trouble)
        if " failed to unpack " in trouble:
            return TypeError(trouble)
        troubles.append(trouble)
    kwargs = {key: value for key, value in kwargs.items() if _given(key, value)}
    count = len(args) + len(kwargs)
    plausible = [
        i for i, form in enumerate(forms)
        if sum(one.default is None for one in form.parameters) <= count <= len(form.parameters)
    ]  # fmt: skip
    if len(forms) == 1 or len(plausible) == 1:
        return TypeError(troubles[plausible[0] if len(plausible) == 1 else 0])
    return _combination(forms, args, kwargs)


def _combination(forms: list[Form], args: list[Any], kwargs: dict[str, Any]) -> BaseException:
    got = [kind_name(value) for value in args]
    got += [f"{key}={kind_name(kwargs[key])}" for key in listed(kwargs)]
    options = "".join(f"\n * ({form.text})" for form in forms)
    return fail(
        TypeError,
        f"{forms[0].name}() received an invalid combination of arguments - got"
        f" ({', '.join(got)}{', ' if got and not args else ''}), but expected one of:{options}",
    )


def _trouble(form: Form, args: list[Any], kwargs: dict[str, Any]) -> str | None:
    """What torch says of the first argument that does not fit the form."""
    name, most = form.name, sum(not one.named for one in form.parameters)
    listed = most == 1 and form.parameters[0].kind == "tuple of ints"
    if len(args) > most and not listed:
        least = sum(one.default is None for one in form.parameters)
        numbers = f"{most}" if least == most else f"from {least} to {most}"
        plural = "s" if most != 1 or least != most else ""
        return f"{name}() takes {numbers} positional argument{plural} but {len(args)} were given"
    if listed and args:
        args = [args] if _is_int(args[0]) else args[:1]
    for place, one in enumerate(form.parameters):
        by_place = place < len(args) and not one.named
        if not by_place and one.name not in kwargs:
            if one.default is not None:
                continue
            missing = [p.name for p in form.parameters[place:] if p.default is None]
            quoted = ", ".join(f'"{p}"' for p in missing)
            plural = "s" if len(missing) == 1 else ""
            return f"{name}() missing {len(missing)} required positional argument{plural}: {quoted}"
        value = args[place] if by_place else kwargs[one.name]
        trouble = _value_trouble(form, one, place, value)
        if trouble is not None:
            return trouble or _must_be(one.kind, name, one.name, by_place and place + 1, value)
    own = {one.name for one in form.parameters}
    other = next((key for key in kwargs if key not in own and _given(key, kwargs[key])), None)
    return None if other is None else f"{name}() got an unexpected keyword argument '{other}'"


def _value_trouble(form: Form, one: Parameter, place: int, value: Any) -> str | None:
    """None where the value fits, the text where torch's is a special one, else nothing."""
    nothing = one.default == "None" or one.kind == "torch.Generator" or one.name == "stride"
    if _no_place(value) and one.kind in ("int", "name", "tuple of ints", "tuple of names"):
        return ""
    if _strange(value) or (value is None and nothing):
        return None
    if one.kind.startswith("tuple of "):
        return _list_trouble(form, one, place, value)
    if one.kind == "Tensor" and form.name.rstrip("_") in _NUMBERS_AS_TENSORS:
        return None if isinstance(value, Tensor) or _is_number(value) else ""
    return None if _CHECKS.get(one.kind, _anything)(value) else ""


def _list_trouble(form: Form, one: Parameter, place: int, value: Any) -> str | None:
    if not isinstance(value, (tuple, list)):
        alone = _is_int(value) and one.kind == "tuple of ints" and one.name != "size"
        return None if alone else ""
    if one.kind == "tuple of Tensors":
        return _element_trouble(value, place)
    check = _is_int if one.kind == "tuple of ints" else _is_number
    for at, part in enumerate(value):
        if _strange(part) or check(part):
            continue
        if at == 0:
            return ""
        return (
            f"{form.name}(): argument '{one.name}' failed to unpack the object at pos {at + 1} with"
            f' error "type must be {one.kind},but got {kind_name(part)}"'
        )
    return None


def kind_name(value: Any) -> str:
    """A value's type as torch's messages name it."""
    value = _plain(value)
    kind = type(value)
    if isinstance(value, Tensor):
        return "Tensor" if kind is Tensor else kind.__name__
    if home(kind).startswith(_OWN):
        return f"torch.{kind.__name__}"
    plain = kind.__module__ == "builtins" or kind.__flags__ & _HEAP_TYPE
    return kind.__name__ if plain else f"{kind.__module__}.{kind.__name__}"


_OWN = Path(PACKAGE).name
_NUMBERS_AS_TENSORS = frozenset(
    "add sub subtract mul multiply div divide true_divide floor_divide remainder".split()
)


def _strange(value: Any) -> bool:
    """Whether a value may stand for any other: it is lost, of the library's own, or a handler."""
    kind = type(value)
    if kind in _CHECKED or isinstance(value, (Tensor, np.ndarray, np.generic)):
        return False
    return kind is Lost or home(kind).startswith(_OWN) or speaks(kind)


def _is_int(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value._array.ndim == 0 and value.dtype.category == dtypes.INTEGER
    return not isinstance(value, (bool, np.bool_)) and hasattr(value, "__index__") and (
        not isinstance(value, np.ndarray)
    )  # fmt: skip


def _is_number(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value._array.ndim == 0
    return isinstance(value, (bool, int, float, complex, np.generic)) or _is_int(value)


def _is_real(value: Any) -> bool:
    return _is_number(value) and not isinstance(value, (complex, np.complexfloating))


def _anything(value: Any) -> bool:
    return True


_CHECKED = frozenset((dtypes.dtype, dtypes.layout, dtypes.memory_format, dtypes.device))
_CHECKS = {
    "Tensor": lambda value: isinstance(value, Tensor),
    "Number": _is_number,
    "float": _is_real,
    "int": _is_int,
    "bool": lambda value: isinstance(value, (bool, np.bool_)),
    "str": lambda value: isinstance(value, str),
    "torch.dtype": lambda value: isinstance(value, (dtypes.dtype, type)),
    "torch.layout": lambda value: isinstance(value, dtypes.layout),
    "torch.memory_format": lambda value: isinstance(value, dtypes.memory_format),
    "torch.device": lambda value: isinstance(value, (str, int, dtypes.device)),
}
