"""The mean over processes, plain or sent in 16 bits.

Source: https://docs.pytorch.org/docs/stable/ddp_comm_hooks.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

from ....futures import Future

__all__ = [
    "GradBucket", "allreduce_hook", "bf16_compress_hook", "bf16_compress_wrapper",
    "fp16_compress_hook", "fp16_compress_wrapper", "noop_hook",
]  # fmt: skip
dist: Any = rl.distributed


class GradBucket:
    """What a communication hook is given: gradients of some parameters in one flat tensor.

    `buffer()` is that tensor, which `set_buffer` replaces; `gradients()` and `parameters()` are
    lists with one for each parameter, `index()` and `is_last()` its place among the buckets.

    >>> import rushlight as torch
    >>> bucket = torch.distributed.GradBucket(0, True, torch.ones(3), [torch.ones(3)], [])
    >>> bucket.buffer(), bucket.index(), bucket.is_last()
    (tensor([1., 1., 1.]), 0, True)
    """

    def __init__(
        self, index: int, last: bool, buffer: Any, gradients: Any, parameters: Any
    ) -> None:
        self._index, self._last, self._buffer = index, last, buffer
        self._gradients, self._parameters = list(gradients), list(parameters)

    def index(self) -> int:
        """The place among the buckets, which are summed in this order."""
        return self._index

    def is_last(self) -> bool:
        """Whether it is the last one of the pass."""
        return self._last

    def buffer(self) -> Any:
        """The flat tensor."""
        return self._buffer

    def set_buffer(self, buffer: Any) -> None:
        """Put another flat tensor in its place, for what follows in the hook."""
        self._buffer = buffer

    def gradients(self) -> list[Any]:
        """Views of the flat tensor, shaped as the parameters."""
        shapes = [parameter.shape for parameter in self._parameters]
        return [part.view(shape) for part, shape in zip(self._gradients, shapes)]

    def parameters(self) -> list[Any]:
        """The parameters."""
        return list(self._parameters)


def _mean(group: Any, tensor: Any) -> Any:
    """A future of the mean over processes, taken in the tensor's own memory."""
    tensor.div_(dist.get_world_size(group))  # first: a sum in 16 bits may overflow
    work = dist.all_reduce(tensor, group=group, async_op=True)
    return work.get_future().then(lambda done: done.value()[0])


def _into(buffer: Any) -> Callable[[Any], Any]:
    def unpack(done: Any) -> Any:
        return buffer.copy_(done.value())

    return unpack


def allreduce_hook(process_group: Any, bucket: Any) -> Any:
    """The mean, as without a hook. The state is the group; None is the whole one.

    >>> import rushlight as torch
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> net.register_comm_hook(None, allreduce_hook)
    >>> net(torch.ones(1, 2)).sum().backward()
    >>> net.module.weight.grad
    tensor([[1., 1.]])
    >>> dist.destroy_process_group()
    """
    return _mean(process_group, bucket.buffer())


def fp16_compress_hook(process_group: Any, bucket: Any) -> Any:
    """The mean of the gradients as float16: half the bytes, three digits.

    >>> import rushlight as torch
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks.default_hooks import fp16_compress_hook
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> bucket = dist.GradBucket(0, True, torch.tensor([0.1, 2.0]), [], [])
    >>> fp16_compress_hook(None, bucket).wait()
    tensor([0.1000, 2.0000])
    >>> dist.destroy_process_group()
    """
    buffer = bucket.buffer()
    return _mean(process_group, buffer.to(rl.float16)).then(_into(buffer))


def bf16_compress_hook(process_group: Any, bucket: Any) -> Any:
    """The mean of the gradients as bfloat16: half the bytes, two digits, the range of float32.

    >>> import rushlight as torch
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> bucket = dist.GradBucket(0, True, torch.tensor([0.1, 2.0]), [], [])
    >>> bf16_compress_hook(None, bucket).wait()
    tensor([0.1001, 2.0000])
    >>> dist.destroy_process_group()
    """
    buffer = bucket.buffer()
    return _mean(process_group, buffer.to(rl.bfloat16)).then(_into(buffer))


def noop_hook(_: Any, bucket: Any) -> Any:
    """The process's own gradients: nothing is sent."""
    future: Any = Future()
    future.set_result(bucket.buffer())
    return future


def _wrapper(hook: Callable[..., Any], dtype: Any) -> Callable[..., Any]:
    def wrapped(state: Any, bucket: Any) -> Any:
        buffer = bucket.buffer()
        bucket.set_buffer(buffer.to(dtype))
        return hook(state, bucket).then(_into(buffer))

    return wrapped


def fp16_compress_wrapper(hook: Callable[..., Any]) -> Callable[..., Any]:
    """The hook, given the gradients as float16.

    >>> import rushlight as torch
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import default_hooks
    >>> hook = default_hooks.fp16_compress_wrapper(default_hooks.noop_hook)
    >>> hook(None, torch.distributed.GradBucket(0, True, torch.tensor([0.1, 2.0]), [], [])).wait()
    tensor([0.1000, 2.0000])
    """
    return _wrapper(hook, rl.float16)


def bf16_compress_wrapper(hook: Callable[..., Any]) -> Callable[..., Any]:
    """The hook, given the gradients as bfloat16.

    >>> import rushlight as torch
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import default_hooks
    >>> hook = default_hooks.bf16_compress_wrapper(default_hooks.noop_hook)
    >>> hook(None, torch.distributed.GradBucket(0, True, torch.tensor([0.1, 2.0]), [], [])).wait()
    tensor([0.1001, 2.0000])
    """
    return _wrapper(hook, rl.bfloat16)
