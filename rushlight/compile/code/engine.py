"""LLVM in two ways: by the few functions of llvmlite's library that make code, or by llvmlite.

To import `llvmlite.binding` takes several times as long as to load LLVM: it brings a builder of
IR, what finds files in packages, a class for everything. `Direct` calls the library past it. What
its functions take stands in llvmlite's sources alone, so that is done only for versions whose
sources were read, and where nobody has imported llvmlite anyway; `Through` is the way for all.
"""

from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path
from typing import Any

from .targets import Target

_READ = ("0.50.",)  # versions of llvmlite
_P, _S, _N, _OUT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)
FUNCTIONS: dict[str, tuple[Any, ...]] = {  # what each gives, and what it takes
    "GetVersionInfo": (ctypes.c_uint,),
    "InitializeNativeTarget": (_N,),
    "InitializeNativeAsmPrinter": (_N,),
    "InitializeNativeAsmParser": (_N,),
    "SetCommandLine": (None, _S, _S),
    "TryAllocateExecutableMemory": (_N,),
    "GetProcessTriple": (None, _OUT),
    "GetHostCPUFeatures": (_N, _OUT),
    "GetHostCPUName": (None, _OUT),
    "DisposeString": (None, _S),
    "GetTargetFromTriple": (_P, _S, _OUT),
    "CreateTargetMachine": (_P, _P, _S, _S, _S, _N, _S, _S, _N, _N, _S),
    "DisposeTargetMachine": (None, _P),
    "CreateTargetMachineData": (_P, _P),
    "CopyStringRepOfTargetData": (None, _P, _OUT),
    "DisposeTargetData": (None, _P),
    "ContextCreate": (_P,),
    "ContextDispose": (None, _P),
    "ParseAssembly": (_P, _P, _S, _OUT),
    "VerifyModule": (ctypes.c_bool, _P, _OUT),
    "DisposeModule": (None, _P),
    "TargetMachineEmitToMemory": (_P, _P, _P, _N, _OUT),
    "GetBufferStart": (_P, _P),
    "GetBufferSize": (ctypes.c_size_t, _P),
    "DisposeMemoryBuffer": (None, _P),
}


def known(home: Path) -> bool:
    """Whether the library of the llvmlite in the folder `home` takes what `FUNCTIONS` says."""
    found = re.search(r"version_version = '([\d.]+)'", (home / "_version.py").read_text("utf-8"))
    return bool(found and found[1].startswith(_READ)) and _library(home).exists()


def direct(home: Path) -> Direct | None:
    """LLVM past `llvmlite.binding`; None where that is no gain, or not known to go."""
    fresh = "llvmlite.binding" not in sys.modules
    return Direct(_library(home)) if fresh and known(home) else None


def _library(home: Path) -> Path:
    return home / "binding" / "libllvmlite.so"


class Direct:
    """LLVM by its library's functions."""

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))  # the functions run without Python's lock
        for name, (result, *operands) in FUNCTIONS.items():
            function = getattr(library, f"LLVMPY_{name}")
            function.restype, function.argtypes = result, operands
            setattr(self, name, function)
        for part in ("Target", "AsmPrinter", "AsmParser"):
            getattr(self, f"InitializeNative{part}")()
        number: int = self.GetVersionInfo()
        self.llvm_version_info = tuple(number.to_bytes(4, "big").lstrip(b"\0"))

    def __getattr__(self, name: str) -> Any:  # the functions, for type checkers
        raise AttributeError(name)

    def check(self) -> None:
        """OSError where memory may not be executable."""
        if number := self.TryAllocateExecutableMemory():
            raise OSError(number, "executable memory cannot be had")

    def native(self) -> tuple[str, str, str]:
        """This process's triple, the processor's features and its name."""
        triple, features, name = (ctypes.c_char_p() for _ in range(3))
        self.GetProcessTriple(triple)
        self.GetHostCPUFeatures(features)
        self.GetHostCPUName(name)
        told = sorted(filter(None, self._said(features).split(",")), key=lambda one: one[1:])
        return self._said(triple), ",".join(told), self._said(name)

    def set_option(self, name: str, option: str) -> None:
        """Set one of LLVM's switches."""
        self.SetCommandLine(name.encode(), option.encode())

    def machine(self, target: Target, level: int) -> Machine:
        """What makes code for a target."""
        said = ctypes.c_char_p()
        found = self.GetTargetFromTriple(target.triple.encode(), said)
        if not found:
            raise RuntimeError(self._said(said))
        words = (text.encode() for text in (target.triple, target.cpu, target.features))
        made = self.CreateTargetMachine(found, *words, level, b"pic", b"small", 0, 1, b"")
        if not made:
            raise RuntimeError(f"LLVM makes no code for {target.triple}")
        return Machine(self, made)

    def object_of(self, machine: Machine, text: str) -> bytes:
        """The object file of a module, made in a context of its own."""
        context = self.ContextCreate()
        module, said = None, ctypes.c_char_p()
        try:
            module = self.ParseAssembly(context, text.encode(), said)
            if not module or self.VerifyModule(module, said):
                raise RuntimeError(self._said(said))
            found = self.TargetMachineEmitToMemory(machine.place, module, 1, said)
            if not found:
                raise RuntimeError(self._said(said))
            try:
                return ctypes.string_at(self.GetBufferStart(found), self.GetBufferSize(found))
            finally:
                self.DisposeMemoryBuffer(found)
        finally:
            if module:
                self.DisposeModule(module)
            self.ContextDispose(context)

    def _said(self, text: ctypes.c_char_p) -> str:
        """What the library has said, which it is given back."""
        found = (text.value or b"").decode("utf-8", "replace")
        if text:
            self.DisposeString(text)
        return found


