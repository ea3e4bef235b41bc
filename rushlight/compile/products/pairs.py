"""Products whose factors hold bfloat16, on processors that multiply these two by two.

Two terms of the sum stand side by side in a word of 32 bits: `pair` writes them so, and the product
over words is one of float32 with half as many terms, but that each multiply-add takes two. Packing,
tiles and ends are those of float32.
"""

from __future__ import annotations

import importlib

import numpy as np

from ..middle.graph import BFLOAT16, Graph, Node
from ..middle.interpret import letters
from .dispatch import suits

WORD = np.dtype(np.int32)
FASTER = 0.9  # of the cycles of a convolution of float32: words have to be written first
LEAST = 8  # rows and columns from which it pays to put terms side by side


def paired(graph: Graph) -> Graph:
    """The graph with such products over pairs of terms."""
    found: dict[Node, Node] = {node: node for node in graph.inputs}
    words: dict[tuple[Node, int], Node] = {}
    for node in graph.nodes:
        if node in found:
            continue
        made = node
        if any(found[x] is not x for x in node.inputs):
            inputs = [found[x] for x in node.inputs]
            made = Node(node.op, inputs, node.params, node.shape, node.dtype, *_told(node))
        found[node] = _in_pairs(made, words) if node.op in ("dot", "conv") else made
    outputs, effects = ([found[x] for x in part] for part in (graph.outputs, graph.effects))
    return Graph(graph.inputs, outputs, effects)


def _told(node: Node) -> tuple[str, str]:
    return node.line, node.module


def _in_pairs(node: Node, words: dict[tuple[Node, int], Node]) -> Node:
    """A product over pairs of the longest axis of its sum, if its factors hold bfloat16."""
    factors = [_halves(x) for x in node.inputs]
    left, right, result = letters(node.params[0])
    sizes = dict(zip(left + right, node.inputs[0].shape + node.inputs[1].shape))
    axis = max(
        (c for c in left if c in right and c not in result), key=sizes.__getitem__, default=""
    )
    if sizes.get(axis, 1) < 2 or any(x is None for x in factors) or not _wide(node, sizes):
        return node
    inputs = [_words(x, part.index(axis), words) for x, part in zip(factors, (left, right)) if x]
    made = Node(node.op, inputs, node.params, node.shape, node.dtype, *_told(node))
    return made if _pays(made, node) else node


def _wide(node: Node, sizes: dict[str, int]) -> bool:
    """Whether both sides of a product are long enough; convolutions are counted instead."""
    left, right, result = letters(node.params[0])
    alone = [c for c in result if (c in left) != (c in right)]
    sides = [max((sizes[c] for c in alone if c in part), default=1) for part in (left, right)]
    return node.op == "conv" or min(sides) >= LEAST


def _pays(made: Node, node: Node) -> bool:
    """Whether a product of words takes less than the one of float32."""
    if made.op == "dot":
        return suits(made)
    conv = importlib.import_module(".conv", __package__)  # most programs have none
    target = importlib.import_module("..code.llvm", __package__).target()
    return conv.cycles(made, target) < FASTER * conv.cycles(node, target)


def _halves(x: Node) -> Node | None:
    """The bfloat16 that a factor was made of, if it was."""
    return x.inputs[0] if x.op == "cast" and x.inputs[0].dtype.char == BFLOAT16 else None


def _words(x: Node, axis: int, known: dict[tuple[Node, int], Node]) -> Node:
    """Every two neighbours along an axis in one word; a last one alone has a zero beside it."""
    if (x, axis) not in known:
        known[x, axis] = _paired_up(x, axis, known)
    return known[x, axis]


def _paired_up(x: Node, axis: int, known: dict[tuple[Node, int], Node]) -> Node:
    if x.op == "permute":  # as it lies: columns of words are read as fast as rows, two apart not
        order = x.params[0]
        words = _words(x.inputs[0], order[axis], known)
        shape = tuple(words.shape[dim] for dim in order)
        return Node("permute", (words,), x.params, shape, WORD, *_told(x))
    along = [int(dim == axis) for dim in range(x.ndim)]
    if x.shape[axis] % 2:
        shape = tuple(n + more for n, more in zip(x.shape, along))
        x = Node("pad", (x,), ((0,) * x.ndim, tuple(along), 0.0), shape, x.dtype, *_told(x))
    shape = tuple(n // (1 + here) for n, here in zip(x.shape, along))
    steps = tuple(1 + here for here in along)
    low, high = (
        Node("slice", (x,), (tuple(k * here for here in along), x.shape, steps), shape, x.dtype)
        for k in (0, 1)
    )
    return Node("pair", (low, high), (), shape, WORD, *_told(x))
