"""A line search for the strong Wolfe conditions (Nocedal & Wright, chapter 3.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Point(NamedTuple):
    """The objective at one step length: value, gradient, and slope along the direction."""

    t: Any
    value: float
    grad: Any
    slope: Any


def cubic_minimum(left: Point, right: Point, bounds: tuple | None = None) -> Any:
    """Where the cubic through both points' values and slopes is least, within `bounds`."""
    x1, f1, g1 = left.t, left.value, left.slope
    x2, f2, g2 = right.t, right.value, right.slope
    low, high = bounds if bounds is not None else ((x1, x2) if x1 <= x2 else (x2, x1))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - g1 * g2
    if not square >= 0:
        return (low + high) / 2.0
    d2 = square.sqrt()
    if x1 <= x2:
        place = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        place = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(place, low), high)


class WolfeSearch:
    """Finds a step along `direction` that lowers the value enough and flattens the slope enough.

    `evaluate(t)` returns the value and the gradient at step length t; at most `limit` rounds.
    `slopes`: which part of the first slope the value must fall by, and which part may be left.
    """

    def __init__(
        self, evaluate: Callable, direction: Any, start: Point, limit: int,
        tolerance: float = 1e-9, slopes: tuple[float, float] = (1e-4, 0.9),
    ) -> None:  # fmt: skip
        self._enough, self._flat = slopes
        self._evaluate = evaluate
        self._direction = direction
        self._start = start
        self._limit = limit
        self._tolerance = tolerance
        self._rounds = 0
        self.evaluations = 0

    def _at(self, t: Any) -> Point:
        value, grad = self._evaluate(t)
        self.evaluations += 1
        return Point(t, value, grad, grad.dot(self._direction))

    def _too_high(self, point: Point) -> bool:
        start = self._start
        return bool(point.value > start.value + self._enough * point.t * start.slope)

    def _flat_enough(self, point: Point) -> bool:
        return bool(abs(point.slope) <= -self._flat * self._start.slope)

    def run(self, t: Any) -> Point:
        """The point to step to, `t` being the first step length tried."""
        bracket, done = self._enclose(t)
        if not done:
            self._shrink(bracket)
        return min(bracket, key=lambda point: point.value)

    def _enclose(self, t: Any) -> tuple[list[Point], bool]:
        """Lengthen the step until two points enclose a minimum, or one is good enough."""
        last, point = self._start, self._at(t)
        while self._rounds < self._limit:
            if self._too_high(point) or (self._rounds > 1 and point.value >= last.value):
                return [last, point], False
            if self._flat_enough(point):
                return [point], True
            if point.slope >= 0:
                return [last, point], False
            bounds = (point.t + 0.01 * (point.t - last.t), point.t * 10)
            t = cubic_minimum(last, point, bounds)
            last, point = point, self._at(t)
            self._rounds += 1
        return [self._start, point], False

    def _shrink(self, bracket: list[Point]) -> None:
        """Narrow the bracket around the minimum; its first place is not always the lower one."""
        span = self._direction.abs().max()
        low = 0 if bracket[0].value <= bracket[1].value else 1
        stuck = False
        while self._rounds < self._limit:
            if abs(bracket[1].t - bracket[0].t) * span < self._tolerance:
                return
            t, stuck = self._inside(bracket, stuck)
            point = self._at(t)
            self._rounds += 1
            if self._too_high(point) or point.value >= bracket[low].value:
                bracket[1 - low] = point
                low = 0 if bracket[0].value <= bracket[1].value else 1
                continue
            done = self._flat_enough(point)
            if not done and point.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
                bracket[1 - low] = bracket[low]
            bracket[low] = point
            if done:
                return

    def _inside(self, bracket: list[Point], stuck: bool) -> tuple[Any, bool]:
        """The next step length, kept off the bracket's ends when progress stalls."""
        t = cubic_minimum(bracket[0], bracket[1])
        least = min(bracket[0].t, bracket[1].t)
        most = max(bracket[0].t, bracket[1].t)
        margin = 0.1 * (most - least)
        if min(most - t, t - least) >= margin:
            return t, False
        if stuck or t >= most or t <= least:
            return (most - margin if abs(t - most) < abs(t - least) else least + margin), False
        return t, True
