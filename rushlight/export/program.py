"""An exported model: its graph, what its inputs are, its tensors, and a module that runs it."""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from typing import Any

import rushlight as rl

from ..core.trees import flatten, unflatten
from ..fx.graph import Graph
from ..fx.graph_module import GraphModule
from ..fx.node import Node
from ..fx.source import Writer, last_uses
from .shapes import guards
from .signature import ConstantArgument, ExportGraphSignature, InputKind, TensorArgument

_KINDS = {
    "float32": "f32", "float64": "f64", "float16": "f16", "bfloat16": "bf16", "int64": "i64",
    "int32": "i32", "int16": "i16", "int8": "i8", "uint8": "u8", "bool": "b8", "complex64": "c64",
    "complex128": "c128",
}  # fmt: skip


class ExportedProgram:
    """What `export` gives: a graph of torch's operators that stands for a model.

    `module()` runs it; `graph_module`, `graph` and `graph_signature` are there to be read;
    `state_dict` has the parameters and buffers, `constants` the tensors that the code held.
    Source: https://docs.pytorch.org/docs/stable/export.html

    >>> import rushlight as torch
    >>> program = torch.export.export(torch.nn.ReLU(), (torch.ones(2),))
    >>> program.module()(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def __init__(
        self, graph: Graph, signature: ExportGraphSignature, state: dict[str, Any],
        constants: dict[str, Any], specs: tuple[Any, Any], example: Any, dynamics: Any,
        names: list[str],
    ) -> None:  # fmt: skip
        self._graph_module = GraphModule({}, graph)
        self._signature, self._state, self.constants = signature, state, constants
        self._in_spec, self._out_spec = specs
        self.example_inputs, self._dynamics, self._names = example, dynamics, names

    @property
    def graph_module(self) -> GraphModule:
        """The graph as a module that takes all inputs, parameters first."""
        return self._graph_module

    @property
    def graph(self) -> Graph:
        """The graph."""
        return self._graph_module.graph

    @property
    def graph_signature(self) -> ExportGraphSignature:
        """What each input and output is."""
        return self._signature

    @property
    def state_dict(self) -> dict[str, Any]:
        """Parameters and buffers by their dotted names."""
        return self._state

    @property
    def range_constraints(self) -> dict[str, tuple[int, int]]:
        """From where to where each dynamic size goes."""
        return dict(self._dynamics.ranges)

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """The parameters with their dotted names."""
        return ((name, self._state[name]) for name in self._signature.parameters)

    def parameters(self) -> Iterator[Any]:
        """The parameters."""
        return (x for _, x in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Any]]:
        """The buffers with their dotted names."""
        known = {**self.constants, **self._state}
        return ((name, known[name]) for name in self._signature.buffers)

    def buffers(self) -> Iterator[Any]:
        """The buffers."""
        return (x for _, x in self.named_buffers())

    def module(self, check_guards: bool = True) -> ExportedModule:
        """A module that is called as the model was, with the model's tensors as its own.

        Other sizes than the example's, but for dynamic ones, raise AssertionError.
        """
        return ExportedModule(self, check_guards)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Unable to call ExportedProgram directly. You should use `exported_program.module()`"
            " instead."
        )

    def __str__(self) -> str:
        code = "\n".join(f"    {line}" for line in readable(self.graph).splitlines())
        signature = str(self._signature).strip("\n")
        inner = "\n".join(f"    {line}" if line else "    " for line in signature.splitlines())
        ranges = ", ".join(
            f"{k}: VR[{low}, {'int_oo' if high == 2**63 - 1 else high}]"
            for k, (low, high) in self._dynamics.ranges.items()
        )
        return (
            f"ExportedProgram:\n{code}\n    \nGraph signature: \n{inner}\n    \n"
            f"Range constraints: {{{ranges}}}\n"
        )

    __repr__ = __str__


class ExportedModule(rl.nn.Module):
    """Runs an exported program: call it as the model."""

    def __init__(self, program: ExportedProgram, check: bool) -> None:
        super().__init__()
        self.__dict__["program"], self.__dict__["check"] = program, check
        signature = program.graph_signature
        for spec in signature.input_specs:
            if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER):
                _place(self, str(spec.target), self._found(spec), spec)
        self.__dict__["guards"] = self._guards()

    def _found(self, spec: Any) -> Any:
        known = self.program.state_dict
        return known[spec.target] if spec.target in known else self.program.constants[spec.target]

    def _guards(self) -> list[list[tuple[str, Any]]]:
        program = self.program
        leaves, _ = flatten(program.example_inputs)
        texts = paths(program.example_inputs, program._names)
        return [guards(text, k, x, program._dynamics)
                for k, (text, x) in enumerate(zip(texts, leaves))]  # fmt: skip

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the model's forward gives."""
        program = self.program
        wanted = list(program.example_inputs[1])
        if set(kwargs) == set(wanted):
            kwargs = {name: kwargs[name] for name in wanted}
        leaves, spec = flatten((args, kwargs))
        if spec != program._in_spec:
            raise ValueError(
                "Trying to flatten user inputs with exported input tree spec: \n"
                f"{program._in_spec}\nbut actually got inputs with tree spec of: \n{spec}.\nPlease"
                " check that the inputs have the same number and type of args and kwargs as the"
                " ones you used when tracing."
            )
        for value, known in zip(leaves, self.guards) if self.check else ():
            for text, holds in known:
                if not holds(value):
                    raise AssertionError(f"Guard failed: {text}")
        given = iter(leaves)
        values = [self._value(one, given) for one in program.graph_signature.input_specs]
        found = program.graph_module(*values)
        return unflatten(list(found), program._out_spec)

    def _value(self, spec: Any, given: Iterator[Any]) -> Any:
        if spec.kind is InputKind.USER_INPUT:
            return next(given)
        if spec.kind is InputKind.CONSTANT_TENSOR:
            return self.program.constants[spec.target]
        owner: Any = self
        for part in spec.target.split("."):
            owner = getattr(owner, part)
        return owner

    def train(self, mode: bool = True) -> Any:
        """Refused: what depends on the mode is written into the graph."""
        raise NotImplementedError("Calling train() is not supported yet.")

    def eval(self) -> Any:
        """Refused: what depends on the mode is written into the graph."""
        raise NotImplementedError("Calling eval() is not supported yet.")

    @property
    def graph(self) -> Graph:
        """The program's graph."""
        return self.program.graph

    @property
    def code(self) -> str:
        """The program's code."""
        return self.program.graph_module.code


