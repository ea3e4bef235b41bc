"""Ops whose samples no difference can be taken along: complex numbers, decompositions, CTC.

`test_forward_ops` takes every op with a smooth real sample through all modes; here are the rest, as
real functions of real numbers, and every op that computes on complex numbers. Together they are all
differentiable ops of the registry.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core.dispatch import apply
from rushlight.core.primitive import REGISTRY, Primitive
from rushlight.core.tensor import wrap

sys.path.insert(0, str(Path(__file__).parent))
from op_samples import SMOOTH, Sample, direction, floats, is_float

Function = Callable[..., Any]


def op(name: str) -> Function:
    """An op by its name in the registry, on tensors and then parameters."""
    prim = REGISTRY[name]
    arity = prim.arity or 0
    return lambda *given: apply(prim, given[:arity], given[arity:])


def z_of(x: Any) -> Any:
    """Complex numbers of a real tensor (..., 2)."""
    return op("view_as_complex")(x)


def spread(n: int) -> rl.Tensor:
    return rl.diag(rl.arange(1, n + 1).double()) * 3


def lower(x: Any) -> Any:
    return rl.tril(x) + spread(x.shape[-1])


def symmetric(x: Any) -> Any:
    return x @ x.mT + spread(x.shape[-1])


def by_eig(x: Any) -> Any:
    values, vectors = op("linalg_eig")(x + spread(3), True)
    return vectors @ rl.diag_embed(values * values) @ rl.linalg.inv(vectors)


def by_eigh(x: Any) -> Any:
    values, vectors = op("linalg_eigh")(symmetric(x), "L")
    return vectors @ rl.diag_embed(values.sqrt()) @ vectors.mT


def by_svd(x: Any) -> Any:
    u, s, v = op("linalg_svd_full")(x + spread(3))
    return u @ rl.diag_embed(s**3) @ v


def ctc(x: Any) -> Any:
    labels, times, sizes = rl.tensor([[1, 2], [2, 2]]), rl.tensor([5, 4]), rl.tensor([2, 1])
    return rl.nn.functional.ctc_loss(x.log_softmax(-1), labels, times, sizes)


# real functions by the op that they are about, with the shapes of their inputs
FUNCTIONS: dict[str, tuple[Function, tuple[tuple[int, ...], ...]]] = {
    "angle": (lambda x: op("angle")(z_of(x)), ((4, 2),)),
    "sgn": (lambda x: op("sgn")(z_of(x)), ((4, 2),)),
    "conj": (lambda x: op("conj")(z_of(x)) * z_of(x).exp(), ((4, 2),)),
    "conj_physical": (lambda x: op("conj_physical")(z_of(x)) * z_of(x).sin(), ((4, 2),)),
    "view_as_complex": (lambda x: z_of(x) ** 3, ((4, 2),)),
    "view_as_real": (lambda x: op("view_as_real")(z_of(x).sin()).exp(), ((4, 2),)),
    "complex": (lambda a, b: op("complex")(a, b).sin(), ((4,), (4,))),
    "polar": (lambda a, b: op("polar")(a.exp(), b), ((4,), (4,))),
    "fft_c2c": (lambda x: rl.fft.fft(z_of(x)) ** 2, ((5, 2),)),
    "fft_c2r": (lambda x: rl.fft.irfft(z_of(x), 7) ** 2, ((4, 2),)),
    "fft_r2c": (lambda x: rl.fft.rfft(x) ** 2, ((6,),)),
    "cholesky_inverse": (lambda x: op("cholesky_inverse")(lower(x), False), ((3, 3),)),
    "cholesky_solve": (
        lambda b, x: op("cholesky_solve")(b, lower(x), False), ((3, 2), (3, 3)),
    ),
    "linalg_cholesky": (lambda x: rl.linalg.cholesky(symmetric(x)), ((3, 3),)),
    "linalg_cholesky_ex": (lambda x: rl.linalg.cholesky_ex(symmetric(x))[0], ((3, 3),)),
    "linalg_eigvals": (lambda x: rl.linalg.eigvals(x + spread(3)), ((3, 3),)),
    "linalg_eigvalsh": (lambda x: rl.linalg.eigvalsh(symmetric(x)), ((3, 3),)),
    "linalg_lstsq": (lambda a, b: rl.linalg.lstsq(a, b).solution, ((4, 2), (4, 3))),
    "linalg_eig": (by_eig, ((3, 3),)),
    "linalg_eigh": (by_eigh, ((3, 3),)),
    "linalg_svd_full": (by_svd, ((3, 3),)),
}  # fmt: skip
# no second derivative, as in torch: the gradient of CTC, and draws (by samples_gamma of tests/ops);
# not even a first: R without Q, Q with columns beside R's, steps (test_flat_slopes), rounding that
# hands its gradient through (tests/points/quantization.txt)
ONCE = set(
    """ctc_loss ctc_gradient gamma_by dirichlet_by linalg_qr_r linalg_qr_complete floor_divide
