"""A captured graph as one number: equal for graphs that become the same program.

What decides the program goes in: ops, parameters, shapes, types, constants with their values, who
reads whom, and how memory comes in and is written. The user's lines do not, only which nodes share
one. Numbers come from `marshal`, whose oldest format writes equal data as equal bytes.
"""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Sequence
from types import CodeType
from typing import Any

import numpy as np

from ...core.dtypes import dtype as OwnType
from ..middle.foreign import Hole, Layout
from ..middle.graph import Graph, Node

_PLAIN = frozenset((int, float, bool, str, type(None), complex, bytes))
_types: dict[Any, str] = {}


class Opaque(Exception):
    """An object that no digest can tell from others."""


def nodes_of(graph: Graph) -> list[Node]:
    """The nodes in the order in which they were captured."""
    return sorted(graph.nodes, key=lambda node: node.index)


def digest(
    graph: Graph, writes: Sequence[tuple[int, int]], forms: Sequence[np.ndarray]
) -> str | None:
    """The number of a graph with the pairs of inputs and outputs that share memory; or None."""
    nodes = nodes_of(graph)
    numbers = {node: k for k, node in enumerate(nodes)}
    lines: dict[str, int] = {}
    try:
        rows = [
            (
                node.op, [numbers[x] for x in node.inputs], params_of(node), node.shape,
                _type(node.dtype), lines.setdefault(node.line, len(lines)),
            )
            for node in nodes
        ]  # fmt: skip
        ends = [[numbers[x] for x in part] for part in (graph.inputs, graph.outputs, graph.effects)]
        memory = [(form.strides, form.flags.aligned) for form in forms]
        found = marshal.dumps((rows, ends, sorted(writes), memory), 0)
    except (Opaque, ValueError):
        return None
    return hashlib.sha256(found).hexdigest()


def of_code(code: CodeType) -> str:
    """The number of a piece of code: equal for code that does the same on the same lines."""
    try:
        found = marshal.dumps(code, 0)
    except ValueError:
        found = marshal.dumps(_as_data(code), 0)
    return hashlib.sha256(found).hexdigest()


def _as_data(value: Any) -> Any:
    """Code with data alone among its constants, for the format knows nothing else.

    Slices are constants from Python 3.14 on; the way of a public function to classes that handle
    operations (`core/gates.py`) is one too, and counts by its name.
    """
    if isinstance(value, CodeType):
        return value.replace(co_consts=tuple(map(_as_data, value.co_consts)))
    if type(value) is tuple:
        return tuple(map(_as_data, value))
    if type(value) is slice:
        return "slice", *map(_as_data, (value.start, value.stop, value.step))
    if callable(value):
        return type(value).__qualname__, getattr(value, "__qualname__", "")
    return value


def _type(kind: Any) -> Any:
    found = _types.get(kind)
    if found is None:
        if type(kind) is tuple:
            return tuple(map(_type, kind))
        found = _types[kind] = f"{kind.str} {kind.name}"
    return found


def params_of(node: Node) -> Any:
    params = node.params
    if node.op == "draw":  # which engine draws is no part of the code
        return plain(params[1:])
    if node.op == "numpy.called":  # nor which function is called in the middle of it
        args, kwargs = params
        return plain((args[1:], kwargs))
    return plain(params)


def plain(value: Any) -> Any:
    """Parameters in marshal's types; each other type with its name, so that nothing is mixed up."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is tuple:
        return tuple([plain(part) for part in value])
    if kind is list:
        return [plain(part) for part in value]
    if kind is dict:
        return {"dict": [(plain(key), plain(part)) for key, part in value.items()]}
    if kind is np.ndarray:
        return {"array": (value.shape, _type(value.dtype), value.strides, _content(value))}
    if kind is Hole:
        return {"hole": value.index}
    if kind is slice:
        return {"slice": (plain(value.start), plain(value.stop), plain(value.step))}
    return {kind.__name__: _other(value)}


def _other(value: Any) -> Any:
    if isinstance(value, np.dtype):
        return _type(value)
    if isinstance(value, np.generic):
        return _type(value.dtype), value.tobytes()
    if isinstance(value, OwnType):
        return value.name
    if isinstance(value, Layout):
        return plain((value.shape, value.order, value.dtype))
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return plain(tuple(value))
    if isinstance(value, type) and value.__module__ in ("builtins", "numpy"):
        return value.__module__, value.__qualname__
    if isinstance(value, np.ufunc) or value is Ellipsis:
        return repr(value)
    raise Opaque(type(value).__name__)


def _content(value: np.ndarray) -> bytes:
    if value.dtype.hasobject:
        raise Opaque("objects")
    whole = np.ascontiguousarray(value)
    if whole.nbytes < 256:
        return whole.tobytes()
    return hashlib.sha256(whole.view(np.uint8).data if whole.ndim else whole.tobytes()).digest()
