"""Collectives that carry gradients: results are new tensors, and backward is a collective too.

What is sent one way forward sends its gradient the other way, so all processes must run backward
through what they ran forward through. `group` None is the whole one; `src` and `dst` are ranks in
it all. Source: https://docs.pytorch.org/docs/stable/distributed.html
"""

from __future__ import annotations

from typing import Any

import rushlight as rl

__all__ = [
    "all_gather", "all_reduce", "all_to_all", "all_to_all_single", "broadcast", "gather", "reduce",
    "reduce_scatter", "scatter",
]  # fmt: skip
dist: Any = rl.distributed


def _sum(op: Any) -> Any:
    return dist.ReduceOp.SUM if op is None else op


class _AllReduce(rl.autograd.Function):
    @staticmethod
    def forward(ctx: Any, op: Any, group: Any, tensor: Any) -> Any:
        ctx.op, ctx.group = op, group
        total = tensor.detach().clone().contiguous()
        dist.all_reduce(total, op, group)
        return total

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return None, None, _AllReduce.apply(ctx.op, ctx.group, g)


class _Broadcast(rl.autograd.Function):
    @staticmethod
    def forward(ctx: Any, src: int, group: Any, tensor: Any) -> Any:
        ctx.src, ctx.group = src, group
        value = tensor.detach().clone().contiguous()
        dist.broadcast(value, src, group)
        return value

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        total = _Reduce.apply(ctx.src, dist.ReduceOp.SUM, ctx.group, g)
        return None, None, total if dist.get_rank() == ctx.src else total * 0


class _Reduce(rl.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dst: int, op: Any, group: Any, tensor: Any) -> Any:
        ctx.dst, ctx.group = dst, group
        total = tensor.detach().clone().contiguous()
        dist.reduce(total, dst, op, group)
        return total

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return None, None, None, _Broadcast.apply(ctx.dst, ctx.group, g)


class _Gather(rl.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dst: int, group: Any, tensor: Any) -> Any:
        ctx.dst, ctx.group = dst, group
        tensor = tensor.detach().contiguous()
        parts = [rl.zeros_like(tensor) for _ in range(dist.get_world_size(group))]
        dist.gather(tensor, parts if dist.get_rank() == dst else None, dst, group)
        return tuple(parts)

    @staticmethod
    def backward(ctx: Any, *gs: Any) -> Any:
        return None, None, _Scatter.apply(ctx.dst, ctx.group, *gs)


class _Scatter(rl.autograd.Function):
    @staticmethod
    def forward(ctx: Any, src: int, group: Any, *tensors: Any) -> Any:
        ctx.src, ctx.group = src, group
        part = rl.zeros_like(tensors[0].detach())
        mine = [tensor.detach().contiguous() for tensor in tensors]
        dist.scatter(part, mine if dist.get_rank() == src else None, src, group)
        return part

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return None, None, *_Gather.apply(ctx.src, ctx.group, g)


class _AllGather(rl.autograd.Function):
    @staticmethod
    def forward(ctx: Any, group: Any, tensor: Any) -> Any:
        ctx.group = group
        tensor = tensor.detach().contiguous()
        parts = [rl.empty_like(tensor) for _ in range(dist.get_world_size(group))]
        dist.all_gather(parts, tensor, group)
        return tuple(parts)

    @staticmethod
    def backward(ctx: Any, *gs: Any) -> Any:
        return None, _ReduceScatter.apply(dist.ReduceOp.SUM, ctx.group, *gs)


class _ReduceScatter(rl.autograd.Function):
    @staticmethod
    def forward(ctx: Any, op: Any, group: Any, *tensors: Any) -> Any:
        ctx.group = group
        parts = [tensor.detach().contiguous() for tensor in tensors]
        total = rl.empty_like(parts[dist.get_rank(group)])
        dist.reduce_scatter(total, parts, op, group)
        return total

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return None, None, *_AllGather.apply(ctx.group, g)


class _AllToAll(rl.autograd.Function):
    @staticmethod
    def forward(ctx: Any, group: Any, shapes: Any, *tensors: Any) -> Any:
        ctx.group, ctx.shapes = group, [tensor.shape for tensor in tensors]
        parts = [tensor.detach().contiguous() for tensor in tensors]
        found = [parts[0].new_empty(shape) for shape in shapes]
        dist.all_to_all(found, parts, group)
        return tuple(found)

    @staticmethod
    def backward(ctx: Any, *gs: Any) -> Any:
        return None, None, *_AllToAll.apply(ctx.group, ctx.shapes, *gs)


