"""Where a tensor's values are: whole on every process, cut along a dimension, or as summands.

Source: https://docs.pytorch.org/docs/stable/distributed.tensor.html
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Partial", "Placement", "Replicate", "Shard"]


class Placement:
    """How a tensor lies along one dimension of a mesh: Replicate, Shard or Partial.

    Source: https://docs.pytorch.org/docs/stable/distributed.tensor.html

    >>> from rushlight.distributed.tensor import Replicate, Shard
    >>> Replicate().is_replicate(), Shard(0).is_shard(), Shard(0).is_shard(dim=1)
    (True, True, False)
    """

    def is_replicate(self) -> bool:
        """Whether every process has all."""
        return isinstance(self, Replicate)

    def is_shard(self, dim: int | None = None) -> bool:
        """Whether it is cut, along `dim` if that is given."""
        return isinstance(self, Shard) and dim in (None, self.dim)

    def is_partial(self, reduce_op: str | None = None) -> bool:
        """Whether every process has a summand (or what `reduce_op` says) of the whole."""
        return isinstance(self, Partial) and reduce_op in (None, self.reduce_op)


@dataclass(frozen=True)
class Replicate(Placement):
    """Every process has all.

    Source: https://docs.pytorch.org/docs/stable/distributed.tensor.html

    >>> from rushlight.distributed.tensor import Replicate
    >>> Replicate()
    Replicate()
    """

    def __str__(self) -> str:
        return "R"


@dataclass(frozen=True)
class Shard(Placement):
    """Every process has a part along dimension `dim`, cut as `torch.chunk` cuts.

    The first parts are the longer ones; the last may be shorter, or empty.

    >>> from rushlight.distributed.tensor import Shard
    >>> Shard(1), Shard(1).is_shard()
    (Shard(dim=1), True)
    """

    dim: int

    def __str__(self) -> str:
        return f"S({self.dim})"


@dataclass(frozen=True)
class Partial(Placement):
    """The whole is the reduction of what the processes have.

    `reduce_op` is "sum", "avg", "product", "max" or "min".

    >>> from rushlight.distributed.tensor import Partial
    >>> Partial("max"), Partial().is_partial()
    (Partial(max), True)
    """

    reduce_op: str = "sum"

    def __repr__(self) -> str:
        return f"Partial({self.reduce_op})"

    def __str__(self) -> str:
        return f"P({self.reduce_op})"


@dataclass(frozen=True)
class NormPartial(Partial):
    """The whole is the norm of order `norm_type` of what the processes have: norms of parts."""

    norm_type: float = 2

    def __repr__(self) -> str:
        return f"_NormPartial({self.norm_type})"

    def __str__(self) -> str:
        return f"_NormP({self.norm_type})"


def part_of(size: int, parts: int, place: int) -> tuple[int, int]:
    """Where part number `place` of a dimension of this size begins and ends.

    >>> [part_of(5, 3, place) for place in range(3)]
    [(0, 2), (2, 4), (4, 5)]
    """
    step = -(-size // parts)
    return min(place * step, size), min((place + 1) * step, size)
