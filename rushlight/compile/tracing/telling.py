"""Whether code may tell one object from another by `is`, so that which one it gets matters."""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterable
from types import CodeType, FunctionType

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
