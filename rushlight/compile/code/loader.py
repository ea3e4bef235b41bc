"""Object files into memory without LLVM: what is cached runs in a process that never loads it.

Importing llvmlite takes 50 ms and 40 MB. The objects made here are simple (x86-64 ELF, position
independent, a handful of relocation kinds), so on Linux and Windows we place them ourselves (for
Windows LLVM writes ELF too, where its triple asks for that); anything that is not as expected is
`Unexpected`, and LLVM's own linker takes over.
"""

from __future__ import annotations

import ctypes
import functools
import json
import mmap
import struct
import sys
from collections.abc import Callable
from typing import NamedTuple

from . import pages

_SYMBOLS, _RELOCATIONS, _NO_BITS = 2, 4, 8  # section types
_WRITE, _ALLOC = 1, 2  # section flags
_R64, _PC32, _PLT32 = 1, 2, 4
_GOT = (9, 41, 42)  # R_X86_64_GOTPCREL and its relaxable forms
_STUB = b"\xff\x25\0\0\0\0"  # jmp *(%rip); the address follows, so stub + 6 is a table entry
_STUB_SIZE = 16
_PARTS = b"rushlight parts\n"


class Unexpected(Exception):
    """Something in the object that this loader does not know."""


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    first: int  # the number of its object's first symbol
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry: int


def suits(triple: str) -> bool:
    """Whether objects for that machine can be loaded here."""
    known = sys.platform == "linux" or (sys.platform == "win32" and triple.endswith("elf"))
    return known and triple.startswith("x86_64") and sys.maxsize > 2**32


@functools.cache
def _memory() -> pages.Posix | pages.Windows:
    return pages.Windows() if sys.platform == "win32" else pages.Posix()


def process_symbol(name: str) -> int:
    """Where this process has the C function `name`; 0 if nowhere."""
    for library in pages.libraries():
        if hasattr(library, name):
            return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
    return 0


class Block:
    """Memory that holds one loaded object."""

    __slots__ = ("__weakref__", "address", "size")

    def __init__(self, size: int) -> None:
        self.address, self.size = _memory().take(size), size

    def make_executable(self, size: int) -> None:
        """From now on the first `size` bytes can be run and no longer written."""
        _memory().make_executable(self.address, size)

    def close(self) -> None:
        """Give the memory back."""
        if self.size:
            _memory().give_back(self.address, self.size)
        self.detach()

    def detach(self) -> None:
        """Never give the memory back."""
        self.size = 0


class Image(NamedTuple):
    """An object as it lies in memory but for where that begins, and what it asks of others."""

    memory: bytes  # trailing zeros left out
    fixed: int  # bytes that can be run and not written
    size: int
    bases: bytes  # int64 each: where an address inside has to be made absolute
    outside: tuple[tuple[str, int, tuple[tuple[int, int], ...]], ...]  # name, stub, (place, addend)
    exported: dict[str, int]

    def written(self) -> bytes:
        """As bytes, for the cache."""
        head = json.dumps([self.fixed, self.size, self.outside, self.exported]).encode()
        sizes = struct.pack("<3q", len(head), len(self.bases), len(self.memory))
        return b"".join([sizes, head, self.bases, self.memory])

    @classmethod
    def read(cls, body: bytes) -> Image:
        """What `written` wrote; Unexpected where it did not."""
        try:
            first, second, third = struct.unpack_from("<3q", body)
            fixed, size, outside, exported = json.loads(body[24 : 24 + first])
            at = 24 + first
            found = cls(
                body[at + second :], fixed, size, body[at : at + second],
                tuple((name, stub, tuple(map(tuple, places))) for name, stub, places in outside),
                dict(exported),
            )  # fmt: skip
        except (struct.error, ValueError, TypeError) as error:
            raise Unexpected(str(error)) from error
        whole = len(found.memory) == third <= size and 0 <= fixed <= size and not second % 8
        if not whole:
            raise Unexpected("an image of another size")
        return found


def prelinked(binary: bytes) -> Image:
    """Lay out an object and write every reference that does not depend on where it will lie."""
    sections: list[_Section] = []
    symbols: list[tuple[str, int, int, int]] = []
    try:
        objects = parts(binary)
        binary, at = b"".join(objects), 0
        for part in objects:
            number = len(sections)
            sections += _sections(part, at, number, len(symbols))
            (table,) = (section for section in sections[number:] if section.kind == _SYMBOLS)
            symbols += _symbols(binary, sections, table, number)
            at += len(part)
    except (struct.error, ValueError, IndexError) as error:
        raise Unexpected(str(error)) from error
    try:
        return _prelinked(binary, sections, _resolved(symbols))
    except (struct.error, IndexError) as error:
        raise Unexpected(str(error)) from error


