"""torch.quasirandom: Sobol points, which fill the unit cube more evenly than random ones."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import rushlight as rl

from .core.errors import fail
from .core.folders import content_of
from .core.names import explain_missing as _explain_missing

__all__ = ["SobolEngine"]
_explain_missing(__name__)

_BITS = 30
_LARGEST_DEGREE = 13  # of the polynomials that are kept: all primitive ones up to it
_DIMENSIONS = 1111


@cache
def _directions() -> np.ndarray[Any, Any]:
    """Direction numbers of all dimensions, (dimensions, bits) of int64.

    The file has Joe and Kuo's choice (D(6), "new-joe-kuo-6"). A polynomial x^d + a_1 x^(d-1) + ...
    + a_(d-1) x + 1 and d odd numbers m_i < 2^i make the numbers of one dimension. Polynomials go by
    degree; for each degree stands, one bit each: their number in 16 bits, for each polynomial the
    inner coefficients, then for each the bits of m_2 ... m_d that are not 1 anyhow.
    """
    packed = np.frombuffer(content_of(Path(__file__).with_suffix(".bin")), np.uint8)
    bits = np.unpackbits(packed).astype(np.int64)
    tables, at = [np.ones((1, _BITS), np.int64)], 0

    def take(rows: int, columns: int) -> np.ndarray[Any, Any]:
        nonlocal at
        at += rows * columns
        return bits[at - rows * columns : at].reshape(rows, columns)

    for degree in range(1, _LARGEST_DEGREE + 1):
        count = _number(take(1, 16))[0]
        inner = take(count, degree - 1)
        first = np.ones((count, _BITS), np.int64)
        for place in range(1, degree):
            first[:, place] = 2 * _number(take(count, place)) + 1
        tables.append(_continued(first, inner, degree))
    return np.concatenate(tables) << np.arange(_BITS - 1, -1, -1)


def _number(bits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Whole numbers from rows of bits, the highest first."""
    return bits @ (1 << np.arange(bits.shape[-1] - 1, -1, -1))


def _continued(
    m: np.ndarray[Any, Any], inner: np.ndarray[Any, Any], degree: int
) -> np.ndarray[Any, Any]:
    """Rows whose first `degree` numbers are given, the rest by the recurrence of the polynomial."""
    for k in range(degree, _BITS):
        m[:, k] = m[:, k - degree] ^ (m[:, k - degree] << degree)
        for i in range(1, degree):
            m[:, k] ^= inner[:, i - 1] * (m[:, k - i] << i)
    return m


def _gray(n: int) -> int:
    """The n-th word of the code whose neighbours differ in one bit: point n takes its columns."""
    return n ^ (n >> 1)


