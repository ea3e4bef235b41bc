"""Batching rules of ops that name dimensions: the same op, its dimensions counted one further.

Reductions, scans and sorts, moves of dimensions, views, joins and parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.overrides import OPS
from ..core.tensor import Tensor, wrap
from ..ops import structure as s
from ..ops.distance import vector_norm
from ..ops.reduce import sum as sum_of
from .batched import RULES, SILENT, Mapped, Operand, aligned, flat, pointwise, sample_ndim, whole

Rule = Callable[..., Any]


def up(dim: Any) -> Any:
    """A dimension of a sample (or several) as one of the batch; negative ones stay."""
    if isinstance(dim, tuple):
        return tuple(map(up, dim))
    return dim + 1 if dim >= 0 else dim


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a batching rule under the names of primitives."""

    def register(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return register


# --- ops without dimensions: as they are

AS_IS = """cast cast_to_integer clone contiguous_copy kept_gradient zero halved scaled isfinite
isinf isnan view_as_real view_as_complex conj_physical angle angle_of_real sgn""".split()
POINTWISE = """where lerp addcmul addcdiv elu gelu gelu_tanh hardshrink hardsigmoid hardswish
hardtanh leaky_relu log_sigmoid logit mish normal_cdf polygamma mvlgamma silu softplus softshrink
threshold nan_to_num masked_fill masked_fill_tensor complex polar frexp slope_at
standard_gamma_grad""".split()
RULES.update(dict.fromkeys([*AS_IS, *POINTWISE], pointwise))


@rule("affine", "logit_loss")
def _into_the_first(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    """Ops that compute in memory shaped as their first operand."""
    return pointwise(prim, size, [(whole(operands[0], size), True), *operands[1:]], params)


@rule("uniform_noise", "normal_noise", "normal_around", "exponential_noise", "cauchy_noise",
      "log_normal_noise", "geometric_noise", "integer_noise", "bernoulli_noise", "bernoulli_by",
      "poisson_by", "gamma_by", "dirichlet_by")  # fmt: skip
def _drawn(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    """The values come as a param, for each sample or the same for all."""
    x = whole(operands[0], size)
    values = params[0].inner if type(params[0]) is Mapped else s.expand(
        wrap(params[0]), (size, *params[0].shape))  # fmt: skip
    return OPS[prim.name](x, values._array, *params[1:])


_drawn.takes_batched_params = True


@rule("tril", "triu")
def _last_two(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    return OPS[prim.name](operands[0][0], *params)


# --- reductions and what runs along dimensions


def _along(place: int) -> Rule:
    """The dims stand at `place` of the params: one, several, or None for all."""

    def along(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
        x = operands[0][0]
        ndim = x._array.ndim - 1
        op = OPS[prim.name]
        dims = params[place]
        if not ndim:  # a sample of one number has one dimension for this purpose
            x = s.reshape(x, (size, 1))
            dims = None if dims is None else (0,) * len(dims) if type(dims) is tuple else 0
        dims = tuple(range(1, max(ndim, 1) + 1)) if dims is None else up(dims)
        y = op(x, *params[:place], dims, *params[place + 1 :])
        if ndim:
            return y
        return tuple(s.reshape(one, (size,)) for one in y) if type(y) is tuple else (
            s.reshape(y, (size,)))  # fmt: skip

    return along


for _name in """sum mean amax amin aminmax var std var_mean std_mean logsumexp all any softmax
        log_softmax cumsum cumprod cummax cummin logcumsumexp sort argsort kthvalue median_along
        nanmedian_along hash_tensor mode topk flip root_mean_square""".split():
    RULES[_name] = _along(0)
RULES["linalg_vector_norm"] = RULES["renorm"] = _along(1)


@rule("prod", "argmax", "argmin", "extremum_along")
def _one_dim_or_all(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x = operands[0][0]
    dim, keep, *rest = params
    ndim = x._array.ndim - 1
    if dim is not None and ndim:
        return OPS[prim.name](x, dim + 1, keep, *rest)
    y = OPS[prim.name](flat(x), 1, False, *rest)
    shape = (size, *(1,) * ndim) if keep else (size,)
    return tuple(s.reshape(one, shape) for one in y) if type(y) is tuple else s.reshape(y, shape)


@rule("max_all", "min_all", "median_all", "nanmedian_all")
def _of_all(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x = flat(operands[0][0])
    if prim.name in ("max_all", "min_all"):
        return OPS["a" + prim.name[:3]](x, (1,), False)
    return OPS[prim.name.replace("all", "along")](x, 1, False)[0]


@rule("nansum")
def _nansum(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x = operands[0][0]
    dims, keep, present = params
    dims = tuple(range(1, x._array.ndim)) if dims is None else up(dims)
    present = present if not hasattr(present, "inner") else present.inner._array
    return OPS["nansum"](x, dims, keep, present)


_nansum.takes_batched_params = True


@rule("dist")
def _dist(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    a, b = (aligned(one, max(map(sample_ndim, operands))) for one in operands)
    gap = a - b
    return vector_norm(flat(gap), params[0], (1,), False)


@rule("mean_squared_error")
def _mean_squared_error(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    a, b = (aligned(one, max(map(sample_ndim, operands))) for one in operands)
    gap = flat(a - b)
    return OPS["mean"](gap * gap, (1,), False)


@rule("standardise")
def _standardise(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x = whole(operands[0], size)
    ndim = x._array.ndim - 1
    weights = [one if one[0] is None else (aligned(one, ndim), False) for one in operands[1:]]
    dims = up(tuple(dim % ndim for dim in params[0]))
    return OPS["standardise"](x, *(one for one, _ in weights), dims, *params[1:])


# --- dimensions moved, added, cut


@rule("select", "slice", "unbind", "split", "split_with_sizes", "unsafe_split",
      "unsafe_split_with_sizes", "take_slices", "add_slices", "squeeze",
      "squeeze_many", "squeeze_all", "squeeze_all_", "squeeze_dim_", "squeeze_many_",
      "fft_c2c", "fft_c2r", "fft_r2c")  # fmt: skip
def _first_param(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    return OPS[prim.name](operands[0][0], up(params[0]), *params[1:])


@rule("unfold")
def _unfold(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x, windows = operands[0][0], OPS["unfold"]
    if x._array.ndim > 1:
        return windows(x, up(params[0]), *params[1:])
    return s.select(windows(s.unsqueeze(x, 1), 1, *params[1:]), 1, 0)  # of one number the only one


@rule("unsqueeze", "unsqueeze_")
def _unsqueeze(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    return s.unsqueeze(operands[0][0], up(params[0]))


@rule("map_dim")
def _map_dim(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    return OPS["map_dim"](operands[0][0], params[0] + 1, *params[1:])


@rule("transpose", "transpose_")
def _transpose(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    return s.transpose(operands[0][0], *map(up, params))


@rule("t", "t_")
def _t(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x = operands[0][0]
    return s.transpose(x, 1, 2) if x._array.ndim == 3 else s.as_shape(x, x._array.shape)


@rule("permute")
def _permute(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x = operands[0][0]
    order = tuple(dim % (x._array.ndim - 1) for dim in params[0])
    return s.permute(x, (0, *up(order)))


@rule("diagonal", "diagonal_copy")
def _diagonal(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    offset, *dims = params
    return OPS[prim.name](operands[0][0], offset, *map(up, dims))


@rule("embed_diagonal")
def _embed_diagonal(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    shape, offset, *dims = params
    return s.embed_diagonal(operands[0][0], (size, *shape), offset, *map(up, dims))


@rule("expand")
def _expand(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    return s.expand(aligned(operands[0], len(params[0])), (size, *params[0]))


@rule("view", "unsafe_view")
def _view(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    return s.reshape(operands[0][0], (size, *params[0]))


@rule("sum_to")
def _sum_to(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x, shape = operands[0][0], params[0]
    extra = x._array.ndim - 1 - len(shape)
    if extra:
        x = sum_of(x, tuple(range(1, extra + 1)), False)
    return s.sum_to(x, (size, *shape)) if x._array.shape[1:] != tuple(shape) else x


@rule("repeat")
def _repeat(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    return OPS["repeat"](aligned(operands[0], len(params[0])), (1, *params[0]))


@rule("roll")
def _roll(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x, (shifts, dims) = operands[0][0], params
    if dims:
        return s.roll(x, shifts, up(dims))
    return s.reshape(s.roll(flat(x), shifts[:1], (1,)), x._array.shape)


@rule("rot90")
def _rot90(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    return s.rot90(operands[0][0], params[0], up(params[1]))


@rule("constant_pad_nd")
def _pad(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    return OPS["constant_pad_nd"](operands[0][0], ((0, 0), *params[0]), params[1])


# --- parts and joins

_ALL = slice(None)


def _key(key: Any) -> tuple[Any, ...]:
    return (_ALL, *(key if isinstance(key, tuple) else (key,)))


@rule("part")
def _part(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    return s.part(operands[0][0], _key(params[0]))


@rule("place")
def _place(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    return s.place(operands[0][0], (size, *params[0]), _key(params[1]))


@rule("slice_scatter")
def _slice_scatter(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x, value = (whole(one, size) for one in operands)
    return OPS["slice_scatter"](x, value, _key(params[0]))


@rule("select_scatter")
def _select_scatter(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x, value = (whole(one, size) for one in operands)
    return OPS["select_scatter"](x, value, up(params[0]), params[1])


@rule("diagonal_scatter")
def _diagonal_scatter(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x, value = (whole(one, size) for one in operands)
    return OPS["diagonal_scatter"](x, value, params[0], *map(up, params[1:]))


@rule("cat", "stack")
def _join(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    return OPS[prim.name](tuple(whole(one, size) for one in operands), up(params[0]), *params[1:])


@rule("copy", "fill")
def _overwrite(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x, value = whole(operands[0], size), operands[1]
    return s.overwrite(x, aligned(value, x._array.ndim - 1))


@rule("strided_view", "embed_strided")
def _strided(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x: Tensor = s.contiguous(operands[0][0])
    embeds = prim.name == "embed_strided"
    base, geometry = (params[0], params[1:]) if embeds else (x._array.shape[1:], params)
    if len(geometry) != 3:
        return NotImplemented
    shape, steps, offset = geometry
    count = 1
    for n in base:
        count *= n
    where = ((size, *shape), (count, *steps), offset)
    return s.embed_strided(x, (size, *base), *where) if embeds else s.strided_view(x, *where)


SILENT |= {"strided_view", "embed_strided", "replace_region", "as_strided_scatter"}
