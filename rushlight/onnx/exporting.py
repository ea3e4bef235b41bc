"""A model as an ONNX graph: traced, lowered to the compiler's core ops, and written op by op.

With dynamic dimensions the model is traced at two sizes of each; the graphs have to be alike, and
every number that differs between them has to follow the sizes by a formula (`sizes`).
"""

from __future__ import annotations

import enum
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..autograd.modes import no_grad
from ..compile.middle.foreign import has_hole
from ..compile.middle.graph import Node
from ..compile.middle.interpret import evaluate
from ..compile.middle.lowering import lower_one
from ..compile.tracing.capture import Captured, Uncompilable, capture
from ..compile.tracing.results import Container, Leaf, Result, alike, called_apart, flatten
from ..core.errors import fail
from ..core.size_formulas import Dynamic
from ..core.tensor import Tensor
from ..core.tensor import wrap as tensor
from ..serialize.atomic import replacing
from . import core_ops, whole_ops
from .errors import OnnxExporterError, UnsupportedOperatorError, refused
from .writer import Constant, Writer

_OLDEST, USUAL = 18, 18
_exporting = [False]


class TrainingMode(enum.Enum):
    """In which mode a model is traced.

    >>> import rushlight as torch
    >>> [mode.name for mode in torch.onnx.TrainingMode]
    ['EVAL', 'PRESERVE', 'TRAINING']
    """

    EVAL = 0
    PRESERVE = 1
    TRAINING = 2


def is_in_onnx_export() -> bool:
    """Whether a model is being traced for a file: models ask, to choose a simpler way.

    >>> import rushlight as torch
    >>> torch.onnx.is_in_onnx_export()
    False
    """
    return _exporting[0]


class ONNXProgram:
    """What `export` made: `model_proto` is the ONNX model, `save` writes it.

    >>> import rushlight as torch
    >>> program = torch.onnx.export(torch.nn.ReLU(), (torch.ones(2),))
    >>> [node.op_type for node in program.model_proto.graph.node]
    ['Relu']
    """

    def __init__(self, model_proto: Any, count: int) -> None:
        self.model_proto = model_proto
        self._count = count

    def save(self, destination: Any) -> None:
        """Write the model to a path or an open binary file."""
        data = self.model_proto.SerializeToString()
        if hasattr(destination, "write"):
            destination.write(data)
            return
        with replacing(destination) as stream:
            stream.write(data)

    def __call__(self, *args: Tensor) -> Any:
        """Run the model by onnx's reference evaluator: slow, for comparison."""
        import onnx.reference

        reference = onnx.reference.ReferenceEvaluator(self.model_proto)
        names = [one.name for one in self.model_proto.graph.input]
        given = {name: x.detach().cpu().numpy() for name, x in zip(names, args, strict=True)}
        found = tuple(tensor(np.asarray(y)) for y in reference.run(None, given))
        return found if self._count > 1 else found[0]


def export(
    model: Callable[..., Any], args: Any, f: Any = None, *,
    kwargs: dict[str, Any] | None = None, export_params: bool = True, verbose: bool | None = None,
    input_names: Sequence[str] | None = None, output_names: Sequence[str] | None = None,
    opset_version: int | None = None, dynamic_axes: Mapping[str, Any] | None = None,
    dynamic_shapes: Any = None, training: TrainingMode = TrainingMode.EVAL,
    do_constant_folding: bool = True, dynamo: bool = True, **others: Any,
) -> ONNXProgram:  # fmt: skip
    """Write a model as ONNX, for other runtimes to run.

    Arguments: `args` the tensors it is called with (a tensor or a tuple); `f` a path or binary
    file, None to write nothing; `input_names`, `output_names`; `dynamic_axes`, which dimensions of
    which input may have other sizes, `{"x": {0: "batch"}}` or `{"x": [0]}`; `dynamic_shapes`, the
    same for the arguments in order; `opset_version`, below 18 only where onnx can rewrite the model
    for it (else a warning says that it stays at 18). The rest is taken and ignored.
    Returns the program, whose `save` writes it too. Needs the extra `[onnx]`.
    Raises: OnnxExporterError where the model cannot be written, naming the op and the line.
    Source: https://docs.pytorch.org/docs/stable/onnx.html

    >>> import rushlight as torch
    >>> program = torch.onnx.export(torch.nn.Linear(3, 2), torch.ones(1, 3), input_names=["x"],
    ...                             dynamic_axes={"x": {0: "batch"}})
    >>> [node.op_type for node in program.model_proto.graph.node]
    ['Gemm']
    >>> program(torch.ones(5, 3)).shape
    torch.Size([5, 2])
    """
    onnx = _door()
    given = tuple(args) if isinstance(args, (tuple, list)) else (args,)
    leaves: list[Tensor] = []
    call = flatten((given, kwargs or {}), leaves)
    names = _input_names(model, call, len(leaves), input_names)
    axes = _axes(names, dynamic_axes, dynamic_shapes)
    exporter = Exporter(onnx, model, call, leaves, names, axes, training)
    opset = opset_version or USUAL
    program = exporter.program(output_names, max(opset, _OLDEST))
    if opset < _OLDEST:
        program.model_proto = _older(program.model_proto, opset)
    if f is not None:
        program.save(f)
    return program