def _place(owner: Any, target: str, value: Any, spec: Any) -> None:
    *path, last = target.split(".")
    for part in path:
        if part not in owner._modules:
            owner.add_module(part, rl.nn.Module())
        owner = owner._modules[part]
    if spec.kind is InputKind.PARAMETER:
        owner.register_parameter(last, value)
    else:
        owner.register_buffer(last, value, persistent=spec.persistent is not False)


def paths(inputs: Any, names: list[str]) -> list[str]:
    """How each leaf of (args, kwargs) is reached by the parameters' names: `d['a'][0]`."""
    args, kwargs = inputs
    found: list[str] = []

    def walk(value: Any, text: str) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                walk(part, f"{text}[{key!r}]")
        elif isinstance(value, (tuple, list)):
            for place, part in enumerate(value):
                walk(part, f"{text}[{place}]")
        else:
            found.append(text)

    for name, value in zip(names, (*args, *kwargs.values())):
        walk(value, name)
    return found


def _kind(node: Node) -> str:
    """`: "f32[2, 3]"` behind the name of a tensor."""
    value = node.meta.get("val")
    if "sym" in node.meta:
        return f': "Sym({node.meta["sym"]})"'
    if not isinstance(value, rl.Tensor):
        return ""
    kind = _KINDS.get(str(value.dtype).rpartition(".")[2], "?")
    shape = ", ".join(map(str, node.meta.get("shape", value.shape)))
    return f': "{kind}[{shape}]"'


def readable(graph: Graph) -> str:
    """The graph as the source of a class, with types and the lines that it came from."""
    writer, ends = Writer(graph, "self"), last_uses(graph)
    inputs = [f"{node.name}{_kind(node)}" for node in graph.nodes if node.op == "placeholder"]
    lines = [f"    def forward({', '.join(['self', *inputs])}):"]
    before: Any = None
    for node in graph.nodes:
        if node.op == "placeholder":
            continue
        place = node.meta.get("place")
        if place is not None and place != before:
            file, line, function = before = place
            code = linecache.getline(file, line).strip()
            gap = [""] if len(lines) > 1 else []
            lines += [*gap, f"        # File: {file}:{line} in {function}, code: {code}"]
        text = writer.step(node)
        if node.op != "output":
            text = text.replace(node.name, f"{node.name}{_kind(node)}", 1)
        done = "".join(f"{one.name} = " for one in ends.get(node, ()))
        lines.append(f"        {text}" + (f";  {done}None" if done else ""))
    return "\n".join(["class GraphModule(torch.nn.Module):", *lines])


def plain(value: Any) -> bool:
    """Whether a value may stand in a graph's output as it is."""
    return value is None or isinstance(value, (int, float, bool, str, complex))


def argument(name: str, value: Any) -> Any:
    """An input or output as the signature says it."""
    return TensorArgument(name) if isinstance(value, rl.Tensor) else ConstantArgument(name, value)
