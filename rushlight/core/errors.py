"""Errors: torch's type and first line, then what else we know, as notes (PEP 678)."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable
from types import CodeType, FrameType, FunctionType
from typing import Any

import numpy as np


def fail(kind: type[BaseException], message: str, *notes: str) -> BaseException:
    """Build an exception of torch's `kind` and first line, with our help after it as notes."""
    error = kind(message)
    for note in notes:
        error.add_note(note)
    return error


class ShapeError(RuntimeError):
    """Sizes that do not fit together; a RuntimeError, as in torch."""


class DTypeError(RuntimeError):
    """Data types that do not fit together; a RuntimeError, as in torch."""


class NothingToAverage(RuntimeWarning):
    """A mean over no elements, which is nan as in torch."""


class Unfollowed(RuntimeError):
    """NumPy was to work on what is no ndarray; a call that meets one goes to its level."""


Unfollowed.__name__ = Unfollowed.__qualname__ = "RuntimeError"
Unfollowed.__module__ = "builtins"

PACKAGE = __file__.rsplit("core", 1)[0]
WRITTEN = "<compiled "  # begins the names of code that the package writes and compiles itself
_OURS = (PACKAGE, WRITTEN)


def is_ours(frame: FrameType) -> bool:
    """Whether a frame runs code of the package."""
    return frame.f_code.co_filename.startswith(_OURS)


def is_our_function(function: FunctionType) -> bool:
    """Whether a function is the package's."""
    return function.__code__.co_filename.startswith(_OURS)


Place = tuple[CodeType, int]  # where a frame stands: its code, and how far into it
_ours_by_name: dict[str, bool] = {}  # whether a file is the package's


def user_place() -> Place | None:
    """Where the innermost frame outside the package (and the test runner's innards) stands.

    The line is looked up in `line_at`, by whoever needs it: an error, most often never.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        name = code.co_filename
        ours = _ours_by_name.get(name)
        if ours is None:
            ours = _ours_by_name[name] = name.startswith(_OURS)
        if not ours:
            return code, frame.f_lasti
        frame = frame.f_back
    return None


def line_at(place: Place | None) -> str:
    """`file:line in function` of a place."""
    if place is None:
        return "<unknown>"
    code, at = place
    spans = (line for start, end, line in code.co_lines() if start <= at < end)
    line = next(spans, None) or code.co_firstlineno
    return f"{code.co_filename}:{line} in {code.co_name}"


def user_line() -> str:
    """`file:line` of the innermost frame outside the package (and the test runner's innards)."""
    return line_at(user_place())


def levels_out() -> int:
    """The `stacklevel` at which the caller's warning stands at the user's line."""
    frame: FrameType | None = sys._getframe(1)
    count = 1
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        frame, count = frame.f_back, count + 1
    return count


def warn_of_nothing(what: str) -> None:
    """Say at the user's line that a mean is nan because it has no elements."""
    warnings.warn(f"{what}: the mean of nothing is nan", NothingToAverage, levels_out())


GIVEN: set[str] = set()  # the warnings that a process is given once, and has been given
_ALWAYS = [False]  # whether it wants them every time


def warn(text: str) -> None:
    """torch's warning at the user's line."""
    warnings.warn(text, UserWarning, levels_out())


def warn_once(text: str) -> None:
    """The same, the first time only in a process, unless it has called `set_warn_always(True)`."""
    if text not in GIVEN or _ALWAYS[0]:
        GIVEN.add(text)
        warn(text)


def warn_always(wanted: bool | None = None) -> bool:
    """Whether such warnings are given every time; a wish changes it."""
    if wanted is not None:
        _ALWAYS[0] = wanted
    return _ALWAYS[0]


_DISCARDS = "Casting complex values to real discards the imaginary part"


def say_what_is_discarded() -> None:
    """torch's warning where complex numbers become real ones."""
    warn_once(_DISCARDS)


# What NumPy remarks on numbers, such as log(0) and 0 / 0, where torch is silent. A filter
# (`rushlight/__init__.py`) drops these RuntimeWarnings of ours. Programs and test runners may put
# other filters before it. Where those make errors of warnings, NumPy raises in the midst of an op,
# which is then evaluated once more without remarks: that costs nothing where there are none.
# docs/notes/0002-eager-kernels.md says what other ways would cost.

OURS = re.compile(r"rushlight\.")  # as `warnings` compiles the filter's module
_FOUND_IN = " encountered in "  # which all of NumPy's remarks say


_last: list[tuple[Any, ...]] = [(None, None, 0, False)]  # the filters last seen, and the answer


def heard() -> bool:
    """Whether a remark on numbers of ours would be shown or raised now."""
    filters = warnings.filters
    known, first, count, answer = _last[0]
    if filters is known and len(filters) == count and (not count or filters[0] is first):
        return answer
    answer = _heard_by(filters)
    _last[0] = filters, filters[0] if filters else None, len(filters), answer
    return answer


def _heard_by(filters: Any) -> bool:
    for action, message, kind, module, _ in filters:
        if message is None and issubclass(RuntimeWarning, kind) and module in (None, OURS):
            return action != "ignore"
    return True


def unremarked(error: RuntimeWarning, evaluate: Callable[..., Any], *args: Any) -> Any:
    """`evaluate(*args)` without remarks, after one on numbers of ours broke it off.

    Raises the warning itself if it comes from elsewhere, such as a function of the user's.
    """
    if not _on_our_numbers(error):
        raise error
    with np.errstate(all="ignore"):
        return evaluate(*args)


def _on_our_numbers(error: RuntimeWarning) -> bool:
    trace, frame = error.__traceback__, None
    while trace is not None:
        home = trace.tb_frame.f_globals.get("__name__")
        if not str(home).startswith("numpy."):
            frame = trace.tb_frame
        trace = trace.tb_next
    return frame is not None and is_ours(frame) and _FOUND_IN in str(error)
