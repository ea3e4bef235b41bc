"""DataParallel and its helpers on a machine without GPUs: everything passes through."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ..core.errors import fail
from .module import Module


class DataParallel(Module):
    """A wrapper that splits batches over GPUs; without any it calls `module` itself."""

    def __init__(
        self, module: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.dim = dim
        self.module = module
        self.device_ids: list[int] = []
        self.output_device = output_device

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """A wrapper for one of several processes: none can be made, for there is no group of them.

    Programs ask whether a module is one.
    """

    def __init__(self, module: Any, *args: Any, **kwargs: Any) -> None:
        raise fail(
            ValueError,
            "Default process group has not been initialized, please make sure to call "
            "init_process_group.",
            "rushlight computes in one process: use the module itself",
        )


def data_parallel(
    module: Any,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: Any = None,
) -> Any:
    """Call `module` on `inputs`."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*inputs, **(module_kwargs or {}))


def scatter(inputs: Any, target_gpus: Any, dim: int = 0) -> Any:
    """Split every tensor in `inputs` into one part for each target."""
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
    """Put the parts that scatter made together again."""
    return rl.cat(list(outputs), dim)


def replicate(network: Any, devices: Any, detach: bool = False) -> list[Any]:
    """One network for each device: the same one, for there is one device."""
    return [network for _ in devices]
