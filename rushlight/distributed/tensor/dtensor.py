"""DTensor: one tensor, of which each process has a part.

Source: https://docs.pytorch.org/docs/stable/distributed.tensor.html
"""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...core.dispatch import record
from ...core.overrides import plain_results
from ...core.primitive import General, Primitive, bake_general
from ...core.tape import LEAF
from ...core.tensor import Tensor, wrap
from ...core.values import KINDS, raw
from . import dispatching
from .laid import KIND, Laid, cut, whole, wrapped
from .moving import redistributed
from .placements import Partial, Placement, Replicate, Shard

assert dispatching


class _Kind(type):
    """A tensor over a part is a DTensor, whichever class it was wrapped in."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return type.__instancecheck__(cls, instance) or (
            isinstance(instance, Tensor) and type(instance._array) is Laid
        )


class DTensor(Tensor, metaclass=_Kind):
    """A tensor whose values are spread over the processes of a mesh; each has its part.

    `placements` says, for each dimension of the mesh, whether the tensor is cut along one of its
    own (`Shard(dim)`), is the same everywhere (`Replicate()`) or the sum of what is there
    (`Partial()`). Ops give DTensors; where no rule says how an op goes with parts, all of its
    operands are gathered first. Made by `distribute_tensor` and `DTensor.from_local`.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.tensor import DTensor, Replicate, Shard
    >>> mesh = dist.init_device_mesh("cpu", (1,))
    >>> x = DTensor.from_local(torch.tensor([1.0, 2.0]), mesh, [Shard(0)])
    >>> (2 * x).full_tensor()
    tensor([2., 4.])
    >>> x.redistribute(placements=[Replicate()]).placements
    (Replicate(),)
    >>> dist.destroy_process_group()
    """

    __slots__ = ()
    __torch_function__ = plain_results

    def __new__(cls, local_tensor: Any, spec: Any, *, requires_grad: bool = False) -> Any:
        result = wrapped(Laid(local_tensor._array, spec.mesh, spec.placements, spec.shape))
        return result.requires_grad_(requires_grad)

    @property
    def device_mesh(self) -> Any:
        """The mesh over which it is laid."""
        return self._array.mesh

    @property
    def placements(self) -> tuple[Placement, ...]:
        """How it lies along each dimension of the mesh."""
        return self._array.placements

    @property
    def _local_tensor(self) -> Any:
        return wrap(self._array.local)

    @property
    def _spec(self) -> Any:
        return self._array

    @property
    def data(self) -> Any:
        """The same part without history."""
        result = wrapped(self._array)
        result._silent = True
        return result

    @data.setter
    def data(self, value: Any) -> None:
        self._array = value._array

    def detach(self) -> Any:
        """The same part without history."""
        return wrapped(self._array)

    def numpy(self, *, force: bool = False) -> Any:
        """Refused, as for all subclasses of Tensor: `to_local()` or `full_tensor()` come first."""
        return self._array.values(".numpy()")

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write to the places that are named: by way of the whole. Not while recording."""
        if rl.is_grad_enabled() and (self.requires_grad or getattr(value, "requires_grad", False)):
            raise NotImplementedError(
                "Operator aten.fill_.Tensor does not have a sharding strategy registered."
            )
        everything = wrap(whole(self._array).local.copy())
        everything[key] = value.full_tensor() if isinstance(value, DTensor) else value
        self.detach().copy_(wrapped(cut(everything._array, self._array)))

    @staticmethod
    def from_local(
        local_tensor: Any, device_mesh: Any = None, placements: Any = None, *,
        run_check: bool = False, shape: Any = None, stride: Any = None,
    ) -> Any:  # fmt: skip
        """The tensor of which each process gives its part.

        Without `shape` all parts along a dimension that is cut count as equal. With `run_check`
        what shall be the same everywhere becomes that of the first process. Gradients flow to
        `local_tensor`.
        """
        mesh = mesh_or_whole(device_mesh)
        placements = settled(placements, mesh, local_tensor.dim(), Replicate())
        if shape is None:
            sizes = list(local_tensor.shape)
            for dim, placement in enumerate(placements):
                if isinstance(placement, Shard):
                    sizes[placement.dim] *= mesh.size(dim)
            shape = sizes
        if run_check:
            local_tensor = _checked(local_tensor, mesh, placements)
        y = Laid(local_tensor._array, mesh, placements, shape)
        return wrapped(y, record(FROM_LOCAL, (local_tensor,), (None,), y, (mesh, placements)))

    def to_local(self, *, grad_placements: Any = None) -> Any:
        """This process's part, a plain tensor through which gradients flow.

        `grad_placements` says how the gradient of the part lies, where that is not as the tensor.
        """
        y = self._array
        given = y.placements if grad_placements is None else tuple(grad_placements)
        how = (y.mesh, given, y.shape)
        if self._entry is None:
            return wrap(y.local)
        entry = record(TO_LOCAL, (self,), (None,), y.local, how)
        if entry is None:
            return wrap(y.local)
        return wrap(y.local, entry)

    def redistribute(
        self, device_mesh: Any = None, placements: Any = None, *, async_op: bool = False,
        forward_dtype: Any = None, backward_dtype: Any = None,
    ) -> Any:  # fmt: skip
        """The same tensor, laid in another way; its gradient is laid as this one.

        Raises RuntimeError without placements, or if they ask for partial sums.
        """
        if placements is None:
            raise RuntimeError("placements is needed for redistribute!")
        x = self if forward_dtype is None else self.to(forward_dtype)
        value = x._array
        if device_mesh is not None and device_mesh != value.mesh:
            raise NotImplementedError("Cross device mesh comm not supported yet!")
        wanted = settled(placements, value.mesh, value.ndim, Replicate())
        for before, after in zip(value.placements, wanted):
            if isinstance(after, Partial) and before != after:
                raise RuntimeError(
                    f"Can not redistribute from {before} to {after}, redistributing to Partial is"
                    " for internal use only!"
                )
        return _redistribute(x, wanted)

    def full_tensor(self, *, grad_placements: Any = None) -> Any:
        """All of it, on every process; gradients flow back."""
        everywhere = (Replicate(),) * len(self.placements)
        return _redistribute(self, everywhere).to_local(grad_placements=grad_placements)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return self._array.describe()

    def __reduce_ex__(self, protocol: Any) -> Any:
        value = self._array
        return _rebuilt, (value.local, value.mesh, value.placements, value.shape,
                          self.requires_grad)  # fmt: skip

    def __deepcopy__(self, memo: Any) -> Any:
        if id(self) not in memo:
            copied = wrapped(self._array.copy(), LEAF if self._entry is LEAF else None)
            copied.__dict__.update({k: v for k, v in self.__dict__.items() if k == "_is_param"})
            memo[id(self)] = copied
        return memo[id(self)]

    def __create_chunk_list__(self) -> Any:
        return [self._array]


