"""All that a finished program is, besides its machine code: plain data, as it is kept on disk.

Which memory it needs, which addresses stand in its table, which of its steps are native code and
which are NumPy's, and what each kernel does, for whoever wants to see. `program.build` writes it,
`running.Program` runs it; neither graph nor schedule is needed for that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..middle.graph import BFLOAT16, Node, lettered
from ..records import field, record

VALUE, CONSTANT, MEMORY, ARENA = range(4)  # where a value stands
Place = tuple[int, int, np.dtype, int, int, tuple[int, ...]]
# (one of these, its number or offset there, type and size of its owner, first element, shape)


class Foreign(ValueError):
    """What cannot be written down, or was not written by us."""


@record
class Host:
    """A step that NumPy computes: the node, what it reads, and where its value is to go."""

    node: Node
    operands: list[Place]
    target: Place | None


@record
class Recipe:
    """One program; see the module's text. Slots are places in the table of addresses."""

    inputs: list[tuple[tuple[int, ...], np.dtype, tuple[int, ...]]]  # and strides in bytes
    outputs: list[tuple[tuple[int, ...], np.dtype]]
    donate: dict[int, int]
    length: int
    arena: int
    reused: int
    work: float  # nanoseconds of all kernels
    steps: list[Host | None]  # None: the next native segment
    temporaries: np.ndarray  # slots and offsets in the arena
    fixed: np.ndarray  # slots, numbers of constants, offsets in bytes
    status: np.ndarray  # slots
    clocks: np.ndarray  # slots, one for each kernel call; 0: it is not timed
    constants: list[np.ndarray] = field(default_factory=list)
    kernels: list[Any] = field(default_factory=list)  # see `Kernel`
    notes: list[Any] = field(default_factory=list)  # op, shape, line of the nodes of kernels
    frozen: list[int] | None = None  # inputs of what is done only if they changed
    again: list[Any] = field(default_factory=list)  # ops and bytes of what is not kept for later


class Kernel:
    """One call of a native function and what it does, for whoever wants to see."""

    def __init__(self, facts: Sequence[Any], notes: Sequence[Any]) -> None:
        self.name, self.units, self.chunk, self.read, self.written = facts[:5]
        self.flops, self.nanoseconds = facts[5:7]
        self._notes = [notes[k] for k in facts[7]]

    @property
    def nodes(self) -> list[Node]:
        """The nodes it computes: their ops, shapes and lines."""
        return [Node(op, (), (), tuple(shape), None, line) for op, shape, line in self._notes]

    def __str__(self) -> str:
        ops = " ".join(op for op, _, _ in self._notes)
        return f"{self.name}: {ops}; reads {self.read} writes {self.written} flops {self.flops}"


# --- as bytes

_ARRAYS = ("temporaries", "fixed", "status", "clocks")
_PLAIN = ("inputs", "outputs", "length", "arena", "reused", "work", "frozen", "again")
_SCALARS = (bool, int, float, str, type(None))


def written(recipe: Recipe, nodes: Sequence[Node]) -> list[bytes]:
    """The recipe as blobs; what it shares with `nodes` (the captured graph's) is said by number.

    Raises Foreign where something cannot be written down.
    """
    params = {id(node.params): k for k, node in enumerate(nodes)}
    values = {id(node.params[0]): k for k, node in enumerate(nodes) if node.op == "constant"}
    lines: dict[str, int] = {}
    for k, node in enumerate(nodes):
        lines.setdefault(node.line, k)
    head = {name: getattr(recipe, name) for name in _PLAIN}
    head["donate"] = list(recipe.donate.items())
    head["steps"] = [step and _host(step, params) for step in recipe.steps]
    blobs = [np.ascontiguousarray(getattr(recipe, name), np.int64) for name in _ARRAYS]
    head["shapes"] = [blob.shape for blob in blobs]
    head["constants"], raw = [], []
    for value in recipe.constants:
        number = values.get(id(value))
        head["constants"].append(number if number is not None else [value.dtype, value.shape])
        if number is None:
            raw.append(np.ascontiguousarray(value).tobytes())
    shown = [recipe.kernels, [[op, s, lines.get(line, -1)] for op, s, line in recipe.notes]]
    texts = [json.dumps(part, default=_type).encode() for part in (head, shown)]
    return [*texts, *(blob.tobytes() for blob in blobs), *raw]


