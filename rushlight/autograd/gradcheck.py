"""Gradients compared with differences of the function: `gradcheck` and `gradgradcheck`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from ..core.errors import fail
from ..core.tensor import Tensor, wrap
from ..ops.structure import permute
from .backward import grad
from .gradcheck_matrices import (
    GradcheckError,
    as_tuple,
    by_backward,
    by_differences,
    by_forward,
    close,
    differentiable,
    explain,
    mismatch,
    pushed,
)
from .modes import enable_grad
from .transforms import vjp
from .vmap import vmap

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


@dataclass(frozen=True)
class _Check:
    """One call's function, inputs and tolerances."""

    func: Callable[..., Any]
    xs: tuple[Any, ...]
    eps: float
    atol: float
    rtol: float
    nondet_tol: float

    @property
    def wanted(self) -> list[tuple[int, Tensor]]:
        return [
            (place, x) for place, x in enumerate(self.xs)
            if isinstance(x, Tensor) and x._entry is not None
        ]  # fmt: skip

    def outputs(self) -> list[Tensor]:
        with enable_grad():
            return differentiable(self.func(*self.xs))

    def runner(self, ys: list[Tensor]) -> Callable[[], list[np.ndarray]]:
        """The function as arrays, of those outputs that a gradient reaches (else of all)."""

        def run() -> list[np.ndarray]:
            found = [y for y in as_tuple(self.func(*self.xs)) if isinstance(y, Tensor)]
            chosen = [y for y in found if y._entry is not None] if ys else found
            return [np.array(y._array) for y in chosen]

        return run

    def numerical(self, x: Tensor, ys: list[Tensor]) -> list[np.ndarray]:
        with enable_grad():
            return by_differences(self.runner(ys), x._array, self.eps)


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
        if x._array.size and any(step == 0 and size > 1 for step, size in sizes):
            raise RuntimeError(
                f"The {place}th input has a dimension with stride 0. gradcheck only supports inputs"
                " that are non-overlapping to be able to compute the numerical gradients"
                " correctly. You"
                " should call .contiguous on the input before passing it to gradcheck."
            )


def _slowly(check: _Check) -> None:
    """Every entry of every Jacobian from backward."""
    ys = check.outputs()
    numerical = [check.numerical(x, ys) for _, x in check.wanted]
    for (source, _), found in zip(check.wanted, numerical):
        if not ys and any(np.abs(one).max(initial=0) > check.atol for one in found):
            raise fail(
                GradcheckError, "Numerical gradient for function expected to be zero",
                f"the outputs move with input {source}, but no gradient reaches it: was the"
                " chain cut (detach, .data, no_grad)?",
            )  # fmt: skip
    for place, y in enumerate(ys):  # torch names the first of this order that is wrong
        for (source, x), expected in zip(check.wanted, numerical):
            found = by_backward(y, x)
            _agree(check, "backward", source, place, x, y._array.shape, expected[place], found)
            if not close(found, by_backward(y, x), 0, check.nondet_tol):
                raise _not_reentrant(check.nondet_tol)


def _agree(
    check: _Check, how: str, source: int, place: int, x: Tensor, shape: Any,
    numerical: np.ndarray, analytical: np.ndarray,
) -> None:  # fmt: skip
    if not close(analytical, numerical, check.rtol, check.atol):
        tolerances = check.rtol, check.atol
        raise mismatch(how, source, place, x, shape, numerical, analytical, tolerances)


def _not_reentrant(tolerance: float) -> BaseException:
    return fail(
        GradcheckError,
        "Backward is not reentrant, i.e., running backward with same input and grad_output"
        " multiple times gives different values, although analytical gradient matches numerical"
        f" gradient.The tolerance for nondeterminism was {tolerance}.",
        "if the op is meant to differ from call to call, allow for it with nondet_tol=",
    )


