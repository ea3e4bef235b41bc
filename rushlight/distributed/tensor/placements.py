"""Where the values of a tensor are: all on every process, or cut along a dimension."""

from __future__ import annotations

from dataclasses import dataclass


class Placement:
    """Replicate or Shard."""

    def is_replicate(self) -> bool:
        """Whether every process has all."""
        return isinstance(self, Replicate)

    def is_shard(self, dim: int | None = None) -> bool:
        """Whether it is cut, along `dim` if that is given."""
        return isinstance(self, Shard) and dim in (None, self.dim)


@dataclass(frozen=True)
class Replicate(Placement):
    """Every process has all."""


@dataclass(frozen=True)
class Shard(Placement):
    """Every process has an equal part along dimension `dim`."""

    dim: int
