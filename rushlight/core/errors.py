"""Errors: torch's type and first line, then what else we know, as notes (PEP 678)."""

from __future__ import annotations

import sys
import warnings
from types import FrameType


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


def is_ours(frame: FrameType) -> bool:
    """Whether a frame runs code of the package."""
    return frame.f_code.co_filename.startswith(PACKAGE)


def user_line() -> str:
    """`file:line` of the innermost frame outside the package (and the test runner's innards)."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    if frame is None:
        return "<unknown>"
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def levels_out() -> int:
    """The `stacklevel` at which the caller's warning stands at the user's line."""
    frame: FrameType | None = sys._getframe(1)
    count = 1
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame, count = frame.f_back, count + 1
    return count


def warn_of_nothing(what: str) -> None:
    """Say at the user's line that a mean is nan because it has no elements."""
    warnings.warn(f"{what}: the mean of nothing is nan", NothingToAverage, levels_out())
