"""What a follower notes of a call, and the line of Python at which it stands."""

from __future__ import annotations

import builtins
import dis
import functools
import operator
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any, NamedTuple

from ..core import gates, overrides
from ..core.errors import is_ours
from ..export.handlers import property_name
from ..fx.node import map_aggregate

_HIDDEN = {gates.__file__, overrides.__file__}
_REFLECTED = frozenset(f"__r{n}__" for n in "sub truediv pow floordiv mod matmul".split())
_BEHIND = {"div": "truediv", "remainder": "mod", "positive": "pos", "and": "and_", "or": "or_"}


@dataclass(frozen=True)
class Ref:
    """A tensor of a graph: an input, or the result of a step, or one of its results."""

    kind: str  # "input" or "step"
    index: int
    part: int | None = None


class Site(NamedTuple):
    """What the code does at one place: which operation, and the names its result is given."""

    operation: str
    names: tuple[str, ...]


@dataclass
class Step:
    """A call: what an fx node says, with a `Ref` for each tensor."""

    op: str
    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    form: Any = None
    where: traceback.FrameSummary | None = None
    names: dict[int | None, str] = field(default_factory=dict)  # of the result, or of its parts

    def key(self) -> Any:
        """What tells this step from others."""
        return self.op, self.target, frozen(self.args), frozen(self.kwargs)

    def run(self, find: Callable[[Ref], Any]) -> Any:
        """Carry the call out; `find` gives the tensors."""
        args, kwargs = map_aggregate(
            (self.args, self.kwargs), lambda one: find(one) if isinstance(one, Ref) else one
        )
        if self.op == "call_method":
            return getattr(args[0], self.target)(*args[1:], **kwargs)
        return self.target(*args, **kwargs)


def frozen(value: Any) -> Any:
    """An argument as something that can be a key; TypeError where it cannot."""
    if isinstance(value, (tuple, list)):
        return type(value), *map(frozen, value)
    if isinstance(value, dict):
        return dict, *((key, frozen(one)) for key, one in value.items())
    if isinstance(value, slice):
        return slice, frozen(value.start), frozen(value.stop), frozen(value.step)
    if isinstance(value, float):
        return float, value.hex()  # -0.0 is not 0.0, and nan is itself
    hash(value)
    return type(value), value


def place() -> tuple[FrameType, FrameType]:
    """The frame that made the call, and the innermost one that is not of this library."""
    frame: FrameType | None = sys._getframe(1)
    caller: FrameType | None = None
    while frame is not None:
        file = frame.f_code.co_filename
        if caller is None and file not in _HIDDEN and not _own(file):
            caller = frame
        if caller is not None and not is_ours(frame):
            return caller, frame
        frame = frame.f_back
    return caller or sys._getframe(1), caller or sys._getframe(1)


_HERE = __file__.rsplit("steps", 1)[0]


def _own(file: str) -> bool:
    return file.startswith(_HERE)


@functools.lru_cache(4096)
def site(code: CodeType, last: int) -> Site:
    """What `code` does at the instruction with this offset."""
    operation, after = "", None
    steps = iter(dis.get_instructions(code))
    for one in steps:
        if one.offset > last:  # `last` may be inside of an instruction
            after = one
            break
        operation = one.opname
    if after is None:
        return Site(operation, ())
    count, names = 1, _stored(after)
    if after.opname == "UNPACK_SEQUENCE":
        count = after.argval
        while len(names) < count and (more := _stored(next(steps, after))):
            names += more
    return Site(operation, names if len(names) == count else ())


def _stored(one: dis.Instruction) -> tuple[str, ...]:
    """The variables that an instruction gives values; from 3.13 on there may be two."""
    if not one.opname.startswith("STORE_FAST"):
        return ()
    names = one.argval if isinstance(one.argval, tuple) else (one.argval,)
    return names if one.opname == "STORE_FAST_STORE_FAST" else names[:1]


def as_written(func: Any, args: tuple[Any, ...], operation: str) -> tuple[str, Any, Any]:
    """(op, target, args) of an fx node for a public call."""
    owner = getattr(func, "__self__", None)
    if isinstance(owner, property):
        return "call_function", builtins.getattr, (args[0], property_name(owner))
    name = func.__name__
    if not getattr(func, "__qualname__", "").startswith("Tensor."):
        return "call_function", func, args
    if not (name.startswith("__") or operation in ("BINARY_OP", "COMPARE_OP")
            or operation.startswith("UNARY")):  # fmt: skip
        return "call_method", name, args
    if name in _REFLECTED:
        return "call_function", getattr(operator, f"{name[3:-2]}"), args[::-1]
    plain = name.strip("_")
    if name.endswith("_") and not name.startswith("__"):
        plain = "i" + str(_BEHIND.get(plain, plain)).rstrip("_")
    found = getattr(operator, str(_BEHIND.get(plain, plain)), None)
    return ("call_method", name, args) if found is None else ("call_function", found, args)
