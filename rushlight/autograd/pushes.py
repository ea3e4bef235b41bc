"""Push-forwards written out, where they are much cheaper than the transpose of the pull.

`PUSHES[name](tangents, y, *operands, *params)`: the tangents have None for an operand that has
none; the result is None where the tangent is zero. Those in ON_ARRAYS run on arrays as on Tensors,
as the rules of ops do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.overrides import OPS
from ..core.state import STATE
from ..core.tensor import Tensor, wrap
from ..core.values import Value, raw
from ..ops import linalg
from ..ops.contract import matmul
from ..ops.elementwise import neg, where
from ..ops.fused.recurrent import of_members
from ..ops.indexing_along import gather
from ..ops.reduce import count, kept, spread
from ..ops.reduce import mean as mean_of
from ..ops.reduce import sum as sum_of
from ..ops.structure import cast, contiguous, expand, reshape, tril, unsqueeze
from ..ops.structure import zero as zero_of
from ..ops.transcendental import conj, exp, rsqrt
from .transpose import push_by_pull

Push = Callable[..., Any]
PUSHES: dict[str, Push] = {}


def _plus(total: Any, term: Any) -> Any:
    return term if total is None else total if term is None else total + term


# --- the Jacobian is symmetric: the push is the pull

SYMMETRIC = frozenset(
    """elu gelu gelu_tanh hardshrink hardsigmoid hardswish hardtanh leaky_relu log_sigmoid
logit mish normal_cdf polygamma mvlgamma silu softplus softshrink threshold nan_to_num masked_fill
index_fill scatter_value gamma_by angle_of_real softmax""".split()
)


def _symmetric(name: str) -> Push:
    def push(ts: Any, y: Tensor, *operands: Any) -> Any:
        return OPS[name].primitive.rule.vjp(ts[0], y, *operands)

    return push


PUSHES.update({name: _symmetric(name) for name in SYMMETRIC})

# --- linear in all operands together: the op itself on the tangents

JOINTLY_LINEAR = """cat stack block_diag block_triangle index_add index_copy index_put put
index_fill_tensor scatter scatter_add masked_scatter masked_fill_tensor fill copy replace_region
as_strided_scatter diagonal_scatter select_scatter slice_scatter complex split split_with_sizes
unsafe_split unsafe_split_with_sizes unbind conj_physical""".split()


def _jointly_linear(name: str) -> Push:
    def push(ts: Any, y: Any, *operands: Any) -> Any:
        op = OPS[name]
        arity = op.primitive.arity
        sequence = arity is None
        xs, params = (operands[0], operands[1:]) if sequence else (
            operands[:arity], operands[arity:])  # fmt: skip
        given = tuple(zero_of(x) if t is None else t for x, t in zip(xs, ts))
        return op(given, *params) if sequence else op(*given, *params)

    return push


PUSHES.update({name: _jointly_linear(name) for name in JOINTLY_LINEAR})

# --- the result does not depend on the operand

_CONSTANT = """zero uniform_noise normal_noise exponential_noise cauchy_noise log_normal_noise
geometric_noise integer_noise bernoulli_noise bernoulli_by poisson_by normal_around sign floor ceil
round trunc""".split()
PUSHES.update({name: lambda ts, y, *operands: None for name in _CONSTANT})


def _unable(name: str) -> Push:
    """torch's error for an op that it records but cannot differentiate."""

    def push(*_: Any) -> Any:
        raise NotImplementedError(
            f"Trying to use forward AD with aten::{name} that does not support it."
        )

    return push


PUSHES.update({name: _unable(name) for name in ("floor_divide", "heaviside")})


# --- views: the tangent need not lie in memory as its value does

PUSHES["view"] = PUSHES["unsafe_view"] = lambda ts, y, x, shape: reshape(ts[0], shape)
PUSHES["strided_view"] = lambda ts, y, x, *geometry: OPS["strided_view"](
    contiguous(ts[0]), *geometry
)

# --- a selection of elements: the same elements of the tangent


def _picked(t: Tensor, places: Tensor, dim: int | None, keep: bool) -> Tensor:
    if dim is None or not t.ndim:
        return t
    at = places if keep else unsqueeze(places, dim)
    found = gather(t, dim, raw(at))
    return found if keep else reshape(found, tuple(places.shape))