def read(blobs: Sequence[bytes], nodes: Sequence[Node]) -> Recipe:
    """The recipe that was `written` for the same graph; Foreign where it is none."""
    try:
        return _read(blobs, nodes)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise Foreign(str(error)) from error


def _read(blobs: Sequence[bytes], nodes: Sequence[Node]) -> Recipe:
    head = json.loads(blobs[0])
    arrays: Any = {
        name: np.frombuffer(blob, np.int64).reshape(shape)
        for name, blob, shape in zip(_ARRAYS, blobs[2:6], head["shapes"], strict=True)
    }
    found = Recipe(
        inputs=[(tuple(n), lettered(kind), tuple(steps)) for n, kind, steps in head["inputs"]],
        outputs=[(tuple(n), lettered(kind)) for n, kind in head["outputs"]],
        donate=dict(head["donate"]), length=head["length"], arena=head["arena"],
        reused=head["reused"], work=head["work"], frozen=head["frozen"], again=head["again"],
        steps=[step and _hosted(step, nodes) for step in head["steps"]], **arrays,
    )  # fmt: skip
    raw = iter(blobs[6:])
    for one in head["constants"]:
        if type(one) is int:
            found.constants.append(nodes[one].params[0])
        else:
            kind, shape = one
            found.constants.append(np.frombuffer(next(raw), lettered(kind)).reshape(shape))
    return found


def shown(blobs: Sequence[bytes], nodes: Sequence[Node]) -> tuple[list[Any], list[Any]]:
    """The kernels and notes of a recipe that was read."""
    kernels, notes = json.loads(blobs[1])
    return kernels, [[op, s, nodes[k].line if k >= 0 else ""] for op, s, k in notes]


def _type(x: Any) -> str:
    """A data type's name; only NumPy's own have one that says all, and bfloat16 its letter."""
    if isinstance(x, np.dtype):
        text = x.char if x.char == BFLOAT16 else x.str
        if lettered(text) == x:
            return text
    raise Foreign(f"{x} cannot be written down")


def _host(step: Host, params: dict[int, int]) -> list[Any]:
    node = step.node
    several = isinstance(node.dtype, tuple)
    kinds = node.dtype if several else (node.dtype,)
    inner = node.params[1] if node.op == "extern" else None
    if id(node.params) in params:
        given = ["same", params[id(node.params)]]
    elif inner and id(inner) in params:
        given = ["extern", node.params[0], params[id(inner)]]
    else:
        given = ["plain", _told(node.params)]
    return [node.op, given, several, node.shape, kinds, step.operands, step.target]


def _hosted(step: Any, nodes: Sequence[Node]) -> Host:
    op, given, several, shape, types, operands, target = step
    if given[0] == "same":
        params = nodes[given[1]].params
    else:
        params = (given[1], nodes[given[2]].params) if given[0] == "extern" else _heard(given[1])
    kinds = tuple(map(lettered, types))
    node = Node(
        op, (), params, tuple(map(tuple, shape)) if several else tuple(shape),
        kinds if several else kinds[0],
    )  # fmt: skip
    return Host(node, list(map(_place, operands)), target and _place(target))


def _place(x: Any) -> Place:
    kind, number, dtype, size, first, shape = x
    return kind, number, lettered(dtype), size, first, tuple(shape)


def _told(value: Any) -> Any:
    """Plain parameters for JSON: a tuple as {"t": [...]}, a type as {"d": ...}."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is tuple:
        return {"t": [_told(part) for part in value]}
    if kind is list:
        return [_told(part) for part in value]
    if isinstance(value, np.dtype):
        return {"d": _type(value)}
    raise Foreign(f"a {kind.__name__}")


def _heard(value: Any) -> Any:
    if type(value) is list:
        return [_heard(part) for part in value]
    if type(value) is dict:
        return lettered(value["d"]) if "d" in value else tuple(map(_heard, value["t"]))
    return value
