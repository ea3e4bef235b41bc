"""What the tape keeps for backward, by operation, line and layer: `kept_for_backward`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import fail
from ..core.primitive import spared
from ..core.tape import INPUTS, OUTPUT, PARAMS, PARENTS, PRIM, Entry, owner_of
from ..core.tensor import Tensor
from .picture import Tape, tensors_in, title_of
from .places import line_of, module_of
from .tables import Table, as_bytes


@dataclass(frozen=True, slots=True)
class KeptArray:
    """One piece of memory that the tape keeps, and the first operation that keeps it."""

    nbytes: int
    shape: tuple[int, ...]
    dtype: str
    op: str
    line: str
    module: str
    leaf: bool  # a parameter or input, which lives anyway


def arrays_of(entry: Entry) -> Iterator[np.ndarray]:
    """The arrays that an entry keeps for its gradient."""
    inputs, y, params = entry[INPUTS], entry[OUTPUT], entry[PARAMS]
    reads, parents = entry[PRIM].reads, entry[PARENTS]
    kept = list(inputs) if type(inputs) is tuple else []
    kept += list(y) if type(y) is tuple else [y]
    for place, x in enumerate(kept):
        x = getattr(x, "value", x)  # what hooks made of it
        x = x._array if isinstance(x, Tensor) else x
        if isinstance(x, np.ndarray) and not spared(reads, place, parents):
            yield x
    yield from _within(params)


def _within(value: Any, depth: int = 0) -> Iterator[np.ndarray]:
    """Arrays among parameters: masks, places, what a custom function put on its ctx."""
    if isinstance(value, Tensor):
        value = value._array
    if isinstance(value, np.ndarray):
        yield value
    elif depth < 4:
        if isinstance(value, dict):
            value = tuple(value.values())
        elif hasattr(value, "save_for_backward"):
            value = tuple(
                v for name, v in vars(value).items() if name not in ("_outputs", "_entry")
            )
        if isinstance(value, (tuple, list)):
            for one in value:
                yield from _within(one, depth + 1)


def memory_of(array: np.ndarray) -> tuple[int, int]:
    """(identity, bytes) of the memory that an array keeps alive: all of it, if it is a view."""
    owner = owner_of(array)
    return id(owner), owner.nbytes if isinstance(owner, np.ndarray) else array.nbytes


class KeptForBackward:
    """What `kept_for_backward` found; prints itself as a table, also in notebooks."""

    def __init__(self, rows: list[KeptArray]) -> None:
        self.rows = sorted(rows, key=lambda row: -row.nbytes)

    @property
    def total(self) -> int:
        """Bytes of everything that the tape keeps."""
        return sum(row.nbytes for row in self.rows)

    @property
    def leaves(self) -> int:
        """Bytes of parameters and inputs among it: they live anyway."""
        return sum(row.nbytes for row in self.rows if row.leaf)

    def _sums(self, key: Callable[[KeptArray], str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for row in self.rows:
            if not row.leaf:
                found[key(row)] = found.get(key(row), 0) + row.nbytes
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def by_op(self) -> dict[str, int]:
        """Bytes of intermediate results per operation, most first."""
        return self._sums(lambda row: row.op)

    def by_line(self) -> dict[str, int]:
        """The same per line of the user's program, as far as lines were recorded."""
        return self._sums(lambda row: row.line)

    def by_module(self) -> dict[str, int]:
        """The same per layer."""
        return self._sums(lambda row: row.module)

    def table(self, most: int = 12) -> Table:
        """The largest `most` combinations of line, layer and operation."""
        sums: dict[tuple[str, str, str, str], list[int]] = {}
        for row in self.rows:
            if not row.leaf:
                shape = f"{row.dtype}[{', '.join(map(str, row.shape))}]"
                found = sums.setdefault((row.op, shape, row.module, row.line), [0, 0])
                found[0] += row.nbytes
                found[1] += 1
        largest = sorted(sums.items(), key=lambda item: -item[1][0])
        rows = [
            [as_bytes(size), str(count), op, shape, module, line]
            for (op, shape, module, line), (size, count) in largest[:most]
        ]
        if len(largest) > most:
            rest = [found for _, found in largest[most:]]
            rows.append(
                [as_bytes(sum(a for a, _ in rest)), str(sum(b for _, b in rest)), "…", "", "", ""]
            )
        return Table(["kept", "arrays", "by", "array", "layer", "line"], rows, right={0, 1})

    def _summary(self) -> str:
        own = self.total - self.leaves
        text = (
            f"kept for backward: {as_bytes(own)} in {sum(not row.leaf for row in self.rows)} arrays"
        )
        if self.leaves:
            text += f", and {as_bytes(self.leaves)} of parameters and inputs that live anyway"
        if self.rows and not any(row.line for row in self.rows):
            text += "\n(lines and layers are known for what runs inside `record_lines()`)"
        return text

    def __str__(self) -> str:
        return f"{self._summary()}\n{self.table()}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<p>{self._summary()}</p>{self.table().html()}"


def kept_for_backward(outputs: Any) -> KeptForBackward:
    """What the tape behind `outputs` keeps until backward: every array once, however many keep it.

    outputs: a tensor, or several in a tuple, list or dict. A view counts as the whole memory that
    it keeps alive. Lines and layers are those recorded inside `record_lines()`.
    Raises RuntimeError for tensors without history.

    >>> import rushlight as torch
    >>> x = torch.ones(1000, requires_grad=True)
    >>> kept = torch.kept_for_backward((x.exp() * x.exp()).sum())
    >>> kept.by_op()
    {'Exp': 8000}
    >>> kept.leaves
    0
    """
    given = tensors_in(outputs)
    tape = Tape(given)
    if not tape.entries:
        raise fail(
            RuntimeError,
            "nothing is kept: the tensors have no history",
            "no input of this computation had requires_grad=True",
        )
    leaves = {memory_of(leaf._array)[0] for leaf in tape.leaves.values()}
    seen: set[int] = set()
    rows = []
    for entry in tape.entries:
        for array in arrays_of(entry):
            key, size = memory_of(array)
            if key in seen or not size:
                continue
            seen.add(key)
            rows.append(
                KeptArray(
                    size, array.shape, array.dtype.name, title_of(entry), line_of(entry) or "",
                    module_of(entry) or "", key in leaves,
                )
            )  # fmt: skip
    return KeptForBackward(rows)
