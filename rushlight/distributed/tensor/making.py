"""Tensors in parts, from whole tensors and from sizes; and modules whose parameters are.

Source: https://docs.pytorch.org/docs/stable/distributed.tensor.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

from .dtensor import DTensor, mesh_or_whole, settled
from .laid import Laid, wrapped
from .moving import local_shape, redistributed
from .placements import Partial, Placement, Replicate, Shard

__all__ = [
    "distribute_module", "distribute_tensor", "empty", "full", "ones", "rand", "randn", "zeros",
]  # fmt: skip
dist: Any = rl.distributed


def distribute_tensor(
    tensor: Any, device_mesh: Any = None, placements: Any = None, *, src_data_rank: int | None = 0
) -> Any:
    """A leaf whose values are those of `tensor` on the first process of each line of the mesh.

    `placements` has one for each dimension of the mesh (all Replicate without). With
    `src_data_rank=None` every process takes its part of its own tensor, and nothing travels.
    Raises RuntimeError for what is no leaf, ValueError for placements that do not fit.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.tensor import Shard, distribute_tensor
    >>> mesh = dist.init_device_mesh("cpu", (1,))
    >>> x = distribute_tensor(torch.arange(4.0), mesh, [Shard(0)])
    >>> x.placements, x.to_local()
    ((Shard(dim=0),), tensor([0., 1., 2., 3.]))
    >>> dist.destroy_process_group()
    """
    mesh = mesh_or_whole(device_mesh)
    if not tensor.is_leaf:
        raise RuntimeError("`distribute_tensor` should be used to distribute leaf tensors! but"
                           " found non-leaf tensor!")  # fmt: skip
    if isinstance(tensor, DTensor):
        return _again(tensor, mesh, placements)
    wanted = settled(placements, mesh, tensor.dim(), Replicate())
    for one in wanted:
        if isinstance(one, Shard) and not 0 <= one.dim < tensor.dim():
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{tensor.dim()},"
                f" {tensor.dim() - 1}], but got {one.dim})"
            )
    source = tensor.detach()
    if src_data_rank is not None and mesh.get_coordinate() is not None:
        source = source.clone().contiguous()
        for dim in range(mesh.ndim):
            dist.broadcast(source, group=mesh.get_group(dim), group_src=src_data_rank)
    value = Laid(source._array, mesh, (Replicate(),) * mesh.ndim, source.shape)
    found = redistributed(value, wanted)
    local = found.local.copy(order="C") if found.local.base is not None else found.local
    return wrapped(found.like(local)).requires_grad_(tensor.requires_grad)


def _again(tensor: Any, mesh: Any, placements: Any) -> Any:
    if tensor.device_mesh != mesh:
        raise ValueError(
            f"Cannot distribute a DTensor with device mesh {tensor.device_mesh} to a different"
            f" device mesh {mesh}."
        )
    if tensor.placements != tuple(placements):
        raise ValueError(
            f"Cannot distribute a DTensor with placements {tensor.placements} to a different"
            f" placements {placements}. do you want to call `redistribute` instead?"
        )
    return tensor


def distribute_module(
    module: Any, device_mesh: Any = None, partition_fn: Callable[..., Any] | None = None,
    input_fn: Callable[..., Any] | None = None, output_fn: Callable[..., Any] | None = None,
) -> Any:  # fmt: skip
    """Have the parameters and buffers of a module be DTensors, in place, and return it.

    `partition_fn(name, submodule, mesh)` replaces those that shall be cut; the rest become the
    same everywhere. `input_fn(module, inputs, mesh)` and `output_fn(module, outputs, mesh)` run
    before and after each call.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.tensor import distribute_module
    >>> net = distribute_module(torch.nn.Linear(2, 3), dist.init_device_mesh("cpu", (1,)))
    >>> net.weight.placements
    (Replicate(),)
    >>> dist.destroy_process_group()
    """
    mesh = mesh_or_whole(device_mesh)
    if getattr(module, "_distribute_module_applied", False):
        raise RuntimeError(
            "distribute_module should only be called once on a module, but it has already been"
            " called on this module!"
        )
    for name, part in module.named_modules():
        if partition_fn is not None:
            partition_fn(name, part, mesh)
        _replicated(part, mesh)
    if input_fn is not None:
        module.register_forward_pre_hook(lambda m, inputs: input_fn(m, inputs, mesh))
    if output_fn is not None:
        module.register_forward_hook(lambda m, inputs, outputs: output_fn(m, outputs, mesh))
    module._distribute_module_applied = True
    return module


def _replicated(module: Any, mesh: Any) -> None:
    whole = [Replicate()] * mesh.ndim
    for name, one in list(module._parameters.items()):
        if one is not None and not isinstance(one, DTensor):
            laid = distribute_tensor(one.detach(), mesh, whole)
            module.register_parameter(name, rl.nn.Parameter(laid, one.requires_grad))
    for name, one in list(module._buffers.items()):
        if one is not None and not isinstance(one, DTensor):
            module._buffers[name] = distribute_tensor(one, mesh, whole)


_DOC = """`torch.{name}` of this size, in parts: each process makes its own.

    device_mesh, placements: how it is cut, as for `distribute_tensor`.
    Raises: AssertionError for the placement Partial.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.tensor import Shard, {name}
    >>> mesh = dist.init_device_mesh("cpu", (1,))
    >>> {name}(4, 2, device_mesh=mesh, placements=[Shard(0)]).to_local().shape
    torch.Size([4, 2])
    >>> dist.destroy_process_group()
    """


def _factory(name: str) -> Callable[..., Any]:
    def make(
        *size: Any, requires_grad: bool = False, dtype: Any = None, layout: Any = None,
        device_mesh: Any = None, placements: Any = None,
    ) -> Any:  # fmt: skip
        return _made(name, size, (), dtype, requires_grad, device_mesh, placements)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = _DOC.format(name=name)
    return make


def _made(
    name: str, size: Any, more: Any, dtype: Any, requires_grad: bool, mesh: Any, placements: Any
) -> Any:
    if len(size) == 1 and not isinstance(size[0], int):
        size = tuple(size[0])
    mesh = mesh_or_whole(mesh)
    wanted = settled(placements, mesh, len(size), Replicate())
    if any(isinstance(one, Partial) for one in wanted):
        raise AssertionError("Partial placements are not allowed here")
    shape = local_shape(size, mesh, wanted)
    make = getattr(rl, name)
    if name in ("rand", "randn") and shape != tuple(size):
        return _drawn(make(*size, dtype=dtype), mesh, wanted, requires_grad)
    local = make(shape, *more, dtype=dtype)
    return wrapped(Laid(local._array, mesh, wanted, size)).requires_grad_(requires_grad)


def _drawn(source: Any, mesh: Any, wanted: tuple[Placement, ...], requires_grad: bool) -> Any:
    """Every process draws all, and keeps its part: the numbers do not depend on their count."""
    whole = Laid(source._array, mesh, (Replicate(),) * mesh.ndim, source.shape)
    found = redistributed(whole, wanted)
    return wrapped(found.like(found.local.copy())).requires_grad_(requires_grad)


zeros, ones, empty = _factory("zeros"), _factory("ones"), _factory("empty")
rand, randn = _factory("rand"), _factory("randn")


def full(
    size: Any, fill_value: Any, *, dtype: Any = None, layout: Any = None,
    requires_grad: bool = False, device_mesh: Any = None, placements: Any = None,
) -> Any:  # fmt: skip
    """`torch.full` in parts: each process makes its own.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.tensor import Shard, full
    >>> x = full((2, 2), 7.0, device_mesh=dist.init_device_mesh("cpu", (1,)), placements=[Shard(0)])
    >>> x.to_local()
    tensor([[7., 7.],
            [7., 7.]])
    >>> dist.destroy_process_group()
    """
    return _made("full", (size,), (fill_value,), dtype, requires_grad, device_mesh, placements)
