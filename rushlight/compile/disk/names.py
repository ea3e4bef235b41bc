"""What a function's code looks at: chains of names such as `self.optimizer.step`.

A chain begins at a variable and goes through attributes for as long as the code does nothing else
with the value in between. It says more than the bare names: `self.optimizer.step` does not look at
`self.step`. An attribute that gets a value ends one. Of items only lists in a dictionary that grow
are followed: `history["loss"].append`. Of arguments only what `print` writes to is told apart:
`print(loss, file=self.log)`.
"""

from __future__ import annotations

import dis
import functools
from itertools import pairwise
from types import CodeType

Chain = tuple[str, ...]
ITEM = "item "  # begins the name of an item among attributes
OUTSIDE = "global "  # begins a chain from a global variable: a local one may have the same name
GROW = frozenset(("append", "extend"))  # what makes a list longer
ANY = "*"  # any name
ADDED = "+="  # ends a chain whose value gets something added in place
FILE = "file="  # ends a chain whose value `print` writes to
_GLOBALS = frozenset(("LOAD_GLOBAL", "LOAD_NAME"))
_SILENT = frozenset("EXTENDED_ARG CACHE RESUME PRECALL NOP".split())
_ATTRIBUTES = frozenset(("LOAD_ATTR", "LOAD_METHOD"))
_ASKING = frozenset(("getattr", "hasattr", "vars", "__dict__"))
_BY_NAME = frozenset("getattr vars __dict__ dir eval exec locals globals attrgetter".split())
_METHODS = frozenset(("eval", "exec"))  # modules have such methods, which are others
_CAUGHT = frozenset(("AttributeError", "Exception"))
_IMPORT = dis.opmap["IMPORT_NAME"]
_JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))
_TURNING = frozenset(("SWAP", "COPY", "SEND", "YIELD_VALUE"))
_STORES = frozenset((dis.opmap["STORE_GLOBAL"], dis.opmap["STORE_DEREF"]))
_LOADS = frozenset(
    "LOAD_GLOBAL LOAD_NAME LOAD_DEREF LOAD_CLASSDEREF LOAD_FAST LOAD_FAST_CHECK LOAD_FAST_BORROW"
    " LOAD_FAST_AND_CLEAR LOAD_CLOSURE".split()
)


@functools.lru_cache(4096)
def chains_in(code: CodeType) -> tuple[Chain, ...]:
    """Every chain of a code object and of those inside it, each once."""
    found: dict[Chain, None] = {}
    current: list[str] = []
    first = code.co_varnames[0] if code.co_argcount else "self"
    whole = list(dis.get_instructions(code))
    added, files = _added_to(whole), _files_in(code, whole)
    body = [one for one in whole if one.opname not in _SILENT]
    for k, instruction in enumerate(body):
        if current:
            further = _further(current, body[k : k + 5], added)
            if further is not None:
                current += further
                continue
            if instruction.opname == "STORE_ATTR":
                current.append(instruction.argval)
            elif instruction.offset in added:
                current.append(ADDED)
            elif body[k - 1].offset in files:
                current.append(FILE)
            found[tuple(current)] = None
        *complete, current = _begun(instruction, first)
        found.update(dict.fromkeys(map(tuple, complete)))
    if current:
        found[tuple(current)] = None
    for part in _inner(code):
        found.update(dict.fromkeys(chains_in(part)))
    return tuple(found)


def _further(current: list[str], body: list[dis.Instruction], added: set[int]) -> list[str] | None:
    """What the instruction at the head of `body` adds to a chain; None where the chain ends."""
    first = body[0]
    if first.opname in _ATTRIBUTES:
        return [first.argval]
    if first.opname == "STORE_ATTR":
        return None
    if _changes(body[:2]):
        return []
    if _grows(body, added):
        return [f"{ITEM}{first.argval}"]
    inside = _is_item(first) or first.opname == "COPY"
    return [] if inside and current[-1].startswith(ITEM) else None


def _begun(instruction: dis.Instruction, first: str) -> list[list[str]]:
    """The chains that an instruction begins: only the last goes on, and may be empty.

    `super()` takes the `first` argument without a word of it in the code.
    """
    name, loaded = instruction.opname, instruction.argval
    if name in _GLOBALS and loaded == "super":
        return [[first], [OUTSIDE + loaded]]
    if name in _LOADS and isinstance(loaded, str):
        return [[OUTSIDE * (name in _GLOBALS) + loaded]]
    if "LOAD_FAST" in name and isinstance(loaded, tuple):  # two loads in one
        return [[str(one)] for one in loaded]
    return [[first], []] if name.startswith("LOAD_SUPER") else [[]]


def _is_item(one: dis.Instruction) -> bool:
    """Whether an item is read; from 3.14 on that is one of the operators of two values."""
    return one.opname == "BINARY_SUBSCR" or (one.opname == "BINARY_OP" and one.argrepr == "[]")


def _changes(body: list[dis.Instruction]) -> bool:
    """Whether an attribute changes in place: `x.a += 1` loads `x` once and keeps a copy."""
    first, *rest = body
    twice = first.opname == "DUP_TOP" or (first.opname == "COPY" and first.arg == 1)
    return twice and [one.opname for one in rest] == ["LOAD_ATTR"]


