"""Batching rules of products: matrices, linear layers, convolutions, pooling, linear algebra."""

from __future__ import annotations

from typing import Any

from ..core.overrides import OPS
from ..core.tensor import Tensor
from ..ops import structure as s
from ..ops.contract import matmul
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
block_triangle lu_permutation""".split()


@rule(*LEADING)
def _leading(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    """Ops on the last dimensions, any others before them."""
    ndim = max(map(sample_ndim, operands))
    if len(operands) > 1 and prim.name in ("block_triangle", "cdist"):
        operands = [(whole(one, size), True) for one in operands]
    return OPS[prim.name](*(aligned(one, ndim) for one in operands), *params)


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
    given = [_folded(whole(one, size)) for one in operands]
    y = OPS[prim.name](*given, *params)
    return tuple(_unfolded(one, size) for one in y) if type(y) is tuple else _unfolded(y, size)


for _name in """im2col col2im max_pool max_pool_back max_pool_read sum_pool spread_pool
        pooled_maxima take_flat put_flat add_flat""".split():
    RULES[_name] = _fold
    SILENT.add(_name)  # an empty batch


@rule("convolution", "convolution_bias", "convolution_data")
def _convolution(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x, w = operands[:2]
    if not size:
        return NotImplemented
    if not w[1]:
        if any(batched for _, batched in operands[2:]):
            return NotImplemented
        rest = (one for one, _ in operands[1:])
        return _unfolded(OPS[prim.name](_folded(x[0]), *rest, *params), size)
    return NotImplemented


SILENT |= {"convolution", "convolution_bias", "convolution_data", "convolution_weight"}