def _places(t: Tensor, y: Any, dim: int) -> tuple[Any, None]:
    return (t if not t.ndim else gather(t, dim, raw(y[1]))), None


def _max_pool(ts: Any, y: Any, x: Any, *at: Any) -> Any:
    read = OPS["max_pool_read"]
    return read(ts[0], y[1], tuple(x.shape[2:]), *at), None


PUSHES.update(
    extremum_along=lambda ts, y, x, dim, keep, _: (_picked(ts[0], y[1], dim, keep), None),
    kthvalue=lambda ts, y, x, dim, keep, _: (_picked(ts[0], y[1], dim, keep), None),
    median_along=lambda ts, y, x, dim, keep: (_picked(ts[0], y[1], dim, keep), None),
    nanmedian_along=lambda ts, y, x, dim, keep: (_picked(ts[0], y[1], dim, keep), None),
    mode=lambda ts, y, x, dim, keep: (_picked(ts[0], y[1], dim, keep), None),
    sort=lambda ts, y, x, dim, *_: _places(ts[0], y, dim),
    topk=lambda ts, y, x, dim, *_: _places(ts[0], y, dim),
    cummax=lambda ts, y, x, dim: _places(ts[0], y, dim),
    cummin=lambda ts, y, x, dim: _places(ts[0], y, dim),
    max_pool=_max_pool,
)


def _extremum(ts: Any, y: Tensor, x: Tensor, dims: Any, keep: bool) -> Tensor:
    """The mean of the tangents of all elements that attain the extremum."""
    hit: Any = x == reshape(y, kept(x.shape, dims))
    number = sum_of(
        cast(hit, x.dtype) if isinstance(hit, Tensor) else hit.astype(x.dtype), dims, keep
    )
    return sum_of(where(hit, ts[0], zero_of(ts[0])), dims, keep) / number


PUSHES["amax"] = PUSHES["amin"] = _extremum
PUSHES["max_all"] = PUSHES["min_all"] = lambda ts, y, x: _extremum(ts, y, x, None, False)


# --- sums of functions of the elements


def _logsumexp(ts: Any, y: Tensor, x: Tensor, dims: Any, keep: bool) -> Tensor:
    return sum_of(ts[0] * exp(x - spread(y, x, dims)), dims, keep)


def _detached(x: Tensor) -> Tensor:
    array = x._array
    return wrap(array.detached() if isinstance(array, Value) else array)


def _real(x: Tensor) -> Tensor:
    return x.real if x._array.dtype.kind == "c" else x


def _logcumsumexp(ts: Any, y: Tensor, x: Tensor, dim: int) -> Tensor:
    """sum over j <= i of t_j exp(x_j - y_i), the exponents taken from the largest of the row."""
    if not x._array.ndim or not x._array.size:
        return ts[0] * exp(x - y)
    top = OPS["amax"](_real(_detached(x)), (dim,), True)
    none = y == float("-inf")  # of nothing but zeros: the tangent of their logarithm is 0
    top = where(top == float("-inf"), zero_of(top), top)
    total = OPS["cumsum"](ts[0] * exp(x - top), dim)
    return total * exp(top - where(none, top + zero_of(y), y))


def _log_softmax(ts: Any, y: Tensor, x: Tensor, dim: int) -> Tensor:
    share = exp(y) * ts[0]
    return ts[0] - (sum_of(share, (dim,), True) if y.ndim else share)


def _cross_entropy(
    ts: Any, y: Any, x: Tensor, labels: Any, weight: Any, ignore: int, reduction: str
) -> Any:
    """The loss of the tangent of log_softmax(x), in which it is linear."""
    bits, a = raw(y[1]), raw(x)
    plain = type(a) is np.ndarray is type(bits) and bits.itemsize == a.itemsize
    if plain and (x is a or x._entry is None):
        share = bits.view(a.dtype)  # the softmax, at hand
        share = share if x is a else wrap(share)
    else:
        share = OPS["softmax"](x, 1)
    gap = ts[0] - sum_of(share * ts[0], (1,), True)
    return OPS["nll_loss"](gap, labels, weight, ignore, reduction), None


