"""What holds for every test: native code that could not be made is a failure, not a slow run."""

from __future__ import annotations

import logging

import pytest


class _Loud(logging.Handler):
    """Raises where users would be told that NumPy runs their program instead."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            raise AssertionError(record.getMessage()) from record.exc_info[1]


@pytest.fixture(autouse=True)
def native_code_is_made():
    loud = _Loud(logging.WARNING)
    logging.getLogger("rushlight.compile").addHandler(loud)
    yield
    logging.getLogger("rushlight.compile").removeHandler(loud)
