"""`export`: trace a model, say what its inputs are, and check that the graph does the same."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import rushlight as rl

from .._dynamo.exc import TorchDynamoException, UserError, UserErrorType
from ..core.size_formulas import Dynamic
from ..core.trees import flatten, unflatten
from .joining import Join, resized
from .program import ExportedProgram, argument, paths, plain
from .recurrent import recurrent_forwards
from .shapes import found_dynamics
from .signature import ExportGraphSignature, InputKind, InputSpec, OutputKind, OutputSpec
from .tracing import Recorder


def export(
    mod: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, *,
    dynamic_shapes: Any = None, strict: bool = False, preserve_module_call_signature: Any = (),
    prefer_deferred_runtime_asserts_over_guards: bool = False,
) -> ExportedProgram:  # fmt: skip
    """The model as one graph of torch's operators, in the mode (train or eval) that it is in.

    args, kwargs: an example call; plain values among them become part of the program.
    dynamic_shapes: which dimensions may have other sizes, per argument: {"x": {0: Dim("batch")}},
    or a tuple in the arguments' order. The model is traced at two sizes of each, and the numbers
    that differ must follow the sizes by a formula. strict: only the class of the error for code
    that asks for values. The result is compared with the model before it is given out.
    Raises: GuardOnDataDependentSymNode or Unsupported where the code asks for a tensor's value,
    Unsupported for what has no operator of torch's here, each with the line; UserError for
    arguments that do not fit.
    Source: https://docs.pytorch.org/docs/stable/export.html

    >>> import rushlight as torch
    >>> program = torch.export.export(torch.nn.Linear(3, 2), (torch.ones(4, 3),))
    >>> print(program.graph_module.code.strip())
    def forward(self, p_weight, p_bias, input):
        input_1 = input
        linear = torch.ops.aten.linear.default(input_1, p_weight, p_bias);  input_1 = p_weight = \
