"""What holds for every test: native code that could not be made is a failure, not a slow run.

Random examples are the same in every run; `RUSHLIGHT_NEW_EXAMPLES=1` draws others.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import multiprocessing
import os
import sys
import types
import weakref
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import PurePath

import pytest
from hypothesis import HealthCheck, settings

from rushlight import Tensor

# however slow or busy the machine: no example has to be drawn or run within a time
settings.register_profile(
    "patient", derandomize=os.environ.get("RUSHLIGHT_NEW_EXAMPLES") != "1", deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.load_profile("patient")
os.environ.setdefault("RUSHLIGHT_KEPT_CALLS", "0")  # every test makes its traces
if sys.version_info >= (3, 14) and sys.platform == "linux":
    multiprocessing.set_start_method("fork")  # as where torch's answers were recorded


# What holds no tensor by itself: its tuples, dictionaries and cells are looked at all the same.
_NO_HOLDERS = (
    types.FunctionType, types.GetSetDescriptorType, types.WrapperDescriptorType,
    types.MethodDescriptorType, types.MemberDescriptorType, types.GenericAlias, property,
    weakref.ref, ModuleSpec, PurePath,
)  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Take out of the garbage collector's lists what pytest holds of the tests, and what has no
    tensors.

    A trace looks through all objects there, and in a run of more than forty thousand tests that
    took most of the time of those that compile. They live to the end of the run anyhow.
    """
    for one in gc.get_objects():
        kind = type(one)  # an object may do something when it is asked for its class
        if str(vars(kind).get("__module__")).startswith("_pytest."):
            for part in gc.get_referents(one):
                if type(part) in (dict, list, tuple, set) and gc.is_tracked(part):
                    _untrack(part)
            _untrack(one)
        elif issubclass(kind, _NO_HOLDERS):
            _keep(one)  # of some kinds an object must be tracked when it dies: these never do
            _untrack(one)
        elif kind in (tuple, frozenset) and not any(issubclass(type(x), Tensor) for x in one):
            _untrack(one)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """The same for what is noted of a test that passed: three notes each, up to the end."""
    if report.passed:
        for part in [report, *gc.get_referents(report)]:
            if (part is report or type(part) in (dict, list)) and gc.is_tracked(part):
                _untrack(part)


def _of_python(name: str) -> Callable[[object], None]:
    function = getattr(ctypes.pythonapi, name)
    function.argtypes, function.restype = [ctypes.py_object], None
    return function


_untrack, _keep = _of_python("PyObject_GC_UnTrack"), _of_python("Py_IncRef")


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
