"""Exported programs in files: data only, so that loading one runs nothing that the file says."""

from __future__ import annotations

import operator
from collections import OrderedDict
from typing import Any

import rushlight as rl

from .._ops import aten
from ..core.errors import fail
from ..core.trees import LEAF_SPEC, TreeSpec
from ..fx.graph import Graph
from ..fx.node import Node
from ..fx.source import is_name
from .program import ExportedProgram
from .schemas import table
from .shapes import Dynamics
from .signature import (
    ConstantArgument,
    ExportGraphSignature,
    InputKind,
    InputSpec,
    OutputKind,
    OutputSpec,
    TensorArgument,
)

_FORMAT = "rushlight.export.1"
_PLAIN = {"getitem": operator.getitem, "mul": operator.mul, "add": operator.add}
_TREES = {"tuple": tuple, "list": list, "dict": dict, "OrderedDict": OrderedDict}
_BESIDE = frozenset(("sym_size", "alias", "detach_", "__and__", "__or__", "__xor__"))


def save(ep: ExportedProgram, f: Any, *, extra_files: dict[str, Any] | None = None,
         opset_version: Any = None, pickle_protocol: int = 2) -> None:  # fmt: skip
    """Write an exported program to a path or an open binary file.

    The file has rushlight's own form, which torch does not read. `extra_files`: texts kept beside.
    Raises: TypeError for containers of classes of one's own among inputs or outputs.

    >>> import io
    >>> import rushlight as torch
    >>> program = torch.export.export(torch.nn.ReLU(), (torch.ones(2),))
    >>> file = io.BytesIO()
    >>> torch.export.save(program, file)
    >>> _ = file.seek(0)
    >>> torch.export.load(file).module()(-torch.ones(2))
    tensor([0., 0.])
    """
    if not isinstance(ep, ExportedProgram):
        raise TypeError(
            f"The 'ep' parameter must be an instance of 'ExportedProgram', got"
            f" '{type(ep).__name__}' instead."
        )
    signature, known = ep.graph_signature, ep._dynamics
    data = {
        "format": _FORMAT, "nodes": [_node(node) for node in ep.graph.nodes],
        "inputs": [[s.kind.name, _arg(s.arg), s.target, s.persistent]
                   for s in signature.input_specs],
        "outputs": [_arg(s.arg) for s in signature.output_specs],
        "state": {name: x.detach() for name, x in ep.state_dict.items()},
        "trained": [name for name, x in ep.state_dict.items() if x.requires_grad],
        "constants": dict(ep.constants), "in_spec": _tree(ep._in_spec),
        "out_spec": _tree(ep._out_spec), "example": _coded(ep.example_inputs),
        "symbols": [[*where, symbol] for where, symbol in known.symbols.items()],
        "ranges": {name: list(ends) for name, ends in known.ranges.items()},
        "names": ep._names, "extra": dict(extra_files or {}),
    }  # fmt: skip
    rl.save(data, f)