def _forward(check: _Check) -> None:
    """Every entry of every Jacobian from forward mode."""
    ys = check.outputs()
    numerical = [check.numerical(x, ys) for _, x in check.wanted]
    analytical = [by_forward(check.func, check.xs, source) for source, _ in check.wanted]
    for place, y in enumerate(ys):
        for (source, x), expected, found in zip(check.wanted, numerical, analytical):
            shape = y._array.shape
            _agree(check, "forward", source, place, x, shape, expected[place], found[place])


def _fast(check: _Check) -> None:
    """One random combination of each Jacobian's entries: v^T J u, both ways."""
    ys = check.outputs()
    if any(x._array.dtype.kind == "c" for _, x in check.wanted) or not ys or any(
        y._array.dtype.kind == "c" for y in ys
    ):  # fmt: skip
        return _slowly(check)
    rng = np.random.default_rng(len(ys))
    for source, x in check.wanted:
        u = rng.random(x._array.shape).astype(x._array.dtype)
        u /= max(np.linalg.norm(u), 1e-30)
        before = x._array.copy()
        with enable_grad():
            run = check.runner(ys)
            x._array[...] = before + check.eps * u
            high = run()
            x._array[...] = before - check.eps * u
            low = run()
        x._array[...] = before
        for place, y in enumerate(ys):
            v = rng.random(y._array.shape).astype(y._array.dtype)
            numerical = float((v * (high[place] - low[place])).sum() / (2 * check.eps))
            (g,) = grad(y, x, wrap(np.asarray(v)), retain_graph=True, allow_unused=True)
            analytical = 0.0 if g is None else float((g._array * u).sum())
            scale = max(1.0, abs(float(v.sum() * u.sum())))
            if not np.isclose(analytical, numerical, check.rtol, check.atol * scale):
                raise _fast_mismatch(check, source, place, x, y, (numerical, analytical))
    return None


def _fast_mismatch(
    check: _Check, source: int, place: int, x: Tensor, y: Tensor, found: tuple[float, float]
) -> BaseException:
    numerical = check.numerical(x, check.outputs())[place]
    analytical = by_backward(y, x)
    tolerances = check.rtol, check.atol
    return fail(
        GradcheckError,
        f"Jacobian mismatch for output {place} with respect to input {source},\n"
        f"numerical:{found[0]}\nanalytical:{found[1]}\n"
        "\nThe above quantities relating the numerical and analytical jacobians are computed \nin"
        " fast mode. See: https://github.com/pytorch/pytorch/issues/53876 for more background"
        " \nabout fast mode. Below, we recompute numerical and analytical jacobians in slow mode:\n"
        f"\nNumerical:\n {wrap(numerical)}\nAnalytical:\n{wrap(analytical)}\n"
        "\nThe max per-element difference (slow mode) is:"
        f" {np.abs(numerical - analytical).max(initial=0)}.\n",
        *explain(source, place, x, y._array.shape, numerical, analytical, tolerances),
    )


def _scaled_by_seed(check: _Check, dtypes_too: bool) -> None:
    """A gradient of zero for the outputs must give zero for the inputs; types must be kept."""
    ys = check.outputs()
    inputs = [x for _, x in check.wanted]
    if not ys:
        return
    zeros = [wrap(np.zeros_like(y._array)) for y in ys]
    found = grad(ys, inputs, zeros, retain_graph=True, allow_unused=True)
    for (source, x), g in zip(check.wanted, found):
        if g is not None and np.any(g._array != 0):
            raise fail(
                GradcheckError, "backward not multiplied by grad_output",
                f"a gradient of zeros for the outputs gave {np.abs(g._array).max():.3g} for input"
                f" {source}",
            )  # fmt: skip
        if dtypes_too and g is not None and g.dtype is not x.dtype:
            raise GradcheckError(
                f"Gradient of input {source} has dtype {g.dtype}, the input {x.dtype}"
            )


