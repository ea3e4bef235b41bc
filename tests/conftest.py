"""What holds for every test: native code that could not be made is a failure, not a slow run.

Random examples are the same in every run; `RUSHLIGHT_NEW_EXAMPLES=1` draws others.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
if os.environ.get("RUSHLIGHT_NEW_EXAMPLES") != "1":
    settings.load_profile("repeatable")
os.environ.setdefault("RUSHLIGHT_KEPT_CALLS", "0")  # every test makes its traces


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Take what pytest holds of the tests out of the garbage collector's lists.

    A trace looks through all objects there: those of more than forty thousand tests were two thirds
    of them, and half the time of a test that compiles. They live to the end of the run anyhow.
    """
    untrack = ctypes.pythonapi.PyObject_GC_UnTrack
    untrack.argtypes, untrack.restype = [ctypes.py_object], None
    for holder in gc.get_objects():
        if str(vars(type(holder)).get("__module__")).startswith("_pytest."):
            for part in gc.get_referents(holder):
                if type(part) in (dict, list, tuple, set) and gc.is_tracked(part):
                    untrack(part)
            untrack(holder)


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
