"""One-dimensional NumPy arrays with the in-place methods of a tensor.

An update rule is written once, in the vocabulary both sides share (`mul_`, `lerp_`, `addcdiv_`
...).  It runs on tensors (traced, differentiable, complex) or, many parameters at a time, on these.
"""

from __future__ import annotations

import numpy as np


def _raw(value):
    return value.array if type(value) is Flat else value


class Flat:
    """A mutable float array with the part of the tensor's interface that update rules use."""

    __slots__ = ("array",)

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def item(self) -> float:
        """The first element: a bucket's scalars are equal for all its parameters."""
        return float(self.array.flat[0])

    def clone(self) -> Flat:
        return Flat(self.array.copy())

    def copy_(self, other: Flat) -> Flat:
        np.copyto(self.array, other.array)
        return self

    def fill_(self, value: float) -> Flat:
        self.array.fill(value)
        return self

    def add(self, other, *, alpha=1) -> Flat:
        other = _raw(other)
        return Flat(self.array + (other if alpha == 1 else other * alpha))

    def add_(self, other, *, alpha=1) -> Flat:
        other = _raw(other)
        np.add(self.array, other if alpha == 1 else other * alpha, self.array)
        return self

    def sub(self, other) -> Flat:
        return Flat(self.array - _raw(other))

    def mul(self, other) -> Flat:
        return Flat(self.array * _raw(other))

    def mul_(self, other) -> Flat:
        np.multiply(self.array, _raw(other), self.array)
        return self

    def div(self, other) -> Flat:
        return Flat(self.array / _raw(other))

    def div_(self, other) -> Flat:
        np.divide(self.array, _raw(other), self.array)
        return self

    def __rtruediv__(self, other: float) -> Flat:
        return Flat(other / self.array)

    def __neg__(self) -> Flat:
        return Flat(-self.array)

    def lerp_(self, end: Flat, weight: float) -> Flat:
        """self + weight (end - self), from the nearer side, as torch rounds it."""
        gap = end.array - self.array
        if weight < 0.5:
            gap *= weight
            np.add(self.array, gap, self.array)
        else:
            gap *= 1 - weight
            np.subtract(end.array, gap, self.array)
        return self

    def addcmul(self, first: Flat, second: Flat, *, value=1) -> Flat:
        product = first.array * second.array if value == 1 else first.array * value * second.array
        product += self.array
        return Flat(product)

    def addcmul_(self, first: Flat, second: Flat, *, value=1) -> Flat:
        product = first.array * second.array if value == 1 else first.array * value
        if value != 1:
            product *= second.array
        np.add(self.array, product, self.array)
        return self

    def addcdiv_(self, numerator: Flat, denominator: Flat, *, value=1) -> Flat:
        quotient = numerator.array if value == 1 else numerator.array * value
        np.add(self.array, quotient / denominator.array, self.array)
        return self

    def sqrt(self) -> Flat:
        return Flat(np.sqrt(self.array))

    def abs(self) -> Flat:
        return Flat(np.abs(self.array))

    def sign(self) -> Flat:
        a = self.array  # of nan it is 0, as torch's
        return Flat(np.subtract(a > 0, a < 0, dtype=a.dtype))

    def maximum(self, other: Flat) -> Flat:
        return Flat(np.maximum(self.array, other.array))

    def clamp_(self, low: float, high: float) -> Flat:
        np.clip(self.array, low, high, out=self.array)
        return self

    def gt(self, other: float) -> np.ndarray:
        return self.array > other

    def lt(self, other: float) -> np.ndarray:
        return self.array < other

    def eq(self, other: float) -> np.ndarray:
        return self.array == other

    def masked_fill(self, mask: np.ndarray, value: float) -> Flat:
        filled = self.array.copy()
        filled[mask] = value
        return Flat(filled)
