"""Types of command line arguments that say what they want."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def whole(least: int) -> Callable[[str], int]:
    """A whole number, `least` or more."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least}, got {text!r}")
        return number

    return parse


def real(
    least: float, below: float = math.inf, *, open_start: bool = False
) -> Callable[..., float]:
    """A number from `least` (itself excluded if `open_start`) to below `below`."""
    start = "above" if open_start else "from"
    wish = f"a number {start} {least:g}" + (f" to below {below:g}" if below < math.inf else "")

    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (least <= number < below) or (open_start and number == least):
            raise argparse.ArgumentTypeError(f"expected {wish}, got {text!r}")
        return number

    return parse