def load(f: Any, *, extra_files: dict[str, Any] | None = None,
         expected_opset_version: Any = None) -> ExportedProgram:  # fmt: skip
    """The program that `save` wrote; texts kept beside are put into `extra_files`, by name.

    Raises: RuntimeError for a file of another kind, or a damaged one.

    >>> import rushlight as torch
    >>> import io
    >>> file = io.BytesIO()
    >>> torch.export.save(torch.export.export(torch.nn.ReLU(), (torch.ones(2),)), file)
    >>> torch.export.load(io.BytesIO(file.getvalue())).module()(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    data = rl.load(f, weights_only=True)
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise fail(
            RuntimeError, "the file holds no exported program",
            "torch.export.save of this package writes them; files of torch are not read",
        )  # fmt: skip
    try:
        for name in extra_files or {}:
            extra_files[name] = data["extra"].get(name)  # type: ignore[index]  # not None: it is walked
        return _program(data)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise RuntimeError(f"a damaged exported program: {type(error).__name__}: {error}") from None


def _program(data: dict[str, Any]) -> ExportedProgram:
    graph, nodes = Graph(), {}
    for row in data["nodes"]:
        nodes[row["name"]] = _made(graph, row, nodes)
    state = {
        name: rl.nn.Parameter(x, name in data["trained"])
        if ["PARAMETER", name] in [[kind, target] for kind, _, target, _ in data["inputs"]]
        else x
        for name, x in data["state"].items()
    }
    known = Dynamics()
    known.symbols = {(place, dim): symbol for place, dim, symbol in data["symbols"]}
    known.ranges = {name: (low, high) for name, (low, high) in data["ranges"].items()}
    signature = ExportGraphSignature(
        [InputSpec(InputKind[kind], _read_arg(arg), target, lasting)
         for kind, arg, target, lasting in data["inputs"]],
        [OutputSpec(OutputKind.USER_OUTPUT, _read_arg(arg), None) for arg in data["outputs"]],
    )  # fmt: skip
    specs = _read_tree(data["in_spec"]), _read_tree(data["out_spec"])
    return ExportedProgram(
        graph, signature, state, data["constants"], specs, _decoded(data["example"], nodes), known,
        data["names"],
    )  # fmt: skip


def _arg(arg: Any) -> Any:
    constant = isinstance(arg, ConstantArgument)
    return [arg.name, constant, arg.value if constant else None]


def _read_arg(row: Any) -> Any:
    return ConstantArgument(row[0], row[2]) if row[1] else TensorArgument(row[0])


def _tree(spec: TreeSpec) -> Any:
    if spec.type is None:
        return None
    if spec.type.__name__ not in _TREES:
        raise TypeError(f"a container of class {spec.type.__name__} cannot be kept in a file")
    return [spec.type.__name__, spec.context, [_tree(one) for one in spec.children_specs]]


def _read_tree(row: Any) -> TreeSpec:
    if row is None:
        return LEAF_SPEC
    return TreeSpec(_TREES[row[0]], row[1], [_read_tree(one) for one in row[2]])


def _node(node: Node) -> dict[str, Any]:
    target = node.target
    if node.op == "call_function":
        plain = next((name for name, one in _PLAIN.items() if one is target), None)
        target = plain or str(target)
    meta = {key: node.meta[key] for key in ("sym", "shape", "place") if key in node.meta}
    value = node.meta.get("val")
    if isinstance(value, rl.Tensor):
        meta["kind"] = [list(value.shape), str(value.dtype).rpartition(".")[2]]
    return {
        "op": node.op, "name": node.name, "target": target, "args": _coded(node.args),
        "kwargs": _coded(node.kwargs), "meta": _coded(meta),
    }  # fmt: skip


def _made(graph: Graph, row: dict[str, Any], nodes: dict[str, Node]) -> Node:
    target = row["target"]
    if row["op"] == "call_function":
        target = _PLAIN[target] if target in _PLAIN else _operator(target)
    elif row["op"] not in ("placeholder", "output"):
        raise RuntimeError(f"a step of kind {row['op']} in the file")
    args, kwargs = _decoded(row["args"], nodes), _decoded(row["kwargs"], nodes)
    for name in (*kwargs, *([target] if row["op"] == "placeholder" else ())):
        if not is_name(name):  # it would be part of the graph's source
            raise RuntimeError(f"the file has {name!r} in a name's place")
    node = graph.create_node(row["op"], target, args, kwargs, row["name"])
    node.meta = _decoded(row["meta"], nodes)
    if "kind" in node.meta:
        shape, kind = node.meta.pop("kind")
        node.meta["val"] = rl.empty(shape, dtype=getattr(rl, kind), device="meta")
    return node


def _operator(text: str) -> Any:
    """The operator of that name, of those in the table alone."""
    root, name, form = text.split(".")
    known = name in _BESIDE or name in table() or name.removesuffix("_") in table()
    if root != "aten" or not known:
        raise RuntimeError(f"the file names {text}, which is no operator here")
    return getattr(getattr(aten, name), form)


def _coded(value: Any) -> Any:
    """Arguments as data: nodes, types and devices become marked lists."""
    if isinstance(value, Node):
        return ["node", value.name]
    if isinstance(value, (rl.dtype, rl.memory_format, rl.layout)):
        return ["name", str(value).rpartition(".")[2]]
    if isinstance(value, rl.device):
        return ["device", str(value)]
    if isinstance(value, tuple):
        return ["tuple", [_coded(one) for one in value]]
    if isinstance(value, list):
        return ["list", [_coded(one) for one in value]]
    if isinstance(value, dict):
        return ["dict", {key: _coded(one) for key, one in value.items()}]
    return value


def _decoded(value: Any, nodes: dict[str, Node]) -> Any:
    if not isinstance(value, list):
        return value
    kind, inner = value
    if kind == "node":
        return nodes[inner]
    if kind == "name":
        found = getattr(rl, inner)
        if not isinstance(found, (rl.dtype, rl.memory_format, rl.layout)):
            raise RuntimeError(f"the file names {inner} as a type")
        return found
    if kind == "device":
        return rl.device(inner)
    if kind == "dict":
        return {key: _decoded(one, nodes) for key, one in inner.items()}
    parts = [_decoded(one, nodes) for one in inner]
    return tuple(parts) if kind == "tuple" else parts