p_bias = None
        return (linear,)
    >>> program.module()(torch.ones(4, 3)).shape
    torch.Size([4, 2])
    """
    if not isinstance(mod, rl.nn.Module):
        raise ValueError(f"Expected `mod` to be an instance of `torch.nn.Module`, got {type(mod)}.")
    if not isinstance(args, tuple):
        raise UserError(
            UserErrorType.INVALID_INPUT,
            f"Expecting `args` to be a tuple of example positional inputs, got {type(args)}",
        )
    return _Export(mod, args, dict(kwargs or {}), dynamic_shapes, strict).program()


def export_for_training(mod: Any, args: tuple[Any, ...], kwargs: Any = None, **others: Any) -> Any:
    """`export` under the name that it had for a while.

    >>> import rushlight as torch
    >>> program = torch.export.export_for_training(torch.nn.ReLU(), (torch.ones(2),))
    >>> program.module()(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return export(mod, args, kwargs, **others)


@contextlib.contextmanager
def _as_before(mod: Any) -> Iterator[None]:
    """A block after which buffers, gradients' absence and random numbers are what they were."""
    held = {name: x.detach().clone() for name, x in mod.named_buffers()}
    versions = {name: x._version for name, x in mod.named_buffers()}
    try:
        with rl.random.fork_rng():
            yield
    finally:
        with rl.no_grad():
            for name, x in mod.named_buffers():
                if name in held and x._version != versions[name]:
                    x.copy_(held[name])


class _Export:
    """One model on its way."""

    def __init__(self, mod: Any, args: Any, kwargs: Any, wanted: Any, strict: bool) -> None:
        self.mod, self.strict = mod, strict
        bound = inspect.signature(mod.forward).bind(*args, **kwargs)
        self.names = self._named(bound, args, kwargs)
        self.example = (args, kwargs)
        self.leaves, self.in_spec = flatten(self.example)
        self.dynamics = found_dynamics(self.names, (*args, *kwargs.values()), self.leaves, wanted)

    @staticmethod
    def _named(bound: Any, args: Any, kwargs: Any) -> list[str]:
        """The name of each argument; those of `*args` are numbered."""
        names: list[str] = []
        for name, value in bound.arguments.items():
            kind = bound.signature.parameters[name].kind
            if kind is kind.VAR_POSITIONAL:
                names += [f"{name}_{place}" for place in range(len(value))]
            elif kind is not kind.VAR_KEYWORD and name not in kwargs:
                names.append(name)
        return [*names, *kwargs]

    # --- tracing

    def _sizes(self) -> tuple[Dynamic, dict[str, int]]:
        tried: dict[str, tuple[int, int]] = {}
        for (place, dim), symbol in self.dynamics.symbols.items():
            low, high = self.dynamics.ranges[symbol]
            size = min(max(self.leaves[place].shape[dim], low), high)
            tried.setdefault(symbol, (size, size + 1 if size < high else size - 1))
        return Dynamic(tried), {name: one for name, (one, _) in tried.items()}

    def _at(self, sizes: dict[str, int]) -> list[Any]:
        """The inputs at given sizes."""
        found = list(self.leaves)
        for (place, dim), symbol in self.dynamics.symbols.items():
            found[place] = resized(found[place], dim, sizes[symbol])
        return found

    def _tried(self, sizes: dict[str, int], place: int) -> tuple[Recorder, list[Any], Any]:
        """A trace at given sizes; those of the example come first."""
        try:
            return self._recorded(self._at(sizes))
        except RuntimeError as error:
            if place == 0 or isinstance(error, TorchDynamoException):
                raise
            raise UserError(
                UserErrorType.CONSTRAINT_VIOLATION,
                f"Constraints violated: the model fails at sizes {sizes} ({error}). Give"
                " dimensions that must be equal the same Dim, and keep those that must not change.",
            ) from error

    def _recorded(self, leaves: list[Any]) -> tuple[Recorder, list[Any], Any]:
        """A trace: the recorder, the results flat, and their form."""
        copies = {id(x): x.detach().clone().requires_grad_(x.requires_grad)
                  for x in leaves if isinstance(x, rl.Tensor)}  # fmt: skip
        leaves = [copies.get(id(x), x) for x in leaves]
        rec = Recorder(self.strict)
        for name, _, x in self._owned():
            node = rec.placeholder(name, x)
            if id(x) not in rec.known:
                rec.learn(x, node)
        rec.attributes = self._attributes()
        for name, x in zip(self._input_names(), leaves):
            node = rec.placeholder(name, x)
            rec.inputs.append(node)
            if isinstance(x, rl.Tensor):
                rec.learn(x, node)
        args, kwargs = unflatten(leaves, self.in_spec)
        with _as_before(self.mod), recurrent_forwards(self.mod, rec), rec:
            result = self.mod(*args, **kwargs)
        found, spec = flatten(result)
        outputs = tuple(self._output(rec, x) for x in found)
        rec.graph.output(outputs)
        return rec, found, spec

    @staticmethod
    def _output(rec: Recorder, value: Any) -> Any:
        if isinstance(value, rl.Tensor):
            return rec.node_of(value)
        if plain(value):
            return value
        raise UserError(
            UserErrorType.INVALID_OUTPUT,
            f"It looks like one of the outputs with type `{type(value)}` is not supported or"
            " pytree-flattenable. \nExported graphs outputs can only contain the following"
            " supported types: tensors, numbers, strings and None.",
        )

    def _owned(self) -> list[tuple[str, str, Any]]:
        """Name, kind and value of the model's own tensors; tied ones have a name each."""
        taken: set[str] = set()
        found = [(_owned_name("p", name, taken), "p", x)
                 for name, x in self.mod.named_parameters(remove_duplicate=False)]  # fmt: skip
        return found + [(_owned_name("b", name, taken), "b", x)
                        for name, x in self.mod.named_buffers(remove_duplicate=False)]  # fmt: skip

    def _attributes(self) -> dict[int, str]:
        """Tensors that layers hold as plain attributes, by identity: their dotted names."""
        return {
            id(x): f"{path}.{name}".lstrip(".")
            for path, part in self.mod.named_modules() for name, x in vars(part).items()
            if isinstance(x, rl.Tensor)
        }  # fmt: skip

    def _input_names(self) -> list[str]:
        return [_joined(path) for path in paths(self.example, self.names)]

    # --- the program

    def program(self) -> ExportedProgram:
        """The whole."""
        sizes, _ = self._sizes()
        traces = [self._tried(dict(zip(sizes.tried, corner)), place)
                  for place, corner in enumerate(sizes.corners)]  # fmt: skip
        rec, found, out_spec = traces[0]
        if sizes.tried:
            inputs = [node for node in rec.graph.nodes if node.op == "placeholder"]
            inputs = inputs[len(inputs) - len(self.leaves) :]
            homes: dict[str, Any] = {}
            for (place, dim), symbol in self.dynamics.symbols.items():
                homes.setdefault(symbol, (inputs[place], dim))
            join = Join([one[0] for one in traces], sizes, homes)
            join.run()
            for node, shape in join.shown.items():
                node.meta["shape"] = shape
        return self._checked(self._assembled(rec, found, out_spec), sizes)

    def _assembled(self, rec: Recorder, found: list[Any], out_spec: Any) -> ExportedProgram:
        specs: list[InputSpec] = []
        lasting = set(self.mod.state_dict(keep_vars=True))
        state = dict(self.mod.state_dict(keep_vars=True))
        constants = {name: x for name, x in self.mod.named_buffers() if name not in lasting}
        owned = iter([name for name, _ in self.mod.named_parameters(remove_duplicate=False)])
        buffers = iter([name for name, _ in self.mod.named_buffers(remove_duplicate=False)])
        nodes = [node for node in rec.graph.nodes if node.op == "placeholder"]
        count = len(self._owned())
        for place, node in enumerate(nodes):
            arg = argument(node.name, node.meta["val"])
            if place < count and node.target[:2] == "p_":
                specs.append(InputSpec(InputKind.PARAMETER, arg, next(owned)))
            elif place < count:
                name = next(buffers)
                specs.append(InputSpec(InputKind.BUFFER, arg, name, name in lasting))
            elif node.target in rec.constants:
                target, value = rec.constants[node.target]
                constants[target] = value
                specs.append(InputSpec(InputKind.CONSTANT_TENSOR, arg, target))
            else:
                specs.append(InputSpec(InputKind.USER_INPUT, arg, None))
        _without_values(rec.graph)
        results = rec.graph.output_node().args[0]
        outputs = [OutputSpec(OutputKind.USER_OUTPUT, argument(str(node), x), None)
                   for node, x in zip(results, found)]  # fmt: skip
        return ExportedProgram(
            rec.graph, ExportGraphSignature(specs, outputs), state, constants,
            (self.in_spec, out_spec), self.example, self.dynamics, self.names,
        )  # fmt: skip

    def _checked(self, program: ExportedProgram, sizes: Dynamic) -> ExportedProgram:
        """The program, once it has done what the model does, at sizes not traced too."""
        further = {}
        for symbol, tried in sizes.tried.items():
            low, high = self.dynamics.ranges[symbol]
            further[symbol] = next(n for n in (max(tried) + 2, min(tried) - 1, tried[0])
                                    if low <= n <= high)  # fmt: skip
        module = program.module()
        for chosen in ({name: one[0] for name, one in sizes.tried.items()}, further):
            results = [self._results(called, chosen) for called in (self.mod, module)]
            if not all(_same(*pair) for pair in zip(*results, strict=True)):
                raise UserError(
                    UserErrorType.ANTI_PATTERN,
                    f"the graph does not give what the model gives, at sizes {chosen or 'as'}"
                    " given: the model does something that no operator in it says",
                )
        return program

    def _results(self, called: Any, sizes: dict[str, int]) -> list[Any]:
        """What the model, or the program, gives for fresh arguments of these sizes."""
        fresh = [x.detach().clone() if isinstance(x, rl.Tensor) else x for x in self._at(sizes)]
        args, kwargs = unflatten(fresh, self.in_spec)
        with _as_before(self.mod), rl.no_grad():
            return flatten(called(*args, **kwargs))[0]


def _same(one: Any, other: Any) -> bool:
    """Whether a program gives what the model gave: equal, or nearly so in numbers."""
    if isinstance(one, rl.Tensor):
        return one.shape == other.shape and rl.allclose(one, other, 1e-4, 1e-5, equal_nan=True)
    return plain(one) and one == other


def _without_values(graph: Any) -> None:
    """Nodes keep the sizes and types of what they gave in the trace, not the numbers."""
    for node in graph.nodes:
        value = node.meta.pop("val", None)
        if isinstance(value, rl.Tensor):
            node.meta["val"] = rl.empty(value.shape, dtype=value.dtype, device="meta")


def _owned_name(kind: str, path: str, taken: set[str]) -> str:
    """A tensor's path in the model as a name that no other has."""
    plain = name = f"{kind}_{re.sub(r'[^0-9a-zA-Z]', '_', path.removeprefix('self_'))}"
    count = 0
    while name in taken:
        count += 1
        name = f"{plain}_{count}"
    taken.add(name)
    return name


def _joined(name: str) -> str:
    """A dotted or indexed name as one word."""
    return re.sub(r"[\W_]+", "_", name).strip("_")