def _variance(ts: Any, y: Any, x: Tensor, dims: Any, correction: float, keep: bool) -> Tensor:
    freedom = count(x.shape, dims) - correction or float("nan")  # below zero too, as torch
    gap = x - mean_of(x, dims, True)
    if raw(x).dtype.kind != "c":
        return sum_of(ts[0] * gap, dims, keep) * (2 / freedom)
    return (sum_of(ts[0] * conj(gap), dims, keep) * (2 / freedom)).real


def _deviation(ts: Any, y: Tensor, x: Tensor, dims: Any, correction: float, keep: bool) -> Tensor:
    still = y <= 0
    half = where(still, zero_of(y), 0.5 / where(still, zero_of(y) + 1, y))
    return _variance(ts, y, x, dims, correction, keep) * half


def _with_mean(push: Push) -> Push:
    def both(ts: Any, y: Any, x: Tensor, dims: Any, correction: float, keep: bool) -> Any:
        return push(ts, y[0], x, dims, correction, keep), mean_of(ts[0], dims, keep)

    return both


def _vector_norm(ts: Any, y: Tensor, x: Tensor, order: float, dims: Any, keep: bool) -> Any:
    """The pull says what each number weighs, and each goes into one norm alone."""
    prim = OPS["linalg_vector_norm"].primitive
    if raw(x).dtype.kind == "c":
        return push_by_pull(prim, (x,), ts, y, (order, dims, keep))
    weights = prim.rule.vjp(zero_of(y) + 1, y, x, order, dims, keep)
    return sum_of(ts[0] * weights, dims, keep)


def _product(ts: Any, y: Any, x: Any, dim: int | None, keep: bool) -> Any:
    """The pull says what each number is multiplied by."""
    prim = OPS["prod"].primitive
    if not x.ndim:
        return ts[0]
    if raw(x).dtype.kind == "c":
        return push_by_pull(prim, (x,), ts, y, (dim, keep))
    others = prim.rule.vjp(zero_of(y) + 1, y, x, dim, keep)
    return sum_of(ts[0] * others, None if dim is None else (dim,), keep)


PUSHES.update(
    prod=_product, logsumexp=_logsumexp, logcumsumexp=_logcumsumexp, log_softmax=_log_softmax,
    cross_entropy=_cross_entropy, linalg_vector_norm=_vector_norm,
    var=_variance, std=_deviation,
    var_mean=_with_mean(_variance), std_mean=_with_mean(_deviation),
)  # fmt: skip


# --- products and normalisation


def _where(ts: Any, y: Tensor, condition: Any, a: Any, b: Any) -> Any:
    _, ta, tb = ts
    if ta is None and tb is None:
        return None
    ta = zero_of(tb) if ta is None else ta
    return where(condition, ta, zero_of(ta) if tb is None else tb)


def _lerp(ts: Any, y: Tensor, a: Any, b: Any, w: Any) -> Any:
    ta, tb, tw = ts
    total = None if ta is None else ta * (1 - w)
    total = total if tb is None else _plus(total, tb * w)
    return total if tw is None else _plus(total, tw * (b - a))


def _addcmul(ts: Any, y: Tensor, x: Any, a: Any, b: Any, value: Any) -> Any:
    t, ta, tb = ts
    product = None if ta is None else ta * b
    product = product if tb is None else _plus(product, a * tb)
    return _plus(t, None if product is None else product * value)


def _affine(ts: Any, y: Tensor, x: Any, scale: Any, shift: Any) -> Any:
    t, by_scale, by_shift = ts
    total = None if t is None else t * scale
    total = total if by_scale is None else _plus(total, x * by_scale)
    return _plus(total, by_shift)


def _with_bias(name: str, channel: int) -> Push:
    """A product of x and w plus a bias that lies along `channel` of the result."""

    def push(ts: Any, y: Tensor, x: Any, w: Any, b: Any, *params: Any) -> Any:
        (t, tw, tb), product = ts, OPS[name]
        total = None if t is None else product(t, w, *params)
        total = total if tw is None else _plus(total, product(x, tw, *params))
        if tb is None:
            return total
        ndim = y.ndim
        place = (1,) * (channel % ndim) + (-1,) + (1,) * (ndim - 1 - channel % ndim)
        shape = tuple(raw(tb).size if n == -1 else n for n in place)
        return _plus(total, expand(reshape(tb, shape), tuple(y.shape)))

    return push


