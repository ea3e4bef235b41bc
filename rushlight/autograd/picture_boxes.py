"""From the parts of a tape that are shown to boxes and edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.tape import PARENTS
from .picture_fold import Part

LETTER, LINE = 7.3, 15.0  # pixels of a 12-pixel monospaced letter and of a line of text
MANY = 3  # a leaf that more boxes than this read is drawn again beside each of them


class Box:
    """One box: what kind of thing it is, its title, smaller lines, and a longer text on pointing.

    Kinds: op, module, repeat, stretch, leaf, constant, result.
    """

    __slots__ = ("hint", "kind", "lines", "title")

    def __init__(self, kind: str, title: str, lines: tuple[str, ...], hint: str) -> None:
        self.kind, self.title, self.lines, self.hint = kind, title, lines, hint

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in pixels."""
        letters = max(len(self.title), max((0.85 * len(line) for line in self.lines), default=0))
        return max(46.0, letters * LETTER + 18), LINE * (1 + len(self.lines)) + 9

    def __repr__(self) -> str:
        return f"<{self.kind} {self.title}>"


def _shorter(text: str, length: int = 46) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


class _Maker:
    """Collects boxes and edges; an edge between two boxes counts once."""

    def __init__(self, tape: Any, shown: list[Part], describe: Callable[[int], tuple[str, str]]):
        self.tape, self.shown, self.describe = tape, shown, describe
        self.boxes: list[Box] = []
        self.edges: dict[tuple[int, int], str] = {}
        self.owner = {step: i for i, part in enumerate(shown) for step in part.steps()}

    def operations(self) -> None:
        for part in self.shown:
            if part.kind == "op":
                shape, hint = self.describe(part.step)
                lines = (shape, _shorter(part.path)) if part.path else (shape,)
                self.boxes.append(Box("op", _shorter(part.title), lines, hint))
                continue
            steps = part.steps()
            last = self.describe(steps[-1])[0].split(",")[0]
            held = self.parameters(steps)
            lines = [f"{part.count} operations → {last}"]
            if held:
                lines.append(f"{held:,} parameters")
            self.boxes.append(Box(part.kind, _shorter(part.title), tuple(lines), part.title))

    def parameters(self, steps: list[int]) -> int:
        leaves = {
            id(p): p
            for step in steps for p in self.tape.entries[step][PARENTS]
            if p is not None and type(p) is not list and id(p) not in self.tape.inputs
        }  # fmt: skip
        return sum(leaf._array.size for leaf in leaves.values())

    def connect(self) -> None:
        for step, entry in enumerate(self.tape.entries):
            b = self.owner[step]
            for parent in entry[PARENTS]:
                source, _ = self.tape.source(parent)
                if source is not None and self.owner[source] != b:
                    shape = self.describe(source)[0]
                    self.edges.setdefault((self.owner[source], b), shape)

    def leaves(self) -> None:
        """Leaves that operations read; those that folded boxes alone read are inside them."""
        users: dict[int, list[int]] = {}
        for step, entry in enumerate(self.tape.entries):
            for parent in entry[PARENTS]:
                if parent is not None and type(parent) is not list:
                    users.setdefault(id(parent), []).append(self.owner[step])
        for step, entry in enumerate(self.tape.entries):
            if self.shown[self.owner[step]].kind != "op":
                continue
            for parent in entry[PARENTS]:
                if id(parent) in users:
                    self.leaf(parent, users.pop(id(parent)))
            self.constants(step, entry)
        for key, where in users.items():
            if 1 < len(set(where)) <= MANY:
                self.leaf(self.tape.leaves[key], where)

    def leaf(self, leaf: Any, where: list[int]) -> None:
        places = sorted(set(where))
        if len(places) > MANY:  # folded boxes count it as theirs
            places = [place for place in places if self.shown[place].kind == "op"]
        shape = "×".join(map(str, leaf._array.shape)) or "scalar"
        name = _shorter(self.tape.name(leaf) or shape)
        lines = (shape,) if name != shape else ()
        hint = f"leaf {name} {shape}, gets a gradient"
        for group in [places] if len(places) <= MANY else [[place] for place in places]:
            self.boxes.append(Box("leaf", name, lines, hint))
            for b in group:
                self.edges[len(self.boxes) - 1, b] = ""

    def constants(self, step: int, entry: Any) -> None:
        for name, shape in self.tape.constants(entry):
            self.boxes.append(Box("constant", _shorter(name), shape, "gets no gradient"))
            self.edges[len(self.boxes) - 1, self.owner[step]] = ""

    def results(self) -> None:
        for place, out in enumerate(self.tape.outputs):
            if type(out._entry) is not list:
                continue
            source, _ = self.tape.source(out._entry)
            name = self.tape.names.get(id(out))
            title = name or ("result" if len(self.tape.outputs) == 1 else f"result {place}")
            self.boxes.append(Box("result", _shorter(title), (), "what was drawn"))
            self.edges[self.owner[source], len(self.boxes) - 1] = ""


def boxes_and_edges(
    tape: Any, shown: list[Part], describe: Callable[[int], tuple[str, str]]
) -> tuple[list[Box], list[tuple[int, int, str]]]:
    """What is drawn of a tape of which `shown` is to be seen."""
    maker = _Maker(tape, shown, describe)
    maker.operations()
    maker.connect()
    maker.leaves()
    maker.results()
    return maker.boxes, [(a, b, label) for (a, b), label in maker.edges.items()]
