"""The steps of `torch.vmap`, looked up at each call: containers of tensors put theirs in the place.

A library whose containers know how to batch themselves assigns `_process_batched_inputs`,
`_create_batched_inputs` and `_unwrap_batched` here. Once this module is loaded, every vmap is made
of what stands here under those names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

from .._C._functorch import _add_batch_dim, _remove_batch_dim, level_of
from ..autograd import vmap as _own
from ..autograd.batched_draws import start_of_chunk
from ..autograd.levels import entered
from ..autograd.transforms import name_of as _get_name
from ..core.names import explain_missing as _explain_missing
from ..utils._pytree import _broadcast_to_and_flatten, tree_flatten, tree_unflatten

_explain_missing(__name__)
Tensor = rl.Tensor
Function = Callable[..., Any]


def _process_batched_inputs(
    in_dims: Any, args: Any, func: Function
) -> tuple[int, list[Any], list[Any], Any]:
    """The number of samples, the mapped dimension of each leaf, the leaves, and their structure."""
    leaves, dims, spec = _own.inputs_of(func, in_dims, args)
    ranks = [x.dim() if isinstance(x, Tensor) else 0 for x in leaves]
    dims = [dim + rank if dim is not None and dim < 0 else dim for dim, rank in zip(dims, ranks)]
    return _own.size_of(leaves, dims), dims, leaves, spec


def _create_batched_inputs(
    flat_in_dims: list[Any], flat_args: list[Any], vmap_level: int, args_spec: Any
) -> Any:
    """The arguments as the function sees them: each leaf as one of its samples."""
    made = [
        arg if dim is None else _add_batch_dim(arg, dim, vmap_level)
        for dim, arg in zip(flat_in_dims, flat_args)
    ]
    return tree_unflatten(made, args_spec)


def _maybe_remove_batch_dim(
    name: str, batched_output: Any, vmap_level: int, batch_size: int, out_dim: Any
) -> Any:
    """An output with its samples along `out_dim`; None leaves what is not batched as it is."""
    return _own.unbatch(level_of(vmap_level), batched_output, out_dim, name)


def _unwrap_batched(
    batched_outputs: Any, out_dims: Any, vmap_level: int, batch_size: int, func: Function
) -> Any:
    """The outputs with their samples along `out_dims`."""
    outputs, spec = tree_flatten(batched_outputs)
    places = _own.places_of(func, out_dims, batched_outputs, spec)
    name = _get_name(func)
    found = [
        _maybe_remove_batch_dim(name, y, vmap_level, batch_size, place)
        for y, place in zip(outputs, places, strict=True)
    ]
    return tree_unflatten(found, spec)


def _flat_vmap(
    func: Function, batch_size: int, flat_in_dims: list[Any], flat_args: list[Any], args_spec: Any,
    out_dims: Any, randomness: str, **kwargs: Any,
) -> Any:  # fmt: skip
    """One run of `func` for `batch_size` samples."""
    with entered("vmap", batch_size, randomness) as level:
        made = _create_batched_inputs(flat_in_dims, flat_args, level.depth, args_spec)
        result = func(*made, **kwargs)
        return _unwrap_batched(result, out_dims, level.depth, batch_size, func)


def vmap_impl(
    func: Function, in_dims: Any, out_dims: Any, randomness: str, chunk_size: int | None,
    *args: Any, **kwargs: Any,
) -> Any:  # fmt: skip
    """One call of a function batched by `vmap`, `chunk_size` samples at a time."""
    size, dims, leaves, spec = _process_batched_inputs(in_dims, args, func)

    def run(part: list[Any], length: int) -> Any:
        return _flat_vmap(func, length, dims, part, spec, out_dims, randomness, **kwargs)

    if chunk_size is None or size <= chunk_size:
        return run(leaves, size)
    found, start_draws = [], start_of_chunk(randomness)
    for start in range(0, size, chunk_size):
        length = min(chunk_size, size - start)
        part = [x if d is None else x.narrow(d, start, length) for x, d in zip(leaves, dims)]
        start_draws()
        found.append(run(part, length))
    return _joined(found, out_dims)


def _joined(found: list[Any], out_dims: Any) -> Any:
    """The outputs of all chunks along the dimensions of their samples."""
    columns, spec = zip(*(tree_flatten(one)[0] for one in found)), tree_flatten(found[0])[1]
    single = isinstance(out_dims, tuple) and len(out_dims) == 1 and spec.is_leaf()
    dims: Any = [out_dims[0]] if single else _broadcast_to_and_flatten(out_dims, spec)
    joined = [
        column[0] if dim is None else rl.cat(column, dim) for column, dim in zip(columns, dims)
    ]
    return tree_unflatten(joined, spec)


assert _remove_batch_dim  # reachable here, as in torch
_own.TAKEN_OVER[:] = [vmap_impl]