def _older(model: Any, opset: int) -> Any:
    """The model for an older set of operators, or as it is where onnx cannot rewrite it."""
    import onnx.version_converter

    try:
        return onnx.version_converter.convert_version(model, opset)
    except Exception as error:  # the converter's errors are of many classes
        reason = str(error).rpartition(": ")[2]
        warnings.warn(
            f"The model could not be converted to opset_version {opset} ({reason}); "
            f"the opset version of the exported model is kept at {_OLDEST}.",
            stacklevel=3,
        )
        return model


def _door() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise fail(
            ModuleNotFoundError, "No module named 'onnx'", "pip install rushlight[onnx] brings it"
        ) from error
    return onnx


def _input_names(
    model: Any, call: tuple[Any, dict[str, Any]], count: int, wanted: Sequence[str] | None
) -> list[str]:
    """A name for every tensor among the arguments: the parameter's, or the wanted one."""
    try:
        known = list(inspect.signature(getattr(model, "forward", model)).parameters)
    except (TypeError, ValueError):
        known = []
    names = [f"x{place}" for place in range(count)]
    positional = [(known[k] if k < len(known) else "", x) for k, x in enumerate(call[0])]
    for name, x in (*positional, *call[1].items()):
        if isinstance(x, Leaf) and name:
            names[x.index] = name
    names[: len(wanted or ())] = list(wanted or ())[:count]
    return names


def _axes(names: list[str], by_name: Any, by_order: Any) -> dict[tuple[int, int], str]:
    """The name of every dynamic dimension: of (argument, dimension)."""
    found: dict[tuple[int, int], str] = {}
    if by_order is not None:
        if isinstance(by_order, (tuple, list)):
            by_order = dict(zip(names, by_order))
        by_name = {**(by_name or {}), **by_order}
    for name, dims in (by_name or {}).items():
        if name not in names or not dims:
            continue
        if not isinstance(dims, Mapping):
            dims = {dim: f"{name}_dim_{dim}" for dim in dims if isinstance(dim, int)}
        for dim, label in dims.items():
            label = getattr(label, "__name__", label)
            found[names.index(name), dim] = label if type(label) is str else f"{name}_dim_{dim}"
    return found


