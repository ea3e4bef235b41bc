"""What is asked of the operating system: memory for code, C functions, which processor it is."""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import sys
from typing import Any


class Posix:
    """Pages of Linux and its kin."""

    def __init__(self) -> None:
        self._system = system = ctypes.CDLL(None, use_errno=True)
        size, number = ctypes.c_size_t, ctypes.c_int
        system.mmap.restype = ctypes.c_void_p
        system.mmap.argtypes = [ctypes.c_void_p, size, number, number, number, ctypes.c_int64]
        system.mprotect.argtypes = [ctypes.c_void_p, size, number]
        system.munmap.argtypes = [ctypes.c_void_p, size]

    def take(self, size: int) -> int:
        """Fresh memory that can be written."""
        how = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        address = self._system.mmap(None, size, *how, -1, 0)
        if address in (None, ctypes.c_void_p(-1).value):
            raise OSError(ctypes.get_errno(), "no memory for compiled code")
        return address

    def make_executable(self, address: int, size: int) -> None:
        """Let memory be run, and no longer written."""
        if self._system.mprotect(address, size, mmap.PROT_READ | mmap.PROT_EXEC):
            raise OSError(ctypes.get_errno(), "the system allows no executable memory")

    def give_back(self, address: int, size: int) -> None:
        """Free memory."""
        self._system.munmap(address, size)


class Windows:
    """Pages of Windows."""

    _TAKE, _FREE = 0x3000, 0x8000  # reserve and commit; release
    _WRITE, _RUN = 0x04, 0x20  # may be read and written; read and run

    def __init__(self) -> None:
        library = vars(ctypes)["WinDLL"]  # it is there on Windows only
        self._system = system = library("kernel32", use_last_error=True)
        address, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32
        system.VirtualAlloc.restype = address
        system.VirtualAlloc.argtypes = [address, size, number, number]
        system.VirtualProtect.argtypes = [address, size, number, ctypes.POINTER(number)]
        system.VirtualFree.argtypes = [address, size, number]

    def take(self, size: int) -> int:
        """Fresh memory that can be written."""
        address = self._system.VirtualAlloc(None, size, self._TAKE, self._WRITE)
        if not address:
            raise self._error("no memory for compiled code")
        return address

    def make_executable(self, address: int, size: int) -> None:
        """Let memory be run, and no longer written."""
        if not self._system.VirtualProtect(address, size, self._RUN, ctypes.c_uint32()):
            raise self._error("the system allows no executable memory")

    def give_back(self, address: int, size: int) -> None:
        """Free memory."""
        self._system.VirtualFree(address, 0, self._FREE)

    @staticmethod
    def _error(text: str) -> OSError:
        return OSError(vars(ctypes)["get_last_error"](), text)


@functools.cache
def libraries() -> list[Any]:
    """Where C functions are looked for."""
    if sys.platform == "win32":  # `ntdll` has what LLVM calls for large frames
        waiting = "api-ms-win-core-synch-l1-2-0"  # as Windows calls the place of WaitOnAddress
        return [ctypes.CDLL(name) for name in ("ucrtbase", "ntdll", "kernel32", waiting)]
    found = [ctypes.CDLL(None)]
    for name in ("libm.so.6", "libm.so"):  # Python need not have loaded it for everybody
        try:
            return [*found, ctypes.CDLL(name)]
        except OSError:
            continue
    return found


def processor() -> list[str]:
    """What the system tells of the processor, to know it again; empty where it tells nothing."""
    if sys.platform == "win32":
        name = os.environ.get("PROCESSOR_IDENTIFIER", "")
        has = vars(ctypes)["WinDLL"]("kernel32").IsProcessorFeaturePresent
        return [name, *(str(has(number)) for number in range(64))] if name else []
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            first = file.read(16384).split("\n\n")[0]
    except (OSError, ValueError):
        return []
    told = ("vendor", "cpu family", "model", "stepping", "flags", "Features", "CPU ")
    lines = [line for line in first.splitlines() if line.startswith(told)]
    # an emulator shows the file of another processor
    return [os.uname().machine, *lines] if lines else []
