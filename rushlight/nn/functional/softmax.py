"""Activation functions along a dimension."""

from __future__ import annotations

import warnings
from typing import Any

import rushlight as rl

from ...functions import neural as n

__all__ = [
    "glu", "gumbel_softmax", "log_softmax", "softmax", "softmin",
]  # fmt: skip

Tensor = rl.Tensor


@n.goes_by("GluBackward0")
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half of `dim` times the sigmoid of the second.

    Shapes: (*, 2N, *) to (*, N, *), halved in `dim`. Raises: RuntimeError for an odd size and for
    a single number, NotImplementedError for bools, whole and complex numbers, IndexError for a
    dimension that is not there.
    Source: Dauphin et al. 2016, https://arxiv.org/abs/1612.08083

    >>> import rushlight as torch
    >>> torch.nn.functional.glu(torch.tensor([4.0, 0.0]))
    tensor([2.])
    """
    if input.ndim == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    place = dim % input.ndim if -input.ndim <= dim < input.ndim else dim
    size = input.size(dim)
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {place} is size {size}")
    n.refuse(input, "bool int uint8 complex", "glu_cpu")
    first, second = input.chunk(2, place)
    if input.element_size() == 2:  # one kernel in torch, which rounds once
        y = (first.float() * second.float().sigmoid()).to(input.dtype)
        return n.named(y, "GluBackward0")
    return first * second.sigmoid()


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include"
        " dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """e^x over its sum along `dim`: positive numbers that sum to 1.

    dtype: what the input is turned into first. Raises: NotImplementedError for whole numbers
    without it, IndexError for a dimension that is not there. Shapes: any, and the result has
    that of the input.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html

    >>> import rushlight as torch
    >>> torch.nn.functional.softmax(torch.zeros(1, 2), dim=1)
    tensor([[0.5000, 0.5000]])
    """
    if dim is None:
        dim = _implicit_dim("softmax", input.ndim, _stacklevel)
    return n.softmax(input, dim, dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """softmax(-x).

    Shapes: any; the result has the input's. dtype: what the input is turned into
    first. Raises: as `softmax`, but RuntimeError for bools.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softmin.html

    >>> import rushlight as torch
    >>> torch.nn.functional.softmin(torch.zeros(2), dim=0)
    tensor([0.5000, 0.5000])
    """
    if dim is None:
        dim = _implicit_dim("softmin", input.ndim, _stacklevel)
    return n.softmax(-input, dim, dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """log(softmax(x)), computed without its loss of precision.

    dtype: what the input is turned into first. Raises: NotImplementedError for whole numbers
    without it, IndexError for a dimension that is not there. Shapes: any, and the result has
    that of the input.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html

    >>> import rushlight as torch
    >>> torch.nn.functional.log_softmax(torch.zeros(1, 2), dim=1)
    tensor([[-0.6931, -0.6931]])
    """
    if dim is None:
        dim = _implicit_dim("log_softmax", input.ndim, _stacklevel)
    return n.log_softmax(input, dim, dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A draw from the Gumbel-softmax distribution; one-hot forward (soft backward) if `hard`.

    logits: of any shape (scores along `dim`), the result has the same. tau: the temperature; the
    smaller, the nearer is a draw to one-hot. eps: has no effect. Raises: RuntimeError for anything
    but floats.
    Source: Jang et al. 2017, https://arxiv.org/abs/1611.01144

    >>> import rushlight as torch
    >>> torch.nn.functional.gumbel_softmax(torch.zeros(1, 3), hard=True).sum()
    tensor(1.)
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    like = rl.empty_like(logits, memory_format=rl.contiguous_format)
    noise = -like.exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.argmax(dim, keepdim=True)
    one_hot = rl.zeros_like(logits).scatter_(dim, index, 1.0)
    return one_hot - soft.detach() + soft
