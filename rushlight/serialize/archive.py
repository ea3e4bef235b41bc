"""The zip container of `.pt` files: a reader that trusts nothing, and a writer.

Only what such files use is accepted: stored records, no encryption, no duplicate or climbing
names, one disk. The directory at the end and the header before each record must tell the same
story, records must not overlap, and every size is checked against the file before anything is
allocated. ZIP64 is read and written where sizes ask for it.

Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from .errors import CheckpointError, short
from .options import SAVE

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
END64, LOCATOR64 = b"PK\x06\x06", b"PK\x06\x07"
LOCAL_FIELDS = struct.Struct("<4sHHHHHLLLHH")
CENTRAL_FIELDS = struct.Struct("<4sHHHHHHLLLHHHHHLL")
END_FIELDS = struct.Struct("<4sHHHHLLH")
END64_FIELDS = struct.Struct("<4sQHHLLQQQQ")
LOCATOR_FIELDS = struct.Struct("<4sLQL")
FULL16, FULL32 = 0xFFFF, 0xFFFFFFFF
STREAMED, UTF8 = 0x8, 0x800
ALIGNMENT = 64
MAX_RECORDS = 1_000_000
CUT = "the download or the save was cut short"


class Record(NamedTuple):
    """One member of the archive: where its bytes lie, and their checksum."""

    name: str
    start: int
    size: int
    crc: int
    header: int
    flags: int


class Source:
    """Bytes at positions: a seekable file from `base` on, of `size` bytes."""

    def __init__(self, stream: Any, base: int, size: int) -> None:
        self.stream, self.base, self.size = stream, base, size

    def read(self, start: int, count: int) -> bytes:
        """Exactly `count` bytes at `start`; CheckpointError when the file ends before."""
        if start < 0 or count < 0 or start + count > self.size:
            raise CheckpointError(
                f"file ends at byte {self.size}, but bytes {start} to {start + count} are needed"
            )
        self.stream.seek(self.base + start)
        parts, left = [], count
        while left:
            part = self.stream.read(left)
            if not part:
                raise CheckpointError(f"file ends before byte {start + count}: {CUT}")
            parts.append(part)
            left -= len(part)
        return b"".join(parts) if len(parts) != 1 else parts[0]

    def read_into(self, start: int, target: memoryview) -> None:
        """Fill `target` with the bytes at `start`."""
        if not hasattr(self.stream, "readinto"):
            target[:] = self.read(start, len(target))
            return
        self.read(start + len(target), 0)  # the bounds check
        self.stream.seek(self.base + start)
        done = 0
        while done < len(target):
            count = self.stream.readinto(target[done:])
            if not count:
                raise CheckpointError(f"file ends before byte {start + len(target)}: {CUT}")
            done += count


class Archive:
    """The records of a zip file, checked; `read` verifies the checksum of what it returns."""

    def __init__(self, source: Source) -> None:
        self.source = source
        directory, end = _find_directory(source)
        self.records = _read_directory(source, *directory)
        _check_layout(self.records.values(), directory[1], end)
        # Files that were written without checksums have none at all.
        self.unverified = not any(record.crc for record in self.records.values())

    def __contains__(self, name: str) -> bool:
        return name in self.records

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of a record of at most `limit` bytes."""
        record = self.records[name]
        if record.size > limit:
            raise CheckpointError(f"record {short(name)} has {record.size} bytes, limit {limit}")
        data = self.source.read(record.start, record.size)
        self._verify(record, data, "")
        return data

    def read_into(self, name: str, target: memoryview, label: str = "") -> None:
        """Fill `target`, of the record's size, and verify the checksum."""
        record = self.records[name]
        self.source.read_into(record.start, target)
        self._verify(record, target, label)

    def _verify(self, record: Record, data: bytes | memoryview, label: str) -> None:
        if not self.unverified:
            check_crc(record, zlib.crc32(data), label)


def check_crc(record: Record, found: int, label: str = "") -> None:
    """CheckpointError, naming what the record holds, when its checksum differs."""
    if found != record.crc:
        where = f" ({label})" if label else ""
        raise CheckpointError(
            f"checksum of record {short(record.name)}{where} differs: {found:08x} found,"
            f" {record.crc:08x} expected; the file is damaged"
        )


