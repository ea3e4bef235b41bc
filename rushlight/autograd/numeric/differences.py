"""Derivatives by differences: forward, central, Richardson, with the step that suits each.

Two errors pull on the step h. Truncation: the difference is not the derivative, by about h^p for a
method of order p. Rounding: function values carry about `eps` of noise, which division by h
enlarges to eps/h. Their sum is least near h = eps^(1/(p+1)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.errors import fail
from ...core.state import DEFAULTS
from ...core.tensor import Tensor, wrap
from ..modes import no_grad

# order of accuracy in h, and evaluations per direction (one more in all for forward: f(x) itself)
ORDERS = {"forward": 1, "central": 2, "richardson": 4}
EVALUATIONS = {"forward": 1, "central": 2, "richardson": 4}


@dataclass(frozen=True)
class Estimate:
    """A derivative by differences: its value, and what it took to get it.

    >>> import rushlight as torch
    >>> from rushlight.autograd import numeric
    >>> estimate = numeric.derivative(torch.exp, 0.0, "central")
    >>> estimate.method, estimate.evaluations, round(estimate.value.item(), 6)
    ('central', 2, 1.0)
    """

    value: Tensor
    method: str
    step: float
    evaluations: int

    def __repr__(self) -> str:
        return (
            f"{self.value} ({self.method} differences, h = {self.step:.3g},"
            f" {self.evaluations} evaluations)"
        )


def _method(name: str) -> str:
    if name not in ORDERS:
        raise ValueError(f"unknown method {name!r}; there are {', '.join(ORDERS)}")
    return name


def best_step(method: str = "central", dtype: Any = None, scale: float = 1.0) -> float:
    """The step at which truncation and rounding balance: eps^(1/(p+1)) * scale.

    `eps` is the spacing of numbers of the type (default: float64) at 1, p the order of the method
    (forward 1, central 2, richardson 4), `scale` the size of the argument.

    Source: Press et al., Numerical Recipes (3rd ed., 2007), section 5.7.

    >>> import rushlight as torch
    >>> from rushlight.autograd import numeric
    >>> f"{numeric.best_step('forward'):.1e} {numeric.best_step('central'):.1e}"
    '1.5e-08 6.1e-06'
    >>> f"{numeric.best_step('central', torch.float32):.1e}"
    '4.9e-03'
    """
    kind = np.dtype(np.float64) if dtype is None else dtype.numpy
    if kind.kind not in "fcV":
        raise TypeError(f"differences need a floating-point type, not {dtype}")
    eps = float(np.finfo(kind).eps) if kind.kind in "fc" else 2.0**-7
    return scale * eps ** (1.0 / (ORDERS[_method(method)] + 1))


class _Counted:
    """The function as arrays see it, counting its calls."""

    def __init__(self, function: Callable[[Tensor], Any], like: np.ndarray) -> None:
        self.function, self.like, self.count = function, like, 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.count += 1
        with no_grad():
            y = self.function(wrap(x.copy()))
        array = y._array if isinstance(y, Tensor) else np.asarray(y, self.like.dtype)
        return np.array(array, dtype=array.dtype if array.dtype.kind in "fc" else self.like.dtype)


def real_argument(x: Any) -> np.ndarray:
    if isinstance(x, Tensor):
        array = x._array
    else:
        array = np.asarray(x, np.float64 if isinstance(x, (int, float)) else DEFAULTS.dtype.numpy)
    if array.dtype.kind != "f":
        raise fail(
            TypeError, f"differences need a real floating-point argument, not {array.dtype.name}",
            "convert it with .double()",
        )  # fmt: skip
    return np.array(array)


def _exact(x: np.ndarray, h: float, place: Any) -> float:
    """The step that the argument really makes: x + h is rounded, so h is what is left of it."""
    kind = x.dtype.type
    return float(kind(x[place] + kind(h)) - x[place])


def _along(f: _Counted, x: np.ndarray, place: Any, h: float, method: str, here: Any) -> Any:
    """The difference quotient along one coordinate."""

    def at(step: float) -> np.ndarray:
        before = x[place]
        x[place] = before + x.dtype.type(step)
        y = f(x)
        x[place] = before
        return y

    if method == "forward":
        h = _exact(x, h, place)
        return (at(h) - here) / here.dtype.type(h)
    if method == "central":
        h = _exact(x, h, place)
        high, low = at(h), at(-h)
        return (high - low) / high.dtype.type(2 * h)
    wide = _along(f, x, place, h, "central", here)
    narrow = _along(f, x, place, h / 2, "central", here)
    return narrow + (narrow - wide) / wide.dtype.type(3)


def _columns(
    function: Callable[[Tensor], Any], x: Any, method: str, step: float | None
) -> tuple[list[np.ndarray], np.ndarray, float, int]:
    """One difference quotient per element of x."""
    point = real_argument(x)
    f = _Counted(function, point)
    base = best_step(method, dtype_of(point)) if step is None else float(step)
    if not base > 0:
        raise ValueError(f"the step must be positive, got {step}")
    here = f(point) if method == "forward" else None
    found = []
    for place in np.ndindex(point.shape):
        scale = max(1.0, abs(float(point[place]))) if step is None else 1.0
        found.append(_along(f, point, place, base * scale, method, here))
    return found, point, base, f.count


def dtype_of(array: np.ndarray) -> Any:
    return wrap(array).dtype


def derivative(
    function: Callable[..., Any], x: Any, method: str = "central", step: float | None = None
) -> Estimate:
    """The derivative of a function of one number.

    `method`: "forward" (f(x+h) - f(x))/h, "central" (f(x+h) - f(x-h))/2h, or "richardson", two
    central ones combined so that the error of order h^2 cancels. `step` is `best_step` times
    max(1, |x|) unless given. `x` may be a Python number, taken as float64.

    >>> import rushlight as torch
    >>> from rushlight.autograd import numeric
    >>> numeric.derivative(torch.exp, 0.0, "forward").evaluations
    2
    >>> abs(numeric.derivative(torch.exp, 0.0, "richardson").value.item() - 1) < 1e-12
    True
    """
    point = real_argument(x)
    if point.size != 1:
        raise fail(
            ValueError, f"derivative takes one number, not {point.size}",
            "numeric.gradient takes tensors",
        )  # fmt: skip
    found, _, base, count = _columns(function, wrap(point), _method(method), step)
    return Estimate(wrap(np.asarray(found[0])), method, base, count)


def gradient(
    function: Callable[[Tensor], Any], x: Any, method: str = "central", step: float | None = None
) -> Estimate:
    """The gradient of a scalar function of a tensor: N elements take N to 4N evaluations.

    Forward differences take N + 1 evaluations, central 2N, Richardson 4N, where reverse mode takes
    the cost of a few, whatever N is. Raises ValueError if the function is not scalar.

    >>> import rushlight as torch
    >>> from rushlight.autograd import numeric
    >>> x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    >>> estimate = numeric.gradient(lambda x: (x * x).sum(), x)
    >>> estimate.evaluations, torch.allclose(estimate.value, 2 * x)
    (6, True)
    """
    found, point, base, count = _columns(function, x, _method(method), step)
    for one in found[:1]:
        if one.size != 1:
            raise fail(
                ValueError, f"the function gives {one.size} numbers, not one",
                "numeric.jacobian takes functions of any shape",
            )  # fmt: skip
    flat = np.array([one.reshape(()) for one in found], point.dtype)
    return Estimate(wrap(flat.reshape(point.shape)), method, base, count)


def jacobian(
    function: Callable[[Tensor], Any], x: Any, method: str = "central", step: float | None = None
) -> Estimate:
    """All derivatives of all outputs, of shape output.shape + x.shape, one column per element of x.

    Arguments: `method`, "forward", "central" or "richardson"; `step`, chosen by the method if None.
    Raises: ValueError for another method.

    >>> import rushlight as torch
    >>> from rushlight.autograd import numeric
    >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    >>> numeric.jacobian(lambda x: x * x, x).value.round(decimals=6)
    tensor([[2., 0.],
            [0., 4.]], dtype=torch.float64)
    """
    found, point, base, count = _columns(function, x, _method(method), step)
    if not found:
        y = _Counted(function, point)(point)
        return Estimate(wrap(np.zeros((*y.shape, *point.shape), y.dtype)), method, base, count + 1)
    shape = (*found[0].shape, *point.shape)
    return Estimate(wrap(np.stack(found, -1).reshape(shape)), method, base, count)


def evaluations(method: str, count: int) -> int:
    """How many evaluations a gradient of `count` elements takes.

    >>> from rushlight.autograd import numeric
    >>> [numeric.evaluations(method, 1000) for method in ("forward", "central", "richardson")]
    [1001, 2000, 4000]
    """
    return EVALUATIONS[_method(method)] * count + (method == "forward")
