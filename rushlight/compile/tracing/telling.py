"""Whether code may tell one object from another by `is`, so that which one it gets matters."""

from __future__ import annotations

import builtins
import dis
import functools
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, EnumMeta
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from ...core.tensor import Tensor
from ..calls.guards import ABSENT, COMPARED, SCALARS, Place, of_class
from ..calls.opened import met

ALL = -1  # in the place of an argument: all tensors among them
# No argument that is taken apart is one of these, nor a tensor.
_OTHERS = (*SCALARS, *COMPARED, type, Enum, FunctionType, BuiltinFunctionType, ModuleType)
_CONTAINERS = (Tensor, list, tuple, dict, set)
_Chain = tuple[str, ...]  # a name among the globals and the attributes asked of it; empty: unknown


def tells(functions: Iterable[FunctionType]) -> bool:
    """Whether any of the functions compares two objects so that may be tensors or hold some.

    Not with None, nor with what has a name of its own: `mode is Mode.TRAIN`, `type(x) is Linear`.
    """
    return any(
        not chain or not _is_other(function.__globals__, chain)
        for function in functions
        for chain in _compared(function.__code__)
    )


@functools.lru_cache(4096)
def _compared(code: CodeType) -> tuple[_Chain, ...]:
    """What the code compares with, but for constants."""
    return () if code.co_filename == "<string>" else tuple(_chains(code))  # dataclasses compare


def _chains(code: CodeType) -> Iterator[_Chain]:
    chain: _Chain = ()
    constant = False
    for one in dis.get_instructions(code):
        if one.opname == "IS_OP" and not constant:
            yield chain
        constant = one.opname == "LOAD_CONST"
        if one.opname == "LOAD_GLOBAL":
            chain = (one.argval,)
        else:
            chain = (*chain, one.argval) if chain and one.opname == "LOAD_ATTR" else ()
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _compared(inner)


def _is_other(table: dict[str, Any], chain: _Chain) -> bool:
    """Whether a name stands for a class, a member of an enumeration or the like."""
    found: Any = table[chain[0]] if chain[0] in table else vars(builtins).get(chain[0], ())
    for name in chain[1:]:
        found = _attribute(found, name)
    return type(found) is object or (
        isinstance(found, _OTHERS) and not isinstance(found, _CONTAINERS)
    )


def _attribute(x: Any, name: str) -> Any:
    """An attribute for which no code of the user's runs."""
    if isinstance(x, EnumMeta):
        return x.__members__.get(name, ())
    if isinstance(x, ModuleType):
        return vars(x).get(name, ())
    found = of_class(x, name) if isinstance(x, type) else ABSENT
    return () if found is ABSENT else found


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
