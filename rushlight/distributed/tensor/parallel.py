"""Layers whose weights are spread over processes: each computes its part of the output.

A column-wise layer followed by a row-wise one needs one sum over processes forward and one
backward. A style makes DTensors of a layer's parameters, and lays its inputs and outputs.

Sources: Shoeybi et al. 2019, https://arxiv.org/abs/1909.08053;
https://docs.pytorch.org/docs/stable/distributed.tensor.parallel.html
"""

from __future__ import annotations

import contextlib
import fnmatch
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import rushlight as rl

from ...core.names import explain_missing as _explain_missing
from ..device_mesh import whole_mesh
from .dispatching import IMPLICIT
from .dtensor import DTensor
from .making import distribute_module, distribute_tensor
from .placements import Placement, Replicate, Shard

__all__ = [
    "ColwiseParallel", "ParallelStyle", "PrepareModuleInput", "PrepareModuleInputOutput",
    "PrepareModuleOutput", "RowwiseParallel", "SequenceParallel", "loss_parallel",
    "parallelize_module",
]  # fmt: skip
__path__: list[str] = []  # torch has modules below it, whose names are found here


class ParallelStyle(ABC):
    """How one module is split: `_apply(module, mesh)` does it and returns the module."""

    src_data_rank: int | None = 0

    @abstractmethod
    def _apply(self, module: Any, device_mesh: Any) -> Any: ...

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={getattr(self, name)}" for name in self._said)
        return f"{type(self).__name__}({said})"

    _said: tuple[str, ...] = ()


def _laid(x: Any, mesh: Any, now: Any, then: Any, features: int | None = None) -> Any:
    """A part (or tensor in parts) that lies in one way, in another; what is no tensor as it is.

    `features` says how long the last dimension is as a whole: parts of it may differ in length.
    """
    if not isinstance(x, rl.Tensor):
        return x
    if not isinstance(x, DTensor):
        cut = isinstance(now[0], Shard) and now[0].dim in (-1, x.dim() - 1)
        shape = (*x.shape[:-1], features) if cut and features is not None else None
        x = DTensor.from_local(x, mesh, now, shape=shape)
    return x if then is None else x.redistribute(mesh, then)


def _split(module: Any, cuts: dict[str, Placement], mesh: Any, source: int | None) -> None:
    """Make DTensors of a module's own parameters."""
    for name, weight in list(module.named_parameters(recurse=False)):
        placement = cuts.get(name, Replicate())
        part = distribute_tensor(weight, mesh, [placement], src_data_rank=source)
        module.register_parameter(name, rl.nn.Parameter(part, weight.requires_grad))


class _Layer(ParallelStyle):
    """A Linear or Embedding: which parameters are cut, and what inputs it computes on."""

    _said = ("input_layouts", "output_layouts", "use_local_output")
    cuts: dict[Any, tuple[dict[str, Placement], Placement]] = {}

    def __init__(self, input_layouts: Any, output_layouts: Any, use_local_output: bool) -> None:
        self.input_layouts, self.output_layouts = (input_layouts,), (output_layouts,)
        self.use_local_output = use_local_output

    def _apply(self, module: Any, device_mesh: Any) -> Any:
        kind = next((one for one in self.cuts if isinstance(module, one)), None)
        if kind is None:
            raise NotImplementedError(
                f"{type(self).__name__} currently only support nn.Linear and nn.Embedding!"
            )
        cuts, wanted = self.cuts[kind]

        def partition(name: str, part: Any, mesh: Any) -> None:
            _split(part, cuts, mesh, self.src_data_rank)

        def taken(part: Any, inputs: Any, mesh: Any) -> Any:
            features = part.weight.shape[1] if isinstance(part, rl.nn.Linear) else None
            x = _laid(inputs[0], mesh, self.input_layouts, (wanted,), features)
            return (x, *inputs[1:])

        def given(part: Any, output: Any, mesh: Any) -> Any:
            output = output.redistribute(mesh, self.output_layouts)
            return output.to_local() if self.use_local_output else output

        return distribute_module(module, device_mesh, partition, taken, given)


