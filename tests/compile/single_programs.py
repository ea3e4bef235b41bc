"""What the tests of native programs for single operations share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import rushlight as rl
from rushlight.core import heavy


@pytest.fixture(autouse=True)
def everything_counts() -> Iterator[None]:
    """Arrays of any size are worth a program, and nothing is left of earlier tests."""
    before = heavy.SWITCH.least, heavy.SWITCH.light, heavy.SWITCH.on
    heavy.SWITCH.least, heavy.SWITCH.light, heavy.SWITCH.on = 1, 1, True
    heavy.forget()
    yield
    heavy.SWITCH.least, heavy.SWITCH.light, heavy.SWITCH.on = before
    heavy.forget()


def plain(call: Any) -> Any:
    """What NumPy makes of it."""
    rl.eager_kernels(False)
    try:
        return call()
    finally:
        rl.eager_kernels(True)
