"""Tensor methods that overwrite a tensor with random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.batched_draws import filler, target
from ..core import inplace
from ..core.errors import fail
from ..core.tape import mark_quietly, mark_written
from ..core.tensor import Tensor
from ..ops import noise
from ..ops.structure import expand
from .arguments import combination, misfit, whole
from .drawing import engine_of


def _fill(self: Tensor, op: Any, method: str, args: tuple[Any, ...], generator: Any) -> Tensor:
    """Draw into the tensor's memory in its own order; on the tape it cuts the gradient."""
    if self._entry is not None or self._base is not None:
        inplace.refuse_leaf(self)
    if inplace.is_value(self):  # inside a transform
        if self._array.absent:
            return self
        engine = engine_of(generator)
        drawn = getattr(engine, method)(None, None, *args, out=target(self._array, engine))
        return inplace.store(self, op(self, drawn))
    a = inplace.memory(self)
    inplace.refuse_shared_places(a)
    getattr(filler(engine_of(generator)), method)(None, None, *args, out=a)
    return _written(self, op)


def _written(self: Tensor, op: Any) -> Tensor:
    if self._entry is not None and inplace.recording(self, ()):
        return inplace.store(self, op(self, self._array.copy()))
    (mark_quietly if self._silent else mark_written)(self._array)
    return self


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Overwrite with normal numbers.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0); torch.empty(2).normal_(0, 0.1)
    tensor([ 0.1541, -0.0293])
    """
    return _fill(self, noise.normal_noise, "normal", (float(mean), float(std)), generator)


def _from_to(name: str, bounds: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """`from` is a reserved word, so it comes in a dictionary."""
    found = dict(zip(("from", "to"), bounds))
    if len(bounds) > 2 or any(key in found for key in named):
        raise combination(name, bounds, named)
    for key in named:
        if key not in ("from", "to"):
            raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")
    return {**found, **named}


def uniform_(self: Tensor, *bounds: float, generator: Any = None, **named: float) -> Tensor:
    """Overwrite with uniform numbers in [from, to), by default [0, 1).

    >>> import rushlight as torch
    >>> x = torch.empty(1000).uniform_(2, 4)
    >>> x.min().item() >= 2 and x.max().item() < 4
    True
    """
    ends = _from_to("uniform_", bounds, named)
    args = (float(ends.get("from", 0.0)), float(ends.get("to", 1.0)))
    return _fill(self, noise.uniform_noise, "uniform", args, generator)


def random_(self: Tensor, *bounds: int, generator: Any = None, **named: int | None) -> Tensor:
    """Overwrite with whole numbers: `random_()`, `random_(to)` or `random_(from, to)`.

    >>> import rushlight as torch
    >>> x = torch.empty(1000, dtype=torch.int64).random_(1, 7)
    >>> x.unique()
    tensor([1, 2, 3, 4, 5, 6])
    """
    if len(bounds) == 1 and not named:
        ends: dict[str, Any] = {"from": 0, "to": bounds[0]}
    else:
        ends = _from_to("random_", bounds, named)
        if "to" in ends:
            ends.setdefault("from", 0)
    args = tuple(
        None if ends.get(key) is None else whole("random_", key, place + 1, ends[key])
        for place, key in enumerate(("from", "to"))
    )
    return _fill(self, noise.integer_noise, "integers", args, generator)


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Any = None) -> Tensor:
    """Overwrite with exponential numbers of rate `lambd`, whose mean is 1 / lambd.

    >>> import rushlight as torch
    >>> x = torch.empty(10000).exponential_(0.5)
    >>> f"{x.mean().item():.0f}"
    '2'
    """
    return _fill(self, noise.exponential_noise, "exponential", (float(lambd),), generator)


def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *,
            generator: Any = None) -> Tensor:  # fmt: skip
    """Overwrite with Cauchy numbers: half of them lie within `sigma` of `median`.

    >>> import rushlight as torch
    >>> x = torch.empty(10000).cauchy_(5, 2)
    >>> f"{((x - 5).abs() < 2).float().mean().item():.1f}"
    '0.5'
    """
    return _fill(self, noise.cauchy_noise, "cauchy", (float(median), float(sigma)), generator)


def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *,
                generator: Any = None) -> Tensor:  # fmt: skip
    """Overwrite with exp of normal numbers of that mean and deviation.

    >>> import rushlight as torch
    >>> x = torch.empty(10000).log_normal_(3, 1)
    >>> f"{x.log().mean().item():.0f}"
    '3'
    """
    return _fill(self, noise.log_normal_noise, "log_normal", (float(mean), float(std)), generator)


def geometric_(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Overwrite with the number of trials to the first success of probability `p`.

    >>> import rushlight as torch
    >>> x = torch.empty(10000).geometric_(0.5)
    >>> x.min().item(), f"{x.mean().item():.0f}"
    (1.0, '2')
    """
    return _fill(self, noise.geometric_noise, "geometric", (float(p),), generator)


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Overwrite with ones of probability `p` (a number or a tensor), else zeros.

    >>> import rushlight as torch
    >>> torch.empty(2).bernoulli_(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    if not isinstance(p, Tensor):
        if not isinstance(p, (int, float, np.number)):
            raise misfit("bernoulli_", "p", 1, "Tensor", p)
        return _fill(self, noise.bernoulli_noise, "bernoulli", (float(p),), generator)
    inplace.refuse_leaf(self)
    if inplace.is_value(self):  # inside a transform
        engine, limits = engine_of(generator), expand(p, self._array.shape)._array
        drawn = engine.bernoulli_like(limits, None, out=target(self._array, engine))
        return inplace.store(self, noise.bernoulli_noise(self, drawn))
    a = inplace.memory(self)
    inplace.refuse_shared_places(a)
    try:
        limits = np.broadcast_to(p._array, a.shape)
    except ValueError:
        raise _misshaped(a.shape, p._array.shape) from None
    filler(engine_of(generator)).bernoulli_like(limits, None, out=a)
    return _written(self, noise.bernoulli_noise)


def _misshaped(wanted: tuple[int, ...], found: tuple[int, ...]) -> BaseException:
    both = range(1, min(len(wanted), len(found)) + 1)
    at = next((i for i in both if found[-i] not in (1, wanted[-i])), 1)
    return fail(
        RuntimeError,
        f"The expanded size of the tensor ({wanted[-at]}) must match the existing size"
        f" ({found[-at]}) at non-singleton dimension {len(wanted) - at}.  Target sizes:"
        f" {list(wanted)}.  Tensor sizes: {list(found)}",
    )


METHODS = {
    f.__name__: f for f in (
        normal_, uniform_, random_, exponential_, cauchy_, log_normal_, geometric_, bernoulli_,
    )
}  # fmt: skip
