"""Errors: torch's type and first line, then what else we know, as notes (PEP 678)."""

from __future__ import annotations


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
