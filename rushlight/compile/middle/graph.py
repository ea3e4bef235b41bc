"""The graph: what a traced function computes, as plain data.

A `Node` is one value: an op's name, the nodes it reads, and plain parameters. The same class
serves two levels. A *captured* graph names ops of the registry, as the user's code called them;
a *core* graph names only the small closed set of `CORE`, which every backend knows. `lowering`
turns the first into the second.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ...core.dtypes import bfloat16

# One value per element; operands broadcast. The names are the scalar emitter's methods.
POINTWISE = frozenset(
    "add sub mul div neg abs sign max min fmod floor_div pow exp expm1 exp2 log log1p log2 log10"
    " sqrt rsqrt sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh sigmoid erf erfc"
    " normal_cdf floor ceil round trunc eq ne lt le gt ge where cast isnan isinf isfinite"
    " and or xor not shift_left shift_right copysign pair".split()
)
REDUCTIONS = frozenset("reduce_sum reduce_prod reduce_max reduce_min argmax argmin".split())
MOVES = frozenset("reshape permute expand slice pad cat flip".split())
OTHERS = frozenset(
    "input constant dot conv take scatter_add iota extern draw output_of replace strided".split()
)
# run by NumPy (`foreign.py`), as is any "numpy.*" and "method.*"
FOREIGN = frozenset(("extern", "draw"))
CORE = POINTWISE | REDUCTIONS | MOVES | OTHERS

NATIVE = frozenset(np.dtype(char) for char in "fdqibBh?")
BFLOAT16 = "E"  # its letter: NumPy has that type only where ml_dtypes is loaded

_serial = itertools.count().__next__


def native(dtype: Any) -> bool:
    """Whether kernels know arrays of a type; a tuple of types is none."""
    return dtype in NATIVE or (type(dtype) is not tuple and dtype.char == BFLOAT16)


def takes(kind: Any, rounds: bool) -> bool:
    """Whether an eager operation's program has arrays of a type.

    Of bfloat16 only if its formula says how that rounds.
    """
    return native(kind) if rounds else kind in NATIVE


def lettered(kind: str) -> np.dtype:
    """The type of a letter or of NumPy's text for it; bfloat16 has a letter that NumPy refuses."""
    return np.dtype(kind) if kind != BFLOAT16 else bfloat16.numpy


class Node:
    """One value of a graph: `op(*inputs, *params)`, of one shape and NumPy dtype.

    An op with several outputs has tuples as `shape` and `dtype`; its outputs are `output_of`
    nodes. `line` is the user's line, `module` the path of the layer it was called in. `home` keeps
    what `kernels.normal` found out about a write's memory.
    """

    __slots__ = ("dtype", "home", "index", "inputs", "line", "module", "op", "params", "shape")

    def __init__(
        self, op: str, inputs: Iterable[Node], params: tuple[Any, ...], shape: Any, dtype: Any,
        line: str = "", module: str = "",
    ) -> None:  # fmt: skip
        self.op = op
        self.inputs = tuple(inputs)
        self.params = params
        self.shape = shape
        self.dtype = dtype
        self.line = line
        self.module = module
        self.home: tuple[Node, int] | None = None
        self.index = _serial()

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        if type(self.dtype) is tuple:
            return sum(map(math.prod, self.shape))
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def over(self, inputs: Iterable[Node]) -> Node:
        """A new node: the same op on other inputs."""
        return Node(self.op, inputs, self.params, self.shape, self.dtype, self.line, self.module)

    def __repr__(self) -> str:
        reads = ", ".join(f"v{x.index}" for x in self.inputs)
        rest = "".join(f", {_brief(p)}" for p in self.params)
        return f"v{self.index} = {self.op}({reads}{rest}) : {self.dtype}{list(self.shape)}"


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return repr(value.item()) if value.size == 1 else f"array{list(value.shape)}"
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."


class Graph:
    """Inputs, outputs and every node in between, in an order that can be executed.

    `effects` are nodes that must run, in their order, whoever reads them: draws of random numbers.
    """

    __slots__ = ("effects", "inputs", "nodes", "outputs")

    def __init__(
        self, inputs: Sequence[Node], outputs: Sequence[Node], effects: Sequence[Node] = ()
    ) -> None:
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.effects = list(effects)
        self.nodes = order([*effects, *outputs], inputs)

    def users(self) -> dict[Node, list[Node]]:
        """Which nodes read each node."""
        found: dict[Node, list[Node]] = {node: [] for node in self.nodes}
        for node in self.nodes:
            for x in node.inputs:
                found[x].append(node)
        return found

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __str__(self) -> str:
        lines = [repr(node) for node in self.nodes]
        gives = ", ".join(f"v{node.index}" for node in self.outputs)
        return "\n".join([*lines, f"return {gives}"])


def order(outputs: Sequence[Node], inputs: Sequence[Node] = ()) -> list[Node]:
    """Every node that the outputs need, inputs first, each after what it reads."""
    done: dict[Node, None] = dict.fromkeys(inputs)
    stack: list[Any] = list(reversed(outputs))
    while stack:
        node = stack.pop()
        if node is None:  # all that the next one reads is done
            done[stack.pop()] = None
        elif node not in done:
            waits = False
            for x in reversed(node.inputs):
                if x not in done:
                    if not waits:
                        waits = True
                        stack += (node, None)
                    stack.append(x)
            if not waits:
                done[node] = None
    return list(done)
