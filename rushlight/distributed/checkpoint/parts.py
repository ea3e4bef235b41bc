"""Sharded states in files: each process writes its parts, and reads what it needs.

A folder holds a file for each process. It can be read by another number of processes, and into
tensors that lie in another way. The format is rushlight's own.

Source: https://docs.pytorch.org/docs/stable/distributed.checkpoint.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rushlight as rl

from ...core.errors import fail
from ..tensor.dtensor import DTensor
from ..tensor.placements import Replicate, Shard, part_of

dist: Any = rl.distributed
Key = tuple[Any, ...]


def bounds_of(value: Any) -> list[tuple[int, int]]:
    """Where this process's part begins and ends along each dimension."""
    bounds = [(0, size) for size in value.shape]
    for dim, placement in enumerate(value.placements):
        if isinstance(placement, Shard):
            low, high = bounds[placement.dim]
            begin, end = part_of(high - low, value.mesh.size(dim), value.mesh.get_coordinate()[dim])
            bounds[placement.dim] = low + begin, low + end
    return bounds


def region(value: Any) -> list[tuple[int, int]] | None:
    """Which part of the whole this process writes; None if another one has the same."""
    here = value.mesh.get_coordinate()
    if any(here[dim] and not isinstance(p, Shard) for dim, p in enumerate(value.placements)):
        return None
    return bounds_of(value)


def flat(state: Any, key: Key = ()) -> dict[Key, Any]:
    """A nested state by the ways to its values."""
    if not isinstance(state, dict):
        return {key: state}
    return {k: v for name, one in state.items() for k, v in flat(one, (*key, name)).items()}


def _rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def write(state: dict[str, Any], folder: Any) -> None:
    """Write a state; all processes call it. What is no tensor in parts is written by rank 0."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    mine: dict[Key, Any] = {}
    for key, one in flat(state).items():
        if isinstance(one, DTensor):
            laid = one.detach()
            if any(p.is_partial() for p in laid.placements):
                laid = laid.redistribute(placements=[Replicate()] * len(laid.placements))
            bounds = region(laid._array)
            if bounds is not None:
                mine[key] = {"part": laid.to_local().clone(), "bounds": bounds}
        elif not _rank():
            mine[key] = {"whole": one}
    target = place / f"__{_rank()}_0.distcp"
    if not _rank():
        for old in place.glob("__*_0.distcp"):  # of a run with more processes
            old.unlink()
    if dist.is_initialized():
        dist.barrier()
    rl.save(mine, target)
    if dist.is_initialized():
        dist.barrier()


def read(state: dict[str, Any], folder: Any) -> None:
    """Fill a state, in place, from what `write` wrote; all processes call it.

    Raises FileNotFoundError where nothing was written, RuntimeError for a key that is not there.
    """
    files = sorted(Path(folder).glob("__*_0.distcp"))
    if not files:
        raise FileNotFoundError(f"there is no checkpoint in {folder}")
    left = dict.fromkeys(flat(state), 0)
    for file in files:
        found = rl.load(file, weights_only=False)
        for key in left:
            if key in found:
                left[key] += _filled(state, key, found[key])
    for key, count in left.items():
        if not count and not _empty(_at(state, key)):
            name = ".".join(map(str, key))
            raise fail(RuntimeError, f"Missing key in checkpoint state_dict: {name}.")


def _empty(value: Any) -> bool:
    return isinstance(value, DTensor) and not value._array.local.size


def _at(state: Any, key: Key) -> Any:
    for name in key:
        state = state[name]
    return state


def _filled(state: Any, key: Key, found: dict[str, Any]) -> int:
    """Write what a file has of a value where it belongs; whether it had anything."""
    target = _at(state, key)
    if not isinstance(target, rl.Tensor):
        if "whole" in found:
            _at(state, key[:-1])[key[-1]] = found["whole"]
        return 1
    if isinstance(target, DTensor):
        into, bounds = target.detach().to_local(), bounds_of(target._array)
    else:
        into, bounds = target.detach(), [(0, size) for size in target.shape]
    part = found["whole"] if "whole" in found else found["part"]
    if isinstance(part, DTensor):
        part = part.full_tensor()
    lies = found.get("bounds") or [(0, size) for size in part.shape]
    both = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(bounds, lies)]
    if any(low >= high for low, high in both):
        return 0
    here = tuple(slice(low - a, high - a) for (low, high), (a, _) in zip(both, bounds))
    there = tuple(slice(low - a, high - a) for (low, high), (a, _) in zip(both, lies))
    with rl.no_grad():
        into[here] = part[there].to(into.dtype)
    return 1
