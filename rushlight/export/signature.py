"""What the inputs and outputs of an exported graph are."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any


class InputKind(enum.Enum):
    """What an input is.

    >>> import rushlight as torch
    >>> program = torch.export.export(torch.nn.Linear(2, 3), (torch.ones(1, 2),))
    >>> program.graph_signature.input_specs[0].kind
    <InputKind.PARAMETER: 2>
    """

    USER_INPUT = 1
    PARAMETER = 2
    BUFFER = 3
    CONSTANT_TENSOR = 4


class OutputKind(enum.Enum):
    """What an output is.

    >>> import rushlight as torch
    >>> program = torch.export.export(torch.nn.Linear(2, 3), (torch.ones(1, 2),))
    >>> program.graph_signature.output_specs[0].kind
    <OutputKind.USER_OUTPUT: 1>
    """

    USER_OUTPUT = 1


@dataclass
class TensorArgument:
    """A tensor, by the name of its node.

    >>> import rushlight as torch
    >>> program = torch.export.export(torch.nn.Linear(2, 3), (torch.ones(1, 2),))
    >>> program.graph_signature.input_specs[0].arg
    TensorArgument(name='p_weight')
    """

    name: str


@dataclass
class ConstantArgument:
    """A plain value.

    >>> from rushlight.export.signature import ConstantArgument
    >>> ConstantArgument(name="dim", value=1)
    ConstantArgument(name='dim', value=1)
    """

    name: str
    value: Any


@dataclass
class InputSpec:
    """One input: its kind, its node, and the dotted name of a parameter or buffer.

    >>> import rushlight as torch
    >>> program = torch.export.export(torch.nn.Linear(2, 3), (torch.ones(1, 2),))
    >>> [(spec.kind.name, spec.target) for spec in program.graph_signature.input_specs]
    [('PARAMETER', 'weight'), ('PARAMETER', 'bias'), ('USER_INPUT', None)]
    """

    kind: InputKind
    arg: Any
    target: str | None
    persistent: bool | None = None

    def __str__(self) -> str:
        words = [f"{self.arg.name}: {self.kind.name}"]
        words += [] if self.target is None else [f"target='{self.target}'"]
        words += [] if self.persistent is None else [f"persistent={self.persistent}"]
        return " ".join(words)


@dataclass
class OutputSpec:
    """One output.

    >>> import rushlight as torch
    >>> program = torch.export.export(torch.nn.Linear(2, 3), (torch.ones(1, 2),))
    >>> print(program.graph_signature.output_specs[0])
    linear: USER_OUTPUT
    """

    kind: OutputKind
    arg: Any
    target: str | None

    def __str__(self) -> str:
        return f"{self.arg.name}: {self.kind.name}"


@dataclass
class ExportGraphSignature:
    """All inputs and outputs, in the order of the graph.

    Source: https://docs.pytorch.org/docs/stable/export.html

    >>> import rushlight as torch
    >>> program = torch.export.export(torch.nn.Linear(2, 3), (torch.ones(1, 2),))
    >>> program.graph_signature.parameters
    ('weight', 'bias')
    """

    input_specs: list[InputSpec]
    output_specs: list[OutputSpec]

    def _targets(self, kind: InputKind) -> tuple[str, ...]:
        return tuple(str(one.target) for one in self.input_specs if one.kind is kind)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The dotted names of the parameters."""
        return self._targets(InputKind.PARAMETER)

    @property
    def buffers(self) -> tuple[str, ...]:
        """The dotted names of the buffers."""
        return self._targets(InputKind.BUFFER)

    @property
    def user_inputs(self) -> tuple[Any, ...]:
        """The names of what the user passes; plain values as they are."""
        args = (one.arg for one in self.input_specs if one.kind is InputKind.USER_INPUT)
        return tuple(x.value if isinstance(x, ConstantArgument) else x.name for x in args)

    @property
    def user_outputs(self) -> tuple[Any, ...]:
        """The names of what the user gets; plain values as they are."""
        args = (one.arg for one in self.output_specs)
        return tuple(x.value if isinstance(x, ConstantArgument) else x.name for x in args)

    @property
    def inputs_to_parameters(self) -> dict[str, str]:
        """The dotted name of each parameter, by the name of its node."""
        return {s.arg.name: str(s.target) for s in self.input_specs
                if s.kind is InputKind.PARAMETER}  # fmt: skip

    @property
    def inputs_to_buffers(self) -> dict[str, str]:
        """The dotted name of each buffer, by the name of its node."""
        return {s.arg.name: str(s.target) for s in self.input_specs if s.kind is InputKind.BUFFER}

    def __str__(self) -> str:
        inputs = "\n".join(map(str, self.input_specs))
        outputs = "\n".join(map(str, self.output_specs))
        return f"\n# inputs\n{inputs}\n\n# outputs\n{outputs}\n"
