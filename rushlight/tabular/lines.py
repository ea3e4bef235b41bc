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
from typing import IO, Any, NamedTuple

import numpy as np

from ..core.errors import fail
from ..utils.errors import describe_start
from .errors import TableError

BLOCK = 2**18
ROWS, WIDE = 1_500, 16  # wide tables are read in blocks of so many rows, or times BLOCK
LONGEST_LINE = 64 * 2**20
NEWLINE = b"\n"
OTHER_SEPARATORS = (";", "\t", "|", ",")


class Plain(NamedTuple):
    """Whole lines without quotation marks, each ended by one newline character."""

    line: int  # the number of the first
    text: str


class Source:
    """A CSV file or buffer that can be read from its start more than once.

    Arguments: `source` a path (gzip by its first bytes), a binary or a text buffer; `sep` and
    `quotechar` one character each.
    """

    def __init__(self, source: Any, sep: str, encoding: str, quotechar: str, skip: int) -> None:
        if len(sep) != 1:
            raise TableError(f"sep must be one character, got {sep!r}")
        self.sep, self.encoding, self.quotechar, self.skip = sep, encoding, quotechar, skip
        wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
        self.newline = "" if wide else "\n"  # what ends a line: "" is any kind of line end
        self.buffer: IO[bytes] | None = None
        if isinstance(source, str | os.PathLike):
            self.path = Path(source)
            self.name = str(source)
        else:
            self.name = str(getattr(source, "name", type(source).__name__))
            self.buffer = _as_bytes(source, encoding)
            self.start = self.buffer.tell()

    def stamp(self) -> tuple[int, ...] | None:
        """What changes when the file does; None for a buffer."""
        if self.buffer is not None:
            return None
        found = self.path.stat()
        return found.st_size, found.st_mtime_ns, found.st_ino

    def open(self) -> IO[bytes]:
        """The bytes from the start."""
        if self.buffer is not None:
            self.buffer.seek(self.start)
            return io.BufferedReader(_Borrowed(self.buffer))
        file = open(self.path, "rb")  # noqa: SIM115  (the caller closes it)
        if file.peek(2)[:2] == b"\x1f\x8b":
            file.close()
            return gzip.open(self.path, "rb")  # type: ignore[return-value]  # read as one
        return file

    def items(self) -> Iterator[tuple[int, list[str]] | Plain]:
        """Every record that is not blank, with the number of its first line.

        Behind the first record, lines without quotation marks come many at a time.
        """
        with self.open() as file:
            parts, started = self._parts(file), False
            for number, text in parts:
                line = number
                if not started and self.quotechar not in text and text[:1] not in "\r\n":
                    end = text.find("\n") + 1 or len(text)
                    yield from self._records(line, text[:end], parts)
                    started, line, text = True, line + 1, text[end:]
                    if not text:
                        continue
                if started and (plain := self._plain(line, text)) is not None:
                    yield plain
                    continue
                for record in self._records(line, text, parts):
                    started = True
                    yield record

    def _plain(self, line: int, text: str) -> Plain | None:
        """The lines, if splitting them at line ends and separators is all there is to do."""
        if self.quotechar in text or self.sep in ("\r", "\n", self.quotechar):
            return None
        if not text.endswith("\n"):
            text += "\n"
        if "\r" in text:
            if not text.count("\r") == text.count("\r\n") == text.count("\n"):
                return None
            text = text.replace("\r\n", "\n")
        return Plain(line, text)

    def rows_of(self, plain: Plain) -> Iterator[tuple[int, list[str]]]:
        """The records of such lines one by one."""
        return self._records(plain.line, plain.text, iter(()))

    def _records(
        self, line: int, text: str, more: Iterator[tuple[int, str]]
    ) -> Iterator[tuple[int, list[str]]]:
        """The records that begin in `text`; the last takes from `more` what it goes on with."""
        known = 0

        def lines() -> Iterator[str]:
            nonlocal known
            for _, part in itertools.chain([(line, text)], more):
                some = list(io.StringIO(part, newline=self.newline))
                known += len(some)
                yield from some

        reader = csv.reader(lines(), delimiter=self.sep, quotechar=self.quotechar, strict=True)
        while not known or reader.line_num < known:
            start = line + reader.line_num
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise self._not_csv(start, error) from error
            if row:
                yield start, row

    def _not_csv(self, line: int, error: csv.Error) -> BaseException:
        hints = {
            "unexpected end of data": "a quotation mark is opened there and never closed",
            "field limit": "a quotation mark never closed? csv.field_size_limit(n) allows more",
        }
        return fail(
            TableError,
            f"{self.name}: line {line}: {error}",
            *(hint for text, hint in hints.items() if text in str(error)),
        )

    def _parts(self, file: IO[bytes]) -> Iterator[tuple[int, str]]:
        """Whole lines of text below those to skip, with the number of the first."""
        if not self.newline:
            yield from self._wide(file)
            return
        for number, text in self._decoded(file):
            line, start = number + 1, 0
            while line <= self.skip and start < len(text):
                start, line = text.find("\n", start) + 1 or len(text), line + 1
            if start < len(text):
                yield line, text[start:]

    def _wide(self, file: IO[bytes]) -> Iterator[tuple[int, str]]:
        text = io.TextIOWrapper(file, self.encoding, newline="")
        lines, line = itertools.islice(text, self.skip, None), self.skip + 1
        while some := list(itertools.islice(lines, max(1, BLOCK // 64))):
            yield line, "".join(some)
            line += len(some)

    def _decoded(self, file: IO[bytes]) -> Iterator[tuple[int, str]]:
        """Text, a block at a time, with the number of lines before it."""
        rest, number, offset, size = b"", 0, 0, BLOCK
        while True:
            block = file.read(max(size, len(rest)))  # of a long line twice as much each time
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
                size = min(max(BLOCK, ROWS * part.find(b"\n")), WIDE * BLOCK)
            yield number, self._as_text(part, number, offset)
            number += int(np.count_nonzero(np.frombuffer(part, np.uint8) == ord("\n")))
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
    places: dict[str, int] = {}
    for number, name in enumerate(names):
        first = places.setdefault(name, number)
        if first != number:
            raise fail(
                TableError,
                f"{source.name}: duplicate column {name!r} (columns {first + 1} and {number + 1})",
                "give other names: read_csv(..., names=[...])",
            )
    return names
