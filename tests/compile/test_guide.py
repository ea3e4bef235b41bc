"""The user's guide says what happens."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

pytest.importorskip("llvmlite")

GUIDE = Path(__file__).parents[2] / "docs" / "compile.md"


def test_the_examples_of_the_guide():
    found = doctest.testfile(str(GUIDE), module_relative=False)
    assert found.attempted > 20
    assert found.failed == 0
