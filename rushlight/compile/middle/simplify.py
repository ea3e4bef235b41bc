"""Rewriting a core graph: fewer and cheaper nodes, the same values to the last bit.

The rules stand in `RULES`, one function per idea: given a node it returns another node of the same
shape, type and value, or None. One walk from the inputs on applies them until none fits, and shares
equal nodes on the way; what nobody reads is left behind. Only rewrites that hold for every value,
signed zeros, infinities and NaN included, are in the table.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .graph import BFLOAT16, CORE, FOREIGN, MOVES, REDUCTIONS, Graph, Node
from .interpret import evaluate

FOLDED = 4096  # elements: larger constants are computed at run time
_NEVER = FOREIGN | {"input", "constant", "output_of"}


def _same(node: Node, x: Node) -> Node | None:
    """x, if it is a full substitute for the node."""
    return x if x.shape == node.shape and x.dtype == node.dtype else None


def _number(x: Node) -> Any:
    """The value of a constant all of whose elements are equal, else None."""
    if x.op != "constant" or x.params[0] is None or not x.params[0].size:
        return None
    if x.params[0].size == 1:
        return x.params[0].reshape(-1)[0]
    value = np.ascontiguousarray(x.params[0]).reshape(-1)
    first = value[0]
    bits = value.view(np.uint8).reshape(value.size, -1)
    return first if (bits == bits[0]).all() else None


def folded(node: Node) -> Node | None:
    """An op on constants is a constant."""
    if not node.inputs:
        return None
    for x in node.inputs:
        if x.op != "constant" or x.params[0] is None:
            return None
    if node.op in _NEVER or node.op not in CORE or node.size > FOLDED:
        return None
    with np.errstate(all="ignore"):
        value = np.asarray(evaluate(node, [x.params[0] for x in node.inputs]))
    if value.shape != node.shape or value.dtype != node.dtype:
        return None
    return Node("constant", (), (value,), node.shape, node.dtype, node.line, node.module)


def neutral(node: Node) -> Node | None:
    """x - 0, x + -0, x * 1, x / 1, x ** 1 are x."""
    if node.op not in ("add", "sub", "mul", "div", "pow") or node.dtype.kind not in "fiu":
        return None
    a, b = node.inputs
    found = _number(b)
    if found is not None and _is_neutral(node.op, found):
        return _same(node, a)
    found = _number(a)
    if node.op in ("add", "mul") and found is not None and _is_neutral(node.op, found):
        return _same(node, b)
    return None


def _is_neutral(op: str, value: np.generic) -> bool:
    if op in ("mul", "div", "pow"):
        return bool(value == 1)
    if bool(value):
        return False
    if value.dtype.kind != "f":
        return True
    return bool(np.signbit(value)) if op == "add" else not np.signbit(value)


def squared(node: Node) -> Node | None:
    """x ** 2 is x * x, x ** -1 is 1 / x."""
    if node.op != "pow" or node.dtype.kind != "f":
        return None
    x, power = node.inputs[0], _number(node.inputs[1])
    if power is None or x.shape != node.shape:
        return None
    if power == 2:
        return Node("mul", (x, x), (), node.shape, node.dtype, node.line, node.module)
    if power == -1:
        one = np.ones((), node.dtype)
        top = Node("constant", (), (one,), (), node.dtype)
        return Node("div", (top, x), (), node.shape, node.dtype, node.line, node.module)
    return None


def reciprocal(node: Node) -> Node | None:
    """Division by a power of two is multiplication by its reciprocal, which is exact."""
    if node.op != "div" or node.dtype.kind != "f":
        return None
    value = _number(node.inputs[1])
    if value is None or not np.isfinite(value) or value == 0:
        return None
    mantissa, exponent = np.frexp(value)
    if abs(mantissa) != 0.5 or abs(exponent) > 100:
        return None
    factor = np.asarray(1 / value, node.dtype)
    by = Node("constant", (), (factor,), (), node.dtype)
    return Node("mul", (node.inputs[0], by), (), node.shape, node.dtype, node.line, node.module)


def twice(node: Node) -> Node | None:
    """-(-x) is x; |(|x|)| and |-x| are |x|; not not x is x."""
    if node.op not in ("neg", "abs", "not"):
        return None
    (x,) = node.inputs
    if node.op in ("neg", "not") and x.op == node.op:
        return _same(node, x.inputs[0])
    if node.op == "abs" and x.op == "abs":
        return _same(node, x)
    if node.op == "abs" and x.op == "neg":
        return Node("abs", x.inputs, (), node.shape, node.dtype, node.line, node.module)
    return None


def signs(node: Node) -> Node | None:
    """a + (-b) is a - b; a - (-b) is a + b."""
    if node.op not in ("add", "sub") or node.dtype.kind not in "fi":
        return None
    a, b = node.inputs
    other = "sub" if node.op == "add" else "add"
    if b.op == "neg":
        return Node(other, (a, b.inputs[0]), (), node.shape, node.dtype, node.line, node.module)
    if node.op == "add" and a.op == "neg":
        return Node("sub", (b, a.inputs[0]), (), node.shape, node.dtype, node.line, node.module)
    return None


def chosen(node: Node) -> Node | None:
    """where(c, x, x) is x; where with a constant condition is one side; max(x, x) is x."""
    if node.op in ("max", "min", "and", "or") and node.inputs[0] is node.inputs[1]:
        return _same(node, node.inputs[0])
    if node.op != "where":
        return None
    condition, a, b = node.inputs
    if a is b:
        return _same(node, a)
    value = _number(condition)
    return None if value is None else _same(node, a if value else b)


def idle(node: Node) -> Node | None:
    """Moves and casts that change nothing."""
    if node.op == "cast":
        return _same(node, node.inputs[0])
    if node.op not in MOVES or len(node.inputs) != 1:
        return None
    x = node.inputs[0]
    if node.op in ("reshape", "expand"):
        return _same(node, x)
    if node.op == "permute" and node.params[0] == tuple(range(node.ndim)):
        return x
    if node.op == "slice" and all(step == 1 for step in node.params[2]):
        return _same(node, x)
    if node.op == "flip" and all(x.shape[dim] <= 1 for dim in node.params[0]):
        return x
    return (
        _same(node, x) if node.op == "pad" and not any((*node.params[0], *node.params[1])) else None
    )


def joined(node: Node) -> Node | None:
    """Two moves of one kind in a row are one."""
    if node.op not in ("reshape", "permute", "expand"):
        return None
    x = node.inputs[0]
    if x.op != node.op:
        return None
    if node.op == "permute":
        params: tuple[Any, ...] = (tuple(x.params[0][dim] for dim in node.params[0]),)
    else:
        params = node.params
        if node.op == "expand" and node.ndim < x.inputs[0].ndim:
            return None
    return Node(node.op, x.inputs, params, node.shape, node.dtype, node.line, node.module)


def flattened(node: Node) -> Node | None:
    """A reduction over dimensions of size 1, or over none, only reshapes."""
    if not node.op.startswith("reduce_"):
        return None
    (x,) = node.inputs
    if any(x.shape[dim] != 1 for dim in node.params[0]) or x.dtype != node.dtype:
        return None
    return Node("reshape", (x,), (node.shape,), node.shape, node.dtype, node.line, node.module)


def widened(node: Node) -> Node | None:
    """A cast of a cast that lost nothing is one cast."""
    if node.op != "cast":
        return None
    x = node.inputs[0]
    if x.op != "cast":
        return None
    first, middle = x.inputs[0].dtype, x.dtype
    if first == middle or not np.can_cast(first, middle, "safe"):
        return None
    if first.kind == "b" and node.dtype.kind == "b":
        return x.inputs[0]
    return Node("cast", x.inputs, (), node.shape, node.dtype, node.line, node.module)


def narrow(node: Node) -> Node | None:
    """A move of bfloat16 that were cast to float32 is a cast of the move: half as much moves."""
    if node.op not in MOVES or node.dtype.char != "f" or node.op in ("pad", "expand"):
        return None
    if any(x.op != "cast" or x.inputs[0].dtype.char != BFLOAT16 for x in node.inputs):
        return None
    few = [x.inputs[0] for x in node.inputs]
    like = node.line, node.module
    moved = Node(node.op, few, node.params, node.shape, few[0].dtype, *like)
    return Node("cast", (moved,), (), node.shape, node.dtype, *like)


RULES: dict[str, Callable[[Node], Node | None]] = {
    "constant folding": folded,
    "neutral elements": neutral,
    "powers": squared,
    "exact reciprocals": reciprocal,
    "double signs": twice,
    "signs in sums": signs,
    "settled choices": chosen,
    "idle moves": idle,
    "joined moves": joined,
    "joined casts": widened,
    "narrow moves": narrow,
    "empty reductions": flattened,
}
_OPS: dict[Callable[[Node], Node | None], Iterable[str]] = {  # the only ones that a rule rewrites
    neutral: ("add", "sub", "mul", "div", "pow"), squared: ("pow",), reciprocal: ("div",),
    twice: ("neg", "abs", "not"), signs: ("add", "sub"),
    chosen: ("max", "min", "and", "or", "where"), idle: ("cast", *MOVES),
    joined: ("reshape", "permute", "expand"), widened: ("cast",), flattened: REDUCTIONS,
    narrow: MOVES,
}  # fmt: skip


@functools.cache
def _rules(op: str) -> list[tuple[str, Callable[[Node], Node | None]]]:
    """The rules that may have something to say of an op, in their order."""
    return [(name, rule) for name, rule in RULES.items() if op in _OPS.get(rule, (op,))]


def simplify(graph: Graph) -> tuple[Graph, Counter[str]]:
    """The graph rewritten, and how often each rule fired."""
    fired: Counter[str] = Counter()
    found: dict[Node, Node] = {node: node for node in graph.inputs}
    known: dict[Any, Node] = {}
    for node in graph.nodes:
        if node not in found:
            found[node] = _rewrite(node, [found[x] for x in node.inputs], known, fired)
    outputs = [found[node] for node in graph.outputs]
    result = Graph(graph.inputs, outputs, [found[node] for node in graph.effects])
    fired["dead code"] = sum(1 for node in set(found.values())) - len(result.nodes)
    return result, +fired


def _rewrite(
    node: Node, inputs: Sequence[Node], known: dict[Any, Node], fired: Counter[str]
) -> Node:
    if tuple(inputs) != node.inputs:  # nodes are equal only to themselves
        node = node.over(inputs)
    if node.op == "draw":
        return node
    for _ in range(16):
        for name, rule in _rules(node.op):
            better = rule(node)
            if better is not None and better is not node:
                fired[name] += 1
                node = _over_known(better, node.index, known, fired)
                break
        else:
            break
    key = _key(node)
    if key is None:
        return node
    shared = known.setdefault(key, node)
    if shared is not node:
        fired["common subexpressions"] += 1
    return shared


def _over_known(node: Node, since: int, known: dict[Any, Node], fired: Counter[str]) -> Node:
    """A rewritten node over what others read too; what a rule made beneath it comes first."""
    inputs = [x if x.index <= since else _rewrite(x, x.inputs, known, fired) for x in node.inputs]
    if all(x is y for x, y in zip(inputs, node.inputs)):
        return node
    return node.over(inputs)


def _key(node: Node) -> Any:
    """What makes two nodes the same value, or None where that cannot be said."""
    if node.op == "input":
        return None
    if node.op == "constant":
        value = node.params[0]
        if value is None:
            return "constant", None
        return ("constant", value.tobytes(), value.shape, value.dtype) if value.size <= 64 else None
    if node.op not in CORE or node.op in FOREIGN:
        return None
    key = (node.op, tuple([x.index for x in node.inputs]), node.params, node.shape, node.dtype)
    try:
        hash(key)
    except TypeError:
        return None
    return key
