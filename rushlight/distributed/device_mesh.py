"""Grids of processes: a group of processes for every line along every dimension.

Source: https://docs.pytorch.org/docs/stable/distributed.html#devicemesh
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import rushlight as rl

from ..core.errors import fail
from ..core.names import explain_missing as _explain_missing

__all__ = ["DeviceMesh", "init_device_mesh"]
dist: Any = rl.distributed


class DeviceMesh:
    """Ranks laid out in a grid, and this process's place in it.

    Arguments: `device_type`, "cpu"; `mesh`, a tensor or nested lists of ranks;
    `mesh_dim_names`, a name for each dimension. All processes must make it; the group of all is
    made if there is none yet.

        mesh = DeviceMesh("cpu", [[0, 1], [2, 3]], mesh_dim_names=("dp", "tp"))
        mesh["tp"].get_group()      # ranks 0 and 1, or 2 and 3

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mesh = dist.DeviceMesh("cpu", [[0]], mesh_dim_names=("copies", "parts"))
    >>> mesh.shape, mesh["parts"].size()
    ((1, 1), 1)
    >>> dist.destroy_process_group()
    """

    def __init__(
        self,
        device_type: str,
        mesh: Any,
        *,
        mesh_dim_names: Sequence[str] | None = None,
        _groups: Any = None,
        _steps: Any = None,
        _root: DeviceMesh | None = None,
    ) -> None:
        if not dist.is_initialized():
            dist.init_process_group()  # programs may begin with a mesh
        self.device_type = device_type
        self.mesh = rl.as_tensor(mesh, dtype=rl.int32)
        self.mesh_dim_names = None if mesh_dim_names is None else tuple(mesh_dim_names)
        if self.mesh.numel() > dist.get_world_size():
            raise RuntimeError(
                f"Mesh should not be bigger than default world size {dist.get_world_size()}, but"
                f" found {self.mesh.numel()} ranks!"
            )
        self._rank = dist.get_rank()
        place = (self.mesh == self._rank).nonzero().tolist()
        self._place = tuple(place[0]) if place else None
        self._groups = self._make_groups() if _groups is None else _groups
        self._steps = tuple(self.mesh.stride()) if _steps is None else _steps
        self._root: DeviceMesh = self if _root is None else _root
        self._flat: dict[str, DeviceMesh] = {}

    def _make_groups(self) -> list[Any]:
        """This process's group along each dimension; every process makes all of them."""
        if self.mesh.tolist() == list(range(dist.get_world_size())):
            return [dist.group.WORLD]
        mine = []
        for dim in range(self.ndim):
            lines = self.mesh.movedim(dim, -1).reshape(-1, self.mesh.shape[dim]).tolist()
            groups = [dist.new_group(line) for line in lines]
            mine.append(next((g for g, line in zip(groups, lines) if self._rank in line), None))
        return mine

    @property
    def ndim(self) -> int:
        """How many dimensions."""
        return self.mesh.dim()

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes."""
        return tuple(self.mesh.shape)

    def size(self, mesh_dim: int | None = None) -> int:
        """How many processes in all, or along one dimension."""
        return self.mesh.numel() if mesh_dim is None else self.mesh.shape[mesh_dim]

    def _dim(self, mesh_dim: int | str | None) -> int:
        if mesh_dim is None:
            if self.ndim > 1:
                raise fail(
                    RuntimeError,
                    f"Found the DeviceMesh have {self.ndim} dimensions",
                    "Optional kwarg `mesh_dim` needs to be specified when device_mesh.ndim > 1.",
                    "get_all_groups() gives the groups along all dimensions",
                )
            return 0
        if isinstance(mesh_dim, str):
            return self._named(mesh_dim)
        return mesh_dim

    def _named(self, name: str) -> int:
        names = self.mesh_dim_names or ()
        if name not in names:
            raise KeyError(
                f"Invalid mesh_dim_names {(name,)} specified. Valid mesh_dim_names are"
                f" {[*names, *self._root._flat]}."
            )
        return names.index(name)

    def get_group(self, mesh_dim: int | str | None = None) -> Any:
        """The group of this process along a dimension."""
        return self._groups[self._dim(mesh_dim)]

    def get_all_groups(self) -> list[Any]:
        """The groups of this process along all dimensions."""
        return list(self._groups)

    @staticmethod
    def from_group(
        group: Any, device_type: str, mesh: Any = None, *, mesh_dim_names: Any = None
    ) -> DeviceMesh:
        """The mesh of a group that there is; or of several, with the grid `mesh` of ranks."""
        if isinstance(group, list | tuple):
            if mesh is None:
                raise ValueError("Must pass mesh if passing multiple ProcessGroups")
            groups = list(group)
        else:
            mesh, groups = dist.get_process_group_ranks(group), [group]
        made = DeviceMesh(device_type, mesh, mesh_dim_names=mesh_dim_names, _groups=groups)
        if made.ndim != len(groups):
            raise ValueError(
                "Expects mesh with ndim equal to number of ProcessGroups but got mesh"
                f" {made.mesh.tolist()} and {len(groups)} ProcessGroups"
            )
        return made

    def _flatten(self, mesh_dim_name: str | None = None) -> DeviceMesh:
        """The same processes in one line; `mesh[name]` of the grid it came from gives it too."""
        root = self._root
        name = mesh_dim_name or "_".join(self.mesh_dim_names or ())
        if name in (root.mesh_dim_names or ()):
            raise ValueError(
                f"{name} already exists for submesh of the {root}. The mesh_dim_names of submesh"
                " and flattened mesh should be unique."
            )
        if name not in root._flat:
            root._flat[name] = self._in_line(root, name)
        return root._flat[name]

    def _in_line(self, root: DeviceMesh, name: str) -> DeviceMesh:
        """One line for every set of places in the other dimensions of the root."""
        if self.ndim == 1:
            return DeviceMesh(
                self.device_type, self.mesh, mesh_dim_names=(name,), _groups=self._groups,
                _steps=self._steps, _root=root,
            )  # fmt: skip
        dims = [root._named(one) for one in self.mesh_dim_names or ()] or list(range(root.ndim))
        others = [dim for dim in range(root.ndim) if dim not in dims]
        lines = root.mesh.permute(others + dims).reshape(-1, self.mesh.numel()).tolist()
        groups = [dist.new_group(line, sort_ranks=False) for line in lines]
        mine = next((i for i, line in enumerate(lines) if self._rank in line), 0)
        return DeviceMesh(
            self.device_type, lines[mine], mesh_dim_names=(name,), _groups=[groups[mine]],
            _steps=(self._steps[-1],), _root=root,
        )  # fmt: skip

    def line(self, dim: int) -> DeviceMesh:
        """The processes along one dimension that this one is among."""
        here = self._place or (0,) * self.ndim
        at = tuple(slice(None) if i == dim else place for i, place in enumerate(here))
        groups, steps = [self._groups[dim]], (self._steps[dim],)
        return DeviceMesh(self.device_type, self.mesh[at], _groups=groups, _steps=steps)

    def get_rank(self) -> int:
        """The rank among all processes."""
        return self._rank

    def get_coordinate(self) -> Any:
        """The place in the grid, None outside of it."""
        return self._place

    def get_local_rank(self, mesh_dim: int | str | None = None) -> int:
        """The place along a dimension."""
        dim = self._dim(mesh_dim)
        if self._place is None:
            raise RuntimeError(f"rank {self._rank} is not in {self}")
        return self._place[dim]

    def __getitem__(self, names: str | tuple[str, ...]) -> DeviceMesh:
        """The part of the grid along the named dimensions that this process is in."""
        if not self.mesh_dim_names:
            raise RuntimeError("Cannot slice a DeviceMesh without mesh_dim_names!")
        chosen = (names,) if isinstance(names, str) else tuple(names)
        if chosen == self.mesh_dim_names:
            return self
        if len(chosen) == 1 and chosen[0] in self._root._flat:
            return self._root._flat[chosen[0]]
        dims = [self._named(name) for name in chosen]
        long = [dim for dim in dims if self.mesh.shape[dim] > 1]
        if long != sorted(long):
            raise KeyError(
                f"Invalid mesh_dim_names {chosen} specified. Mesh dim indices should be in"
                " ascending order."
            )
        here = self._place or (0,) * self.ndim
        at = tuple(slice(None) if dim in dims else here[dim] for dim in range(self.ndim))
        kept = sorted(dims)
        part = self.mesh[at].permute([kept.index(dim) for dim in dims])
        groups = [self._groups[dim] for dim in dims]
        steps = tuple(self._steps[dim] for dim in dims)
        return DeviceMesh(
            self.device_type, part, mesh_dim_names=chosen, _groups=groups, _steps=steps,
            _root=self._root,
        )  # fmt: skip

    def __enter__(self) -> DeviceMesh:
        _AROUND.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _AROUND.pop()

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, DeviceMesh)
            and (self.device_type, self.mesh_dim_names, self.mesh.tolist())
            == (other.device_type, other.mesh_dim_names, other.mesh.tolist())
        )

    def __hash__(self) -> int:
        return hash((self.device_type, self.mesh_dim_names, str(self.mesh.tolist())))

    def __repr__(self) -> str:
        sizes = ", ".join(
            f"{name}={size}" for name, size in zip(self.mesh_dim_names or (), self.shape)
        )
        steps = tuple(() if n == 1 else step for n, step in zip(self.shape, self._steps))
        shape = f"({sizes})" if sizes else self.shape
        return f"DeviceMesh({shape}, '{self.device_type}', stride={steps})"


def init_device_mesh(
    device_type: str,
    mesh_shape: tuple[int, ...],
    *,
    mesh_dim_names: tuple[str, ...] | None = None,
) -> DeviceMesh:
    """The first ranks in a grid of this shape, row by row.

    Raises RuntimeError for names that are not as many as dimensions, or not different, and for a
    grid of more processes than there are.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mesh = dist.init_device_mesh("cpu", (1, 1), mesh_dim_names=("copies", "parts"))
    >>> mesh.shape, mesh.mesh_dim_names
    ((1, 1), ('copies', 'parts'))
    >>> dist.destroy_process_group()
    """
    if mesh_dim_names is not None:
        if len(set(mesh_dim_names)) != len(mesh_dim_names):
            raise RuntimeError(
                "Each mesh_dim_name must be unique. Found repeated mesh_dim_name in mesh_dim_names"
                f" {mesh_dim_names}"
            )
        if len(mesh_dim_names) != len(mesh_shape):
            raise RuntimeError(
                "mesh_shape and mesh_dim_names should have same length! Found"
                f" len(mesh_dim_names): {len(mesh_dim_names)} and len(mesh_shape):"
                f"{len(mesh_shape)}."
            )
    ranks = rl.arange(math.prod(mesh_shape)).reshape(mesh_shape)
    return DeviceMesh(device_type, ranks, mesh_dim_names=mesh_dim_names)


def whole_mesh() -> DeviceMesh:
    """The mesh around us (`with mesh:`), or one line of all processes."""
    if _AROUND:
        return _AROUND[-1]
    return init_device_mesh("cpu", (dist.get_world_size(),))


_AROUND: list[DeviceMesh] = []
_explain_missing(__name__)
