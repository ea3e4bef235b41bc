"""Gradients of the larger and the smaller of two operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.primitive import bake_elementwise, held
from ..core.tape import INPUTS, Entry

_by_ties = bake_elementwise([lambda y, a, b: 1 - (a == b) * 0.5] * 2, "x")


def extreme_pull(loses: Callable[[Any, Any], Any]) -> Callable[[Any, Entry], Any]:
    """A half to each at ties, nothing where `loses(a, b)`: of an infinite gradient too.

    Beside nan neither loses, and both get the gradient, as in torch.
    """

    def pull(g: Any, entry: Entry) -> Any:
        (a, b), (left, right) = entry[INPUTS], _by_ties(g, entry)
        return (
            None if left is None else held(left, ~loses(a, b)),
            None if right is None else held(right, ~loses(b, a)),
        )

    return pull
