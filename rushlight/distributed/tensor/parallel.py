"""Layers whose weights are spread over processes: each computes its part of the output.

A column-wise layer followed by a row-wise one needs one sum over processes forward and one
backward. All processes get the same inputs and compute the same loss.

Sources: Shoeybi et al. 2019, https://arxiv.org/abs/1909.08053;
https://docs.pytorch.org/docs/stable/distributed.tensor.parallel.html
"""

from __future__ import annotations

import fnmatch
import warnings
from typing import Any

import rushlight as rl

from ...core.errors import fail
from ...core.names import explain_missing as _explain_missing
from .placements import Placement, Replicate, Shard

__all__ = ["ColwiseParallel", "ParallelStyle", "RowwiseParallel", "parallelize_module"]
dist: Any = rl.distributed


class _Copied(rl.autograd.Function):
    """The same on all processes, whose gradients are parts of a sum."""

    @staticmethod
    def forward(ctx: Any, group: Any, x: Any) -> Any:
        ctx.group = group
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return None, _Summed.apply(ctx.group, g)


class _Summed(rl.autograd.Function):
    """The sum over processes, which all have the same gradient for."""

    @staticmethod
    def forward(ctx: Any, group: Any, x: Any) -> Any:
        ctx.group = group
        total = x.detach().clone().contiguous()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return None, _Copied.apply(ctx.group, g)


class _Cut(rl.autograd.Function):
    """This process's part of what all have."""

    @staticmethod
    def forward(ctx: Any, group: Any, dim: int, x: Any) -> Any:
        ctx.group, ctx.dim = group, dim
        return _part(x.detach(), dim, group).clone()

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return None, None, _Joined.apply(ctx.group, ctx.dim, g)


class _Joined(rl.autograd.Function):
    """The parts of all processes together."""

    @staticmethod
    def forward(ctx: Any, group: Any, dim: int, x: Any) -> Any:
        ctx.group, ctx.dim = group, dim
        x = x.detach().contiguous()
        parts = [rl.empty_like(x) for _ in range(dist.get_world_size(group))]
        dist.all_gather(parts, x, group=group)
        return rl.cat(parts, dim)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return None, None, _Cut.apply(ctx.group, ctx.dim, g)


def _part(x: Any, dim: int, group: Any) -> Any:
    size = dist.get_world_size(group)
    if x.shape[dim] % size:
        raise fail(
            ValueError,
            f"dimension {dim} of a tensor of shape {tuple(x.shape)} cannot be cut into {size} equal"
            " parts",
        )
    return x.chunk(size, dim)[dist.get_rank(group)]


def _laid(x: Any, have: Placement, want: Placement, group: Any) -> Any:
    """A tensor laid out in one way, in another."""
    if have == want:
        return x
    if isinstance(have, Shard):
        x = _Joined.apply(group, have.dim, x)
    return _Cut.apply(group, want.dim, x) if isinstance(want, Shard) else x


class _Parallel:
    """What a split layer knows besides: its group, and how it takes and gives tensors."""

    group: Any
    style: Any

    def __getstate__(self) -> Any:
        raise fail(
            RuntimeError,
            f"a {type(self).__name__} lives on several processes and cannot be copied or pickled",
            "save its state_dict(), on each process its own",
        )

    def taken(self, x: Any, want: Placement) -> Any:
        """The input, as this layer computes on it."""
        x = _laid(x, self.style.input_layouts, want, self.group)
        return _Copied.apply(self.group, x) if isinstance(want, Replicate) else x

    def given(self, y: Any, have: Placement) -> Any:
        """The output, as it is asked for."""
        return _laid(y, have, self.style.output_layouts, self.group)


class ColwiseLinear(_Parallel, rl.nn.Linear):
    """Some of the output features."""

    cuts = {"weight": 0, "bias": 0}

    def forward(self, x: Any) -> Any:
        y = rl.nn.functional.linear(self.taken(x, Replicate()), self.weight, self.bias)
        return self.given(y, Shard(-1))


class RowwiseLinear(_Parallel, rl.nn.Linear):
    """Some of the input features; a bias is added once, after the sum."""

    cuts = {"weight": 1}

    def forward(self, x: Any) -> Any:
        y = rl.nn.functional.linear(self.taken(x, Shard(-1)), self.weight)
        y = _Summed.apply(self.group, y)
        return self.given(y if self.bias is None else y + self.bias, Replicate())


class ColwiseEmbedding(_Parallel, rl.nn.Embedding):
    """Some of the entries of every vector."""

    cuts = {"weight": 1}

    def forward(self, x: Any) -> Any:
        found = _looked_up(self, _laid(x, self.style.input_layouts, Replicate(), self.group))
        return self.given(found, Shard(-1))


