"""How a picture of a large graph is folded: layers, repetitions and stretches become one box.

Every box stands for consecutive operations of the tape. The tape is in an order in which each
operation comes after those it reads, so whatever consecutive parts are folded, no cycle can arise.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

LONGEST = 64  # the longest stretch of operations that is looked for again


class Part:
    """A stretch of the tape: one operation, or several (`parts`) under one title.

    One operation that is a loop of its own is shown alone.
    """

    __slots__ = ("count", "kind", "parts", "path", "sign", "step", "times", "title")

    def __init__(
        self, kind: str, title: str, sign: Any, parts: Sequence[Part] = (), path: str = ""
    ) -> None:
        self.kind, self.title, self.sign, self.path = kind, title, sign, path
        self.parts = list(parts)
        self.count = sum(part.count for part in parts) if parts else 1
        self.times = 1  # of a repetition: its rounds
        self.step: int = -1  # of one operation: its number in the tape's order

    def steps(self) -> list[int]:
        """The numbers of all operations inside."""
        stack: list[Part] = [self]
        found = []
        while stack:
            part = stack.pop()
            if part.step >= 0:
                found.append(part.step)
            stack.extend(reversed(part.parts))
        return found


def parts_by_module(names: Sequence[str], signs: Sequence[Any], modules: Sequence[Any]) -> list:
    """Operations in order, grouped by the layers that made them."""
    single = []
    for step, (name, sign) in enumerate(zip(names, signs)):
        part = Part("op", name, sign, path=modules[step] or "")
        part.step = step
        single.append(part)
    paths = [tuple(module.split(".")) if module else () for module in modules]
    return _group(single, paths, 0)


def _group(parts: list[Part], paths: list[tuple[str, ...]], depth: int) -> list[Part]:
    found: list[Part] = []
    start = 0
    while start < len(parts):
        head = paths[start][: depth + 1]
        end = start + 1
        if len(head) <= depth:
            found.append(parts[start])
        else:
            while end < len(parts) and paths[end][: depth + 1] == head:
                end += 1
            inside = _group(parts[start:end], paths[start:end], depth + 1)
            # a layer that holds nothing but another one adds no box of its own
            if len(inside) == 1 and inside[0].kind == "module":
                found.append(inside[0])
            else:
                found.append(_module(".".join(head), inside))
        start = end
    return found


def _module(path: str, parts: list[Part]) -> Part:
    sign = "module", re.sub(r"\d+", "*", path), tuple(part.sign for part in parts)
    return Part("module", path, hash(sign), parts, path)


def fold(parts: list[Part], limit: int, depth: int | None = None) -> list[Part]:
    """At most about `limit` parts: layers are opened level by level while there is room."""
    shown = shorten(parts, limit)
    while True:
        classes: dict[Any, list[Part]] = {}
        for part in shown:
            if part.kind == "module" and (depth is None or part.path.count(".") < depth):
                classes.setdefault((part.path.count("."), part.sign), []).append(part)
        opened = False
        for _, members in sorted(
            classes.items(), key=lambda item: (item[0][0], len(item[1]) * len(item[1][0].parts))
        ):
            inside = {id(part): shorten(part.parts, max(12, limit // 2)) for part in members}
            if len(shown) + sum(len(found) - 1 for found in inside.values()) > limit:
                continue
            shown = [new for part in shown for new in (inside.get(id(part), [part]))]
            opened = True
        if not opened:
            return _open_repetitions(shown, limit)


def _open_repetitions(shown: list[Part], limit: int) -> list[Part]:
    """Where there is room, a repetition shows its first round, the rest, and its last round."""
    for part in [part for part in shown if part.kind == "repeat"]:
        period = len(part.parts) // part.times
        if part.times < 4 or len(shown) + 2 * period > limit:
            continue
        middle = _repeated(part.parts[period:-period], period)
        at = shown.index(part)
        shown = [
            *shown[:at], *part.parts[:period], middle, *part.parts[-period:], *shown[at + 1 :]
        ]  # fmt: skip
    return shown


def shorten(parts: list[Part], limit: int) -> list[Part]:
    """At most `limit` parts: first repetitions become one part, then equal stretches."""
    before = None
    while len(parts) > limit and len(parts) != before:
        before = len(parts)
        parts = repetitions(parts)
    if len(parts) <= limit:
        return parts
    size, found, stretch = -(-len(parts) // limit), [], []
    for part in (*parts, None):
        if stretch and (part is None or part.kind == "loop" or len(stretch) == size):
            found.append(_stretch(stretch))
            stretch = []
        if part is not None:
            (found if part.kind == "loop" else stretch).append(part)
    return found


def _stretch(parts: list[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    kinds = Counter(re.sub(r"\d+", "*", part.title) for part in parts)
    title = ", ".join(f"{n} × {name}" if n > 1 else name for name, n in kinds.most_common(3))
    return Part("stretch", title + (", …" if len(kinds) > 3 else ""), None, parts)


def repetitions(parts: list[Part]) -> list[Part]:
    """Stretches that come three times in a row, or more often, as one part each."""
    numbers: dict[Any, int] = {}
    signs = np.array([numbers.setdefault(part.sign, len(numbers)) for part in parts])
    lengths = {
        period: _run_lengths(signs[:-period] == signs[period:])
        for period in range(1, min(LONGEST, len(parts) // 3) + 1)
    }
    found, at = [], 0
    while at < len(parts):
        best, covered = 0, 0
        for period, runs in lengths.items():
            times = int(runs[at]) // period + 1 if at < len(runs) else 1
            if times >= 3 and times * period > max(covered, 3):
                best, covered = period, times * period
        if best:
            found.append(_repeated(parts[at : at + covered], best))
            at += covered
        else:
            found.append(parts[at])
            at += 1
    return found


def _run_lengths(equal: np.ndarray) -> np.ndarray:
    """At each place, how many True follow without a break."""
    ends = np.flatnonzero(~equal)
    ends = np.append(ends, len(equal))
    return ends[np.searchsorted(ends, np.arange(len(equal)))] - np.arange(len(equal))


def _repeated(parts: list[Part], period: int) -> Part:
    unit = parts[:period]
    names = [re.sub(r"\d+", "*", part.title) for part in unit]
    inner = " → ".join(names[:4]) + (f" → … ({len(names)} in all)" if len(names) > 4 else "")
    times = len(parts) // period
    sign = hash(("repeat", times, tuple(part.sign for part in unit)))
    found = Part("repeat", f"{times} × ({inner})", sign, parts)
    found.times = times
    return found
