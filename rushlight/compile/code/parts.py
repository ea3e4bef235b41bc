"""A long module as several, which LLVM may work on side by side.

What LLVM makes of a function depends on its text alone, so there may be as many parts as suit the
number of threads. Functions stay in their order; what another part defines is declared.

Functions that only call others (the outer loops of products) are a part of their own: to make them
well would cost seven times as much, and gain nothing that can be measured. Functions in assembly
are the text of that part's own assembly: as functions, each would go through all of LLVM's passes.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

WEIGHT = 2500  # lines of a part: some 180 ms, of which a part itself costs 3
LEAST = 500  # lines of a part that another thread makes meanwhile
MOST = 24  # parts
HEAD = 15  # lines that take LLVM as long as a function takes that is empty
_END = "\n}\n"  # of a function
DEFINED = re.compile(
    r"define (?P<link>internal )?(?P<result>[^@\n]*)@(?P<name>[\w.$]+)\((?P<of>[^)]*)\)"
    r" (?:naked )?{"
)
_OUTSIDE = re.compile(r"declare [^@\n]*@([\w.$]+)|@([\w.$]+) =")
_STATE = re.compile(r"@[\w.$]+ =[^\n]* global ")  # of which there must be one copy
_NAMED = re.compile(r"@([\w.$]+)")
_TYPE = re.compile(r"(?:^|, )(<[^>]*>|[^\s,]+)")  # a vector's has blanks in it
# words of functions that do more than to call others
_WORK = (
    " x ", "fadd", "fsub", "fmul", "fdiv", "fneg", "fcmp",
    "load float", "load double", "load i8", "load i16", "load i32",
)  # fmt: skip


def parted(ir: str, among: int = 1) -> tuple[list[str], list[str]]:
    """The parts of a module, and those (one or none) of functions that only call others.

    One part where it is short, not written by `emit.Module`, or keeps a state. For several threads
    there is one part more than threads, as the other functions are the work of one for a while.
    """
    functions, lines = pieces(ir)
    heads = [DEFINED.match(piece) for piece in functions]
    shared = [(_OUTSIDE.match(line), line + "\n") for line in lines if line]
    if not all(heads) or not all(found for found, _ in shared) or any(map(_STATE.match, lines)):
        return [ir], []
    outer, inner = [], []
    for piece in functions:
        (outer if _calls_only(piece) else inner).append(piece)
    weights = [piece.count("\n") + HEAD for piece in inner]
    whole = sum(weights)
    count = max(1, whole // WEIGHT, min(among + 1, whole // LEAST) if among > 1 else 1)
    count = min(count, MOST, max(1, len(inner)))
    if count < 2 and not (outer and inner):
        return ([ir], []) if inner or not outer else ([], [ir])
    known = {head["name"]: head for head in heads if head}
    found = list(_texts(_cut(inner, weights, count), known, shared))
    return found, list(_texts([outer] * bool(outer), known, shared))


def _calls_only(piece: str) -> bool:
    """Whether a function has no work of its own; it may store places, for those it calls.

    One in assembly has none for LLVM: there is nothing in it to choose.
    """
    if ") naked {" in piece:
        return True
    places = piece.count("store ptr ") + piece.count("store i64 ")
    if any(word in piece for word in _WORK) or piece.count("store ") > places:
        return False
    return piece.count("call void ") > piece.count("call void @llvm.")


def _texts(
    parts: Iterable[list[str]], known: Mapping[str, re.Match[str]],
    shared: list[tuple[re.Match[str] | None, str]],
) -> Iterator[str]:  # fmt: skip
    """Parts with what they need of the module's other lines."""
    for functions in parts:
        assembly = {piece: _assembly(piece) for piece in functions if ") naked {" in piece}
        bodies = [piece for piece in functions if piece not in assembly]
        text = "".join(bodies)
        names = dict.fromkeys(_NAMED.findall(text))
        inside = {head["name"] for head in map(DEFINED.match, bodies) if head}
        lines = [line for found, line in shared if found and (found[1] or found[2]) in names]
        names |= dict.fromkeys(name for line in lines for name in _NAMED.findall(line))
        lines += [declared(known[name]) for name in names if name in known and name not in inside]
        if assembly:
            lines.append(f'module asm "{"".join(assembly.values())}"\n')
        yield "".join([*lines, *bodies]).replace("define internal ", "define ")


def _assembly(piece: str) -> str:
    """A function in assembly as text for the assembler."""
    head, _, rest = piece.partition("(")
    name, lines = head.partition("@")[2], rest.split('"')[1].replace("$$", "$")
    return f".globl {name}\n.p2align 4, 0x90\n.type {name}, @function\n{name}:\n{lines}\n"


def pieces(ir: str) -> tuple[list[str], list[str]]:
    """The functions of a module, and the lines between them."""
    functions, lines = [], []
    *chunks, rest = ir.split(_END)
    for chunk in chunks:
        start = 0 if chunk.startswith("define ") else chunk.find("\ndefine ") + 1
        lines += chunk[:start].splitlines()
        functions.append(chunk[start:] + _END)
    return functions, [*lines, *rest.splitlines()]


def _cut(functions: list[str], weights: list[int], count: int) -> Iterator[list[str]]:
    """`count` runs of functions of about equal weight."""
    whole, done, first = sum(weights), 0, 0
    part = 1
    for k, weight in enumerate(weights):
        done += weight
        if done * count >= whole * part or k + 1 == len(weights):
            yield functions[first : k + 1]
            first = k + 1
            part = done * count // whole + 1


def declared(head: re.Match[str]) -> str:
    """The declaration of a function, for other modules."""
    types = ", ".join(_TYPE.findall(head["of"]))
    return f"declare {head['result']}@{head['name']}({types})\n"


def side_by_side(jobs: Sequence[Callable[[], bytes]], number: int) -> list[bytes]:
    """The results of jobs, done by so many threads, of which the caller is one."""
    results: list[bytes] = [b""] * len(jobs)
    errors: list[BaseException] = []
    left = iter(enumerate(jobs))
    helpers = _started(min(number, len(jobs)) - 1, lambda: _work(left, results, errors))
    try:
        _work(left, results, errors)
    finally:  # they cannot be interrupted, and nobody else may use LLVM meanwhile
        for _ in left:
            pass
        for helper in helpers:
            helper.join()
    if errors:
        raise errors[0]
    return results


def _started(number: int, work: Callable[[], None]) -> list[threading.Thread]:
    helpers = []
    for _ in range(number):
        helper = threading.Thread(target=work, name="rushlight compiling")
        try:
            helper.start()
        except RuntimeError:  # no more threads can be had: the others do it
            break
        helpers.append(helper)
    return helpers


def _work(
    left: Iterable[tuple[int, Callable[[], bytes]]], results: list[bytes],
    errors: list[BaseException],
) -> None:  # fmt: skip
    for number, job in left:
        try:
            results[number] = job()
        except Exception as error:
            errors.append(error)
            return