def _batched(check: _Check) -> None:
    """Backward under vmap, on three gradients at once, against one at a time.

    On the inputs themselves: a function may well read them from somewhere else.
    """
    rng = np.random.default_rng(0)
    for source, x in check.wanted:
        for place, y in enumerate(check.outputs()):
            given = rng.standard_normal((3, *y._array.shape)).astype(y._array.dtype)
            seeds = wrap(given)
            pull = lambda g, x=x, y=y: _grad_or_zeros(y, x, g)
            together = vmap(pull)(seeds)._array
            single = [pull(wrap(seed))._array for seed in given]
            if not close(together, np.stack(single), check.rtol, check.atol):
                raise _batch_error("gradient", source, place, together, np.stack(single))


def _grad_or_zeros(y: Tensor, x: Tensor, g: Tensor) -> Tensor:
    (found,) = grad(y, x, g, retain_graph=True, allow_unused=True)
    return wrap(np.zeros_like(x._array)) if found is None else found


def _batched_forward(check: _Check) -> None:
    """Forward mode under vmap, on three tangents at once, against one at a time."""
    rng = np.random.default_rng(0)
    for source, x in check.wanted:
        given = rng.standard_normal((3, *x._array.shape)).astype(x._array.dtype)
        push = lambda t, source=source: tuple(pushed(check.func, check.xs, source, t))
        together = vmap(push)(wrap(given))
        single = [push(wrap(t)) for t in given]
        for place, found in enumerate(together):
            expected = np.stack([one[place]._array for one in single])
            if not close(found._array, expected, check.rtol, check.atol):
                raise _batch_error("forward gradient", source, place, found._array, expected)


def _batch_error(
    what: str, source: int, place: int, together: np.ndarray, single: np.ndarray
) -> BaseException:
    where = np.unravel_index(int(np.argmax(np.abs(together - single))), single.shape)
    return fail(
        GradcheckError,
        f"For output {place} and input {source}:\n\nBatched {what} computation gave other values"
        " than one sample at a time",
        f"the worst is sample {int(where[0])}: {together[where]:.6g} together, {single[where]:.6g}"
        " alone",
    )


