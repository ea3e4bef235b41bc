"""Questions about tensors inside `vmap`, and the steps that batch them."""

from __future__ import annotations

import rushlight as rl

from ..autograd import vmap as _vmap
from ..autograd.batched import Batched
from ..autograd.levels import STACK, Level, begin, end
from ..core.names import explain_missing as _explain_missing
from ..core.values import Value

_explain_missing(__name__)
Tensor = rl.Tensor


def level_of(number: int) -> Level:
    """The transform of that number among those at work in this thread, counted from 1."""
    return STACK.levels[number - 1]


def is_batchedtensor(tensor: Tensor) -> bool:
    """Whether a tensor stands for one sample of a batch, for the innermost transform it is of.

    >>> rl.vmap(lambda x: x * is_batchedtensor(x))(rl.ones(2))
    tensor([1., 1.])
    """
    return isinstance(tensor._array, Batched)


def get_unwrapped(tensor: Tensor) -> Tensor:
    """The tensor inside the outermost wrapper: for a sample, the batch with its samples first.

    Raises: RuntimeError for a tensor that no transform has wrapped.
    """
    if not isinstance(tensor._array, Value):
        raise RuntimeError("No wrappers present!")
    return tensor._array.core()


def maybe_get_bdim(tensor: Tensor) -> int:
    """Where the batch inside has its samples (first, here); -1 for a tensor that is no sample."""
    return 0 if is_batchedtensor(tensor) else -1


def maybe_current_level() -> int | None:
    """The number of transforms at work; None without any."""
    return len(STACK.levels) or None


def _vmap_increment_nesting(batch_size: int, randomness: str) -> int:
    """Begin a vmap; its number."""
    _vmap.check_randomness(randomness)
    return begin("vmap", batch_size, randomness).depth


def _vmap_decrement_nesting() -> int:
    """End the innermost transform; its number."""
    level = STACK.levels[-1]
    end(level)
    return level.depth


def _add_batch_dim(tensor: Tensor, in_dim: int, level: int) -> Tensor:
    """The tensor as one of its samples along `in_dim`, for the vmap of that number."""
    return _vmap.batch(level_of(level), tensor, in_dim)


def _remove_batch_dim(tensor: Tensor, level: int, batch_size: int, out_dim: int) -> Tensor:
    """The samples of the vmap of that number as one tensor, along `out_dim`."""
    return _vmap.unbatch(level_of(level), tensor, out_dim, "function")