def _find_directory(source: Source) -> tuple[tuple[int, int, int], int]:
    """((record count, start, size) of the central directory, where its end record begins)."""
    tail_start = max(0, source.size - END_FIELDS.size - FULL16)
    tail = source.read(tail_start, source.size - tail_start)
    at = len(tail) - END_FIELDS.size
    # A comment is not used by such files: the end record must close the file.
    if at < 0 or tail[at : at + 4] != END:
        raise CheckpointError(
            f"failed reading zip archive: file ends at {source.size} bytes without the archive's"
            f" directory: {CUT}{_last_whole(source)}"
        )
    _, disk, disk2, count_here, count, size, start, comment = END_FIELDS.unpack_from(tail, at)
    end = tail_start + at
    if disk or disk2 or count_here != count or comment:
        raise CheckpointError("zip end record is inconsistent; the file is damaged")
    located = end - LOCATOR_FIELDS.size
    if located >= 0 and source.read(located, 4) == LOCATOR64:
        count, size, start, end = _find_directory64(source, located, (count, size, start))
    if count > MAX_RECORDS or start + size != end:
        raise CheckpointError(
            f"zip directory of {count} records, {size} bytes at {start}, does not fit the file"
        )
    return (count, start, size), end


def _find_directory64(source: Source, located: int, short_form: tuple) -> tuple[int, ...]:
    _, disk, at, disks = LOCATOR_FIELDS.unpack(source.read(located, LOCATOR_FIELDS.size))
    if disk or disks != 1 or at + END64_FIELDS.size != located:
        raise CheckpointError("zip64 locator is inconsistent; the file is damaged")
    fields = END64_FIELDS.unpack(source.read(at, END64_FIELDS.size))
    sign, length, _, _, disk, disk2, count_here, count, size, start = fields
    if sign != END64 or length != END64_FIELDS.size - 12 or disk or disk2 or count_here != count:
        raise CheckpointError("zip64 end record is inconsistent; the file is damaged")
    for small, big, full in zip(short_form, (count, size, start), (FULL16, FULL32, FULL32)):
        if small not in (full, big):
            raise CheckpointError("zip and zip64 end records differ; the file is damaged")
    return count, size, start, at


def _last_whole(source: Source) -> str:
    """Which record the cut fell into, as far as the local headers tell."""
    at, name = 0, ""
    while at + LOCAL_FIELDS.size <= source.size:
        fields = LOCAL_FIELDS.unpack(source.read(at, LOCAL_FIELDS.size))
        if fields[0] != LOCAL or fields[2] & STREAMED:
            break
        name_at = at + LOCAL_FIELDS.size
        if name_at + fields[9] > source.size:
            break
        name = source.read(name_at, fields[9]).decode("utf-8", "replace")
        at = name_at + fields[9] + fields[10] + fields[8]
    missing = at - source.size
    if not name or missing <= 0:
        return ""
    return f" inside record {short(name)}, of which {missing} bytes are missing"


def _read_directory(source: Source, count: int, start: int, size: int) -> dict[str, Record]:
    data = source.read(start, size)
    records: dict[str, Record] = {}
    at = 0
    for _ in range(count):
        if at + CENTRAL_FIELDS.size > size:
            raise CheckpointError("zip directory ends early; the file is damaged")
        fields = CENTRAL_FIELDS.unpack_from(data, at)
        name_at = at + CENTRAL_FIELDS.size
        extra_at = name_at + fields[10]
        at = extra_at + fields[11] + fields[12]
        if fields[0] != CENTRAL or at > size:
            raise CheckpointError("zip directory is inconsistent; the file is damaged")
        record = _checked_record(source, fields, data[name_at:extra_at], data[extra_at:at])
        if record.name in records:
            raise CheckpointError(f"two records are named {short(record.name)}; refused")
        records[record.name] = record
    if at != size:
        raise CheckpointError("zip directory has bytes of no record; the file is damaged")
    return records


def _checked_record(source: Source, fields: tuple, raw_name: bytes, extra: bytes) -> Record:
    needed, flags, method = fields[2:5]
    crc, packed, size, _, extra_size, _, disk, *_, header = fields[7:]
    name = _checked_name(raw_name)
    if method != 0 or packed != size:
        raise CheckpointError(f"record {short(name)} is compressed; such files store it plain")
    if flags & ~(STREAMED | UTF8) or disk or needed > 63:
        raise CheckpointError(f"record {short(name)} is encrypted or not plain; refused")
    packed, size, header = _wide(extra[:extra_size], packed, size, header, name)
    if packed != size:
        raise CheckpointError(f"record {short(name)} has two sizes; the file is damaged")
    local = LOCAL_FIELDS.unpack(source.read(header, LOCAL_FIELDS.size))
    start = header + LOCAL_FIELDS.size + local[9] + local[10]
    if start + size > source.size:
        raise CheckpointError(
            f"record {short(name)} claims {size} bytes at {start}; the file has {source.size}"
        )
    _check_local(source, header, local, (raw_name, flags, crc, size))
    return Record(name, start, size, crc, header, flags)


def _checked_name(raw: bytes) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"record name {short(raw)} is not UTF-8") from error
    parts = name.split("/")
    if not name.isprintable() or "\\" in name or {"", ".", ".."} & set(parts):
        raise CheckpointError(f"record name {short(name)} is not a plain path; refused")
    return name