def _grows(body: list[dis.Instruction], added: set[int]) -> bool:
    """Whether an item grows: `x["key"].append`, or `x["key"] += ...`, which keeps two copies."""
    key = body[0].argval if body[0].opname == "LOAD_CONST" else None
    if type(key) is not str or len(body) < 3:
        return False
    if len(body) > 4 and [(one.opname, one.arg) for one in body[1:3]] == [("COPY", 2)] * 2:
        return _is_item(body[3]) and body[4].offset in added
    return _is_item(body[1]) and body[2].opname in _ATTRIBUTES and body[2].argval in GROW


def _added_to(body: list[dis.Instruction]) -> set[int]:
    """Where the value on top of the stack is one that `+=` adds to, a straight way further on."""
    found = set()
    for last, one in enumerate(body):
        if one.opname == "INPLACE_ADD" or (one.opname == "BINARY_OP" and one.argrepr == "+="):
            depth = 1  # of what is on top of the value
            for k in range(last - 1, -1, -1):
                depth -= _effect(body[k])
                if depth <= 0 or body[k].opcode in _JUMPS or body[k].opname in _TURNING:
                    if depth == 0:
                        found.add(body[k].offset)
                    break
    return found


def _files_in(code: CodeType, body: list[dis.Instruction]) -> set[int]:
    """Where the last instruction stands that gives what `print` writes to, a straight way back."""
    found = set()
    for last, (one, after) in enumerate(pairwise(body)):
        named = one.opname == "KW_NAMES" or after.opname == "CALL_KW"
        names = code.co_consts[one.arg or 0] if named else ()
        if type(names) is not tuple or "file" not in names:
            continue
        call = next(x for x in body[last:] if x.opname in ("CALL", "CALL_KW"))
        wanted, place, depth = names[::-1].index("file"), -1, 0
        for k in range(last - 1, -1, -1):
            if depth == wanted and place < 0:
                place = body[k].offset
            depth += _effect(body[k])
            if body[k].opcode in _JUMPS or body[k].opname in _TURNING:
                break
            if depth > (call.arg or 0):
                if body[k].opname in _GLOBALS and body[k].argval == "print":
                    found.add(place)
                break
    return found


def _effect(one: dis.Instruction) -> int:
    return dis.stack_effect(one.opcode, one.arg if one.opcode >= dis.HAVE_ARGUMENT else None)


@functools.lru_cache(4096)
def loaded_in(code: CodeType) -> frozenset[str]:
    """The names that a code object may read, of variables and attributes, and every string.

    ANY is among them where names may be put together.
    """
    found: set[str] = {x for x in code.co_consts if type(x) is str}
    for one in dis.get_instructions(code):
        if one.opname.startswith("LOAD") and isinstance(one.argval, str):
            found.add(one.argval)
        method = one.opname in _ATTRIBUTES and one.argval in _METHODS
        if isinstance(one.argval, str) and one.argval in _BY_NAME and not method:
            found.add(ANY)
    if "builtins" in code.co_names and not _BY_NAME.isdisjoint(code.co_names):
        found.add(ANY)
    return frozenset(found.union(*map(loaded_in, _inner(code))))


@functools.lru_cache(4096)
def names_in(code: CodeType) -> frozenset[str]:
    """Every name and every string that a code object, or one inside it, speaks of."""
    names = {*code.co_names, *(x for x in code.co_consts if type(x) is str)}
    return frozenset(names.union(*map(names_in, _inner(code))))


@functools.lru_cache(4096)
def asked_in(code: CodeType) -> frozenset[str]:
    """The attributes that a code object may find missing, and go on."""
    found: set[str] = set().union(*map(asked_in, _inner(code)))
    if not _ASKING.isdisjoint(code.co_names):
        found.update(x for x in code.co_consts if type(x) is str and x.isidentifier())
    if not _CAUGHT.isdisjoint(code.co_names):
        found.update(chain[-1] for chain in chains_in(code) if len(chain) > 1)
    return frozenset(found)


def _inner(code: CodeType) -> list[CodeType]:
    return [part for part in code.co_consts if isinstance(part, CodeType)]


@functools.lru_cache(4096)
def imports_in(code: CodeType) -> frozenset[str]:
    """The modules that a code object imports."""
    found: set[str] = set().union(*map(imports_in, _inner(code)))
    if _IMPORT in code.co_code[::2]:
        found.update(str(one.argval) for one in dis.get_instructions(code) if one.opcode == _IMPORT)
    return frozenset(found)


@functools.lru_cache(4096)
def stores_in(code: CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """The global names, and those of enclosing functions, that a code object gives new values."""
    spaces: dict[str, set[str]] = {"STORE_GLOBAL": set(), "STORE_DEREF": set()}
    any_there = not _STORES.isdisjoint(code.co_code[::2])  # to take code apart costs more
    for instruction in dis.get_instructions(code) if any_there else ():
        if instruction.opname in spaces:
            spaces[instruction.opname].add(str(instruction.argval))
    for part in code.co_consts:
        if isinstance(part, CodeType):
            for found, more in zip(spaces.values(), stores_in(part)):
                found.update(more)
    return frozenset(spaces["STORE_GLOBAL"]), frozenset(spaces["STORE_DEREF"])