KIND[0] = KINDS[Laid] = DTensor


def _rebuilt(local: Any, mesh: Any, placements: Any, shape: Any, requires_grad: bool) -> Any:
    return wrapped(Laid(local, mesh, placements, shape), LEAF if requires_grad else None)


def mesh_or_whole(given: Any) -> Any:
    if given is None:
        return rl.distributed.device_mesh.whole_mesh()
    return given


def settled(placements: Any, mesh: Any, rank: int, default: Placement) -> tuple[Placement, ...]:
    """Placements with dimensions counted from the front, one for each dimension of the mesh."""
    if placements is None:
        return (default,) * mesh.ndim
    found: list[Any] = []
    for one in placements:
        if isinstance(one, Shard) and one.dim < 0:
            one = Shard(one.dim + rank)
        found.append(one)
    if len(found) != mesh.ndim:
        raise ValueError(
            "`placements` must have the same length as `device_mesh.ndim`! Found placements"
            f" length: {len(found)}, and device_mesh.ndim: {mesh.ndim}."
        )
    return tuple(found)


def _checked(local: Any, mesh: Any, placements: Any) -> Any:
    """The first process's values, where all are to have the same."""
    value = local.detach().clone().contiguous()
    for dim, placement in enumerate(placements):
        if isinstance(placement, Replicate):
            group = mesh.get_group(dim)
            rl.distributed.broadcast(value, group=group, group_src=0)
    local.detach().copy_(value)
    return local


def _redistribute(x: Any, wanted: tuple[Placement, ...]) -> Any:
    """The op behind `redistribute`, on a Tensor over a part."""
    value = x._array
    if wanted == value.placements:
        return x
    y = redistributed(value, wanted)
    if y.local.base is not None:
        y = y.like(y.local.copy())
    return wrapped(y, record(REDISTRIBUTE, (x,), (None,), y, (value.placements,)))


def _as_tensor(g: Any) -> Any:
    return g if isinstance(g, Tensor) else wrap(g)


def _like(result: Any, g: Any) -> Any:
    """In the form in which the backward pass runs: on Tensors or on arrays."""
    return result if isinstance(g, Tensor) else raw(result)


def _without_sums(now: Any, then: Any) -> tuple[Placement, ...]:
    """How a gradient is laid for what lay as `then`: a summand's gradient is that of the whole."""
    return tuple(
        (a if isinstance(a, Partial) else Replicate()) if isinstance(b, Partial) else b
        for a, b in zip(now, then)
    )


def _redistribute_back(g: Any, y: Any, x: Any, before: Any) -> Any:
    given = _as_tensor(g)
    return _like(_redistribute(given, _without_sums(given._array.placements, before)), g)


def _to_local_back(g: Any, y: Any, x: Any, mesh: Any, placements: Any, shape: Any) -> Any:
    given = _as_tensor(g)
    placements = tuple(placements)
    value = Laid(given._array, mesh, placements, shape)
    entry = record(FROM_LOCAL, (given,), (None,), value, (mesh, placements))
    return _like(wrapped(value, entry), g)


def _from_local_back(g: Any, y: Any, x: Any, mesh: Any, placements: Any) -> Any:
    given = _as_tensor(g)
    if type(given._array) is not Laid:
        value = dispatching.Laid(given._array, mesh, (Replicate(),) * mesh.ndim, given.shape)
        given = wrapped(value, given._entry)
    wanted = tuple(Replicate() if isinstance(p, Partial) else p for p in placements)
    value = _redistribute(given, wanted)
    return _like(DTensor.to_local(value), g)


def _internal(name: str, back: Any, node: str) -> Primitive:
    return Primitive(name, eval=None, rule=General(back), pull=bake_general(back, 1, False),
                     node=node, listed=False)  # fmt: skip


REDISTRIBUTE = _internal("redistribute", _redistribute_back, "RedistributeBackward")
TO_LOCAL = _internal("to_local", _to_local_back, "_ToTorchTensorBackward")
FROM_LOCAL = _internal("from_local", _from_local_back, "_FromTorchTensorBackward")