def joined(objects: list[bytes]) -> bytes:
    """Several objects, that call each other, as one; `parts` gives them back."""
    if len(objects) == 1:
        return objects[0]
    sizes = struct.pack(f"<{len(objects) + 1}q", len(objects), *map(len, objects))
    return b"".join([_PARTS, sizes, *objects])


def parts(binary: bytes) -> list[bytes]:
    """The objects that were joined."""
    if binary[: len(_PARTS)] != _PARTS:
        return [binary]
    (count,) = struct.unpack_from("<q", binary, len(_PARTS))
    at, found = len(_PARTS) + 8 * (count + 1), []
    for size in struct.unpack_from(f"<{count}q", binary, len(_PARTS) + 8):
        found.append(binary[at : at + size])
        at += size
    return found


def _resolved(symbols: list[tuple[str, int, int, int]]) -> list[tuple[str, int, int, int]]:
    """Symbols with those that another object defines in the place of those that are lacking."""
    known = {one[0]: one for one in symbols if one[3] == 1 and one[2]}
    return [known.get(one[0], one) if one[0] and not one[2] else one for one in symbols]


def _prelinked(
    binary: bytes, sections: list[_Section], symbols: list[tuple[str, int, int, int]]
) -> Image:
    lacking = [k for k, (name, _, where, _) in enumerate(symbols) if name and where == 0]
    tabled = [k for k in _tabled(binary, sections) if k not in lacking]
    stubbed = lacking + tabled
    fixed, places, size = _layout(sections, len(stubbed))
    memory = bytearray(size)
    for k, place in places.items():
        section = sections[k]
        if section.kind != _NO_BITS:
            body = binary[section.offset : section.offset + section.size]
            memory[place : place + len(body)] = body
    stubs = {k: fixed - (len(stubbed) - n) * _STUB_SIZE for n, k in enumerate(stubbed)}
    for stub in stubs.values():
        memory[stub : stub + len(_STUB)] = _STUB
    link = _Link(binary, memory, places, symbols, stubs)
    for k in tabled:
        link.absolutely(stubs[k] + len(_STUB), k, 0)
    for section in sections:
        if section.kind == _RELOCATIONS and section.info in places:
            link.relocate(section)
    exported = {
        name: places[where] + value for name, value, where, binding in symbols
        if binding == 1 and where in places
    }  # fmt: skip
    outside = tuple((symbols[k][0], stubs[k], tuple(link.absolute.get(k, ()))) for k in lacking)
    bases = struct.pack(f"<{len(link.bases)}q", *link.bases)
    return Image(bytes(memory).rstrip(b"\0"), fixed, size, bases, outside, exported)


