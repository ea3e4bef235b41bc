"""The error of differences against their step: as a table, and as a picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.errors import fail
from ...core.tensor import Tensor, wrap
from ..backward import grad
from ..modes import enable_grad
from ..plot import lines
from .differences import (
    ORDERS,
    best_step,
    derivative,
    dtype_of,
    evaluations,
    gradient,
    real_argument,
)

METHODS = tuple(ORDERS)


@dataclass(frozen=True)
class ErrorCurve:
    """Errors of each method at each step, beside the exact derivative.

    `errors[method][i]` belongs to `steps[i]`; `predicted[method]` is the step that `best_step`
    chooses and `best[method]` the one that turned out best.

    >>> import rushlight as torch
    >>> from rushlight.autograd import numeric
    >>> curve = numeric.error_curve(torch.sin, 1.0)
    >>> f"{curve.exact:.4f}", curve.dtype
    ('0.5403', 'float64')
    """

    steps: list[float]
    errors: dict[str, list[float]]
    exact: float
    dtype: str
    predicted: dict[str, float]

    @property
    def best(self) -> dict[str, float]:
        return {name: self.steps[int(np.nanargmin(errors))] for name, errors in self.errors.items()}

    def table(self) -> str:
        """The errors as text: one row per step, and under it which side of the optimum is which."""
        names = list(self.errors)
        rows = [["step", *names]]
        for place, h in enumerate(self.steps):
            rows.append([f"{h:.0e}", *(f"{self.errors[name][place]:.2e}" for name in names)])
        rows.append(["best at", *(f"{self.best[name]:.0e}" for name in names)])
        rows.append(["chosen", *(f"{self.predicted[name]:.0e}" for name in names)])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(cell.rjust(n) for cell, n in zip(row, widths)) for row in rows]
        lines.insert(len(lines) - 2, "")
        return "\n".join([
            f"error of differences in {self.dtype}; the derivative is {self.exact:.12g}", *lines,
            "", "above the best step truncation rules (the error falls with h^order),",
            "below it rounding (it grows as eps / h).",
        ])  # fmt: skip

    __str__ = table

    def svg(self) -> str:
        """The curves as a picture with logarithmic axes, dashed lines at the steps chosen."""
        shown = {
            name: [(h, e) for h, e in zip(self.steps, errors) if e > 0]
            for name, errors in self.errors.items()
        }
        return lines(
            shown, f"Error of differences ({self.dtype})",
            "step h (left: rounding, eps / h; right: truncation, h^order)", "error",
            legend=150.0, marks=self.predicted,
        )  # fmt: skip

    _repr_svg_ = svg

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to an SVG file."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.svg())


def error_curve(
    function: Callable[[Tensor], Any], x: Any, exact: float | None = None,
    methods: Sequence[str] = METHODS, steps: Sequence[float] | None = None,
) -> ErrorCurve:  # fmt: skip
    """How far differences are from the derivative at x, over steps from 1 to 1e-16.

    `exact` is the derivative; without it reverse mode computes it in double precision. `steps`
    default to the powers of ten that the type can tell apart.

    >>> import rushlight as torch
    >>> from rushlight.autograd import numeric
    >>> curve = numeric.error_curve(torch.sin, 1.0)
    >>> curve.best["forward"] < curve.best["central"] < curve.best["richardson"]
    True
    """
    point = real_argument(x)
    kind = dtype_of(point)
    if exact is None:
        exact = _by_backward(function, point)
    if steps is None:
        steps = [10.0**-n for n in range(17 if point.dtype.itemsize > 4 else 9)]
    errors: dict[str, list[float]] = {}
    for method in methods:
        errors[method] = [_error(function, point, method, h, exact) for h in steps]
    scale = max(1.0, abs(float(point.reshape(()))))
    chosen = {method: best_step(method, kind, scale) for method in methods}
    return ErrorCurve(list(steps), errors, exact, kind.name, chosen)


def _error(
    function: Callable[[Tensor], Any], x: np.ndarray, method: str, h: float, exact: float
) -> float:
    if x.dtype.type(x.reshape(()) + x.dtype.type(h / 2)) == x.reshape(()):
        return float("nan")  # x + h is x: there is no difference to take
    with np.errstate(all="ignore"):
        found = derivative(function, wrap(x), method, h)
    return abs(float(found.value._array) - exact)


def _by_backward(function: Callable[[Tensor], Any], point: np.ndarray) -> float:
    x = wrap(point.astype(np.float64))
    x.requires_grad = True
    with enable_grad():
        y = function(x)
        if not isinstance(y, Tensor) or y._entry is None:
            raise fail(
                TypeError, "the exact derivative is not known: backward stops on the way",
                "give it as exact=",
            )  # fmt: skip
        (slope,) = grad(y, x)
    return float(slope._array)


@dataclass(frozen=True)
class CostCurve:
    """Counted evaluations of gradients of functions of 1, 10, 100, ... variables.

    >>> from rushlight.autograd import numeric
    >>> curve = numeric.cost_curve((1, 10))
    >>> curve.sizes, curve.counts["central"]
    ([1, 10], [2, 20])
    """

    sizes: list[int]
    counts: dict[str, list[int]]

    def table(self) -> str:
        """The counts as text; reverse mode is one evaluation and one sweep back at any size."""
        rows = [["N", *self.counts]]
        rows += [
            [str(n), *(str(counts[i]) for counts in self.counts.values())]
            for i, n in enumerate(self.sizes)
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join("  ".join(c.rjust(n) for c, n in zip(row, widths)) for row in rows)

    __str__ = table

    def svg(self) -> str:
        """The counts against N as a picture."""
        return lines(
            {name: list(zip(self.sizes, counts)) for name, counts in self.counts.items()},
            "Evaluations for a gradient of N elements", "N", "evaluations",
        )  # fmt: skip

    _repr_svg_ = svg


def cost_curve(sizes: Sequence[int] = (1, 10, 100, 1000)) -> CostCurve:
    """Count the evaluations that gradients by differences take, for sums of N squares.

    >>> from rushlight.autograd import numeric
    >>> print(numeric.cost_curve((1, 10)))
     N  forward  central  richardson  reverse
     1        2        2           4        1
    10       11       20          40        1
    """
    counts: dict[str, list[int]] = {}
    for method in METHODS:
        counts[method] = [
            gradient(lambda x: (x * x).sum(), np.zeros(n), method).evaluations for n in sizes
        ]
    assert all(counts[m] == [evaluations(m, n) for n in sizes] for m in METHODS)
    counts["reverse"] = [1] * len(sizes)
    return CostCurve(list(sizes), counts)
