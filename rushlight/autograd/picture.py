"""The recorded graph as a picture: `graph_picture`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any

import numpy as np

from ..core.dispatch import OUTPUT_OF, node_name
from ..core.primitive import REGISTRY
from ..core.tape import INPUTS, LEAF, ORDER, PARAMS, PARENTS, PRIM, SHAPE, Entry
from ..core.tensor import Tensor
from .modes import enable_grad
from .picture_boxes import Box, boxes_and_edges
from .picture_fold import fold, parts_by_module
from .picture_layout import Layout
from .picture_write import as_dot, as_mermaid, as_svg
from .places import line_of, module_of, record_lines


class Tape:
    """What a picture, a table or a report reads of a tape: operations in order, and leaves."""

    def __init__(
        self,
        outputs: list[Tensor],
        names: Mapping[int, str] | None = None,
        arrays: Mapping[int, str] | None = None,
        inputs: Iterable[int] = (),
    ) -> None:
        self.names, self.arrays, self.inputs = dict(names or {}), dict(arrays or {}), set(inputs)
        self.outputs = outputs
        found: dict[int, Entry] = {}
        self.leaves: dict[int, Tensor] = {}
        stack = [x for out in outputs for x in [out if out._entry is LEAF else out._entry]]
        while stack:
            one = stack.pop()
            if type(one) is not list:
                if one is not None:
                    self.leaves[id(one)] = one
                continue
            if one[PRIM] is OUTPUT_OF:
                one = one[PARENTS][0]
            if id(one) not in found:
                found[id(one)] = one
                stack.extend(one[PARENTS])
        self.entries = sorted(found.values(), key=lambda entry: entry[ORDER])
        self.steps = {id(entry): step for step, entry in enumerate(self.entries)}

    def source(self, parent: Any) -> tuple[int | None, int | None]:
        """(number of the operation, id of the leaf) that a parent is; one of them is None."""
        if type(parent) is not list:
            return None, None if parent is None else id(parent)
        base = parent[PARENTS][0] if parent[PRIM] is OUTPUT_OF else parent
        return self.steps[id(base)], None

    def constants(self, entry: Entry) -> list[tuple[str, tuple[str, ...]]]:
        """(name or value, shape) of the operands that are kept but get no gradient."""
        kept = entry[INPUTS]
        if type(kept) is not tuple or entry[PRIM].rule is None:
            return []
        found = []
        for x, parent in zip(kept, entry[PARENTS]):
            if parent is not None or not isinstance(x, (np.ndarray, int, float)):
                continue
            name = self.arrays.get(id(x), "")
            shape = (shape_text(np.shape(x)),) if np.size(x) > 1 else ()
            value = f"{float(np.real(np.asarray(x)).item()):.4g}" if np.size(x) == 1 else ""
            found.append(
                (f"{name} = {value}" if name and value else name or value or "data", shape)
            )
        return found

    def name(self, leaf: Tensor) -> str:
        """What the leaf is called in the program, if that is known."""
        return self.names.get(id(leaf)) or getattr(leaf, "name", None) or ""


def title_of(entry: Entry) -> str:
    """An operation's name as a picture shows it: its own node's in torch without the ending.

    An entry may go by the name of a formula that it ends (1 / x by that of a product).
    """
    declared = REGISTRY.get(entry[PRIM].name)
    name = declared.node if declared is not None else None
    name = name if type(name) is str else node_name(entry)
    head, _, tail = name.rpartition("Backward")
    return head if head and (not tail or tail.isdigit()) else name


def shape_text(shape: Any) -> str:
    """`64×128`; `scalar`; several joined by commas.

    >>> shape_text((64, 128))
    '64×128'
    """
    if isinstance(shape, tuple) and shape and isinstance(shape[0], tuple):
        return ", ".join(map(shape_text, shape[:3])) + (", …" if len(shape) > 3 else "")
    return "×".join(map(str, shape)) or "scalar"


def names_in(frame: FrameType | None, given: Any) -> tuple[dict[int, str], dict[int, str]]:
    """Names of tensors and of their arrays, by id: those given, else the caller's variables."""
    found: dict[int, Tensor] = {}
    names: dict[int, str] = {}

    def note(x: Any, name: str, late: bool = True) -> None:
        if isinstance(x, Tensor) and (late or id(x) not in names):
            found[id(x)], names[id(x)] = x, name

    for scope in () if frame is None else (frame.f_globals, frame.f_locals):
        for name, value in list(scope.items()):
            if name.startswith("_"):
                continue
            note(value, name)
            if hasattr(value, "named_parameters") and not isinstance(value, type):
                for path, parameter in value.named_parameters():
                    note(parameter, f"{name}.{path}", False)
    if hasattr(given, "named_parameters"):
        given = dict(given.named_parameters())
    for name, x in (given or {}).items():
        note(x, name)
    return names, {id(x._array): names[key] for key, x in found.items()}


