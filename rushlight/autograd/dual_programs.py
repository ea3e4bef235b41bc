"""Partials written out: what an elementwise rule computes, as a straight line of NumPy calls.

A partial such as `1 - y * y` speaks operators and ops, so that it runs on arrays and on Tensors
alike. On a small array most of its time is not arithmetic: every number is made an array, every
step takes fresh memory. So the rule is run once on operands that note what is done with them, and
the tangents of later calls follow the notes:

    v0 = multiply(y, y); v1 = subtract(one, v0, v0); return multiply(t, v1, v1)

These are the calls of the rule itself, in its order and types: the numbers are the same to the last
bit. A rule that asks anything else of its operands (a shape, a value) stays as it is.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from sys import getrefcount
from typing import Any

import numpy as np

from ..core.dispatch import WRAPPERS
from ..core.primitive import Elementwise, Primitive
from ..core.references import VARIABLE

Program = Callable[[Any, Any, Any], Any]
Note = tuple[str, Callable[..., Any], tuple[Any, ...]]  # a result's name, function, operands
NUMBERS = frozenset((float, int))


class _UntoldError(Exception):
    """A rule asks what notes cannot say."""


class Noted:
    """Stands for an operand of a rule, or for what the rule made of some."""

    __slots__ = ("mask", "name", "notes")
    __hash__ = object.__hash__

    def __init__(self, name: str, notes: list[Note], mask: bool = False) -> None:
        self.name, self.notes, self.mask = name, notes, mask

    def __bool__(self) -> bool:
        raise _UntoldError

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name) if name.startswith("__") else _UntoldError


def _noted(function: Callable[..., Any], operands: tuple[Any, ...], mask: bool = False) -> Noted:
    """The result of one more step."""
    for x in operands:
        if x.mask if type(x) is Noted else type(x) not in NUMBERS:
            raise _UntoldError
    notes = next(x.notes for x in operands if type(x) is Noted)
    result = Noted(f"v{len(notes)}", notes, mask)
    notes.append((result.name, function, operands))
    return result


def _op(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Noted:
    """A step that is an op."""
    if params or type(prim.rule) is not Elementwise:
        raise _UntoldError
    return _noted(prim.eval, inputs)


WRAPPERS[Noted] = _op


def _operators() -> None:
    two = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
           "pow": operator.pow}  # fmt: skip
    for name, function in two.items():
        setattr(Noted, f"__{name}__", lambda x, z, f=function: _noted(f, (x, z)))
        setattr(Noted, f"__r{name}__", lambda x, z, f=function: _noted(f, (z, x)))
    for name, function in {"neg": np.negative, "abs": np.absolute}.items():
        setattr(Noted, f"__{name}__", lambda x, f=function: _noted(f, (x,)))
    compare = {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
               "eq": np.equal, "ne": np.not_equal}  # fmt: skip
    for name, function in compare.items():
        setattr(Noted, f"__{name}__", lambda x, z, f=function: _noted(f, (x, z), True))


_operators()


def written(partial: Callable[..., Any], kind: np.dtype, flat: bool = False) -> Program | None:
    """(t, y, x) -> t * partial(y, x) on arrays of one shape and type, or None if it is not to be.

    `flat` ones are for arrays without a dimension: NumPy's numbers, which operators serve faster.
    """
    notes: list[Note] = []
    if partial == -1:
        return (lambda t, y, x: -t[()]) if flat else (lambda t, y, x: -t)
    if not callable(partial):
        return None
    try:
        d = partial(Noted("y", notes), Noted("x", notes))
    except (_UntoldError, TypeError, AttributeError):
        return None
    if type(d) is not Noted:
        return None
    v = d.name
    space = {"multiply": np.multiply, "kind": kind, "array": np.asarray,
             "held": getrefcount, "alone": VARIABLE}  # fmt: skip
    if flat:
        lines = ["n, y = x[()], y[()]", *(_number_line(note, kind, space) for note in notes)]
        lines.append(f"return t[()] * {'n' if v == 'x' else v}{'.astype(kind)' * d.mask}")
    else:
        lines = [_line(place, notes, d, kind, space) for place in range(len(notes))]
        if d.mask:  # NumPy multiplies by a mask four times slower than by numbers
            lines.append(f"{v} = {v}.astype(kind)")
        made = {name: function for name, function, _ in notes}.get(v)
        if made is None:  # an operand itself
            lines.append(f"return multiply(t, {v})")
        elif not d.mask and type(made) is not np.ufunc:  # an op may give memory known elsewhere
            lines.append(f"if {v}.base is not None or held({v}) != alone: return multiply(t, {v})")
        lines.append(f"return multiply(t, {v}, {v})")
    exec("def program(t, y, x):\n    " + "\n    ".join(lines), space)
    return space["program"]


def _line(place: int, notes: list[Note], d: Noted, kind: np.dtype, space: dict[str, Any]) -> str:
    """A step as a line of Python; memory that nobody reads any more takes its result."""
    name, function, operands = notes[place]
    ufunc = type(function) is np.ufunc
    space[f"f_{name}"] = function
    given = []
    for i, x in enumerate(operands):
        if type(x) is Noted:
            given.append(x.name)
        else:
            given.append(f"c{i}_{name}")
            space[given[-1]] = np.asarray(x, kind) if ufunc else x
    read = {x.name for note in notes[place + 1 :] for x in note[2] if type(x) is Noted} | {d.name}
    made = {note[0] for note in notes[:place] if type(note[1]) is np.ufunc}
    free = [one for one in given if one in made and one not in read]
    if free and ufunc and not (d.mask and name == d.name):
        given.append(free[0])
    return f"{name} = f_{name}({', '.join(given)})"


def _number_line(note: Note, kind: np.dtype, space: dict[str, Any]) -> str:
    """A step on NumPy's numbers; ops are given arrays, as always."""
    name, function, operands = note
    ufunc, given = type(function) is np.ufunc, []
    space[f"f_{name}"] = _ON_NUMBERS.get(function, function)
    for i, x in enumerate(operands):
        if type(x) is not Noted:
            given.append(f"c{i}_{name}")
            space[given[-1]] = kind.type(x) if ufunc else x
        elif ufunc or function is operator.pow:
            given.append("n" if x.name == "x" else x.name)
        else:
            given.append("x" if x.name == "x" else f"array({x.name})")
    return f"{name} = f_{name}({', '.join(given)})" + ("" if ufunc else "[()]")


_ON_NUMBERS: dict[Any, Any] = {
    np.add: operator.add, np.subtract: operator.sub, np.multiply: operator.mul,
    np.true_divide: operator.truediv, np.negative: operator.neg, np.absolute: abs,
    np.less: operator.lt, np.less_equal: operator.le, np.greater: operator.gt,
    np.greater_equal: operator.ge, np.equal: operator.eq, np.not_equal: operator.ne,
}  # fmt: skip