class RowwiseEmbedding(_Parallel, rl.nn.Embedding):
    """Some of the vectors; the others come as zeros, and the sum over processes has all."""

    cuts = {"weight": 0}

    def forward(self, x: Any) -> Any:
        x = _laid(x, self.style.input_layouts, Replicate(), self.group)
        if x.numel() and not 0 <= int(x.min()) <= int(x.max()) < self.num_embeddings:
            raise fail(IndexError, "index out of range in self")
        count = self.weight.shape[0]
        x = x - count * dist.get_rank(self.group)
        mine = (x >= 0) & (x < count)
        found = _looked_up(self, x.clamp(0, count - 1)) * mine.unsqueeze(-1)
        return self.given(_Summed.apply(self.group, found), Replicate())


def _looked_up(layer: Any, x: Any) -> Any:
    if layer.max_norm is not None or layer.padding_idx is not None:
        raise fail(NotImplementedError, "an embedding with max_norm or padding_idx cannot be split")
    return rl.nn.functional.embedding(x, layer.weight)


class ParallelStyle:
    """How one layer is split: ColwiseParallel or RowwiseParallel."""

    kinds: dict[Any, Any] = {}
    input_layouts: Placement
    output_layouts: Placement

    def __init__(
        self,
        *,
        input_layouts: Placement | None = None,
        output_layouts: Placement | None = None,
    ) -> None:
        self.input_layouts = input_layouts or type(self).input_layouts
        self.output_layouts = output_layouts or type(self).output_layouts

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(input_layouts={self.input_layouts},"
            f" output_layouts={self.output_layouts})"
        )

    def apply(self, module: Any, group: Any) -> Any:
        """Keep this process's part of the weights that rank 0 of the group has."""
        kind = self.kinds.get(type(module))
        if kind is None:
            raise NotImplementedError(
                f"{type(self).__name__} currently only support nn.Linear and nn.Embedding!"
            )
        for name, weight in list(module.named_parameters(recurse=False)):
            whole = weight.detach().clone()
            dist.broadcast(whole, dist.get_global_rank(group, 0), group=group)
            dim = kind.cuts.get(name)
            part = whole if dim is None else _part(whole, dim, group).clone()
            setattr(module, name, rl.nn.Parameter(part, weight.requires_grad))
        module.__class__, module.group, module.style = kind, group, self
        return module


class ColwiseParallel(ParallelStyle):
    """Each process computes some of the output features (of an Embedding: some entries).

    By default inputs are whole and outputs stay in parts, for a row-wise layer to take.
    """

    input_layouts, output_layouts = Replicate(), Shard(-1)
    kinds = {rl.nn.Linear: ColwiseLinear, rl.nn.Embedding: ColwiseEmbedding}


class RowwiseParallel(ParallelStyle):
    """Each process takes some of the input features (of an Embedding: has some vectors).

    By default a Linear takes inputs in parts, an Embedding whole ones; outputs are whole.
    """

    input_layouts, output_layouts = Shard(-1), Replicate()
    kinds = {rl.nn.Linear: RowwiseLinear, rl.nn.Embedding: RowwiseEmbedding}

    def apply(self, module: Any, group: Any) -> Any:
        """Keep this process's part of the weights."""
        if isinstance(module, rl.nn.Embedding) and self.input_layouts == Shard(-1):
            style = RowwiseParallel(output_layouts=self.output_layouts)
            style.input_layouts = Replicate()
            return ParallelStyle.apply(style, module, group)
        return super().apply(module, group)


def parallelize_module(module: Any, device_mesh: Any = None, parallelize_plan: Any = None) -> Any:
    """Split layers of a module over a mesh of one dimension, in place, and return it.

    `parallelize_plan` is a style, for a layer itself, or a dictionary of the layers' names, which
    may have `*` and `?` in their parts, and styles. Weights are those of the first process.
    Parameters become this process's parts, so `clip_grad_norm_` sees only those.
    Raises NotImplementedError for a layer that is no Linear or Embedding, ValueError for sizes that
    cannot be cut into equal parts, RuntimeError for a mesh of several dimensions.
    """
    if device_mesh is not None and device_mesh.ndim != 1:
        raise fail(
            RuntimeError,
            f"Tensor Parallel only accepts a 1D DeviceMesh, but found {device_mesh.ndim}D!",
            'give a part of it: device_mesh["tp"]',
        )
    group = dist.group.WORLD if device_mesh is None else device_mesh.get_group()
    if isinstance(parallelize_plan, ParallelStyle):
        return parallelize_plan.apply(module, group)
    for pattern, style in (parallelize_plan or {}).items():
        parts = pattern.split(".")
        found = [
            part for name, part in list(module.named_modules())
            if len(names := name.split(".")) == len(parts)
            and all(map(fnmatch.fnmatchcase, names, parts))
        ]  # fmt: skip
        if not found:
            warnings.warn(
                f"Parallelize plan key '{pattern}' could not be resolved: no submodule matching"
                f" {pattern!r}; skipping this plan entry.",
                stacklevel=2,
            )
        for part in found:
            style.apply(part, group)
    return module


_explain_missing(__name__)