def all_reduce(tensor: Any, op: Any = None, group: Any = None) -> Any:
    """The sum (or `op`) over all processes, on each; so is the gradient.

    The tensor itself stays as it is.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> import rushlight.distributed.nn
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> (dist.nn.all_reduce(x) * 3).sum().backward()
    >>> x.grad
    tensor([3., 3.])
    >>> dist.destroy_process_group()
    """
    return _AllReduce.apply(_sum(op), group, tensor)


def broadcast(tensor: Any, src: int, group: Any = None) -> Any:
    """The tensor of rank `src`, which gets the sum of all gradients.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> import rushlight.distributed.nn
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> (dist.nn.broadcast(x, src=0) * 3).sum().backward()
    >>> x.grad
    tensor([3., 3.])
    >>> dist.destroy_process_group()
    """
    return _Broadcast.apply(src, group, tensor)


def reduce(tensor: Any, dst: int, op: Any = None, group: Any = None) -> Any:
    """The sum (or `op`) over all processes, on rank `dst`, whose gradient goes to all.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> import rushlight.distributed.nn
    >>> dist.nn.reduce(torch.tensor([1.0, 2.0]), dst=0)
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """
    return _Reduce.apply(dst, _sum(op), group, tensor)


def gather(tensor: Any, dst: int = 0, group: Any = None) -> tuple[Any, ...]:
    """The tensors of all processes, on rank `dst`; zeros on the others.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> import rushlight.distributed.nn
    >>> dist.nn.gather(torch.tensor([1.0, 2.0]), dst=0)
    (tensor([1., 2.]),)
    >>> dist.destroy_process_group()
    """
    return _Gather.apply(dst, group, tensor)


def scatter(tensors: Any, src: int = 0, group: Any = None) -> Any:
    """This process's one of the tensors of rank `src`, all of one shape.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> import rushlight.distributed.nn
    >>> dist.nn.scatter([torch.tensor([1.0, 2.0])], src=0)
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """
    return _Scatter.apply(src, group, *tensors)


def all_gather(tensor: Any, group: Any = None) -> tuple[Any, ...]:
    """The tensors of all processes, on each; a gradient is the sum of what all do with the tensor.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> import rushlight.distributed.nn
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> torch.stack(dist.nn.all_gather(x)).sum().backward()
    >>> x.grad
    tensor([1., 1.])
    >>> dist.destroy_process_group()
    """
    return _AllGather.apply(group, tensor)


def reduce_scatter(output: Any, input_list: Any, op: Any = None, group: Any = None) -> Any:
    """The sum over processes of what each has at this one's place of its list, of `output`'s shape.

    The result is a tensor of its own; its values are also written into `output`.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> import rushlight.distributed.nn
    >>> dist.nn.reduce_scatter(torch.zeros(2), [torch.tensor([1.0, 2.0])])
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """
    total = _ReduceScatter.apply(_sum(op), group, *input_list)
    output.detach().copy_(total.detach())
    return total


def all_to_all(
    output_tensor_list: Any, input_tensor_list: Any, group: Any = None
) -> tuple[Any, ...]:
    """What each process has for this one; the first list says in which shapes, and is filled.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> import rushlight.distributed.nn
    >>> dist.nn.all_to_all([torch.zeros(2)], [torch.tensor([1.0, 2.0])])
    (tensor([1., 2.]),)
    >>> dist.destroy_process_group()
    """
    shapes = [tensor.shape for tensor in output_tensor_list]
    found = _AllToAll.apply(group, shapes, *input_tensor_list)
    for tensor, value in zip(output_tensor_list, found):
        tensor.detach().copy_(value.detach())
    return found


def all_to_all_single(
    output: Any,
    input: Any,
    output_split_sizes: Any = None,
    input_split_sizes: Any = None,
    group: Any = None,
) -> Any:
    """`all_to_all` of pieces of one tensor, cut and joined along its first dimension.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> import rushlight.distributed.nn
    >>> dist.nn.all_to_all_single(torch.zeros(2), torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """
    size = dist.get_world_size(group)
    given = input.split(input_split_sizes or len(input) // size)
    wanted = output.detach().split(output_split_sizes or len(output) // size)
    found = rl.cat(_AllToAll.apply(group, [part.shape for part in wanted], *given))
    output.detach().copy_(found.detach())
    return found