def tensors_in(value: Any) -> list[Tensor]:
    """All tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, (tuple, list)):
        return []
    return [x for one in value for x in tensors_in(one)]


class GraphPicture:
    """A drawing of a graph: shows itself in notebooks; `svg()`, `dot()`, `mermaid()`, `save()`.

    `boxes` and `edges` are what is drawn, `layout` is where.
    """

    def __init__(self, boxes: list[Box], edges: list[tuple[int, int, str]], total: int) -> None:
        self.boxes, self.edges, self.total = boxes, edges, total
        self._layout: Layout | None = None

    @property
    def layout(self) -> Layout:
        """The places of boxes and edges, worked out on first use."""
        if self._layout is None:
            pairs = [(a, b) for a, b, _ in self.edges]
            self._layout = Layout([box.size for box in self.boxes], pairs)
        return self._layout

    def svg(self) -> str:
        """The picture as SVG: light or dark as the reader's system is."""
        return as_svg(self)

    _repr_svg_ = svg

    def dot(self) -> str:
        """The same boxes and edges in Graphviz's language."""
        return as_dot(self)

    def mermaid(self) -> str:
        """The same boxes and edges as a Mermaid flowchart, for Markdown files."""
        return as_mermaid(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to `path`; its ending chooses the language: .svg, .dot or .gv, .mmd or .mermaid."""
        ending = os.path.splitext(os.fspath(path))[1].lower()
        writers = {
            ".svg": self.svg, ".dot": self.dot, ".gv": self.dot, ".mmd": self.mermaid,
            ".mermaid": self.mermaid,
        }  # fmt: skip
        if ending not in writers:
            raise ValueError(f"{ending!r} is none of the endings {', '.join(writers)}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(writers[ending]())

    def __repr__(self) -> str:
        return f"<picture of {self.total} operations: {len(self.boxes)} boxes, .svg() shows it>"


def graph_picture(
    value: Any, *inputs: Any, names: Any = None, limit: int = 60, depth: int | None = None
) -> GraphPicture:
    """The computation graph of tensors, or of a module or function called with `inputs`.

    Inputs are at the top, results at the bottom. A graph of more than `limit` operations is folded:
    layers become boxes, which are opened level by level while there is room (at most `depth`
    levels), repetitions become `12 × (...)`. Layers are known when `value` is a module or function,
    or was computed inside `record_lines()`.

    value: a tensor, several in a tuple, list or dict, a module or function, or a traced graph.
    names: a module or a mapping name -> tensor; else the caller's variables.
    Raises TypeError for anything else, and RuntimeError for tensors without history.

    >>> import rushlight as torch
    >>> w, b = torch.ones(3, requires_grad=True), torch.zeros(1, requires_grad=True)
    >>> x = torch.ones(3)
    >>> picture = torch.graph_picture((w * x).sum() + b)
    >>> [box.title for box in picture.boxes]
    ['Mul', 'Sum', 'Add', 'w', 'x', 'b', 'result']
    >>> picture.svg()[:4]
    '<svg'
    """
    frame = sys._getframe(1)
    if hasattr(value, "nodes") and hasattr(value, "outputs"):
        return _of_traced(value, limit)
    outputs = tensors_in(value)
    if not outputs and callable(value):
        outputs, own = _call(value, inputs)
        names = names or (value if hasattr(value, "named_parameters") else None)
    elif not outputs:
        raise TypeError(
            f"graph_picture() draws tensors, modules and functions, not {type(value).__name__}"
        )
    else:
        own = {}
    if all(x._entry is None for x in outputs):
        raise RuntimeError(
            "there is no graph to draw: no tensor that led here has requires_grad=True"
        )
    known, arrays = names_in(frame, names)
    tape = Tape(outputs, {**known, **own}, arrays, own)
    return _draw(tape, limit, depth)


def _call(function: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[list[Tensor], dict]:
    """The results of a call whose every step is recorded, and names for its inputs."""
    own, given = {}, []
    for place, x in enumerate(inputs):
        if isinstance(x, Tensor) and x._entry is None and x.dtype.is_floating_point:
            x = x.detach().requires_grad_()
        if isinstance(x, Tensor):
            own[id(x)] = "input" if len(inputs) == 1 else f"input {place}"
        given.append(x)
    with record_lines(), enable_grad():
        found = tensors_in(function(*given))
    if not found:
        raise TypeError("graph_picture(): the call gave no tensor")
    return found, own


def _draw(tape: Tape, limit: int, depth: int | None) -> GraphPicture:
    entries = tape.entries
    titles = [title_of(entry) for entry in entries]
    signs = [(title, entry[SHAPE]) for title, entry in zip(titles, entries)]
    parts = parts_by_module(titles, signs, [module_of(entry) for entry in entries])
    shown = fold(parts, limit, depth)
    boxes, edges = boxes_and_edges(tape, shown, describe=lambda step: _describe(entries[step]))
    return GraphPicture(boxes, edges, len(entries))


def _describe(entry: Entry) -> tuple[str, str]:
    """(shape, what a reader sees on pointing at the box)."""
    shape = shape_text(entry[SHAPE])
    more = [node_name(entry), f"result {shape}"]
    params = [p for p in entry[PARAMS] if isinstance(p, (int, float, str, tuple, bool))]
    if params:
        more.append("parameters " + ", ".join(map(repr, params))[:80])
    if line_of(entry):
        more.append(f"at {line_of(entry)}")
    return shape, "\n".join(more)


def _of_traced(graph: Any, limit: int) -> GraphPicture:
    """A `compile` or `sym` graph: nodes with `op`, `inputs`, `shape` and perhaps `module`."""
    nodes = [node for node in graph.nodes if node.op not in ("input", "constant")]
    nodes = [node for node in nodes if _maker(node) is node]
    signs = [(node.op, node.shape) for node in nodes]
    modules = [getattr(node, "module", "") for node in nodes]
    titles = [str(node.params[0]) if node.op == "loop" else node.op for node in nodes]
    parts = parts_by_module(titles, signs, modules)
    for part in parts:
        if part.step >= 0 and nodes[part.step].op == "loop":
            part.kind = "loop"
    shown = fold(parts, limit)

    owner = {step: i for i, part in enumerate(shown) for step in part.steps()}
    kinds = ["repeat" if part.kind == "loop" else part.kind for part in shown]
    boxes = [
        Box(kind, part.title, (shape_text(nodes[part.steps()[-1]].shape),), "")
        for kind, part in zip(kinds, shown)
    ]
    box_of = {id(node): owner[step] for step, node in enumerate(nodes)}
    return GraphPicture(boxes, _traced_edges(nodes, box_of, boxes), len(nodes))


def _traced_edges(
    nodes: list[Any], box_of: dict[int, int], boxes: list[Box]
) -> list[tuple[int, int, str]]:
    """The edges between boxes; inputs and constants get boxes of their own when first read."""
    edges: dict[tuple[int, int], str] = {}
    for node in nodes:
        end = box_of[id(node)]
        for x in map(_maker, node.inputs):
            if id(x) not in box_of:
                box_of[id(x)] = len(boxes)
                kind = "leaf" if x.op == "input" else "constant"
                boxes.append(Box(kind, x.op, (shape_text(x.shape),), ""))
            if box_of[id(x)] != end:
                edges[box_of[id(x)], end] = ""
    return [(start, end, label) for (start, end), label in edges.items()]


def _maker(node: Any) -> Any:
    """The loop that a node is a result of, or the node itself."""
    found = node
    while found.op == "output_of":
        found = found.inputs[0]
    return found if found.op == "loop" else node
