"""Batching rules of products: matrices, linear layers, convolutions, pooling, linear algebra."""

from __future__ import annotations

from typing import Any

from numpy import ndarray, triu_indices

from ..core.overrides import OPS
from ..core.tensor import Tensor
from ..ops import structure as s
from ..ops.contract import matmul
from ..ops.placing import index_select, spread_rows
from ..ops.reduce import sum as sum_of
from .batched import RULES, SILENT, Operand, aligned, sample_ndim, whole
from .batching_shapes import rule


@rule("matmul", "bmm")
def _matmul(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    (a, a_batched), (b, b_batched) = operands
    ka, kb = map(sample_ndim, operands)
    if a_batched and not b_batched and ka == 1 and kb <= 2:
        return matmul(a, b)  # the batch is one more dimension of rows
    if ka == 1:
        a = s.unsqueeze(a, int(a_batched))
    if kb == 1:
        b = s.unsqueeze(b, b._array.ndim)
    ndim = max(ka, kb, 2)
    y = matmul(aligned((a, a_batched), ndim), aligned((b, b_batched), ndim))
    if kb == 1:
        y = s.select(y, y._array.ndim - 1, 0)
    if ka == 1:
        y = s.select(y, y._array.ndim - (1 if kb == 1 else 2), 0)
    return y


@rule("linear", "linear_bias")
def _linear(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x, w = operands[:2]
    if not w[1]:
        if x[1] and all(not batched for _, batched in operands[1:]):
            return OPS[prim.name](x[0], *(one for one, _ in operands[1:]))
        y = OPS["linear"](x[0], w[0])
        batched = x[1]
    else:
        turned = s.transpose(w[0], 1, 2)
        y = _matmul(None, size, [x, (turned, True)], ())
        batched = True
    if len(operands) == 2:
        return y
    ndim = y._array.ndim - batched
    return y + aligned(operands[2], ndim)


LEADING = """linalg_det linalg_slogdet linalg_inv linalg_cholesky linalg_eig linalg_eigh linalg_svd
linalg_svd_full linalg_qr linalg_qr_complete linalg_qr_r linalg_lu_factor linalg_matrix_exp
linalg_pinv linalg_solve linalg_solve_triangular cholesky_solve cholesky_inverse cofactors cdist
block_triangle lu_permutation linalg_inv_ex linalg_solve_ex linalg_cholesky_ex lu_unpack
linalg_lu linalg_lstsq linalg_svdvals linalg_eigvalsh linalg_eigvals""".split()


@rule(*LEADING)
def _leading(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    """Ops on the last dimensions, any others before them."""
    ndim = max(map(sample_ndim, operands))
    if len(operands) > 1 and prim.name in ("block_triangle", "cdist"):
        operands = [(whole(one, size), True) for one in operands]
    return OPS[prim.name](*(aligned(one, ndim) for one in operands), *params)


@rule("pdist")
def _pair_norms(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    """Of the differences of all pairs of each sample's rows."""
    ((x, _),) = operands
    return OPS["linalg_vector_norm"](_gaps(x), *params, (2,), False)


def _gaps(x: Tensor) -> Tensor:
    first, second = triu_indices(x._array.shape[1], 1)
    return index_select(x, 1, first) - index_select(x, 1, second)


@rule("pull_pairs", "pair_dots")
def _of_pairs(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    a, b = (whole(one, size) for one in operands)
    if prim.name == "pair_dots":
        return sum_of(_gaps(a) * _gaps(b), (2,), False)
    back, shape = s.unsqueeze(a, 2) * _gaps(b), b._array.shape
    first, second = triu_indices(shape[1], 1)
    return spread_rows(back, shape, 1, first) - spread_rows(back, shape, 1, second)


# --- ops on (images, channels, ...): the batch joins the images


def _folded(x: Any) -> Any:
    shape = x._array.shape
    return s.reshape(x, (shape[0] * shape[1], *shape[2:]))


def _unfolded(y: Tensor, size: int) -> Tensor:
    shape = y._array.shape
    return s.reshape(y, (size, shape[0] // size, *shape[1:]))


def _fold(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    if not size:
        return NotImplemented
    given = [whole(one, size) for one in operands]
    turned = _images_outside(given[0]._array)  # then they join in that order, without a copy
    if turned:
        given = [_swapped(one) for one in given]
        size = given[0]._array.shape[0]
    found = OPS[prim.name](*map(_folded, given), *params)
    ys = [_unfolded(y, size) for y in (found if type(found) is tuple else (found,))]
    if turned:
        ys = [_swapped(y) for y in ys]
    return tuple(ys) if type(found) is tuple else ys[0]


def _swapped(x: Tensor) -> Tensor:
    return s.permute(x, (1, 0, *range(2, x._array.ndim)))


def _images_outside(array: Any) -> bool:
    """Whether memory goes through the images before it goes through the samples."""
    return type(array) is ndarray and array.size > 0 and array.strides[0] < array.strides[1]


for _name in """im2col col2im max_pool max_pool_back max_pool_read sum_pool spread_pool
        pooled_maxima take_flat put_flat add_flat grid_sample grid_spread grid_slopes""".split():
    RULES[_name] = _fold
    SILENT.add(_name)  # an empty batch


# --- convolutions: kernels of their own for each sample are groups of one convolution


def _channels(operand: Operand, size: int) -> Any:
    """(images, samples * channels, ...) of a batch of (images, channels, ...)."""
    x = _swapped(whole(operand, size))
    shape = x._array.shape
    return s.reshape(x, (shape[0], size * shape[2], *shape[3:]))


def _samples_first(y: Tensor, size: int) -> Tensor:
    """A batch of (images, channels, ...) again."""
    shape = y._array.shape
    return _swapped(s.reshape(y, (shape[0], size, shape[1] // size, *shape[2:])))


@rule("convolution", "convolution_bias", "convolution_data")
def _convolution(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x, w = operands[:2]
    if not size:
        return NotImplemented
    if not w[1] and not any(batched for _, batched in operands[2:]):
        rest = (one for one, _ in operands[1:])
        return _unfolded(OPS[prim.name](_folded(x[0]), *rest, *params), size)
    name = "convolution_data" if prim.name == "convolution_data" else "convolution"
    *form, groups = params
    if not w[1]:
        y = _unfolded(OPS[name](_folded(whole(x, size)), w[0], *params), size)
    elif x[1] or groups > 1 or name == "convolution_data":
        y = OPS[name](_channels(x, size), _folded(w[0]), *form, groups * size)
        y = _samples_first(y, size)
    else:  # the same images for all: more kernels
        y = _samples_first(OPS[name](x[0], _folded(w[0]), *params), size)
    return y + _by_channel(operands[2], y._array.ndim) if len(operands) > 2 else y


def _by_channel(operand: Operand, ndim: int) -> Any:
    """A bias as (samples or 1, 1, channels, 1, ...)."""
    bias, batched = operand
    *front, count = bias._array.shape
    return s.reshape(bias, (*(front if batched else (1,)), 1, count, *(1,) * (ndim - 3)))


@rule("convolution_weight")
def _convolution_weight(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    """The gradients of a shared kernel by each sample, or of each sample's own."""
    if not size:
        return NotImplemented
    g, x = operands
    *form, groups = params
    if g[1] and not x[1] and groups == 1:
        found = OPS[prim.name](_channels(g, size), x[0], *params)
    else:
        found = OPS[prim.name](_channels(g, size), _channels(x, size), *form, groups * size)
    return _unfolded(found, size)


SILENT |= {"convolution", "convolution_bias", "convolution_data", "convolution_weight"}


@rule("prelu")
def _prelu(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    ndim = max(map(sample_ndim, operands))
    return OPS[prim.name](*(aligned((whole(one, size), True), ndim) for one in operands))
