"""Splits tensors inside containers into parts, and joins them again."""

from __future__ import annotations

from typing import Any

import rushlight as rl


def scatter(inputs: Any, target_gpus: Any, dim: int = 0) -> Any:
    """Split every tensor in `inputs` into one part for each target.

    >>> import rushlight as torch
    >>> torch.nn.parallel.scatter(torch.arange(4), ["cpu", "cpu"])
    (tensor([0, 1]), tensor([2, 3]))
    """
    count = len(target_gpus)
    if isinstance(inputs, rl.Tensor):
        return tuple(inputs.chunk(count, dim))
    if isinstance(inputs, dict):
        split = {key: scatter(value, target_gpus, dim) for key, value in inputs.items()}
        return [{key: parts[i] for key, parts in split.items()} for i in range(count)]
    if isinstance(inputs, (list, tuple)) and inputs:
        parts = zip(*[scatter(value, target_gpus, dim) for value in inputs])
        return [type(inputs)(part) for part in parts]
    return [inputs] * count


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """Put the parts that scatter made together again.

    >>> import rushlight as torch
    >>> torch.nn.parallel.gather([torch.tensor([0, 1]), torch.tensor([2, 3])], "cpu")
    tensor([0, 1, 2, 3])
    """
    return rl.cat(list(outputs), dim)
