"""Open a table file and hand out its records, each with its line number."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ..core.errors import fail
from ..utils.errors import describe_start
from .errors import TableError

BLOCK = 2**20
LONGEST_LINE = 64 * 2**20
NEWLINE = b"\n"
OTHER_SEPARATORS = (";", "\t", "|", ",")


class Source:
    """A CSV file or buffer that can be read from its start more than once.

    Arguments: `source` a path (gzip by its first bytes), a binary or a text buffer; `sep` and
    `quotechar` one character each.
    """

    def __init__(self, source: Any, sep: str, encoding: str, quotechar: str, skip: int) -> None:
        if len(sep) != 1:
            raise TableError(f"sep must be one character, got {sep!r}")
        self.sep, self.encoding, self.quotechar, self.skip = sep, encoding, quotechar, skip
        codecs.lookup(encoding)
        self.buffer: IO[bytes] | None = None
        if isinstance(source, str | os.PathLike):
            self.path = Path(source)
            self.name = str(source)
        else:
            self.name = str(getattr(source, "name", type(source).__name__))
            self.buffer = _as_bytes(source, encoding)
            self.start = self.buffer.tell()

    def open(self) -> IO[bytes]:
        """The bytes from the start."""
        if self.buffer is not None:
            self.buffer.seek(self.start)
            return io.BufferedReader(_Borrowed(self.buffer))
        file = open(self.path, "rb")  # noqa: SIM115  (the caller closes it)
        if file.peek(2)[:2] == b"\x1f\x8b":
            file.close()
            return gzip.open(self.path, "rb")  # type: ignore[return-value]
        return file

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Every record that is not blank, with the number of its first line."""
        with self.open() as file:
            reader = csv.reader(
                self._lines(file), delimiter=self.sep, quotechar=self.quotechar, strict=True
            )
            while True:
                line = reader.line_num + 1
                try:
                    row = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    raise self._not_csv(line + self.skip, error) from error
                if row:
                    yield line + self.skip, row

    def _not_csv(self, line: int, error: csv.Error) -> BaseException:
        hints = {"unexpected end of data": "a quotation mark is opened there and never closed"}
        return fail(
            TableError,
            f"{self.name}: line {line}: {error}",
            *(hint for text, hint in hints.items() if text in str(error)),
        )

    def _lines(self, file: IO[bytes]) -> Iterator[str]:
        if codecs.lookup(self.encoding).name.startswith(("utf-16", "utf-32")):
            text: Iterator[str] = io.TextIOWrapper(file, self.encoding, newline="")
        else:
            text = self._decoded(file)
        return itertools.islice(text, self.skip, None)

    def _decoded(self, file: IO[bytes]) -> Iterator[str]:
        """Lines of text, decoded a block at a time."""
        rest, number, offset = b"", 0, 0
        while True:
            block = file.read(BLOCK)
            data = rest + block
            end = data.rfind(b"\n") + 1 if block else len(data)
            if not data:
                return
            if not end:
                if len(data) > LONGEST_LINE:
                    line = number + 1
                    raise TableError(
                        f"{self.name}: line {line} is longer than {LONGEST_LINE} bytes"
                    )
                rest = data
                continue
            part, rest = data[:end], data[end:]
            if not offset:
                part, offset = self._without_mark(part)
            yield from io.StringIO(self._as_text(part, number, offset), newline="\n")
            number += part.count(b"\n")
            offset += len(part)

    def _without_mark(self, part: bytes) -> tuple[bytes, int]:
        """Drop the byte order mark; say what else the first bytes give away."""
        if part.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise TableError(f"{self.name}: this is UTF-16: encoding='utf-16'")
        if what := describe_start(part[:512]):
            raise TableError(f"{self.name}: {what}, not a table")
        mark = len(codecs.BOM_UTF8) if part.startswith(codecs.BOM_UTF8) else 0
        return part[mark:], mark

    def _as_text(self, part: bytes, number: int, offset: int) -> str:
        """Decode whole lines; an error names the byte, its offset and its line."""
        if (place := part.find(b"\0")) >= 0:
            raise fail(
                TableError,
                f"{self.name}: NUL byte at offset {offset + place} "
                f"(line {number + 1 + part.count(NEWLINE, 0, place)})",
                "not a text file, or damaged; or encoding='utf-16'",
            )
        try:
            return part.decode(self.encoding)
        except UnicodeDecodeError as error:
            place, byte = error.start, part[error.start : error.start + 1]
            raise fail(
                TableError,
                f"{self.name}: byte 0x{byte.hex()} at offset {offset + place} "
                f"(line {number + 1 + part.count(NEWLINE, 0, place)}) is not {self.encoding}",
                f"in latin-1 that byte is {byte.decode('latin-1')!r}: try encoding='latin-1'",
            ) from error


class _Borrowed(io.RawIOBase):
    """The user's buffer, which must stay open when our reader closes."""

    def __init__(self, buffer: IO[bytes]) -> None:
        self.buffer = buffer

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        data = self.buffer.read(len(target))
        target[: len(data)] = data
        return len(data)


def _as_bytes(source: Any, encoding: str) -> IO[bytes]:
    """A binary buffer that can go back to where it is now."""
    if not hasattr(source, "read"):
        raise TypeError(f"expected a path or a buffer, got {type(source).__name__}")
    if isinstance(source, io.TextIOBase):
        return io.BytesIO(source.read().encode(encoding))
    if hasattr(source, "seekable") and source.seekable():
        return source
    return io.BytesIO(source.read())


def check_header(names: list[str], source: Source) -> list[str]:
    """Name unnamed columns; refuse doubles and a header that another separator would split."""
    names = [name.strip() or f"Unnamed: {number}" for number, name in enumerate(names)]
    if len(names) == 1:
        for sep in OTHER_SEPARATORS:
            if sep in names[0] and sep != source.sep:
                raise TableError(f"{source.name}: one column {names[0]!r}: sep={sep!r}?")
    for number, name in enumerate(names):
        if name in names[:number]:
            first = names.index(name)
            raise fail(
                TableError,
                f"{source.name}: duplicate column {name!r} (columns {first + 1} and {number + 1})",
                "give other names: read_csv(..., names=[...])",
            )
    return names
