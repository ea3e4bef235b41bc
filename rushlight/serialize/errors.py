"""What a file that cannot be trusted or read raises."""

from __future__ import annotations

import errno
import os
import pickle


class CheckpointError(RuntimeError, pickle.UnpicklingError):
    """A damaged, foreign or refused file; caught by both `RuntimeError` and `UnpicklingError`.

    >>> import rushlight as torch
    >>> import io
    >>> try:
    ...     torch.load(io.BytesIO(b"no checkpoint"))
    ... except torch.serialize.CheckpointError as error:
    ...     print(type(error).__name__)
    CheckpointError
    """


class EmptyCheckpointError(CheckpointError, EOFError):
    """A file of zero bytes; torch raises EOFError for it."""


class MissingFolderError(FileNotFoundError, RuntimeError):
    """The folder to save into is not there; torch raises RuntimeError for it."""

    def __str__(self) -> str:
        return str(self.strerror)


def missing_folder(folder: str) -> MissingFolderError:
    """The error for a folder that does not exist, with torch's sentence."""
    error = MissingFolderError(errno.ENOENT, f"Parent directory {folder} does not exist.", folder)
    error.add_note(f"create it first: os.makedirs({folder!r}, exist_ok=True)")
    return error


def os_error(number: int, path: str, reason: str = "") -> OSError:
    """The OSError of that number, naming the path."""
    return OSError(number, os.strerror(number) + (f" ({reason})" if reason else ""), path)


def short(text: object, limit: int = 80) -> str:
    """Foreign text made safe to print: escaped and cut."""
    shown = ascii(text) if not isinstance(text, str) else ascii(text)[1:-1]
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."