class ColwiseParallel(_Layer):
    """Each process computes some of the output features (of an Embedding: some entries).

    By default inputs are whole and outputs stay in parts, for a row-wise layer to take.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.tensor.parallel import ColwiseParallel, parallelize_module
    >>> layer, mesh = torch.nn.Linear(2, 4), dist.init_device_mesh("cpu", (1,))
    >>> parallelize_module(layer, mesh, ColwiseParallel()).weight.placements
    (Shard(dim=0),)
    >>> dist.destroy_process_group()
    """

    cuts = {
        rl.nn.Linear: ({"weight": Shard(0), "bias": Shard(0)}, Replicate()),
        rl.nn.Embedding: ({"weight": Shard(1)}, Replicate()),
    }

    def __init__(
        self, *, input_layouts: Placement | None = None, output_layouts: Placement | None = None,
        use_local_output: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(input_layouts or Replicate(), output_layouts or Shard(-1),
                         use_local_output)  # fmt: skip


class RowwiseParallel(_Layer):
    """Each process takes some of the input features (of an Embedding: has some vectors).

    By default inputs are in parts along their last dimension, and outputs are whole. An Embedding
    takes whole inputs: say `input_layouts=Replicate()`.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.tensor.parallel import RowwiseParallel, parallelize_module
    >>> layer, mesh = torch.nn.Linear(2, 4), dist.init_device_mesh("cpu", (1,))
    >>> parallelize_module(layer, mesh, RowwiseParallel()).weight.placements
    (Shard(dim=1),)
    >>> dist.destroy_process_group()
    """

    cuts = {
        rl.nn.Linear: ({"weight": Shard(1)}, Shard(-1)),
        rl.nn.Embedding: ({"weight": Shard(0)}, Replicate()),
    }

    def __init__(
        self, *, input_layouts: Placement | None = None, output_layouts: Placement | None = None,
        use_local_output: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(input_layouts or Shard(-1), output_layouts or Replicate(),
                         use_local_output)  # fmt: skip


class SequenceParallel(ParallelStyle):
    """A norm or dropout on a part of the sequence; its parameters are the same everywhere.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.tensor.parallel import SequenceParallel, parallelize_module
    >>> layer = torch.nn.LayerNorm(4)
    >>> mesh = dist.init_device_mesh("cpu", (1,))
    >>> parallelize_module(layer, mesh, SequenceParallel())(torch.zeros(1, 3, 4)).placements
    (Shard(dim=1),)
    >>> dist.destroy_process_group()
    """

    _said = ("sequence_dim", "use_local_output")

    def __init__(self, *, sequence_dim: int = 1, use_local_output: bool = False) -> None:
        self.sequence_dim, self.use_local_output = sequence_dim, use_local_output

    def _apply(self, module: Any, device_mesh: Any) -> Any:
        lie = (Shard(self.sequence_dim),)

        def partition(name: str, part: Any, mesh: Any) -> None:
            _split(part, {}, mesh, self.src_data_rank)

        def taken(part: Any, inputs: Any, mesh: Any) -> Any:
            return (_laid(inputs[0], mesh, lie, lie), *inputs[1:])

        def given(part: Any, output: Any, mesh: Any) -> Any:
            return output.to_local() if self.use_local_output else output

        return distribute_module(module, device_mesh, partition, taken, given)


def _several(layouts: Any) -> tuple[Any, ...] | None:
    return layouts if layouts is None or isinstance(layouts, tuple) else (layouts,)


class PrepareModuleInput(ParallelStyle):
    """Lay a module's inputs: each lies as `input_layouts` says, and shall as `desired_...` does.

    None leaves an input as it is. With `use_local_output` the module gets plain parts.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.tensor import Replicate, Shard
    >>> from rushlight.distributed.tensor.parallel import PrepareModuleInput, parallelize_module
    >>> style = PrepareModuleInput(input_layouts=Shard(0), desired_input_layouts=Replicate())
    >>> layer = parallelize_module(torch.nn.ReLU(), dist.init_device_mesh("cpu", (1,)), style)
    >>> layer(torch.ones(2)).placements
    (Replicate(),)
    >>> dist.destroy_process_group()
    """

    _said = ("input_layouts", "desired_input_layouts", "input_kwarg_layouts",
             "desired_input_kwarg_layouts", "use_local_output")  # fmt: skip

    def __init__(
        self, *, input_layouts: Any = None, desired_input_layouts: Any = None,
        input_kwarg_layouts: dict[str, Placement] | None = None,
        desired_input_kwarg_layouts: dict[str, Placement] | None = None,
        use_local_output: bool = False,
    ) -> None:  # fmt: skip
        self.input_layouts = _several(input_layouts)
        self.desired_input_layouts = _several(desired_input_layouts)
        self.input_kwarg_layouts = input_kwarg_layouts or {}
        self.desired_input_kwarg_layouts = desired_input_kwarg_layouts or {}
        self.use_local_output = use_local_output
        now, then = self.input_layouts, self.desired_input_layouts
        if now is not None and then is None:
            raise AssertionError("desired module inputs should not be None!")
        if now is not None and then is not None and len(now) != len(then):
            raise AssertionError("input_layouts and desired_input_layouts should have same length!")

    def _one(self, x: Any, mesh: Any, now: Any, then: Any) -> Any:
        if now is None or not isinstance(x, rl.Tensor):
            return x
        x = _laid(x, mesh, (now,), None if then is None else (then,))
        return x.to_local() if self.use_local_output else x

    def _apply(self, module: Any, device_mesh: Any) -> Any:
        def before(part: Any, inputs: Any, named: Any) -> Any:
            if self.input_layouts is not None:
                if len(inputs) != len(self.input_layouts):
                    raise ValueError("module inputs and input_layouts should have same length!")
                rows = zip(inputs, self.input_layouts, self.desired_input_layouts or ())
                inputs = tuple(self._one(x, device_mesh, now, then) for x, now, then in rows)
            laid = {name: self._one(x, device_mesh, self.input_kwarg_layouts.get(name),
                                    self.desired_input_kwarg_layouts.get(name))
                    for name, x in named.items()}  # fmt: skip
            return inputs, laid

        module.register_forward_pre_hook(before, with_kwargs=True)
        return module


class PrepareModuleOutput(ParallelStyle):
    """Lay a module's outputs: each lies as `output_layouts` says, and shall as `desired_...`.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.tensor import Replicate
    >>> from rushlight.distributed.tensor.parallel import PrepareModuleOutput, parallelize_module
    >>> style = PrepareModuleOutput(output_layouts=Replicate(), desired_output_layouts=Replicate())
    >>> layer = parallelize_module(torch.nn.ReLU(), dist.init_device_mesh("cpu", (1,)), style)
    >>> layer(torch.ones(2))
    tensor([1., 1.])
    >>> dist.destroy_process_group()
    """

    _said = ("output_layouts", "desired_output_layouts", "use_local_output")

    def __init__(
        self, *, output_layouts: Any, desired_output_layouts: Any, use_local_output: bool = True
    ) -> None:
        self.output_layouts = _several(output_layouts) or ()
        self.desired_output_layouts = _several(desired_output_layouts) or ()
        self.use_local_output = use_local_output
        if len(self.output_layouts) != len(self.desired_output_layouts):
            raise AssertionError(
                "output_layouts and desired_output_layouts should have same length!"
            )

    def _apply(self, module: Any, device_mesh: Any) -> Any:
        def after(part: Any, inputs: Any, outputs: Any) -> Any:
            several = outputs if isinstance(outputs, tuple) else (outputs,)
            if len(several) != len(self.output_layouts):
                raise ValueError("module outputs and output_layouts should have same length!")
            found = []
            for x, now, then in zip(several, self.output_layouts, self.desired_output_layouts):
                if now is not None:
                    x = _laid(x, device_mesh, (now,), (then,))
                    x = x.to_local() if self.use_local_output else x
                found.append(x)
            return tuple(found) if isinstance(outputs, tuple) else found[0]

        module.register_forward_hook(after)
        return module


class PrepareModuleInputOutput(ParallelStyle):
    """PrepareModuleInput and PrepareModuleOutput in one.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.tensor import Replicate, Shard
    >>> from rushlight.distributed.tensor import parallel
    >>> style = parallel.PrepareModuleInputOutput(
    ...     input_layouts=Shard(0), desired_input_layouts=Replicate(),
    ...     output_layouts=Replicate(), desired_output_layouts=Shard(0), use_local_output=False,
    ... )
    >>> mesh = dist.init_device_mesh("cpu", (1,))
    >>> layer = parallel.parallelize_module(torch.nn.ReLU(), mesh, style)
    >>> layer(torch.ones(2)).placements
    (Shard(dim=0),)
    >>> dist.destroy_process_group()
    """

    def __init__(
        self, *, input_layouts: Any = None, desired_input_layouts: Any = None,
        input_kwarg_layouts: Any = None, desired_input_kwarg_layouts: Any = None,
        use_local_input: bool = False, output_layouts: Any, desired_output_layouts: Any,
        use_local_output: bool = True,
    ) -> None:  # fmt: skip
        self.prepare_module_input = PrepareModuleInput(
            input_layouts=input_layouts, desired_input_layouts=desired_input_layouts,
            input_kwarg_layouts=input_kwarg_layouts,
            desired_input_kwarg_layouts=desired_input_kwarg_layouts,
            use_local_output=use_local_input,
        )  # fmt: skip
        self.prepare_module_output = PrepareModuleOutput(
            output_layouts=output_layouts, desired_output_layouts=desired_output_layouts,
            use_local_output=use_local_output,
        )  # fmt: skip

    def _apply(self, module: Any, device_mesh: Any) -> Any:
        self.prepare_module_input._apply(module, device_mesh)
        return self.prepare_module_output._apply(module, device_mesh)

    def __repr__(self) -> str:
        first, second = repr(self.prepare_module_input), repr(self.prepare_module_output)
        taken = first.partition("(")[2][:-1].replace("use_local_output", "use_local_input")
        return f"{type(self).__name__}({taken}, {second.partition('(')[2]}"


@contextlib.contextmanager
def loss_parallel() -> Iterator[None]:
    """A block in which `cross_entropy` takes scores in parts, with plain labels.

    The scores are gathered for it, and their gradient is cut again.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.tensor import Shard, distribute_tensor
    >>> from rushlight.distributed.tensor.parallel import loss_parallel
    >>> mesh = dist.init_device_mesh("cpu", (1,))
    >>> scores = distribute_tensor(torch.zeros(3, 4), mesh, [Shard(1)])
    >>> with loss_parallel():
    ...     loss = torch.nn.functional.cross_entropy(scores, torch.tensor([0, 1, 2]))
    >>> loss.full_tensor()
    tensor(1.3863)
    >>> dist.destroy_process_group()
    """
    before, IMPLICIT[0] = IMPLICIT[0], True
    try:
        yield
    finally:
        IMPLICIT[0] = before


def parallelize_module(
    module: Any, device_mesh: Any = None, parallelize_plan: Any = None, *,
    src_data_rank: int | None = 0,
) -> Any:  # fmt: skip
    """Split layers of a module over a mesh of one dimension, in place, and return it.

    `parallelize_plan` is a style, for the module itself, or a dictionary of the names of modules in
    it, which may have `*` and `?` in their parts, and styles. Weights are those of the first
    process; with `src_data_rank=None` every process takes its part of its own.
    Raises NotImplementedError for a layer that is no Linear or Embedding, TypeError for other
    plans.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.tensor import parallel
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    >>> mesh = dist.init_device_mesh("cpu", (1,))
    >>> plan = {"0": parallel.ColwiseParallel(), "2": parallel.RowwiseParallel()}
    >>> net = parallel.parallelize_module(net, mesh, plan)
    >>> net[0].weight.placements, net[2].weight.placements
    ((Shard(dim=0),), (Shard(dim=1),))
    >>> dist.destroy_process_group()
    """
    mesh = whole_mesh() if device_mesh is None else device_mesh
    if parallelize_plan is None:
        warnings.warn(
            "No parallelize_plan is provided and auto-parallel is not supported at the moment, so"
            " this parallelize_module call will do nothing.",
            stacklevel=2,
        )
        return module
    if isinstance(parallelize_plan, ParallelStyle):
        parallelize_plan.src_data_rank = src_data_rank
        return parallelize_plan._apply(module, mesh)
    if not isinstance(parallelize_plan, dict):
        raise TypeError(
            "Expect Union[ParallelStyle, Dict[str, ParallelStyle]] for parallelize_plan,"
            f" {type(parallelize_plan)} found!"
        )
    for pattern, style in parallelize_plan.items():
        found = _named(module, pattern)
        if not found:
            warnings.warn(
                f"Parallelize plan key '{pattern}' could not be resolved: no submodule matching"
                f" {pattern!r}; skipping this plan entry.",
                stacklevel=2,
            )
        for part in found:
            parallelize_module(part, mesh, style, src_data_rank=src_data_rank)
    return module


def _named(module: Any, pattern: str) -> list[Any]:
    parts = pattern.split(".")
    return [
        part for name, part in list(module.named_modules())
        if len(names := name.split(".")) == len(parts)
        and all(map(fnmatch.fnmatchcase, names, parts))
    ]  # fmt: skip


_explain_missing(__name__)