def _wide(extra: bytes, packed: int, size: int, header: int, name: str) -> tuple[int, int, int]:
    """The sizes and the offset, taken from the ZIP64 field where the 32-bit ones are full."""
    found = [size, packed, header]
    body = b""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            body = extra[at + 4 : at + 4 + length]
        at += 4 + length
    wanted = [i for i, value in enumerate(found) if value == FULL32]
    if len(body) < 8 * len(wanted):
        raise CheckpointError(f"record {short(name)} lacks its 64-bit sizes; the file is damaged")
    for i, value in zip(wanted, struct.unpack_from(f"<{len(wanted)}Q", body)):
        found[i] = value
    return found[1], found[0], found[2]


def _check_local(source: Source, header: int, local: tuple, expected: tuple) -> None:
    """The header before the record agrees with the directory, else two readers see two files."""
    raw_name, flags, crc, size = expected
    sign, _, local_flags, method, _, _, local_crc, packed, plain, name_size, extra_size = local
    name_at = header + LOCAL_FIELDS.size
    same = (
        sign == LOCAL
        and method == 0
        and local_flags == flags
        and name_size == len(raw_name)
        and source.read(name_at, name_size) == raw_name
    )
    if same and plain == packed == FULL32:
        extra = source.read(name_at + name_size, extra_size)
        packed, plain, _ = _wide(extra, packed, plain, 0, raw_name.decode())
    streamed = flags & STREAMED and local_crc == packed == plain == 0
    if not same or not (streamed or (local_crc == crc and packed == plain == size)):
        raise CheckpointError(
            f"header of record {short(raw_name)} disagrees with the directory; the file is damaged"
        )


def _check_layout(records: Iterable[Record], directory: int, end: int) -> None:
    """Records lie one after the other, from the first byte to the directory."""
    at = 0
    for record in sorted(records, key=lambda record: record.header):
        gap = record.header - at
        # A streamed record is followed by a descriptor of 12 to 24 bytes.
        if gap < 0 or gap > 24:
            raise CheckpointError(f"record {short(record.name)} overlaps or leaves a gap; refused")
        at = record.start + record.size
    if not at <= directory <= end:
        raise CheckpointError("zip directory overlaps the records; the file is damaged")


class Part(NamedTuple):
    """A record to write."""

    name: str
    data: bytes | memoryview
    aligned: bool = False


def written_size(parts: Iterable[Part]) -> int:
    """An upper bound of the bytes that `write` will produce."""
    return 200 + sum(len(part.data) + 2 * len(part.name) + 240 for part in parts)


def write(parts: Iterable[Part]) -> Iterator[bytes | memoryview]:
    """The bytes of an archive of stored records, piece by piece, for any `write` method.

    Sizes and checksums stand in each local header, so a reader of a cut file can tell what is lost.
    """
    directory: list[bytes] = []
    at = 0
    for part in parts:
        name, size = part.name.encode(), len(part.data)
        crc = zlib.crc32(part.data) if SAVE.compute_crc32 else 0
        wide = size >= FULL32
        extra = struct.pack("<HHQQ", 1, 16, size, size) if wide else b""
        if part.aligned:
            extra += _padding(at + LOCAL_FIELDS.size + len(name) + len(extra))
        shown, needed = (FULL32, 45) if wide else (size, 20)
        local = LOCAL_FIELDS.pack(
            LOCAL, needed, UTF8, 0, 0, 33, crc, shown, shown, len(name), len(extra)
        )
        directory.append(_central(name, crc, size, at))
        yield local + name + extra
        yield part.data
        at += len(local) + len(name) + len(extra) + size
    yield b"".join(directory) + _end(len(directory), sum(map(len, directory)), at)


def _padding(at: int) -> bytes:
    """An extra field after which the next byte lies on the alignment."""
    filler = -(at + 4) % ALIGNMENT
    return struct.pack("<2sH", b"FB", filler) + b"Z" * filler


def _central(name: bytes, crc: int, size: int, header: int) -> bytes:
    wide = [value for value in (size, size, header) if value >= FULL32]
    extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    shown, at = min(size, FULL32), min(header, FULL32)
    fields = (CENTRAL, 45 if wide else 20, 45 if wide else 20, UTF8, 0, 0, 33, crc, shown, shown)
    return CENTRAL_FIELDS.pack(*fields, len(name), len(extra), 0, 0, 0, 0, at) + name + extra


def _end(count: int, size: int, start: int) -> bytes:
    wide = b""
    if count >= FULL16 or size >= FULL32 or start >= FULL32:
        wide = END64_FIELDS.pack(END64, 44, 45, 45, 0, 0, count, count, size, start)
        wide += LOCATOR_FIELDS.pack(LOCATOR64, 0, start + size, 1)
    few = min(count, FULL16)
    shown = (few, few, min(size, FULL32), min(start, FULL32))
    return wide + END_FIELDS.pack(END, 0, 0, *shown, 0)