class Exporter:
    """One model on its way: traced at every combination of sizes, then written in lockstep."""

    def __init__(
        self, onnx: Any, model: Any, call: Any, given: list[Tensor], names: list[str],
        axes: dict[tuple[int, int], str], training: TrainingMode,
    ) -> None:  # fmt: skip
        self.names, self.axes, self.given, self.call = names, axes, given, call
        tried: dict[str, tuple[int, int]] = {}
        where: dict[str, tuple[str, int]] = {}
        for (place, dim), label in axes.items():
            size = max(given[place].shape[dim], 2)
            tried.setdefault(label, (size, size + 1))
            where.setdefault(label, (names[place], dim))
        self.dynamic = Dynamic(tried)
        self.w = Writer(onnx, self.dynamic, where)
        with _mode(model, training), no_grad():
            self.captured = [self._traced(model, corner) for corner in self.dynamic.corners]
        self.w.users = self.captured[0].graph.users()
        self.values: dict[Node, Any] = {}
        self.renamed: dict[str, str] = {}  # what the results are called in the file
        self._give_inputs(model)

    def _traced(self, model: Any, corner: tuple[int, ...]) -> Captured:
        sizes = dict(zip(self.dynamic.tried, corner))
        given = list(self.given)
        for (place, dim), label in self.axes.items():
            given[place] = _resized(given[place], dim, sizes[label])
        args, kwargs = _filled(self.call, given)
        _exporting[0] = True
        try:
            _, found, _ = capture(called_apart, (model, *args), kwargs)
        finally:
            _exporting[0] = False
        if isinstance(found, Uncompilable):
            raise OnnxExporterError(f"the model is not one graph: {found}")
        return found

    def _give_inputs(self, model: Any) -> None:
        """Arguments by their names, the model's own tensors as constants under theirs."""
        named = getattr(model, "state_dict", dict)()
        own = {id(x._array) if isinstance(x, Tensor) else 0: name for name, x in named.items()}
        for sources in zip(*[one.sources for one in self.captured], strict=True):
            value: Any
            if sources[0].kind == "argument":
                value = self.names[sources[0].owner]
            else:
                name = own.get(id(sources[0].array), "")
                value = Constant([np.asarray(s.array) for s in sources], name)
            for source in sources:
                self.values[source.node] = value

    # -- writing

    def program(self, output_names: Sequence[str] | None, opset: int) -> ONNXProgram:
        """The whole model."""
        graphs = [one.graph for one in self.captured]
        if len({len(graph.nodes) for graph in graphs}) > 1:
            raise OnnxExporterError("the model does other things at other sizes")
        for nodes in zip(*[graph.nodes for graph in graphs]):
            if nodes[0] not in self.values:
                self._write(nodes)
        results = list(zip(*[_flat(one.results) for one in self.captured], strict=True))
        outputs = [self._output(one, k, output_names) for k, one in enumerate(results)]
        return ONNXProgram(self._model(outputs, opset), len(outputs))

    def _write(self, nodes: tuple[Node, ...]) -> None:
        """One captured op, at all sizes at once."""
        self.w.of = nodes[0]
        if len({node.op for node in nodes}) > 1:
            raise refused(OnnxExporterError, "the model does other things at other sizes", nodes[0])
        xs = [self.values[x] for x in nodes[0].inputs]
        found = self._value(nodes, xs)
        for node in nodes:
            self.values[node] = found

    def _value(self, nodes: tuple[Node, ...], xs: list[Any]) -> Any:
        first = nodes[0]
        if first.op == "output_of":
            if type(xs[0]) is tuple and xs[0][first.params[0]] is not None:
                return xs[0][first.params[0]]
            raise refused(UnsupportedOperatorError, f"{first.inputs[0].op} with places", first)
        if first.op == "draw":
            raise refused(
                UnsupportedOperatorError, "the model draws random numbers: call model.eval()", first
            )
        if all(type(x) is Constant for x in xs):
            return self._folded(nodes, xs)
        rule = whole_ops.TABLE.get(first.op)
        operands = [None if type(x) is Constant and x.arrays[0] is None else x for x in xs]
        made = rule(self.w, nodes, *operands) if rule and not has_hole(first.params) else None
        return self._lowered(nodes, xs) if made is None else made

    def _folded(self, nodes: tuple[Node, ...], xs: list[Constant]) -> Any:
        """A value that no argument has a part in."""
        found = [evaluate(node, [x.arrays[k] for x in xs]) for k, node in enumerate(nodes)]
        if type(found[0]) is tuple:
            return tuple(Constant(one) for one in zip(*found))
        return Constant(found)

    def _lowered(self, nodes: tuple[Node, ...], xs: list[Any]) -> Any:
        """The op in core ops, and those one by one."""
        fixed = [type(x) is Constant for x in xs]
        made = [one for node in nodes if (one := lower_one(node, fixed)) is not None]
        if len(made) < len(nodes):
            raise refused(
                UnsupportedOperatorError, f"{nodes[0].op} has no form in ONNX's operators", nodes[0]
            )
        known: dict[Node, Any] = {}
        for (inputs, _, _), node in zip(made, nodes):
            known.update(zip(inputs, [self.values[x] for x in node.inputs]))
        for steps in zip(*[steps for _, steps, _ in made], strict=True):
            self._step(steps, known)
        found = made[0][2]
        if type(found) is tuple:
            return tuple(None if one is None else known[one] for one in found)
        return known[found]

    def _step(self, steps: tuple[Node, ...], known: dict[Node, Any]) -> None:
        xs = [known[x] for x in steps[0].inputs]
        value: Any
        known_now = all(type(x) is Constant for x in xs)
        if known_now and (steps[0].op != "iota" or len({step.shape for step in steps}) == 1):
            value = self._folded(steps, xs)
        elif steps[0].op in core_ops.TABLE:
            value = core_ops.TABLE[steps[0].op](self.w, steps, *xs)
        else:
            value = core_ops.pointwise(self.w, steps, *xs)
        for step in steps:
            known[step] = value

    # -- the model around it

    def _output(self, results: Any, place: int, names: Sequence[str] | None) -> Any:
        """A result under its own name, with its type and shape."""
        nodes = [one.graph.outputs[r.index] for r, one in zip(results, self.captured)]
        name = names[place] if names and place < len(names) else f"output_{place}"
        value = self.values[nodes[0]]
        if not isinstance(value, str) or self.w.made(value) is None or value in self.renamed:
            value = self.w.op("Identity", value)  # an argument, a constant, or there already
        self.renamed[value] = name
        shape = [self._dimension(sizes) for sizes in zip(*[node.shape for node in nodes])]
        return self.w.onnx.helper.make_tensor_value_info(name, self.w.kind(nodes[0].dtype), shape)

    def _dimension(self, sizes: tuple[int, ...]) -> int | str:
        found = self.dynamic.fitted(sizes) or {}
        if set(found) <= {()}:
            return sizes[0]
        terms = [
            "*".join([*([str(factor)] if factor != 1 or not names else []), *names])
            for names, factor in sorted(found.items())
        ]
        return " + ".join(terms)

    def _model(self, outputs: list[Any], opset: int) -> Any:
        helper = self.w.onnx.helper
        inputs = []
        for place, (name, x) in enumerate(zip(self.names, self.given)):
            shape = [self.axes.get((place, dim), size) for dim, size in enumerate(x.shape)]
            kind = self.w.kind(np.asarray(x._array).dtype)
            inputs.append(helper.make_tensor_value_info(name, kind, shape))
        for node in self.w.nodes:
            node.input[:] = [self.renamed.get(name, name) for name in node.input]
            node.output[:] = [self.renamed.get(name, name) for name in node.output]
        used = {name for node in self.w.nodes for name in node.input}
        constants = [
            self.w.onnx.numpy_helper.from_array(array, name)
            for name, array in self.w.initializers.items()
            if name in used
        ]
        graph = helper.make_graph(self.w.nodes, "main_graph", inputs, outputs, constants)
        opsets = [helper.make_opsetid("", opset)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="rushlight")
        model.ir_version = min(model.ir_version, 10)  # which runtimes of today read
        self.w.onnx.checker.check_model(model)
        return model