def _pad(ts: Any, y: Tensor, x: Tensor, widths: Any, value: Any) -> Tensor:
    return OPS["constant_pad_nd"](ts[0], widths, 0.0)


def _standardise(ts: Any, y: Any, x: Tensor, w: Any, b: Any, dims: Any, eps: float) -> Any:
    t, tw, tb = ts
    center, spread_ = y[1], y[2]
    scale = rsqrt(spread_ + eps)
    normal = (x - center) * scale
    total = by_mean = by_variance = None
    if t is not None:
        by_mean = mean_of(t, dims, True)
        along = mean_of(normal * t, dims, True)
        total = (t - by_mean - normal * along) * scale
        total = total if w is None else total * w
        by_variance = along * 2 / scale
    total = total if tw is None else _plus(total, normal * tw)
    total = total if tb is None else _plus(total, expand(tb, tuple(x.shape)))
    return total, by_mean, by_variance


def _root_mean_square(ts: Any, y: Tensor, x: Tensor, dims: Any, eps: float) -> Tensor:
    scale = rsqrt(mean_of(x * x, dims, True) + eps)
    normal = x * scale
    return (ts[0] - normal * mean_of(ts[0] * normal, dims, True)) * scale


PUSHES.update({
    "where": _where, "lerp": _lerp, "addcmul": _addcmul, "affine": _affine,
    "linear_bias": _with_bias("linear", -1),
    "convolution_bias": _with_bias("convolution", 1),
    "constant_pad_nd": _pad, "standardise": _standardise, "root_mean_square": _root_mean_square,
    "mean_squared_error": lambda ts, y, x, t: mean_of(
        (x - t) * _plus(ts[0], None if ts[1] is None else neg(ts[1])), None, False) * 2,
})  # fmt: skip


# --- recurrent layers: by the kernel where nobody follows the tangents


def _recurrent(name: str) -> Push:
    def push(ts: Any, ys: Any, *operands: Any) -> Any:
        prim = OPS[name].primitive
        xs, params = operands[: prim.arity], operands[prim.arity :]
        *mode, sizes, reverse, _ = params
        states = 1 if mode else 2
        given = (*ts, ys[0], *ys[states + 1 :], *xs)
        plain = all(x is None or (x._entry is None and type(x._array) is np.ndarray) for x in given)
        by_kernel = STATE.tracer is None and (plain or of_members(given, xs[states + 2]))
        if not by_kernel or sizes is not None or not ys[0]._array.size:
            return push_by_pull(prim, xs, ts, ys, params)
        found = OPS[f"{name}_push"](*given, *mode, reverse)
        return *found, *(None,) * (len(ys) - len(found))

    return push


PUSHES.update({name: _recurrent(name) for name in ("lstm_layer", "recurrent_layer")})

# --- matrices


def _solve(ts: Any, y: Tensor, a: Any, b: Any) -> Any:
    ta, tb = ts
    right = tb if ta is None else _plus(tb, neg(matmul(ta, y)))
    return linalg.solve(a, right)


def _cholesky(ts: Any, y: Tensor, x: Tensor, *_: Any) -> Tensor:
    """L Phi(L^-1 T L^-H), with Phi the lower triangle, its diagonal halved."""
    solve = OPS["linalg_solve_triangular"]
    t = (ts[0] + linalg.adjoint(ts[0])) / 2
    left = solve(y, t, False, False)
    middle = linalg.adjoint(solve(y, linalg.adjoint(left), False, False))
    return matmul(y, (tril(middle, 0) + tril(middle, -1)) / 2)


PUSHES.update(
    linalg_inv=lambda ts, y, x: neg(matmul(matmul(y, ts[0]), y)),
    linalg_solve=_solve,
    linalg_cholesky=_cholesky,
)

# --- what the short way runs on bare arrays (`dual_short`)

ON_ARRAYS = (set(JOINTLY_LINEAR) - {"complex", "conj_physical"}).union(
    """prod zero sign floor ceil round trunc strided_view extremum_along kthvalue median_along
nanmedian_along mode sort topk cummax cummin max_pool amax amin max_all min_all logsumexp
linalg_vector_norm cross_entropy var std var_mean std_mean where lerp addcmul affine
convolution_bias constant_pad_nd standardise root_mean_square mean_squared_error recurrent_layer
lstm_layer""".split()
)