def _tabled(binary: bytes, sections: list[_Section]) -> dict[int, None]:
    """The symbols whose addresses are read from a table."""
    found: dict[int, None] = {}
    for section in sections:
        if section.kind == _RELOCATIONS:
            body = binary[section.offset : section.offset + section.size // 24 * 24]
            for _, info, _ in struct.iter_unpack("<QQq", body):
                if info & 0xFFFFFFFF in _GOT:
                    found[(info >> 32) + section.first] = None
    return found


def place(image: Image, resolve: Callable[[str], int]) -> tuple[Block, dict[str, int]]:
    """Put an image in memory; `resolve` gives the addresses of what it lacks.

    Returns the memory and the addresses of the names that the object exports.
    """
    memory = bytearray(image.memory)
    memory.extend(bytes(image.size - len(memory)))
    block = Block(image.size)
    try:
        words = struct.Struct("<q")
        for (where,) in struct.iter_unpack("<q", image.bases):
            (value,) = words.unpack_from(memory, where)
            words.pack_into(memory, where, value + block.address)
        for name, stub, places in image.outside:
            address = resolve(name)
            words.pack_into(memory, stub + len(_STUB), address)
            for where, addend in places:
                words.pack_into(memory, where, address + addend)
        whole = (ctypes.c_char * image.size).from_buffer(memory)
        ctypes.memmove(block.address, whole, image.size)
        block.make_executable(image.fixed)
    except struct.error as error:
        block.close()
        raise Unexpected(str(error)) from error
    except BaseException:
        block.close()
        raise
    return block, {name: block.address + value for name, value in image.exported.items()}


def load(binary: bytes, resolve: Callable[[str], int]) -> tuple[Block, dict[str, int]]:
    """Place an object in memory, as `place` does."""
    return place(prelinked(binary), resolve)


def _sections(binary: bytes, at: int, number: int, first: int) -> list[_Section]:
    """Those of an object that lies at a place among others, behind so many sections and symbols."""
    if binary[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<HH", binary, 16) != (1, 62):
        raise Unexpected("not a relocatable x86-64 object")
    (start,) = struct.unpack_from("<Q", binary, 40)
    size, count = struct.unpack_from("<HH", binary, 58)
    found = (
        _Section(*struct.unpack_from("<IIQQQQIIQQ", binary, start + k * size)) for k in range(count)
    )
    return [
        one._replace(first=first, offset=one.offset + at, link=one.link + number,
                     info=one.info + number)
        for one in found
    ]  # fmt: skip


def _symbols(
    binary: bytes, sections: list[_Section], table: _Section, number: int
) -> list[tuple[str, int, int, int]]:
    """(name, value, section, binding) of every symbol; sections count from `number`."""
    names, found = sections[table.link].offset, []
    for k in range(table.size // 24):
        name, info, _, where, value, _ = struct.unpack_from(
            "<IBBHQQ", binary, table.offset + 24 * k
        )
        text = binary[names + name : binary.index(b"\0", names + name)].decode()
        if where == 0xFFF2:
            raise Unexpected("common symbols")
        where = where and where + number
        found.append((text, value, where, info >> 4))
    return found


def _layout(sections: list[_Section], stubs: int) -> tuple[int, dict[int, int], int]:
    """(bytes that will be fixed, offset of each section, bytes in all): code first, data last."""
    places: dict[int, int] = {}
    end = 0
    for writable in (False, True):
        for k, section in enumerate(sections):
            if section.flags & _ALLOC and bool(section.flags & _WRITE) is writable:
                if section.align > mmap.PAGESIZE:
                    raise Unexpected("alignment")
                end = _up(end, max(section.align, 1))
                places[k] = end
                end += section.size
        if not writable:
            end = fixed = _up(_up(end, _STUB_SIZE) + stubs * _STUB_SIZE, mmap.PAGESIZE)
    return fixed, places, max(_up(end, mmap.PAGESIZE), mmap.PAGESIZE)


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


class _Link:
    """The references of one object that is being laid out."""

    def __init__(
        self, binary: bytes, memory: bytearray, places: dict[int, int],
        symbols: list[tuple[str, int, int, int]], stubs: dict[int, int],
    ) -> None:  # fmt: skip
        self.binary, self.memory, self.places = binary, memory, places
        self.symbols, self.stubs = symbols, stubs
        self.bases: list[int] = []
        self.absolute: dict[int, list[tuple[int, int]]] = {}

    def relocate(self, section: _Section) -> None:
        """Write the references of one section."""
        body = self.binary[section.offset : section.offset + section.size // 24 * 24]
        start = self.places[section.info]
        for offset, info, addend in struct.iter_unpack("<QQq", body):
            kind, number = info & 0xFFFFFFFF, (info >> 32) + section.first
            if kind == _R64:
                self.absolutely(start + offset, number, addend)
            elif kind in (_PC32, _PLT32, *_GOT):
                wanted = self._near(kind, number) + addend - start - offset
                struct.pack_into("<i", self.memory, start + offset, wanted)
            else:
                raise Unexpected(f"relocation {kind}")

    def absolutely(self, place: int, number: int, addend: int) -> None:
        """Write the address of a symbol."""
        _, value, where, _ = self.symbols[number]
        if where in self.places:
            struct.pack_into("<q", self.memory, place, self.places[where] + value + addend)
            self.bases.append(place)
        elif number in self.stubs:
            self.absolute.setdefault(number, []).append((place, addend))
        else:
            raise Unexpected("relocation to nowhere")

    def _near(self, kind: int, number: int) -> int:
        """Where a reference from nearby leads; what is outside has a stub and a table entry."""
        name, value, where, _ = self.symbols[number]
        if where in self.places and kind not in _GOT:
            return self.places[where] + value
        if number in self.stubs and kind != _PC32:
            return self.stubs[number] + (0 if kind == _PLT32 else len(_STUB))
        raise Unexpected(f"relocation {kind} to {name}")
