"""Whether code may tell one object from another by `is`, so that which one it gets matters."""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterable, Sequence
from types import CodeType, FunctionType
from typing import Any

from ...core.tensor import Tensor
from ..calls.guards import Place
from ..calls.opened import met

ALL = -1  # in the place of an argument: all tensors among them


def tells(functions: Iterable[FunctionType]) -> bool:
    """Whether any of the functions compares two objects so, neither of them None."""
    return any(_tells(function.__code__) for function in functions)


@functools.lru_cache(4096)
def _tells(code: CodeType) -> bool:
    if code.co_filename == "<string>":  # what a dataclass compares by
        return False
    before = ""
    for one in dis.get_instructions(code):
        if one.opname == "IS_OP" and before != "LOAD_CONST":
            return True
        before = one.opname
    return any(_tells(x) for x in code.co_consts if isinstance(x, CodeType))


def told_apart(args: Any, kwargs: Any, places: Sequence[Place]) -> list[tuple[int, int]]:
    """Which containers among arguments are one, and which are known by a name.

    Of each in turn: the first that is the same object, and the place where it stands (-1: none).
    """
    named = {id(one.expected): k for k, one in enumerate(places)}
    first: dict[int, int] = {}
    found = []
    for part in (*args, *kwargs.values()):
        for x, _ in met(part):
            if not isinstance(x, Tensor):
                found.append((first.setdefault(id(x), len(found)), named.get(id(x), -1)))
    return found
