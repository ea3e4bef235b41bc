"""Object files into memory without LLVM: what is cached runs in a process that never loads it.

Importing llvmlite takes 50 ms and 40 MB. The objects made here are simple (x86-64 ELF, position
independent, a handful of relocation kinds), so on Linux we place them ourselves; anything that
is not as expected is `Unexpected`, and LLVM's own linker takes over.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import struct
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

_SYMBOLS, _RELOCATIONS, _NO_BITS = 2, 4, 8  # section types
_WRITE, _ALLOC = 1, 2  # section flags
_R64, _PC32, _PLT32 = 1, 2, 4
_GOT = (9, 41, 42)  # R_X86_64_GOTPCREL and its relaxable forms
_STUB = b"\xff\x25\0\0\0\0"  # jmp *(%rip); the address follows, so stub + 6 is a table entry
_STUB_SIZE = 16


class Unexpected(Exception):
    """Something in the object that this loader does not know."""


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry: int


def suits(triple: str) -> bool:
    """Whether objects for that machine can be loaded here."""
    return sys.platform == "linux" and triple.startswith("x86_64") and sys.maxsize > 2**32


class Block:
    """Memory that holds one loaded object."""

    __slots__ = ("__weakref__", "address", "size")

    def __init__(self, size: int) -> None:
        system = _system()
        writable = mmap.PROT_READ | mmap.PROT_WRITE
        address = system.mmap(None, size, writable, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        if address in (None, ctypes.c_void_p(-1).value):
            raise OSError(ctypes.get_errno(), "no memory for compiled code")
        self.address, self.size = address, size

    def make_executable(self, size: int) -> None:
        """From now on the first `size` bytes can be run and no longer written."""
        if _system().mprotect(self.address, size, mmap.PROT_READ | mmap.PROT_EXEC):
            raise OSError(ctypes.get_errno(), "the system allows no executable memory")

    def close(self) -> None:
        """Give the memory back."""
        if self.size:
            _system().munmap(self.address, self.size)
        self.detach()

    def detach(self) -> None:
        """Never give the memory back."""
        self.size = 0


@functools.cache
def _system() -> Any:
    system = ctypes.CDLL(None, use_errno=True)
    size, number = ctypes.c_size_t, ctypes.c_int
    system.mmap.restype = ctypes.c_void_p
    system.mmap.argtypes = [ctypes.c_void_p, size, number, number, number, ctypes.c_int64]
    system.mprotect.argtypes = [ctypes.c_void_p, size, number]
    system.munmap.argtypes = [ctypes.c_void_p, size]
    return system


@functools.cache
def _libraries() -> list[Any]:
    found = [ctypes.CDLL(None)]
    for name in ("libm.so.6", "libm.so"):  # Python need not have loaded it for everybody
        try:
            return [*found, ctypes.CDLL(name)]
        except OSError:
            continue
    return found


def process_symbol(name: str) -> int:
    """Where this process has the C function `name`; 0 if nowhere."""
    for library in _libraries():
        if hasattr(library, name):
            return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
    return 0


def load(binary: bytes, resolve: Callable[[str], int]) -> tuple[Block, dict[str, int]]:
    """Place an object in memory; `resolve` gives the addresses of what it lacks.

    Returns the memory and the addresses of the names that the object exports.
    """
    try:
        sections = _sections(binary)
        (table,) = (section for section in sections if section.kind == _SYMBOLS)
        symbols = _symbols(binary, sections, table)
    except (struct.error, ValueError, IndexError) as error:
        raise Unexpected(str(error)) from error
    lacking = [k for k, (name, _, where, _) in enumerate(symbols) if name and where == 0]
    fixed, places, total = _layout(sections, len(lacking))
    block = Block(total)
    try:
        for k, place in places.items():
            section = sections[k]
            if section.kind != _NO_BITS:
                body = binary[section.offset : section.offset + section.size]
                ctypes.memmove(block.address + place, body, section.size)
        outside = {}
        for n, k in enumerate(lacking):
            stub = block.address + fixed - (len(lacking) - n) * _STUB_SIZE
            outside[k] = stub, resolve(symbols[k][0])
            ctypes.memmove(stub, _STUB + struct.pack("<Q", outside[k][1]), len(_STUB) + 8)
        bases = {k: block.address + place for k, place in places.items()}
        for section in sections:
            if section.kind == _RELOCATIONS and section.info in bases:
                _relocate(binary, section, bases, symbols, outside)
        block.make_executable(fixed)
    except BaseException:
        block.close()
        raise
    exported = {
        name: bases[where] + value for name, value, where, binding in symbols
        if binding == 1 and where in bases
    }  # fmt: skip
    return block, exported


def _sections(binary: bytes) -> list[_Section]:
    if binary[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<HH", binary, 16) != (1, 62):
        raise Unexpected("not a relocatable x86-64 object")
    (start,) = struct.unpack_from("<Q", binary, 40)
    size, number = struct.unpack_from("<HH", binary, 58)
    return [
        _Section(*struct.unpack_from("<IIQQQQIIQQ", binary, start + k * size))
        for k in range(number)
    ]


def _symbols(
    binary: bytes, sections: list[_Section], table: _Section
) -> list[tuple[str, int, int, int]]:
    """(name, value, section, binding) of every symbol."""
    names, found = sections[table.link].offset, []
    for k in range(table.size // 24):
        name, info, _, where, value, _ = struct.unpack_from(
            "<IBBHQQ", binary, table.offset + 24 * k
        )
        text = binary[names + name : binary.index(b"\0", names + name)].decode()
        if where == 0xFFF2:
            raise Unexpected("common symbols")
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


def _relocate(
    binary: bytes, section: _Section, bases: dict[int, int],
    symbols: list[tuple[str, int, int, int]], outside: dict[int, tuple[int, int]],
) -> None:  # fmt: skip
    """Write the addresses that one section refers to; `outside` has (stub, address) pairs."""
    for k in range(section.size // 24):
        offset, info, addend = struct.unpack_from("<QQq", binary, section.offset + 24 * k)
        kind, number = info & 0xFFFFFFFF, info >> 32
        place = bases[section.info] + offset
        _, value, where, _ = symbols[number]
        if where in bases and kind not in _GOT:
            wanted = bases[where] + value
        elif number in outside and kind in (_R64, _PLT32, *_GOT):
            stub, address = outside[number]
            wanted = {_R64: address, _PLT32: stub}.get(kind, stub + len(_STUB))
        else:
            raise Unexpected(f"relocation {kind}")
        if kind == _R64:
            ctypes.c_int64.from_address(place).value = wanted + addend
        elif kind in (_PC32, _PLT32, *_GOT):
            ctypes.c_int32.from_address(place).value = wanted + addend - place
        else:
            raise Unexpected(f"relocation {kind}")
