"""A batch in parts, and outputs of parts as one.

Source: https://docs.pytorch.org/docs/stable/distributed.pipelining.html
"""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...core.names import explain_missing as _explain_missing

__all__ = ["TensorChunkSpec", "merge_chunks", "split_args_kwargs_into_chunks"]
_package: Any = rl
tree = _package.utils._pytree


class TensorChunkSpec:
    """Split (or join) a tensor along this dimension.

    >>> from rushlight.distributed.pipelining.microbatch import TensorChunkSpec
    >>> print(TensorChunkSpec(1))
    TensorChunkSpec(1)
    """

    def __init__(self, split_dim: int) -> None:
        self.split_dim = split_dim

    def __repr__(self) -> str:
        return f"{type(self).__module__}.{type(self).__name__}({self.split_dim})"

    def __str__(self) -> str:
        return f"TensorChunkSpec({self.split_dim})"

    @staticmethod
    def from_tuple(chunk_dims: tuple[int, ...]) -> tuple[TensorChunkSpec, ...]:
        """One for each dimension."""
        return tuple(TensorChunkSpec(dim) for dim in chunk_dims)

    @staticmethod
    def from_dict(chunk_dims: dict[str, int]) -> dict[str, TensorChunkSpec]:
        """One for each name."""
        return {name: TensorChunkSpec(dim) for name, dim in chunk_dims.items()}


class _Replicate:
    """Every part gets all of it."""


def _cut(value: Any, spec: Any, count: int) -> list[Any]:
    """A value for each part: tensors are cut, other things as they are."""
    if not isinstance(value, rl.Tensor) or isinstance(spec, _Replicate):
        return [value] * count
    dim = spec.split_dim if isinstance(spec, TensorChunkSpec) else 0
    if not value.dim() or value.shape[dim] < count:
        raise ValueError(
            f"a tensor of shape {tuple(value.shape)} cannot be split into {count} parts"
        )
    return list(value.tensor_split(count, dim))


def _pieces(value: Any, spec: Any, count: int) -> list[Any]:
    leaves, form = tree.tree_flatten(value)
    specs = [spec] * len(leaves)
    if not isinstance(spec, TensorChunkSpec | _Replicate | None):
        specs = tree.tree_leaves(spec)
    cut = [_cut(leaf, one, count) for leaf, one in zip(leaves, specs, strict=True)]
    return [tree.tree_unflatten([part[k] for part in cut], form) for k in range(count)]


def split_args_kwargs_into_chunks(
    args: tuple[Any, ...], kwargs: dict[str, Any] | None, chunks: int,
    args_chunk_spec: Any = None, kwargs_chunk_spec: Any = None,
) -> tuple[list[tuple[Any, ...]], list[dict[str, Any]]]:  # fmt: skip
    """The arguments of each part: tensors cut along dimension 0, or as the specs say.

    >>> import rushlight as torch
    >>> split_args_kwargs_into_chunks((torch.arange(4), 3), {}, 2)[0]
    [(tensor([0, 1]), 3), (tensor([2, 3]), 3)]
    """
    named = kwargs or {}
    specs = args_chunk_spec or (None,) * len(args)
    by_name = kwargs_chunk_spec or {}
    cut = [_pieces(value, spec, chunks) for value, spec in zip(args, specs, strict=True)]
    cut_named = {name: _pieces(value, by_name.get(name), chunks) for name, value in named.items()}
    return (
        [tuple(one[k] for one in cut) for k in range(chunks)],
        [{name: one[k] for name, one in cut_named.items()} for k in range(chunks)],
    )


def merge_chunks(chunks: list[Any], chunk_spec: Any = None) -> Any:
    """The outputs of all parts joined to the whole batch's, along dimension 0 or by the specs.

    chunk_spec: a `TensorChunkSpec` for each tensor, None for dimension 0.

    >>> import rushlight as torch
    >>> from rushlight.distributed.pipelining.microbatch import TensorChunkSpec, merge_chunks
    >>> merge_chunks([torch.tensor([[1], [2]]), torch.tensor([[3], [4]])], TensorChunkSpec(1))
    tensor([[1, 3],
            [2, 4]])
    """
    leaves = [tree.tree_flatten(one)[0] for one in chunks]
    form = tree.tree_flatten(chunks[0])[1]
    specs: list[Any] = [chunk_spec] * len(leaves[0])
    if not isinstance(chunk_spec, TensorChunkSpec | None):
        specs = tree.tree_leaves(chunk_spec)
    joined = [_joined(list(some), spec) for some, spec in zip(zip(*leaves), specs)]
    return tree.tree_unflatten(joined, form)


def _joined(parts: list[Any], spec: Any) -> Any:
    if not isinstance(parts[0], rl.Tensor):
        return parts[0]
    if not parts[0].dim():
        return rl.stack(parts)
    return rl.cat(parts, spec.split_dim if isinstance(spec, TensorChunkSpec) else 0)


_explain_missing(__name__)
