"""torch's functions of error, gamma and entropy, and the elementwise ones of an odd kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import refuse
from ..core.errors import fail
from ..core.operands import refuse_numbers
from ..core.state import DEFAULTS
from ..core.tensor import Tensor
from ..ops import special as k
from ..ops import structure as s
from ..ops.special import (
    digamma,
    erf,
    erfc,
    erfinv,
    i0,
    igamma,
    igammac,
    lgamma,
    sinc,
    xlogy,
)
from .reduction import put as _out
from .results import named_result

__all__ = [
    "angle", "digamma", "erf", "erfc", "erfinv", "frexp", "i0", "igamma", "igammac", "ldexp",
    "lgamma", "logit", "mvlgamma", "nan_to_num", "polygamma", "sinc", "xlogy",
]  # fmt: skip


def _floating(input: Tensor) -> Tensor:
    return input if input.dtype.category >= dtypes.FLOAT else s.cast(input, DEFAULTS.dtype)


def angle(input: Tensor, *, out: Any = None) -> Tensor:
    """The angle of each complex number in radians; for real ones 0 or pi.

    >>> import rushlight as torch
    >>> torch.angle(torch.tensor([1j, -1.0]))
    tensor([1.5708, 3.1416])
    """
    op = k.angle if input.dtype.is_complex else k.angle_of_real
    return _out(op(_floating(input)), out)


def logit(input: Tensor, eps: float | None = None, *, out: Any = None) -> Tensor:
    """log(x / (1 - x)); with `eps`, x is first held in [eps, 1 - eps].

    Without it the value is nan outside [0, 1].
    Source: https://docs.pytorch.org/docs/stable/special.html

    >>> import rushlight as torch
    >>> torch.logit(torch.tensor([0.5]))
    tensor([0.])
    """
    return _out(k.logit(_floating(input), eps), out)


def polygamma(n: int, input: Tensor, *, out: Any = None) -> Tensor:
    """The n-th derivative of digamma.

    Arguments: `n`, a number from 0 on. Raises: RuntimeError for negative ones.
    Source: https://docs.pytorch.org/docs/stable/special.html

    >>> import rushlight as torch
    >>> torch.polygamma(1, torch.tensor([1.0]))
    tensor([1.6449])
    """
    if isinstance(n, Tensor) and (n._array.ndim or n.dtype.category != dtypes.INTEGER):
        raise TypeError("polygamma(): argument 'n' (position 1) must be int, not Tensor")
    n = int(n)
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return _out(k.polygamma(_floating(input), n), out)


def mvlgamma(input: Tensor, p: int, *, out: Any = None) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension p.

    >>> import rushlight as torch
    >>> torch.mvlgamma(torch.tensor([2.0]), 2)
    tensor([0.4516])
    """
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    if input._array.dtype.kind == "b":
        raise RuntimeError("The input tensor may not be a boolean tensor.")
    return _out(k.mvlgamma(_floating(input), p), out)


def nan_to_num(
    input: Tensor, nan: float | None = None, posinf: float | None = None,
    neginf: float | None = None, *, out: Any = None,
) -> Tensor:  # fmt: skip
    """nan replaced by 0 (or `nan`), infinities by the largest numbers (or `posinf`, `neginf`).

    >>> import rushlight as torch
    >>> torch.nan_to_num(torch.tensor([torch.nan, 1.0]), nan=2.0)
    tensor([2., 1.])
    """
    return _out(k.nan_to_num(input, nan, posinf, neginf, np.isfinite(input._array)), out)


_frexp = named_result("frexp", ("mantissa", "exponent"))


def frexp(input: Tensor, *, out: Any = None) -> Any:
    """Mantissas in [1/2, 1) and integer exponents: input = mantissa * 2 ** exponent.

    >>> import rushlight as torch
    >>> torch.frexp(torch.tensor([4.0])).exponent
    tensor([3], dtype=torch.int32)
    """
    if not input.dtype.is_floating_point:
        raise fail(RuntimeError, "torch.frexp() only supports floating-point dtypes",
                   f"the input is {input.dtype!r}")  # fmt: skip
    return _out(_frexp(*k.frexp(input)), out)


def ldexp(input: Tensor, other: Any, *, out: Any = None) -> Tensor:
    """input * 2 ** other.

    >>> import rushlight as torch
    >>> torch.ldexp(torch.tensor([1.0]), torch.tensor([3]))
    tensor([8.])
    """
    refuse_numbers(k.ldexp.primitive, (input, other))
    if input.dtype.is_floating_point:
        refuse(other, "bool", "ldexp_cpu_exp")
    return k.ldexp(input, other, out=out)
