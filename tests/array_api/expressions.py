"""Expressions in the standard's words, for any namespace `xp`.

`A` is a 3 by 4 matrix of real numbers, `S` a batch of positive definite 3 by 3 matrices, `P`
positive numbers, `N` integers with repetitions, `U` uint8, `B` a mask, `Z` complex numbers, `V`
and `W` vectors of three, `F` has nan in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

UNARY = """
abs exp expm1 negative positive sign square sin cos tan sinh cosh tanh asinh atan ceil floor
trunc round signbit isnan isinf isfinite real conj
"""
POSITIVE = "sqrt log log1p log2 log10 reciprocal acosh"
UNIT = "asin acos atanh"
COMPLEX = "abs exp sign square conj real imag sin cosh sqrt log negative isfinite reciprocal"
INTEGER = "abs negative sign square ceil floor trunc round bitwise_invert positive"
BINARY = """
add subtract multiply divide atan2 copysign floor_divide remainder hypot logaddexp maximum
minimum nextafter equal not_equal less less_equal greater greater_equal
"""
WHOLE = """
add subtract multiply floor_divide remainder bitwise_and bitwise_or bitwise_xor maximum
minimum equal less pow
"""
REDUCE = "sum prod mean max min std var all any"
_OTHER = """
xp.sum(N, axis=(0, 1)) | xp.sum(U, axis=0) | xp.sum(U, dtype=xp.int32) | xp.prod(U, axis=1)
xp.sum(B) | xp.sum(A, axis=()) | xp.max(A, axis=()) | xp.std(A, axis=0, correction=1)
xp.var(A, correction=2.5) | xp.var(A, axis=(0, 1), keepdims=True) | xp.cumulative_sum(A, axis=1)
xp.cumulative_sum(N, axis=0) | xp.cumulative_sum(V, include_initial=True)
xp.cumulative_prod(A, axis=0, include_initial=True) | xp.cumulative_sum(U, axis=1) | xp.diff(A)
xp.diff(A, axis=0, n=2) | xp.diff(V, prepend=W, append=W) | xp.argmax(A) | xp.argmin(A, axis=1)
xp.argmax(A, axis=0, keepdims=True) | xp.argmax(A, keepdims=True) | xp.count_nonzero(N)
xp.count_nonzero(N, axis=1) | xp.count_nonzero(N, axis=1, keepdims=True) | xp.nonzero(N)
xp.where(B, A, 0.0) | xp.where(B, A, A * 2) | xp.where(B, 1, N) | xp.searchsorted(xp.sort(V), W)
xp.searchsorted(V, W, side="right", sorter=xp.argsort(V)) | xp.sort(A)
xp.argsort(N, axis=1, stable=True) | xp.unique_all(N) | xp.unique_counts(N) | xp.unique_inverse(N)
xp.sort(xp.unique_values(N)) | xp.unique_counts(F) | xp.take(A, xp.asarray([2, 0]), axis=1)
xp.take(V, xp.asarray([2, 0])) | xp.take_along_axis(A, xp.argsort(A, axis=1), axis=1)
xp.take_along_axis(V, xp.asarray([1])) | xp.concat([A, A], axis=1) | xp.concat([A, N], axis=None)
xp.concat([V, W]) | xp.stack([V, W], axis=1) | xp.stack([V, N[0, :3]]) | xp.unstack(A)
xp.unstack(A, axis=1) | xp.expand_dims(A, axis=-1) | xp.expand_dims(A, axis=1)
xp.squeeze(A[:1, :], axis=0) | xp.flip(A) | xp.flip(A, axis=1) | xp.moveaxis(S, 0, -1)
xp.moveaxis(S, (0, 1), (2, 0)) | xp.permute_dims(S, (2, 0, 1)) | xp.repeat(A, 2)
xp.repeat(A, 2, axis=0) | xp.repeat(V, xp.asarray([1, 0, 2])) | xp.reshape(A, (4, 3))
xp.reshape(A, (-1,)) | xp.reshape(A, (2, 6), copy=True) | xp.roll(A, 1)
xp.roll(A, (1, 2), axis=(0, 1)) | xp.roll(A, -1, axis=1) | xp.tile(A, (2,)) | xp.tile(V, (2, 2))
xp.broadcast_to(V, (2, 3)) | xp.broadcast_arrays(V, A[:, :1]) | xp.astype(A, xp.int32)
xp.astype(N, xp.float32) | xp.astype(B, xp.int8) | xp.astype(Z, xp.complex64) | xp.tril(A)
xp.triu(A, k=1) | xp.clip(A, -0.5, 0.5) | xp.clip(A, min=0.1) | xp.clip(N, None, 2)
xp.clip(A, V[0], None) | xp.logical_and(B, B) | xp.logical_or(B, N != 0)
xp.logical_xor(B, N != 0) | xp.logical_not(B) | xp.bitwise_left_shift(N, xp.abs(N))
xp.bitwise_right_shift(N, xp.asarray(1)) | xp.maximum(A, 0.25) | xp.add(2, N) | xp.pow(P, 0.5)
xp.pow(2.0, A) | xp.divide(1.0, P) | xp.less(0.1, A) | xp.multiply(B, B)
xp.add(xp.astype(A, xp.float32), xp.asarray(1.0, dtype=xp.float64))
xp.add(U, xp.asarray(3, dtype=xp.int8)) | xp.arange(5) | xp.arange(1, 4, 0.5, dtype=xp.float64)
xp.arange(3, 3) | xp.arange(5, 0, -2) | xp.arange(2, 8, dtype=xp.int32)
xp.linspace(0.0, 1.0, 5, dtype=xp.float64)
xp.linspace(0, 10, 4, endpoint=False, dtype=xp.float64) | xp.eye(3, dtype=xp.int64)
xp.eye(2, 4, k=1, dtype=xp.float64) | xp.eye(3, k=-5, dtype=xp.float64) | xp.full((2,), 3)
xp.full(2, True) | xp.zeros(3, dtype=xp.int8) | xp.ones((2, 1), dtype=xp.complex128)
xp.zeros_like(A) | xp.ones_like(N, dtype=xp.float64) | xp.full_like(A, 2)
xp.empty((0, 2), dtype=xp.float64) | xp.meshgrid(V, W) | xp.meshgrid(V, W[:2], indexing="ij")
xp.asarray([[1, 2], [3, 4]]) | xp.asarray(True) | xp.asarray([V[0], W[1]])
xp.asarray(A, dtype=xp.float32) | xp.asarray([1 + 2j], dtype=xp.complex64)
xp.matmul(A, xp.matrix_transpose(A)) | xp.matmul(S, V) | xp.vecdot(A, A) | xp.vecdot(A, A, axis=0)
xp.vecdot(Z, Z) | xp.tensordot(A, A, axes=2) | xp.tensordot(A, S, axes=((0,), (1,)))
xp.matrix_transpose(S) | A.T @ A | A[B] | A[1:, ::2] | A[..., None]
A[xp.asarray([0, 2]), xp.asarray([1, 1])] | A[1, 2] | -A + A * 2 - 1 / P | xp.linalg.cholesky(S)
xp.linalg.cholesky(S, upper=True) | xp.linalg.cross(V, W) | xp.linalg.det(S)
xp.linalg.diagonal(S, offset=1) | xp.linalg.eigvalsh(S) | xp.linalg.eigh(S).eigenvalues
xp.linalg.inv(S) | xp.linalg.matrix_norm(S) | xp.linalg.matrix_norm(S, ord=1, keepdims=True)
xp.linalg.matrix_norm(S, ord="nuc") | xp.linalg.matrix_power(S, 3) | xp.linalg.matrix_power(S, -1)
xp.linalg.matrix_rank(S) | xp.linalg.outer(V, W) | xp.linalg.pinv(A) | xp.abs(xp.linalg.qr(A).R)
xp.abs(xp.linalg.qr(A, mode="complete").Q) | xp.linalg.slogdet(S).logabsdet
xp.linalg.solve(S, V) | xp.linalg.solve(S, S) | xp.linalg.solve(S[0, ...], A) | xp.linalg.svd(A).S
xp.linalg.svdvals(A) | xp.linalg.svd(A, full_matrices=False).U.shape | xp.linalg.trace(S)
xp.linalg.trace(S, offset=-1) | xp.linalg.vector_norm(A) | xp.linalg.vector_norm(A, axis=1, ord=1)
xp.linalg.vector_norm(A, axis=(0, 1), keepdims=True)
xp.linalg.vector_norm(A, axis=0, ord=xp.inf) | xp.linalg.vecdot(V, W) | xp.linalg.matmul(A, A.T)
xp.linalg.tensordot(A, A) | xp.fft.fft(A) | xp.fft.fft(Z, n=2, norm="ortho")
xp.fft.ifft(Z, norm="forward") | xp.fft.rfft(A, axis=0) | xp.fft.irfft(Z) | xp.fft.fftn(A)
xp.fft.ifftn(Z, axes=(0,)) | xp.fft.rfftn(A) | xp.fft.irfftn(A + 0j) | xp.fft.hfft(Z)
xp.fft.ihfft(A) | xp.fft.fftshift(A) | xp.fft.ifftshift(A, axes=(1,))
xp.can_cast(xp.int8, xp.int16) | xp.can_cast(xp.int64, xp.int8)
xp.isdtype(A.dtype, "real floating") | xp.isdtype(xp.int8, ("bool", "unsigned integer"))
xp.isdtype(xp.complex64, "numeric") | xp.isdtype(xp.int8, xp.int8) | xp.finfo(xp.float32).eps
xp.finfo(xp.complex128).bits | xp.finfo(xp.float64).smallest_normal | xp.iinfo(xp.int16).max
xp.iinfo(xp.uint8).bits | xp.finfo(xp.float32).max | xp.e + xp.pi | xp.newaxis is None
xp.all(xp.isnan(xp.asarray(xp.nan))) | xp.any(B, axis=0) | xp.all(A, axis=1, keepdims=True)
"""


def expressions() -> list[str]:
    """All of them."""
    found = [f"xp.{f}(A)" for f in UNARY.split()] + [f"xp.{f}(P)" for f in POSITIVE.split()]
    found += [f"xp.{f}(A / 9)" for f in UNIT.split()] + [f"xp.{f}(Z)" for f in COMPLEX.split()]
    found += [f"xp.{f}(N)" for f in INTEGER.split()] + [f"xp.{f}(A, P)" for f in BINARY.split()]
    found += [f"xp.{f}(xp.abs(N), xp.abs(N) + 1)" for f in WHOLE.split()]
    for f in REDUCE.split():
        found += [f"xp.{f}(A)", f"xp.{f}(A, axis=1)", f"xp.{f}(S, axis=(0, -1), keepdims=True)"]
    for line in _OTHER.strip().splitlines():
        found += [part.strip() for part in line.split(" | ")]
    return found


def inputs(xp: Any) -> dict[str, Any]:
    """The arrays that the expressions name, for a namespace."""
    rng = np.random.default_rng(4)
    root = rng.normal(size=(2, 3, 3))
    whole = rng.integers(-2, 3, (3, 4))
    given = {
        "A": rng.normal(size=(3, 4)), "S": root @ root.swapaxes(-1, -2) + np.eye(3),
        "P": rng.uniform(1.1, 3, (3, 4)), "N": whole,
        "U": rng.integers(0, 200, (3, 4)).astype("u1"),
        "B": rng.random((3, 4)) > 0.5, "Z": rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4)),
        "V": np.array([-1.0, 0.5, 2.0]), "W": np.array([0.1, -3.0, 1.0]),
        "F": np.array([1.0, np.nan, 1.0, np.nan, -2.0]),
    }  # fmt: skip
    return {"xp": xp, **{name: xp.asarray(value) for name, value in given.items()}}
