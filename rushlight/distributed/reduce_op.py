"""The reductions, and the NumPy functions that carry them out."""

from __future__ import annotations

import enum
import functools
from typing import Any

import numpy as np

import rushlight as rl

from ..core.dispatch import scalar_type_name


class ReduceOp(enum.IntEnum):
    """How the values of the ranks are joined.

    Source: https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.ReduceOp

    >>> import rushlight.distributed as dist
    >>> dist.ReduceOp.SUM.name, dist.ReduceOp.MAX.name
    ('SUM', 'MAX')
    """

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7

    def __str__(self) -> str:
        return f"RedOpType.{self.name}"

    def __repr__(self) -> str:
        return f"<RedOpType.{self.name}: {self.value}>"


# torch has its names in a class of their own, which programs reach through this one.
type.__setattr__(ReduceOp, "RedOpType", ReduceOp)
_JOIN: dict[ReduceOp, Any] = {
    ReduceOp.SUM: np.add, ReduceOp.AVG: np.add, ReduceOp.PRODUCT: np.multiply,
    ReduceOp.MIN: np.minimum, ReduceOp.MAX: np.maximum, ReduceOp.BAND: np.bitwise_and,
    ReduceOp.BOR: np.bitwise_or, ReduceOp.BXOR: np.bitwise_xor,
}  # fmt: skip
_BITS = (ReduceOp.BAND, ReduceOp.BOR, ReduceOp.BXOR)


def check_reduction(op: Any, x: rl.Tensor, where: str) -> ReduceOp:
    """The op, if it can join tensors of that type."""
    if not isinstance(op, ReduceOp):
        raise TypeError(f"{where}(): op must be a ReduceOp, not {type(op).__name__}")
    return _checked(op, x.dtype, where)


@functools.lru_cache(256)
def _checked(op: ReduceOp, kind: rl.dtype, where: str) -> ReduceOp:
    if kind.is_floating_point or kind.is_complex:
        if op in _BITS:
            raise RuntimeError(f"Cannot use ReduceOp.{op.name} with non-integral dtype")
        if kind.is_complex and op not in (ReduceOp.SUM, ReduceOp.AVG):
            raise ValueError(f"{where} does not support {op} on complex tensors")
        if kind.itemsize == 1:
            raise RuntimeError("Invalid scalar type")
    elif op is ReduceOp.AVG:
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type {scalar_type_name(kind)}"
        )
    return op


def join(op: ReduceOp, parts: list[Any], out: Any, ranks: int) -> None:
    """Write op(parts[0], parts[1], ...) to `out`, always in that order."""
    ufunc = _JOIN[op]
    if len(parts) == 1:
        np.copyto(out, parts[0])
    else:
        ufunc(parts[0], parts[1], out=out)
        for part in parts[2:]:
            ufunc(out, part, out=out)
    if op is ReduceOp.AVG:
        np.divide(out, ranks, out=out, casting="unsafe")