def gradcheck(
    func: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5,
    rtol: float = 1e-3, raise_exception: bool = True, nondet_tol: float = 0.0,
    check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
    check_batched_grad: bool = False, check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False, check_backward_ad: bool = True, fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:  # fmt: skip
    """Whether gradients agree with central differences, for every input that requires grad.

    Inputs should be double precision. `check_forward_ad` compares forward mode too,
    `check_batched_grad` and `check_batched_forward_grad` compare `vmap` with single samples;
    `fast_mode` compares one random combination of entries instead of all. Each output's gradient is
    taken alone, so that the others' are undefined in any case. Raises GradcheckError (a
    RuntimeError) with both matrices where they differ, and notes that say which entry of which
    sample is the worst and by how much; or returns False if `raise_exception` is.
    Source: https://pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html

    >>> import rushlight as torch
    >>> x = torch.rand(3, dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.sin, x, check_forward_ad=True)
    True
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError(
            "Expected at least one of check_forward_ad or check_backward_ad to be True"
        )
    if check_batched_grad and not check_backward_ad:
        raise AssertionError(
            "Setting check_batched_grad=True requires check_backward_ad to be True"
        )
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError(
            "Setting check_batched_forward_grad=True requires check_forward_ad to be True"
        )
    check = _Check(func, as_tuple(inputs), eps, atol, rtol, nondet_tol)
    try:
        _check_inputs(check.xs)
        if check_backward_ad:
            (_fast if fast_mode else _slowly)(check)
        if check_forward_ad:
            _forward(check)
        if check_batched_forward_grad:
            _batched_forward(check)
        if check_batched_grad:
            _batched(check)
        if check_backward_ad:
            _scaled_by_seed(check, check_grad_dtypes)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _seeds(ys: list[Tensor], non_contiguous: bool) -> tuple[Tensor, ...]:
    """Random gradients for the outputs, which require gradients themselves."""
    rng = np.random.default_rng(len(ys))
    found = []
    for y in ys:
        seed = wrap(np.asarray(rng.standard_normal(y._array.shape).astype(y._array.dtype)))
        if non_contiguous and y._array.ndim > 1:
            turned = np.ascontiguousarray(seed._array.T)
            seed = permute(wrap(turned), tuple(reversed(range(turned.ndim))))
        seed = wrap(seed._array)
        seed.requires_grad = True
        found.append(seed)
    return tuple(found)


def _check_without_reverse(forward: bool, undefined: bool, batched: bool) -> None:
    """torch's errors for checks of a second derivative that need the reverse mode."""
    if not forward:
        raise AssertionError(
            "Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True"
        )
    for name, wanted in (("undefined_grad", undefined), ("batched_grad", batched)):
        if wanted:
            raise AssertionError(
                f"Setting check_{name}=True requires check_rev_over_rev to be True"
            )


def gradgradcheck(
    func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6,
    atol: float = 1e-5, rtol: float = 1e-3, gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False, check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True, fast_mode: bool = False,
    masked: bool = False,
) -> bool:  # fmt: skip
    """`gradcheck` of the gradient itself, as a function of inputs and output gradients.

    `check_fwd_over_rev` differentiates backward in forward mode, `check_rev_over_rev` in reverse.
    Source: https://pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradgradcheck.html

    >>> import rushlight as torch
    >>> x = torch.rand(3, dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradgradcheck(torch.exp, x)
    True
    """
    if not check_rev_over_rev:
        _check_without_reverse(check_fwd_over_rev, check_undefined_grad, check_batched_grad)
    xs = as_tuple(inputs)
    with enable_grad():
        result = func(*xs)
    ys = differentiable(result)
    given = _seeds(ys, gen_non_contig_grad_outputs) if grad_outputs is None else grad_outputs
    seeds = as_tuple(given)
    count = len(xs)
    wanted = [i for i, x in enumerate(xs) if isinstance(x, Tensor) and x._entry is not None]

    def slope(*args: Any) -> tuple[Any, ...]:
        targets = [args[i] for i in wanted]
        with enable_grad():
            outputs = differentiable(func(*args[:count]))
            found = grad(outputs, targets, args[count:], create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    def nested(*args: Any) -> tuple[Any, ...]:
        return _pulled(func, args[:count], wanted, reached, args[count:])

    reached = [i for i, y in enumerate(as_tuple(result)) if any(y is one for one in ys)]
    settings: dict[str, Any] = {
        "eps": eps, "atol": atol, "rtol": rtol, "raise_exception": raise_exception,
        "nondet_tol": nondet_tol, "fast_mode": fast_mode,
        "check_undefined_grad": check_undefined_grad, "check_grad_dtypes": check_grad_dtypes,
    }  # fmt: skip
    good = True
    if check_rev_over_rev:
        good = gradcheck(slope, (*xs, *seeds), check_batched_grad=check_batched_grad, **settings)
    if good and check_fwd_over_rev:
        good = gradcheck(
            nested, (*xs, *seeds), check_forward_ad=True, check_backward_ad=False, **settings
        )
    return good


def _pulled(
    func: Callable[..., Any], xs: Any, wanted: list[int], reached: list[int], seeds: Any
) -> tuple[Any, ...]:
    """The gradients of some inputs, in the form that forward mode can differentiate."""

    def chosen(*targets: Any) -> tuple[Any, ...]:
        given = list(xs)
        for i, x in zip(wanted, targets):
            given[i] = x
        found = as_tuple(func(*given))
        return tuple(found[i] for i in reached)

    with enable_grad():
        _, pull = vjp(chosen, *(xs[i] for i in wanted))
        return tuple(pull(tuple(seeds)))


class _Callable(ModuleType):
    """This module: where it hides the function of its name, a call means the function."""

    __call__ = staticmethod(gradcheck)


sys.modules[__name__].__class__ = _Callable
