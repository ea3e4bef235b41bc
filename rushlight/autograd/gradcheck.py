"""Gradients compared with differences of the function: `gradcheck` and `gradgradcheck`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from .backward import grad
from .modes import enable_grad


class GradcheckError(RuntimeError):
    """A gradient that differences of the function do not confirm."""


def _tuple(values: Any) -> tuple[Any, ...]:
    return tuple(values) if isinstance(values, (tuple, list)) else (values,)


def _check_inputs(xs: tuple[Any, ...]) -> None:
    """At least one input wants its gradient; single precision gets torch's warning."""
    wanted = [x for x in xs if isinstance(x, Tensor) and x._entry is not None]
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have"
            " requires_grad=True."
        )
    for place, x in enumerate(xs):
        if not isinstance(x, Tensor) or x._entry is None:
            continue
        if x._array.dtype not in (np.float64, np.complex128):
            warnings.warn(
                f"Input #{place} requires gradient and is not a double precision floating point or"
                " complex. This check will likely fail if all the inputs are not of double"
                " precision floating point or complex. ", UserWarning, stacklevel=4,
            )  # fmt: skip
        sizes = zip(x._array.strides, x._array.shape)
        if any(step == 0 and size > 1 for step, size in sizes):
            raise RuntimeError(
                f"The {place}th input has a dimension with stride 0. gradcheck only supports inputs"
                " that are non-overlapping to be able to compute the numerical gradients"
                " correctly. You"
                " should call .contiguous on the input before passing it to gradcheck."
            )


def _differentiable(ys: Any) -> list[Tensor]:
    return [y for y in _tuple(ys) if isinstance(y, Tensor) and y._entry is not None]


def _numerical(run: Callable[[], list[np.ndarray]], x: np.ndarray, eps: float) -> list[np.ndarray]:
    """Central differences of every output: one row per element of x (complex: real direction,
    then imaginary)."""
    rows: list[list[np.ndarray]] = []
    for place in np.ndindex(x.shape):
        before = x[place]
        sides = []
        for step in (eps, 1j * eps) if x.dtype.kind == "c" else (eps,):
            x[place] = before + step
            high = run()
            x[place] = before - step
            low = run()
            x[place] = before
            sides.append([(b - a) / (2 * eps) for a, b in zip(low, high)])
        rows.extend(sides)
    return [np.stack([row[k].ravel() for row in rows]) for k in range(len(rows[0]))] if rows else []


def _analytical(y: Tensor, x: Tensor) -> np.ndarray:
    """The same matrix from backward: for complex values in real and imaginary directions."""
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


def _mismatch(place: int, source: int, numerical: np.ndarray, analytical: np.ndarray) -> str:
    kind = analytical.dtype
    return (
        f"Jacobian mismatch for output {place} with respect to input {source},\n"
        f"numerical:{wrap(numerical.astype(kind))}\nanalytical:{wrap(analytical)}\n"
    )


def _compare(
    func: Callable[..., Any], xs: tuple[Any, ...], eps: float, atol: float, rtol: float,
    nondet_tol: float,
) -> None:  # fmt: skip
    with enable_grad():
        ys = _differentiable(func(*xs))

    def run() -> list[np.ndarray]:
        found = [y for y in _tuple(func(*xs)) if isinstance(y, Tensor)]
        chosen = [y for y in found if y._entry is not None] if ys else found
        return [np.array(y._array) for y in chosen]

    for source, x in enumerate(xs):
        if not isinstance(x, Tensor) or x._entry is None:
            continue
        with enable_grad():
            numerical = _numerical(run, x._array, eps)
        if not ys:
            if any(np.abs(one).max(initial=0) > atol for one in numerical):
                raise GradcheckError("Numerical gradient for function expected to be zero")
            continue
        for place, (y, expected) in enumerate(zip(ys, numerical)):
            found = _analytical(y, x)
            if not np.allclose(found, expected, rtol, atol, equal_nan=True):
                raise GradcheckError(_mismatch(place, source, expected, found))
            if not np.allclose(found, _analytical(y, x), 0, nondet_tol, equal_nan=True):
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and"
                    " grad_output multiple times gives different values, although analytical"
                    " gradient matches"
                    f" numerical gradient.The tolerance for nondeterminism was {nondet_tol}."
                )


def gradcheck(
    func: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5,
    rtol: float = 1e-3, raise_exception: bool = True, nondet_tol: float = 0.0,
    check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
    check_batched_grad: bool = False, check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False, check_backward_ad: bool = True, fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:  # fmt: skip
    """Whether backward agrees with central differences, for every input that requires grad.

    Inputs should be double precision. Raises GradcheckError (a RuntimeError) with both matrices
    where they differ, or returns False if `raise_exception` is.
    Source: https://pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html

    >>> import rushlight as torch
    >>> x = torch.rand(3, dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.sin, x)
    True
    """
    xs = _tuple(inputs)
    try:
        _check_inputs(xs)
        if check_backward_ad:
            _compare(func, xs, eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6,
    atol: float = 1e-5, rtol: float = 1e-3, gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False, check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True, fast_mode: bool = False,
    masked: bool = False,
) -> bool:  # fmt: skip
    """`gradcheck` of the gradient itself, as a function of inputs and output gradients.

    Source: https://pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradgradcheck.html
    """
    xs = _tuple(inputs)
    with enable_grad():
        ys = _differentiable(func(*xs))
    if grad_outputs is None:
        rng = np.random.default_rng(len(ys))
        arrays = [rng.standard_normal(y._array.shape).astype(y._array.dtype) for y in ys]
        grad_outputs = [wrap(np.asarray(array)) for array in arrays]
        for one in grad_outputs:
            one.requires_grad = True
    seeds = _tuple(grad_outputs)
    count = len(xs)

    def slope(*given: Any) -> tuple[Any, ...]:
        targets = [x for x in given[:count] if isinstance(x, Tensor) and x._entry is not None]
        with enable_grad():
            outputs = _differentiable(func(*given[:count]))
            found = grad(outputs, targets, given[count:], create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        slope, (*xs, *seeds), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol,
    )  # fmt: skip
