"""What goes wrong with files from outside: data, downloads, archives."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PACKAGE = os.path.dirname(os.path.dirname(__file__))


class DataError(RuntimeError, OSError):
    """A data file that cannot be used; caught as RuntimeError (torch) and as OSError (Pillow).

    >>> import rushlight as torch
    >>> from rushlight.utils.errors import DataError
    >>> try:
    ...     torch.vision.io.decode_png(torch.zeros(3, dtype=torch.uint8))
    ... except DataError as error:
    ...     print(str(error).partition(" (")[0])
    decode_png: not a picture that Pillow knows
    """


class DownloadError(RuntimeError):
    """A file that could not be fetched, or is not the file that was asked for."""


class ArchiveError(RuntimeError):
    """An archive that is broken, or that would write where it must not."""


def describe_start(start: bytes) -> str | None:
    """Say what a file really is when its first bytes show a common mistake.

    >>> describe_start(b"<!DOCTYPE html><html>")
    'this is an HTML page'
    """
    text = start[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start:
        return "the file is empty"
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return "this is an HTML page"
    if text.startswith(b"version https://git-lfs.github.com"):
        return "this is a Git LFS pointer, not the file itself (run `git lfs pull`)"
    if text.startswith((b"<?xml", b"<error")):
        return "this is an XML document, often a storage server's error message"
    return None


def describe_file(path: str | Path) -> str | None:
    """`describe_start` of the file at `path`; None when nothing is wrong at first sight."""
    with open(path, "rb") as file:
        return describe_start(file.read(512))


def user_level() -> int:
    """The `stacklevel` with which the caller's warning points at the first line not ours."""
    level = 1
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame, level = frame.f_back, level + 1
    return level
