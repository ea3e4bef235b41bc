"""The Jacobians that `gradcheck` compares, by differences, backward and forward, and its verdict.

One row per direction of the input (for complex inputs the real one, then the imaginary), one
column per element of the output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.errors import fail
from ..core.tensor import Tensor, wrap
from .backward import grad
from .forward_ad import dual_level, make_dual, unpack_dual
from .transforms import jvp


class GradcheckError(RuntimeError):
    """A gradient that differences of the function do not confirm.

    >>> import rushlight as torch
    >>> from rushlight.autograd.gradcheck import GradcheckError
    >>> class Wrong(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return 2 * x
    ...
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return 3 * g
    >>> x = torch.ones(1, dtype=torch.float64, requires_grad=True)
    >>> try:
    ...     torch.autograd.gradcheck(Wrong.apply, (x,))
    ... except GradcheckError:
    ...     print("the gradient is wrong")
    the gradient is wrong
    """

    __module__ = "rushlight.autograd.gradcheck"


def as_tuple(values: Any) -> tuple[Any, ...]:
    """Several results or arguments, or one."""
    return tuple(values) if isinstance(values, (tuple, list)) else (values,)


def differentiable(ys: Any) -> list[Tensor]:
    """The results that a gradient reaches."""
    return [y for y in as_tuple(ys) if isinstance(y, Tensor) and y._entry is not None]


def by_differences(
    run: Callable[[], list[np.ndarray]], x: np.ndarray, eps: float
) -> list[np.ndarray]:
    """Central differences of every output."""
    rows: list[list[np.ndarray]] = []
    for place in np.ndindex(x.shape):
        before = x[place]
        for step in (eps, 1j * eps) if x.dtype.kind == "c" else (eps,):
            x[place] = before + step
            high = run()
            x[place] = before - step
            low = run()
            x[place] = before
            rows.append([(b - a) / (2 * eps) for a, b in zip(low, high)])
    if not rows:  # nothing to move
        return [np.zeros((0, y.size), y.dtype) for y in run()]
    return [np.stack([row[k].ravel() for row in rows]) for k in range(len(rows[0]))]


def by_backward(y: Tensor, x: Tensor) -> np.ndarray:
    """The same matrix from backward: for complex outputs both real and imaginary seeds."""
    columns = []
    complex_y = y._array.dtype.kind == "c"
    for place in range(y._array.size):
        parts = []
        for unit in (1, 1j) if complex_y else (1,):
            seed = np.zeros(y._array.size, y._array.dtype)
            seed[place] = unit
            (g,) = grad(
                y, x, wrap(seed.reshape(y._array.shape)), retain_graph=True, allow_unused=True
            )
            array = np.zeros_like(x._array) if g is None else g._array
            flat = array.ravel()
            parts.append(
                np.stack([flat.real, flat.imag], 1).ravel() if x._array.dtype.kind == "c" else flat
            )
        columns.append(parts[0] + 1j * parts[1] if complex_y else parts[0])
    rows = x._array.size * (2 if x._array.dtype.kind == "c" else 1)
    return np.stack(columns, 1) if columns else np.zeros((rows, 0))


def units(x: np.ndarray) -> list[np.ndarray]:
    """One direction per row of the matrices."""
    found = []
    for place in np.ndindex(x.shape):
        for unit in (1, 1j) if x.dtype.kind == "c" else (1,):
            one = np.zeros_like(x)
            one[place] = unit
            found.append(one)
    return found


def pushed(func: Callable[..., Any], xs: Sequence[Any], place: int, direction: Any) -> list[Tensor]:
    """The outputs' derivatives when input `place` moves in a direction (forward mode)."""

    def alone(x: Tensor) -> tuple[Any, ...]:
        given = [x if i == place else one for i, one in enumerate(xs)]
        return tuple(y for y in as_tuple(func(*given)) if isinstance(y, Tensor) and _real(y))

    start = wrap(xs[place]._array)
    _, tangents = jvp(alone, (start,), (direction,))
    return list(tangents)


def _real(y: Tensor) -> bool:
    return y.dtype.is_floating_point or y.dtype.is_complex


def by_forward(func: Callable[..., Any], xs: Sequence[Any], place: int) -> list[np.ndarray]:
    """The same matrices from forward mode, one for every floating-point output."""
    x = xs[place]._array
    rows = [_tangents(func, xs, place, wrap(unit)) for unit in units(x)]
    if not rows:  # no direction to go: as many columns as the outputs have elements
        return [one[None][:0] for one in _tangents(func, xs, place, wrap(np.zeros_like(x)))]
    return [np.stack([row[k] for row in rows]) for k in range(len(rows[0]))]


def _tangents(func: Callable[..., Any], xs: Sequence[Any], place: int, unit: Any) -> list[Any]:
    with dual_level():
        given = list(xs)
        given[place] = make_dual(wrap(xs[place]._array), unit)
        found = []
        for y in as_tuple(func(*given)):
            if isinstance(y, Tensor) and _real(y):
                tangent = unpack_dual(y).tangent
                array = np.zeros(y.shape, y.dtype.numpy) if tangent is None else tangent._array
                found.append(np.array(array).ravel())
    return found


# --- The verdict


def close(a: np.ndarray, b: np.ndarray, rtol: float, atol: float) -> bool:
    """Whether two matrices agree, nan with nan."""
    return np.allclose(a, b, rtol, atol, equal_nan=True)


def _folded(matrix: np.ndarray, complex_input: bool) -> np.ndarray:
    """Rows of real and imaginary directions as one complex number, as torch prints them."""
    return matrix[0::2] + 1j * matrix[1::2] if complex_input else matrix


def mismatch(
    how: str, source: int, place: int, x: Tensor, y_shape: Sequence[int], numerical: np.ndarray,
    analytical: np.ndarray, tolerances: tuple[float, float],
) -> BaseException:  # fmt: skip
    """torch's error for matrices that differ; then which entry, which sample, by how much."""
    rtol, atol = tolerances
    prefix = ""
    if analytical.dtype.kind == "c" or numerical.dtype.kind == "c":
        imaginary = not close(np.imag(analytical), np.imag(numerical), rtol, atol)
        prefix = f"While considering the {'imaginary' if imaginary else 'real'} part of complex"
        prefix += " outputs only, "
        pick = np.imag if imaginary else np.real
        numerical, analytical = pick(numerical), pick(analytical)
    name = "Jacobian" if how == "backward" else f"Jacobian computed with {how} mode"
    name = name if not prefix else f"{prefix}{name}"
    complex_x = x._array.dtype.kind == "c"
    notes = explain(source, place, x, y_shape, numerical, analytical, tolerances)
    a, b = _folded(numerical, complex_x), _folded(analytical, complex_x)
    return fail(
        GradcheckError,
        f"{name} mismatch for output {place} with respect to input {source},\n"
        f"numerical:{wrap(np.ascontiguousarray(a.astype(b.dtype)))}\n"
        f"analytical:{wrap(np.ascontiguousarray(b))}\n",
        *notes,
    )


def explain(
    source: int, place: int, x: Tensor, y_shape: Sequence[int], numerical: np.ndarray,
    analytical: np.ndarray, tolerances: tuple[float, float],
) -> list[str]:  # fmt: skip
    """Where two matrices differ the most, in the user's coordinates, and what that suggests."""
    rtol, atol = tolerances
    wrong = ~np.isclose(analytical, numerical, rtol, atol, equal_nan=True)
    apart = np.where(wrong, np.nan_to_num(np.abs(analytical - numerical), nan=np.inf), -1.0)
    row, column = (int(i) for i in np.unravel_index(int(np.argmax(apart)), apart.shape))
    complex_x = x._array.dtype.kind == "c"
    entry = np.unravel_index(row // 2 if complex_x else row, x._array.shape)
    output = np.unravel_index(column, tuple(y_shape))
    n, a = float(numerical[row, column]), float(analytical[row, column])
    relative = abs(a - n) / max(abs(n), 1e-300)
    side = ("", " (imaginary part)")[row % 2] if complex_x else ""
    notes = [
        f"{int(wrong.sum())} of {wrong.size} entries differ; the worst by {abs(a - n):.3g}"
        f" (relative {relative:.2g}): the derivative of output {place}{_at(output)} by input"
        f" {source}{_at(entry)}{side} is {n:.6g} by differences and {a:.6g} analytically"
    ]
    if len(x._array.shape) > 1:
        notes.append(f"that entry belongs to sample {int(entry[0])} of {x._array.shape[0]}")
    return notes + _suspicions(x, numerical, analytical, wrong)


def _at(index: Sequence[Any]) -> str:
    return f"[{', '.join(str(int(i)) for i in index)}]" if len(index) else ""


def _suspicions(
    x: Tensor, numerical: np.ndarray, analytical: np.ndarray, wrong: np.ndarray
) -> list[str]:
    if not np.isfinite(analytical).all():
        return ["the analytical derivative holds nan or inf"]
    large = np.abs(numerical) > 1e-3 * np.abs(numerical).max(initial=0)
    ratio = analytical[large] / numerical[large] if large.any() else np.zeros(0)
    if len(ratio) and np.ptp(ratio) < 1e-3 * abs(ratio[0]) and abs(ratio[0] - 1) > 1e-3:
        return [f"the analytical derivative is {ratio[0]:.4g} times the numerical one throughout"]
    if not analytical.any():
        return ["the analytical derivative is zero: was the chain cut (detach, .data, no_grad)?"]
    if x._array.dtype.itemsize < 8:
        return [f"{x.dtype} inputs: differences are only good to two or three digits;"
                " use .double()"]  # fmt: skip
    few = wrong.sum() <= max(1, wrong.size // 10)
    return ["few entries differ: is the point at a kink (0 of relu, ties of max)?"] if few else []
