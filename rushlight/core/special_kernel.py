"""What the special functions are built from: dtypes, blocks, branches and rational fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Kernel = Callable[..., np.ndarray]

# Bytes of one block: its temporaries stay in the second-level cache.
BLOCK = 1 << 17

FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)


# Up to this size calls cost more than arithmetic.
FEW = 32


class Fit:
    """A fitted polynomial p(t) or quotient p(t)/q(t), called on an array t of one dimension."""

    __slots__ = ("matrix", "rational", "steps")

    def __init__(self, pair: Sequence[Sequence[float]], dtype: np.dtype = FLOAT64):
        top, bottom = pair
        self.rational = len(bottom) > 1
        rows = [top, bottom] if self.rational else [top]
        size = max(len(row) for row in rows)
        padded = [[0.0] * (size - len(row)) + list(row) for row in rows]
        self.matrix = np.array(padded, dtype)[:, ::-1].copy()
        # Both polynomials go through one Horner scheme, as two rows: half the calls.
        columns = np.array(padded, dtype).T
        self.steps = list(columns[:, :, None].copy() if self.rational else columns)

    def __call__(self, t: np.ndarray) -> np.ndarray:
        y = self.by_powers(t) if t.size <= FEW else self.by_horner(t)
        if self.rational:
            return np.divide(y[0], y[1], out=y[0])
        return y

    def by_powers(self, t: np.ndarray) -> np.ndarray:
        """One product of coefficients and powers: few calls."""
        powers = np.empty((self.matrix.shape[1], t.size), t.dtype)
        powers[0] = 1
        powers[1:] = t
        np.multiply.accumulate(powers, axis=0, out=powers)
        y = np.dot(self.matrix, powers)
        return y if self.rational else y[0]

    def by_horner(self, t: np.ndarray) -> np.ndarray:
        """In-place steps on one array: little memory."""
        first, *middle, last = self.steps
        y = first * t
        for step in middle:
            np.add(y, step, out=y)
            np.multiply(y, t, out=y)
        return np.add(y, last, out=y)


def branch(
    mask: np.ndarray, inside: Kernel, outside: Kernel, *arrays: np.ndarray, strict: bool = False
) -> np.ndarray:
    """`inside(*arrays)` where mask, `outside(*arrays)` elsewhere.

    Each rule sees its own elements only when there are many, or always if `strict`.
    """
    count = np.count_nonzero(mask)
    if count == mask.size:
        return inside(*arrays)
    if count == 0:
        return outside(*arrays)
    if mask.size <= FEW and not strict:
        return np.where(mask, inside(*arrays), outside(*arrays))
    out = np.empty(mask.shape, arrays[0].dtype)
    # Index arrays: boolean masks gather and scatter several times slower.
    for chosen, rule in ((mask, inside), (~mask, outside)):
        where = chosen.nonzero()[0]
        out[where] = rule(*[a.take(where) for a in arrays])
    return out


def settle(y: np.ndarray, where: np.ndarray, value: float) -> None:
    """Set y to `value` where asked; a masked write of nothing costs ten times this test."""
    if where.any():
        y[where] = value


def result_dtype(*arrays: np.ndarray) -> np.dtype:
    """The floating dtype of the answer; integers and booleans count as float32."""
    kinds = [a.dtype for a in arrays if a.dtype.kind not in "biu"]
    if not kinds:
        return FLOAT32
    return kinds[0] if len(kinds) == 1 else np.result_type(*kinds)


def pointwise(x: np.ndarray, kernel: Kernel, single: Kernel | None = None) -> np.ndarray:
    """Apply `kernel` (on fresh float64 blocks) or, below float64, `single` (on float32 blocks)."""
    x = np.asarray(x)
    dtype = result_dtype(x)
    if x.ndim > 1 and not x.flags.c_contiguous and x.T.flags.c_contiguous:
        return pointwise(x.T, kernel, single).T
    work = FLOAT64
    if single is not None and dtype != FLOAT64:
        kernel, work = single, FLOAT32
    flat, block = x.reshape(-1), BLOCK // work.itemsize
    with np.errstate(all="ignore"):
        if flat.size <= block:
            return kernel(flat.astype(work)).astype(dtype, copy=False).reshape(x.shape)
        out = np.empty(flat.shape, dtype)
        for start in range(0, flat.size, block):
            stop = start + block
            out[start:stop] = kernel(flat[start:stop].astype(work))
    return out.reshape(x.shape)


def widened(kernel: Kernel) -> Kernel:
    """Let a float64 kernel stand where a float32 one is expected."""
    return lambda x: kernel(x.astype(FLOAT64)).astype(FLOAT32)


def pairwise(a: np.ndarray, b: np.ndarray, kernel: Kernel) -> np.ndarray:
    """Apply a float64 `kernel(a, b)` to the broadcast arguments, in blocks."""
    numbers = (int, float)  # which take the other's type
    a, b = (np.asarray(x, getattr(y, "dtype", None) if type(x) in numbers else None)
            for x, y in ((a, b), (b, a)))  # fmt: skip
    dtype = result_dtype(a, b)
    a, b = np.broadcast_arrays(a, b)
    shape = a.shape
    a, b, block = a.reshape(-1), b.reshape(-1), BLOCK // FLOAT64.itemsize
    out = np.empty(a.shape, dtype)
    with np.errstate(all="ignore"):
        for start in range(0, a.size, block):
            stop = start + block
            left, right = a[start:stop].astype(FLOAT64), b[start:stop].astype(FLOAT64)
            out[start:stop] = kernel(left, right)
    return out.reshape(shape)


def by_scalar(x: np.ndarray, function: Callable[[float], float]) -> np.ndarray:
    """Apply a scalar function of the standard library: for a few elements the fastest way."""
    values = [function(v) for v in x.reshape(-1).tolist()]
    return np.array(values, result_dtype(x)).reshape(x.shape)


def offset_from_integer(x: np.ndarray) -> np.ndarray:
    """The exact signed distance of x to the nearest integer, within [-1/2, 1/2]."""
    return x - np.rint(x)