heaviside fake_quantize_by_numbers fake_quantize_by_tensors fake_quantize_by_channel""".split()
)
# ops on real numbers that NumPy would compute on complex ones too; torch refuses them there, or
# their gradient
# (and the singular vectors of a complex matrix have phases that only some functions ignore)
REAL = set(
    """affine cast cdist digamma elu erfinv gelu_tanh hardswish huber i0 igamma igammac index_reduce
linalg_svd log_sigmoid log_softmax logit mean_squared_error mvlgamma pair_dots pdist polygamma prelu
pull_pairs scatter_reduce sign silu smooth_l1 softmax softplus special_entr special_erfcx
special_i0e special_i1 special_i1e
special_log_ndtr special_ndtr special_ndtri special_xlog1py special_zeta standardise
xlogy""".split()
)


def scalar(function: Function) -> Function:
    """The function, and its results against fixed random numbers."""

    def value(*xs: Any) -> Any:
        total = rl.zeros((), dtype=rl.float64)
        found = function(*xs)
        for i, y in enumerate(found if isinstance(found, tuple) else (found,)):
            if y.is_complex():
                y = rl.view_as_real(y.resolve_conj())
            if y.is_floating_point():
                total = total + (y * wrap(direction(y.shape, 70 + i))).sum()
        return total

    return value


def close(found: Any, wanted: Any, rtol: float = 1e-5) -> None:
    scale = 1 + max(np.abs(np.asarray(one)).max(initial=0) for one in wanted)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)


def arrays(ts: Any) -> list[Any]:
    return [t.detach().numpy() for t in ts]


STEP = 1e-6


def along_a_line(value: Function, xs: list[np.ndarray]) -> tuple[Any, ...]:
    """A point, a direction there, the points a step to either side, and the gradient function."""
    ts = [direction(x.shape, 30 + i) for i, x in enumerate(xs)]
    at, along = tuple(wrap(x.copy()) for x in xs), tuple(map(wrap, ts))
    ends = [[wrap(x + s * t) for x, t in zip(xs, ts)] for s in (STEP, -STEP)]
    return at, along, ends, rl.func.grad(value, tuple(range(len(xs))))


def check_first(value: Function, xs: list[np.ndarray]) -> None:
    """Reverse and forward mode along one direction, beside differences and each other."""
    at, along, ends, slope = along_a_line(value, xs)
    _, pushed = rl.func.jvp(value, at, along)
    high, low = (value(*end).item() for end in ends)
    product = sum(float((g * t).sum()) for g, t in zip(arrays(slope(*at)), arrays(along)))
    close([pushed.item()], [product], 1e-9)
    close([product], [(high - low) / (2 * STEP)])


def check(value: Function, xs: list[np.ndarray]) -> None:
    """All five modes along one direction, beside differences."""
    check_first(value, xs)
    at, along, ends, slope = along_a_line(value, xs)
    places = tuple(range(len(xs)))
    measured = [(a - b) / (2 * STEP) for a, b in zip(*(arrays(slope(*end)) for end in ends))]
    forward_reverse = arrays(rl.func.jvp(slope, at, along)[1])
    close(forward_reverse, measured)

    def inner(*given: Any) -> Any:
        return sum((g * t).sum() for g, t in zip(slope(*given), along))

    close(arrays(rl.func.grad(inner, places)(*at)), forward_reverse, 1e-8)
    push = lambda *given: rl.func.jvp(value, given, along)[1]
    close(arrays(rl.func.grad(push, places)(*at)), forward_reverse, 1e-8)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_mode_of_the_rest(name: str) -> None:
    function, shapes = FUNCTIONS[name]
    check(scalar(function), [direction(shape, 5 + i) for i, shape in enumerate(shapes)])


def test_the_loss_of_alignments_has_first_derivatives() -> None:
    """Forward and reverse; torch refuses the second derivative in the same words."""
    value, x = scalar(ctc), direction((5, 2, 3), 5)
    check_first(value, [x])
    slope = rl.func.grad(value)
    for second in (
        lambda: rl.func.jvp(slope, (wrap(x),), (wrap(x),)),
        lambda: rl.func.grad(lambda x: slope(x).exp().sum())(wrap(x)),
        lambda: rl.func.grad(lambda x: rl.func.jvp(value, (x,), (x,))[1])(wrap(x)),
    ):
        with pytest.raises(RuntimeError, match="_ctc_loss_backward is not implemented"):
            second()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_batches_of_the_rest(name: str) -> None:
    """Gradients and tangents of no sample, of one and of three equal a loop."""
    function, shapes = FUNCTIONS[name]
    value, places = scalar(function), tuple(range(len(shapes)))

    def both(*xs: Any) -> Any:
        return (*rl.func.grad(value, places)(*xs), rl.func.jvp(value, xs, xs)[1])

    xs = [wrap(direction((3, *shape), 8 + i)) for i, shape in enumerate(shapes)]
    rows = [both(*row) for row in zip(*xs)]
    for size in (0, 1, 3):
        found = rl.vmap(both)(*(x[:size] for x in xs))
        wanted = [rl.stack(column)[:size] for column in zip(*rows)]
        close(arrays(found), arrays(wanted), 1e-9)


def complex_of(sample: Sample) -> list[np.ndarray]:
    """The float operands with imaginary parts, as pairs of real numbers."""
    return [
        np.stack([x, 0.2 * np.cos(3 * x + i)], -1) for i, x in enumerate(floats(sample))
    ]  # fmt: skip


def on_complex(prim: Primitive, sample: Sample) -> Function:
    def function(*pairs: Any) -> Any:
        given = iter(pairs)
        full = tuple(
            z_of(next(given)) if is_float(x)
            else rl.from_numpy(x.copy()) if isinstance(x, np.ndarray) else x
            for x in sample.inputs
        )  # fmt: skip
        return apply(prim, full, sample.params)

    return function


def computes(prim: Primitive, sample: Sample) -> bool:
    try:
        scalar(on_complex(prim, sample))(*map(wrap, complex_of(sample)))
    except Exception:
        return False
    return bool(floats(sample))


COMPLEX = [
    case for case in SMOOTH
    if case.values[0].name not in REAL and not case.values[0].name.endswith("noise")
    and computes(*case.values)
]  # fmt: skip


@pytest.mark.parametrize(("prim", "sample"), COMPLEX)
def test_every_mode_on_complex_numbers(prim: Primitive, sample: Sample) -> None:
    check(scalar(on_complex(prim, sample)), complex_of(sample))


def test_every_differentiable_op_is_tried() -> None:
    wanted = {name for name, prim in REGISTRY.items() if prim.rule is not None}
    real = {case.values[0].name for case in SMOOTH if floats(case.values[1])}
    assert wanted == real | FUNCTIONS.keys() | ONCE
    print(len(wanted), "ops:", len(real), "real,", len(FUNCTIONS), "others,", len(ONCE), "once;",
          len({case.values[0].name for case in COMPLEX}), "complex")  # fmt: skip
    assert len({case.values[0].name for case in COMPLEX}) >= 100


def test_a_real_gradient_of_complex_numbers_has_no_imaginary_part() -> None:
    pairs = rl.ones(5, 2, dtype=rl.float64, requires_grad=True)
    noise = op("normal_around")(op("view_as_complex")(pairs), np.ones(5))
    (g,) = rl.autograd.grad((noise * 3).sum(), pairs)
    assert rl.equal(g, rl.zeros(5, 2, dtype=rl.float64))