class Machine:
    """A target machine of `Direct`."""

    def __init__(self, engine: Direct, place: int) -> None:
        self._engine, self.place = engine, place

    @property
    def layout(self) -> str:
        """How data lie in memory, as modules say it."""
        engine, said = self._engine, ctypes.c_char_p()
        data = engine.CreateTargetMachineData(self.place)
        engine.CopyStringRepOfTargetData(data, said)
        engine.DisposeTargetData(data)
        return engine._said(said)

    def __del__(self) -> None:
        self._engine.DisposeTargetMachine(self.place)


class Through:
    """LLVM by `llvmlite.binding`."""

    def __init__(self, binding: Any) -> None:
        self._binding = binding
        self.llvm_version_info = binding.llvm_version_info
        self.set_option = binding.set_option

    def check(self) -> None:
        """OSError where memory may not be executable."""
        self._binding.check_jit_execution()

    def native(self) -> tuple[str, str, str]:
        """This process's triple, the processor's features and its name."""
        llvm = self._binding
        features = llvm.get_host_cpu_features().flatten()
        return llvm.get_process_triple(), features, llvm.get_host_cpu_name()

    def machine(self, target: Target, level: int) -> Any:
        """What makes code for a target."""
        # on Windows LLVM expects all data within reach, without the tables of ELF elsewhere
        near = not target.triple.endswith("windows-msvc-elf")
        made = self._binding.Target.from_triple(target.triple).create_target_machine(
            cpu=target.cpu, features=target.features, opt=level, jit=True,
            reloc="pic" if near else "static", codemodel="small" if near else "large",
        )  # fmt: skip
        made.layout = str(made.target_data)
        return made

    def module(self, text: str, context: Any = None) -> Any:
        """The module that a text says, verified."""
        module = self._binding.parse_assembly(text, context)
        try:
            module.verify()
        except RuntimeError:
            module.close()  # before its context
            raise
        return module

    def object_of(self, machine: Any, text: str) -> bytes:
        """The object file of a module, made in a context of its own."""
        context = self._binding.create_context()
        try:
            with self.module(text, context) as module:
                return self._emitted(machine, module)
        finally:
            context.close()

    def _emitted(self, machine: Any, module: Any) -> bytes:
        """`machine.emit_object` but for the lock that llvmlite holds meanwhile."""
        functions = self._binding.ffi.lib
        emit = functions.LLVMPY_TargetMachineEmitToMemory
        with self._binding.ffi.OutputString() as error:
            found = getattr(emit, "_cfn", emit)(machine, module, 1, error)
            if not found:
                raise RuntimeError(str(error))
        try:
            start = functions.LLVMPY_GetBufferStart(found)
            return ctypes.string_at(start, functions.LLVMPY_GetBufferSize(found))
        finally:
            functions.LLVMPY_DisposeMemoryBuffer(found)
