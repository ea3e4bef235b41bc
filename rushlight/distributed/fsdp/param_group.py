"""The parameters that are gathered together: whole while they are used, in parts otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import rushlight as rl

from ...core.errors import fail
from ..tensor.dtensor import DTensor
from ..tensor.laid import Laid, cut, wrapped
from ..tensor.moving import gathered, redistributed
from ..tensor.placements import Partial, Replicate, Shard
from .memory import Pages
from .policies import MixedPrecisionPolicy

dist: Any = rl.distributed


class Held:
    """One parameter: this process's part, a DTensor, and the whole, whose pages come and go."""

    def __init__(
        self, places: list[tuple[Any, str]], parameter: Any, mesh: Any, dim: int, source: Any
    ) -> None:
        self.places, self.dim = places, dim
        lead = (Replicate(),) * (mesh.ndim - 1)
        everywhere = Laid(source, mesh, (Replicate(),) * mesh.ndim, source.shape)
        part = redistributed(everywhere, (*lead, Shard(dim)))
        self.part = wrapped(part.like(part.local.copy(order="C")))
        self.part.requires_grad_(parameter.requires_grad)
        self.part._is_param = True
        for name, value in vars(parameter).items():
            if name[:1] != "_":
                setattr(self.part, name, value)
        self.whole: Any = None
        self.pages: Any = None
        self.show(self.part)

    @property
    def laid(self) -> Laid:
        """What this process has of it."""
        return self.part._array

    def show(self, parameter: Any) -> None:
        """Have the modules see the part, or the whole."""
        for module, name in self.places:
            module._parameters[name] = parameter

    def gather(self, kind: Any) -> None:
        """Fill the pages of the whole from all processes."""
        laid = self.laid
        local = laid.local if kind is None else laid.local.astype(kind.numpy, copy=False)
        if self.pages is None or self.pages.kind != local.dtype:
            self.pages = Pages(laid.shape, local.dtype)
            self.whole = rl.nn.Parameter(rl.from_numpy(self.pages.array()))
        into, axis, last = self.pages.array(), self.dim, laid.mesh.ndim - 1
        size = laid.shape[axis]
        if axis == 0 and size % laid.mesh.size(last) == 0:  # straight to where it belongs
            dist.all_gather_into_tensor(
                rl.from_numpy(into), rl.from_numpy(np.ascontiguousarray(local)),
                laid.mesh.get_group(last),
            )  # fmt: skip
        else:
            into[...] = gathered(local, laid.mesh, last, axis, size)
        self.whole.requires_grad_(self.part.requires_grad)

    def laid_like(self, x: Any) -> Any:
        """A whole tensor, which every process has, cut as the parameter is."""
        return wrapped(cut(x.detach()._array, self.laid))

    def write_back(self) -> None:
        """Have the part hold what the whole does."""
        with rl.no_grad():
            self.part.detach().copy_(self.laid_like(self.whole))

    def reduce(self, g: Any, kind: Any, divisor: float | None, all_reduce: bool) -> None:
        """Add the mean of the processes' gradients to `.grad` of the part."""
        laid = self.laid
        array = g.detach()._array
        if kind is not None:
            array = array.astype(kind.numpy, copy=False)
        how = Partial("avg") if divisor is None else Partial("sum")
        lead = (how if all_reduce else Replicate(),) * (laid.mesh.ndim - 1)
        found = Laid(array, laid.mesh, (*lead, how), laid.shape)
        if lead and all_reduce:  # parts first, so that only they travel between replicas
            found = _parts_first(found, self.dim)
        local = redistributed(found, laid.placements).local
        if divisor is not None:
            local = local / local.dtype.type(divisor)
        value = laid.like(np.array(local, laid.local.dtype))
        before = self.part.grad
        if before is None:
            self.part.grad = wrapped(value)
        else:
            with rl.no_grad():
                self.part.grad = before + wrapped(value)


def _parts_first(value: Laid, dim: int) -> Laid:
    """Reduced and cut along the last dimension of the mesh; as it was along the first."""
    mesh = value.mesh
    line = mesh.line(mesh.ndim - 1)
    part = redistributed(Laid(value.local, line, value.placements[-1:], value.shape), (Shard(dim),))
    return Laid(part.local, mesh, (*value.placements[:-1], Shard(dim)), value.shape)


class Group:
    """The parameters of one call of `fully_shard`, and whether they are whole."""

    def __init__(self, held: list[Held], mesh: Any, policy: MixedPrecisionPolicy) -> None:
        self.held, self.mesh, self.policy = held, mesh, policy
        self.is_whole = False
        self.sync = self.all_reduce = True
        self.reshard_after_backward = True
        self.divisor: float | None = None
        self.waiting: set[int] = set()  # gradients that have not come in this pass

    def unshard(self) -> None:
        """Gather the parameters, if they are in parts."""
        if self.is_whole:
            return
        for one in self.held:
            one.gather(self.policy.param_dtype)
        for one in self.held:
            one.show(one.whole)
            if one.whole.requires_grad and not one.whole._post_accumulate_hooks:
                one.whole.register_post_accumulate_grad_hook(self._arrival(one))
        self.is_whole = True

    def reshard(self) -> None:
        """Go back to parts, and give the memory of the whole back."""
        if not self.is_whole:
            return
        for one in self.held:
            one.show(one.part)
            one.pages.release()
        self.is_whole = False

    def _arrival(self, one: Held) -> Callable[[Any], None]:
        """What happens when the gradient of a whole parameter is complete."""

        def arrived(whole: Any) -> None:
            self.waiting.discard(id(one))
            if not self.sync:
                return
            g, whole.grad = whole.grad, None
            one.reduce(g, self.policy.reduce_dtype, self.divisor, self.all_reduce)
            if not self.waiting and self.reshard_after_backward:
                self.reshard()

        return arrived

    def expect(self) -> None:
        """A backward pass has reached the module: all its gradients may come."""
        self.unshard()
        self.waiting = {id(one) for one in self.held if one.whole.requires_grad}

    def finish(self) -> None:
        """The backward pass is over: what got no gradient in it is not waited for."""
        self.waiting = set()
        if self.sync:  # gradients that were kept back before, of parameters not used in this pass
            for one in self.held:
                if one.whole is not None and one.whole.grad is not None:
                    self._arrival(one)(one.whole)
        if self.reshard_after_backward:
            self.reshard()


def collect(modules: list[Any], ignored: set[Any], mesh: Any) -> list[Any]:
    """The parameters of modules that no group has yet: (places, parameter)."""
    found: dict[int, tuple[list[Any], Any]] = {}
    seen: set[int] = set()
    for root in modules:
        for module in root.modules():
            if id(module) in seen:
                continue
            seen.add(id(module))
            for name, parameter in module._parameters.items():
                if parameter is None or parameter in ignored:
                    continue
                if isinstance(parameter, DTensor):
                    if getattr(parameter, "_fully_sharded", False):
                        continue
                    raise fail(
                        NotImplementedError,
                        f"fully_shard over a parameter that is a DTensor already ({name})",
                        "parallelize_module and fully_shard cannot be combined here",
                    )
                found.setdefault(id(parameter), ([], parameter))[0].append((module, name))
    return list(found.values())


def first_values(parameter: Any) -> Any:
    """A parameter's own values: as in torch, each process keeps its part of its own."""
    return parameter.detach()._array
