"""Numbers that follow the sizes of dynamic dimensions, found from calls at two sizes of each.

A number that comes out as v at every combination of sizes is fitted by the polynomial that is
linear in each size: batch * length, 2 * length - 1 and the like, exactly or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

Polynomial = dict[tuple[str, ...], int]  # names whose product is taken, and its factor


class Dynamic:
    """The dynamic dimensions: of each its name, and the two sizes it was tried at.

    >>> sizes = Dynamic({"n": (2, 3), "t": (5, 7)})
    >>> sizes.fitted([2 * n * t + 1 for n, t in sizes.corners])
    {(): 1, ('n', 't'): 2}
    >>> sizes.fitted([4, 4, 4, 4])
    {(): 4}
    """

    def __init__(self, tried: dict[str, tuple[int, int]]) -> None:
        self.tried = tried
        self.corners = list(product(*tried.values()))

    def fitted(self, values: Sequence[int]) -> Polynomial | None:
        """The polynomial of a number with these values; None where there is none."""
        found: dict[tuple[str, ...], Fraction] = {}
        self._fit([Fraction(v) for v in values], list(self.tried), (), found)
        if any(factor.denominator != 1 for factor in found.values()):
            return None
        return {names: int(factor) for names, factor in found.items() if factor}

    def _fit(self, values: list[Fraction], names: list[str], taken: tuple[str, ...], found: dict):
        if not names:
            found[taken] = values[0]
            return
        low, high = self.tried[names[0]]
        half = len(values) // 2
        slopes = [(b - a) / (high - low) for a, b in zip(values[:half], values[half:])]
        rest = [a - slope * low for a, slope in zip(values[:half], slopes)]
        self._fit(rest, names[1:], taken, found)
        self._fit(slopes, names[1:], (*taken, names[0]), found)