class SobolEngine:
    """Points of the Sobol sequence in [0, 1)^dimension, as torch draws them.

    Point n is the exclusive or of the direction numbers at the ones of n's Gray code, divided by
    2^30; 2^m points in sequence have the same number in every half, quarter, ... of each axis.
    `scramble` multiplies the bits by random lower triangular matrices and shifts them (Owen's
    scrambling in its linear form), by `seed` or the default generator.
    Raises: ValueError unless 1 <= dimension <= 1111 (torch: 21201).
    Source: S. Joe and F. Y. Kuo, Constructing Sobol sequences with better two-dimensional
    projections, SIAM J. Sci. Comput. 30 (2008).

    >>> from rushlight.quasirandom import SobolEngine
    >>> SobolEngine(2).draw(4)
    tensor([[0.0000, 0.0000],
            [0.5000, 0.5000],
            [0.7500, 0.2500],
            [0.2500, 0.7500]])
    """

    MAXBIT = _BITS
    MAXDIM = _DIMENSIONS

    def __init__(self, dimension: int, scramble: bool = False, seed: int | None = None) -> None:
        if dimension > self.MAXDIM or dimension < 1:
            message = f"Supported range of dimensionality for SobolEngine is [1, {self.MAXDIM}]"
            raise fail(
                ValueError, message,
                f"direction numbers are kept for {self.MAXDIM} dimensions (torch keeps 21201)",
            )  # fmt: skip
        self.seed, self.scramble, self.dimension = seed, scramble, dimension
        self.sobolstate = rl.from_numpy(_directions()[:dimension].copy())
        if scramble:
            self._scramble()
        else:
            self.shift = rl.zeros(dimension, dtype=rl.int64)
        self.quasi = self.shift.clone()
        self._first_point = (self.quasi / 2**_BITS).reshape(1, -1)
        self.num_generated = 0

    def draw(self, n: int = 1, out: rl.Tensor | None = None,
             dtype: rl.dtype | None = None) -> rl.Tensor:  # fmt: skip
        """The next n points, (n, dimension); they are also written to `out`.

        >>> from rushlight.quasirandom import SobolEngine
        >>> SobolEngine(2, scramble=True, seed=3).draw(2)
        tensor([[0.0685, 0.2245],
                [0.6215, 0.7231]])
        """
        dtype = rl.get_default_dtype() if dtype is None else dtype
        if self.num_generated == 0:
            result = self._first_point.to(dtype)
            if n != 1:
                result = rl.cat((result, self._following(0, n - 1, dtype)), dim=-2)
        else:
            result = self._following(self.num_generated - 1, n, dtype)
        self.num_generated += n
        return result if out is None else out.resize_as_(result).copy_(result)

    def _following(self, place: int, n: int, dtype: rl.dtype) -> rl.Tensor:
        """The n points after point `place`, where `quasi` stands."""
        if dtype not in (rl.float32, rl.float64):
            kind = {rl.float16: "Half", rl.bfloat16: "BFloat16", rl.int64: "Long"}.get(dtype, dtype)
            raise NotImplementedError(f"\"_sobol_engine_draw\" not implemented for '{kind}'")
        if n < 0:
            shape = [n, self.dimension]
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {shape}")
        if place + n >= 2**_BITS:
            raise RuntimeError(f"SobolEngine has no more than 2**{_BITS} points")
        steps = np.arange(place, place + n)
        lowest_zero = np.bitwise_count(steps & ~(steps + 1))
        turned = self.sobolstate.numpy().T[lowest_zero]
        points = np.concatenate((self.quasi.numpy()[None], turned))
        points = np.bitwise_xor.accumulate(points, axis=0)
        self.quasi = rl.from_numpy(points[-1].copy())
        return rl.from_numpy(points[1:] / 2**_BITS).to(dtype)

    def draw_base2(self, m: int, out: rl.Tensor | None = None,
                   dtype: rl.dtype | None = None) -> rl.Tensor:  # fmt: skip
        """The next 2^m points; ValueError unless all points so far are a power of two then.

        >>> from rushlight.quasirandom import SobolEngine
        >>> SobolEngine(1).draw_base2(2).flatten()
        tensor([0.0000, 0.5000, 0.7500, 0.2500])
        """
        n = 2**m
        total = self.num_generated + n
        if total & (total - 1) != 0:
            raise ValueError(
                "The balance properties of Sobol' points require n to be a power of 2. "
                f"{self.num_generated} points have been previously generated, then: "
                f"n={self.num_generated}+2**{m}={total}. If you still want to do this, please use "
                "'SobolEngine.draw()' instead."
            )
        return self.draw(n, out, dtype)

    def reset(self) -> SobolEngine:
        """Go back to the first point."""
        self.quasi.copy_(self.shift)
        self.num_generated = 0
        return self

    def fast_forward(self, n: int) -> SobolEngine:
        """Pass n points over, in one step.

        >>> from rushlight.quasirandom import SobolEngine
        >>> SobolEngine(1).fast_forward(3).draw()
        tensor([[0.2500]])
        """
        place = max(self.num_generated - 1, 0)
        steps = n if self.num_generated else n - 1
        if steps > 0:
            turns = _gray(place) ^ _gray(place + steps)
            columns = [bit for bit in range(_BITS) if turns >> bit & 1]
            turned = np.bitwise_xor.reduce(self.sobolstate.numpy()[:, columns], axis=1)
            self.quasi.copy_(rl.from_numpy(self.quasi.numpy() ^ turned))
        self.num_generated += n
        return self

    def _scramble(self) -> None:
        """Draw the shift and the matrices, and multiply the direction numbers by the latter."""
        generator = None if self.seed is None else rl.Generator().manual_seed(self.seed)
        size = (self.dimension, _BITS)
        drawn = rl.randint(2, size, generator=generator).numpy()
        self.shift = rl.from_numpy(drawn @ (1 << np.arange(_BITS)))
        drawn = rl.randint(2, (*size, _BITS), generator=generator).numpy()
        lower = np.tril(drawn, -1) | np.eye(_BITS, dtype=np.int64)
        numbers = self.sobolstate.numpy()
        bits = numbers[:, None, :] >> np.arange(_BITS - 1, -1, -1)[:, None] & 1
        scrambled = np.moveaxis(lower.astype(np.float32) @ bits.astype(np.float32), 1, 2)
        self.sobolstate = rl.from_numpy(_number(scrambled.astype(np.int64) & 1))

    def __repr__(self) -> str:
        parts = [f"dimension={self.dimension}"]
        parts += ["scramble=True"] if self.scramble else []
        parts += [] if self.seed is None else [f"seed={self.seed}"]
        return f"{type(self).__name__}({', '.join(parts)})"