class _mode:
    """The model in the mode that is asked for, and afterwards as it was."""

    def __init__(self, model: Any, training: TrainingMode) -> None:
        preserve = training is TrainingMode.PRESERVE or not hasattr(model, "modules")
        self.modules = [] if preserve else [(one, one.training) for one in model.modules()]
        self.model, self.training = model, training is TrainingMode.TRAINING

    def __enter__(self) -> None:
        if self.modules:
            self.model.train(self.training)

    def __exit__(self, *error: Any) -> None:
        for module, training in self.modules:
            module.training = training


def _resized(x: Tensor, dim: int, size: int) -> Tensor:
    """The tensor with another size of a dimension, by repeating what it holds."""
    array = np.take(np.asarray(x._array), np.arange(size) % x.shape[dim], dim)
    return tensor(array)


def _filled(value: Any, given: list[Tensor]) -> Any:
    """A call's arguments with tensors in the places of their numbers."""
    if isinstance(value, Leaf):
        return given[value.index]
    if isinstance(value, (tuple, list)):
        return alike(value, [_filled(part, given) for part in value])
    if type(value) is dict:
        return {key: _filled(part, given) for key, part in value.items()}
    return value


def _flat(results: Any) -> Iterator[Result]:
    """The tensors of a returned structure, in order."""
    if isinstance(results, Result):
        if results.kind != "value":
            yield results
    elif isinstance(results, Container):
        yield from _flat(results.parts)
    elif isinstance(results, dict):
        for part in results.values():
            yield from _flat(part)
    elif isinstance(results, (tuple, list)):
        for part in results:
            yield from _flat(part)
