"""Whether answers are those recorded, but for the last digits of fractions."""

from __future__ import annotations

import math
from typing import Any


def near(found: Any, expected: Any, rel: float, abs: float) -> bool:
    """The same lists, tables and values, fractions within a relative or an absolute distance."""
    if isinstance(expected, list):
        return len(found) == len(expected) and all(
            near(one, wanted, rel, abs) for one, wanted in zip(found, expected)
        )
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(
            near(found[key], expected[key], rel, abs) for key in expected
        )
    if isinstance(expected, float) and isinstance(found, float) and not math.isnan(expected):
        return math.isclose(found, expected, rel_tol=rel, abs_tol=abs)
    return found == expected
