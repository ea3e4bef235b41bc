"""Functions that came out alike are one: each costs LLVM a millisecond, however often it is there.

Products of one size with different ends pack their operands alike; kernels of several layers end
alike. What calls them, or lists their addresses, then names the first.

Layers of several sizes have functions that differ in a few numbers. These become arguments of one
function, and of each is left a call of it, which costs a tenth (`code/parts.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

_NAMED = re.compile(r"@([\w.$]+)")
_NUMBER = re.compile(  # of an instruction that may as well have it in a register
    r"(= (?:(?:mul|add|sub|icmp \w+) i64 [^,\n]+, |getelementptr \w+, ptr [^,\n]+, i64 |sub i64 "
    r"|call i64 @llvm.smin.i64\(i64 [^,\n]+, i64 ))(-?\d+)(?=\)?$|, %)",
    re.MULTILINE,
)
_HEAD = re.compile(r"define (internal )?void @([\w.$]+)\(([^)]*)\) \{")
MOST = 3  # numbers that may differ: each takes a register
TIGHT = 16  # multiply-adds of a tile, which has no register to spare


def merged(
    functions: Mapping[str, str], others: Sequence[str], kept: str
) -> tuple[list[str], list[str]]:
    """The texts of functions without repetitions, and other lines that name them.

    Functions whose names begin with `kept` are looked up by them, and stay.
    """
    first: dict[str, str] = {}
    same: dict[str, str] = {}
    texts = dict(functions)
    for name, text in functions.items():
        own = _renamed(text, same)
        head, _, rest = own.partition(f"@{name}(")
        key = f"{head}({rest}"
        if name.startswith(kept) or first.setdefault(key, name) == name:
            texts[name] = own
        else:
            same[name] = first[key]
            del texts[name]
    if not same:
        return numbered(list(texts.values())), list(others)
    last = [_renamed(text, same) for text in texts.values()]
    return numbered(last), [_renamed(line, same) for line in others]


def _renamed(text: str, same: Mapping[str, str]) -> str:
    if not same or same.keys().isdisjoint(_NAMED.findall(text)):
        return text
    return _NAMED.sub(lambda found: "@" + same.get(found[1], found[1]), text)


def numbered(functions: Sequence[str]) -> list[str]:
    """The texts of functions, those that differ in few numbers as calls of one that takes these."""
    rough: dict[tuple[int, int], list[str]] = {}
    for text in functions:
        if " x " in text:  # what has vectors is more than calls of others
            rough.setdefault((text.count("\n"), text.count("= mul")), []).append(text)
    short: dict[str, str] = {}
    general = []
    for texts in rough.values():
        for cluster in _clusters(texts) if len(texts) > 1 else ():
            general.append(_general(cluster))
            short |= _calls(cluster)
    return [*general, *(short.get(text, text) for text in functions)] if short else list(functions)


def _clusters(texts: Sequence[str]) -> Iterator[list[tuple[str, list[str]]]]:
    """Functions that differ in no more than a few numbers, each with all of its numbers."""
    found: dict[str, list[list[tuple[str, list[str]]]]] = {}
    for text in texts:
        if not _HEAD.match(text) or text.count("@llvm.fmuladd") > TIGHT:
            continue
        head, _, body = text.partition("\n")
        link, _, given = _headed(head)
        one = text, [number for _, number in _NUMBER.findall(body)]
        rest = _NUMBER.sub(r"\1", body)
        clusters = found.setdefault(f"{link} {given} {rest}", [])
        for cluster in clusters:
            if len(_varying([*cluster, one])) <= MOST:
                cluster.append(one)
                break
        else:
            clusters.append([one])
    return (cluster for clusters in found.values() for cluster in clusters if len(cluster) > 1)


def _headed(text: str) -> tuple[str | None, str, str]:
    """The linkage, name and arguments of a function."""
    found = _HEAD.match(text)
    assert found is not None, "told by the caller"
    return found[1], found[2], found[3]


def _varying(cluster: Sequence[tuple[str, list[str]]]) -> dict[tuple[str, ...], int]:
    """The numbers in which functions differ: those of each function, and how they are called."""
    columns = zip(*(numbers for _, numbers in cluster))
    return {column: k for k, column in enumerate(
        dict.fromkeys(column for column in columns if len(set(column)) > 1)
    )}  # fmt: skip


def _general(cluster: Sequence[tuple[str, list[str]]]) -> str:
    """The function that takes the numbers."""
    varying = _varying(cluster)
    columns = zip(*(numbers for _, numbers in cluster))
    head, _, body = cluster[0][0].partition("\n")
    _, name, given = _headed(head)
    more = "".join(f", i64 %number{k}" for k in varying.values())

    def placed(found: re.Match[str]) -> str:
        number = varying.get(next(columns))
        return found[0] if number is None else f"{found[1]}%number{number}"

    head = f"define internal void @{name}_any({given}{more}) {{"
    return f"{head}\n{_NUMBER.sub(placed, body)}"


def _calls(cluster: Sequence[tuple[str, list[str]]]) -> dict[str, str]:
    """By the text of a function, that of a call."""
    _, name, given = _headed(cluster[0][0])
    found = {}
    for k, (text, _) in enumerate(cluster):
        more = "".join(f", i64 {column[k]}" for column in _varying(cluster))
        head = text.partition("\n")[0]
        call = f"tail call void @{name}_any({given}{more})"
        found[text] = f"{head}\nentry:\n  {call}\n  ret void\n}}"
    return found
