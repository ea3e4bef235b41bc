"""Text IR to machine code: the only door to llvmlite, opened on first use.

No pass pipeline runs: the emitters write the vectors they want, so instruction selection at
level 2 gives the same speed as the full pipeline in half the time (levels 1 to 3 cost the same).
A process that finds all its code in the cache never imports llvmlite.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import itertools
import json
import logging
import os
import re
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from ...core import threads
from ...core.errors import fail
from ..records import replace
from . import cache, engine, loader, pages, parts
from .switches import without_idle_passes
from .targets import SETS, Target, machine_of, runs

P = ParamSpec("P")
R = TypeVar("R")
MISSING = "native code needs llvmlite: pip install 'rushlight[compile]'"
OPT_LEVEL = 2
_GROUP = "#9000"  # attribute group that a function gets; emitters use small numbers
_DEFINED = re.compile(r"^define\b(?P<how>[^@\n]*)@(?P<name>[\w.$]+)", re.M)
_DECLARED = re.compile(r"^declare\b[^@\n]*@([\w.$]+)|^@([\w.$]+)\s*=\s*external\b", re.M)
_HEAD = re.compile(r"^(define\b.*?)\s*\{[ \t]*$", re.M)
_lock = threading.RLock()  # whoever touches llvmlite holds it, and so does a fork
_loaded: weakref.WeakSet[Any] = weakref.WeakSet()
_symbols: dict[str, int | Callable[[], int]] = {}
_serial = itertools.count()
LOG = logging.getLogger("rushlight.compile")


def _one_at_a_time(function: Callable[P, R]) -> Callable[P, R]:
    """Hold the lock meanwhile: a fork in the midst of it would leave a child that hangs."""

    @functools.wraps(function)
    def held(*args: P.args, **kwargs: P.kwargs) -> R:
        with _lock:
            return function(*args, **kwargs)

    return held


@functools.cache
def _llvm() -> Any:
    """llvmlite.binding, initialised; ImportError where it is not installed."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()  # tiles of products are assembly
    if sys.platform == "linux":  # instruction selection may call fmod, exp2 and their like
        with contextlib.suppress(RuntimeError):
            llvm.load_library_permanently("libm.so.6")
    return llvm


@functools.cache
def _engine() -> Any:
    """What makes code: LLVM past llvmlite where that is known to go, or llvmlite."""
    home = _home()
    found = home and engine.direct(home)
    return found or engine.Through(_llvm())


@_one_at_a_time
@functools.cache
def why_not() -> str:
    """Why no native code can be made here, as a sentence; empty where it can."""
    try:
        if _remembered() is None:  # else it was possible before, with the same llvmlite
            _engine().check()
    except ImportError:
        return MISSING
    except (OSError, RuntimeError) as error:
        return f"native code cannot be made here: {error}"
    return ""


def available() -> bool:
    """Whether native code can be made here: llvmlite is there and memory may be executable."""
    return not why_not()


@_one_at_a_time
def library(get: Callable[[], Any] = _llvm) -> Any:
    """llvmlite.binding; a RuntimeError with `MISSING` where it cannot be had."""
    try:
        return get()
    except (ImportError, OSError) as error:
        raise fail(RuntimeError, MISSING, f"importing llvmlite said: {error}") from error


def _home() -> Path | None:
    """The folder of llvmlite, which is not imported."""
    spec = importlib.util.find_spec("llvmlite")
    places = spec and spec.submodule_search_locations
    return Path(places[0]) if places else None


@_one_at_a_time
@functools.cache
def version() -> str:
    """What decides which code comes out, read without importing llvmlite; "" if it is not here."""
    home = _home()
    if home is None:
        return ""
    files = sorted((home / "binding").glob("*llvmlite*"))
    facts = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    return "\n".join([(home / "_version.py").read_text("utf-8"), *facts])


@_one_at_a_time
def target() -> Target:
    """This machine's target, or the one of `SETS` that RUSHLIGHT_CPU forces."""
    name, minimal = os.environ.get("RUSHLIGHT_CPU"), os.environ.get("RUSHLIGHT_WINOGRAD") != "0"
    return _chosen(name or "native", minimal)


_current = target  # for functions with a parameter of that name


@functools.cache
def _chosen(name: str, minimal: bool = True) -> Target:
    if not minimal:
        return replace(_chosen(name), minimal=False)
    native = _native()
    if name in ("native", native.name):
        return native
    if name not in SETS:
        known = ", ".join(["native", *SETS])
        raise fail(RuntimeError, f"RUSHLIGHT_CPU is {name!r}", f"known are {known}")
    if not runs(name, native.triple, native.features):
        raise fail(
            RuntimeError, f"RUSHLIGHT_CPU asks for {name}, which this processor does not have",
            f"it has {native.name}; unset RUSHLIGHT_CPU, or set it to native",
        )  # fmt: skip
    return named(name)


@_one_at_a_time
def named(name: str) -> Target:
    """The forced target of that name, whether or not this processor can run its code."""
    machine, _, cpu, bits, registers, fma = SETS[name]
    triple = _native().triple
    if machine_of(triple) != machine:  # for assembly to look at
        _initialised_for_all()
        triple = f"{machine}-unknown-linux-gnu"
    return Target(name, cpu, "", triple, bits, registers, fma)


@functools.cache
def _initialised_for_all() -> None:
    llvm = library()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@functools.cache
def _native() -> Target:
    known = _remembered()
    if known is None:
        known = _detected()
        if name := _own_name():
            cache.store(name, json.dumps(vars(known)).encode())
    return known


def _remembered() -> Target | None:
    """What was once detected on such a processor with this llvmlite."""
    name = _own_name()
    facts = cache.load(name) if name else None
    return None if facts is None else Target(**json.loads(facts))


def _own_name() -> str:
    """The name under which this processor is remembered; empty where it cannot be told."""
    told = pages.processor() if version() else []
    return cache.key("processor", version(), *told) if told else ""


def _detected() -> Target:
    triple, features, processor = library(_engine).native()
    if sys.platform == "win32":  # code for Windows, in files that `loader.py` places
        triple += "-elf"
    name = next((name for name in SETS if runs(name, triple, features)), "generic")
    bits, registers, fma = SETS[name][3:] if name in SETS else (128, 16, False)
    return Target(name, processor, features, triple, bits, registers, fma)


@functools.cache
def _machine(target: Target, level: int = OPT_LEVEL, thread: int = 0) -> Any:
    """What makes code; no two threads may use the same."""
    return library(_engine).machine(target, level)


@functools.cache
def _heading(target: Target) -> str:
    return f'target datalayout = "{_machine(target).layout}" target triple = "{target.triple}"'


@_one_at_a_time
def complete(ir: str, target: Target) -> str:
    """`ir` with the target's heading and attributes; line numbers stay as they were."""
    attributes = f'nounwind "no-trapping-math"="true" "prefer-vector-width"="{target.bits}"'
    heads = ir.count(") {\n") + ir.count(") naked {\n")
    if heads == ir.count("\ndefine ") + ir.startswith("define "):  # as emit.py writes
        text = ir.replace(") {\n", f") {_GROUP} {{\n").replace(") naked {", f") naked {_GROUP} {{")
    else:
        text = _HEAD.sub(rf"\1 {_GROUP} {{", ir)
    return f"{_heading(target)} {text}\nattributes {_GROUP} = {{ {attributes} }}\n"


class Code:
    """Machine code in memory; it stays there as long as this object lives."""

    __slots__ = ("__weakref__", "_addresses", "_ir", "entry", "target")

    def __init__(
        self,
        addresses: dict[str, int],
        ir: str | Callable[[], str],
        target: Target,
        entry: str = "",
    ) -> None:
        self._addresses = addresses
        self._ir = ir
        self.target = target
        self.entry = entry  # its name in the cache

    @property
    def ir(self) -> str:
        """What LLVM was given."""
        if not isinstance(self._ir, str):
            self._ir = self._ir()
        return self._ir

    def address(self, name: str) -> int:
        """Where the function `name` begins."""
        try:
            return self._addresses[name]
        except KeyError:
            raise RuntimeError(f"the compiled code has no function {name!r}") from None

    def assembly(self) -> str:
        """The machine code as text, made anew from the IR."""
        return assembly(self.ir, self.target)


@_one_at_a_time
def compile(ir: str, target: Target | None = None, plain: str = "") -> Code:
    """Make machine code of the text `ir`, or load what was made of it before.

    It may call functions it declares: those of the C library, and those given to `symbol`.
    Faults in the text are RuntimeErrors that show the line. `plain`: a module besides, for whose
    code level 0 will do.
    """
    if not version():
        raise fail(RuntimeError, MISSING)
    target = target or _current()
    name = cache.key(ir, version(), repr(target), str(OPT_LEVEL), *[plain] * bool(plain))
    start = time.perf_counter()
    if (binary := cache.load(name)) is not None:
        try:
            code = _link(binary, ir + plain, target, name)
            LOG.debug("loaded %d bytes in %.1f ms", len(binary), _since(start))
            return code
        except RuntimeError:  # made by another build of LLVM than its version says
            cache.drop(name)
    binary = _emit(ir, target, plain)
    code = _link(binary, ir + plain, target, name)
    cache.store(name, binary)
    LOG.debug("compiled %d bytes in %.1f ms", len(binary), _since(start))
    return code


@_one_at_a_time
def fresh(ir: str, target: Target) -> tuple[Code, loader.Image | None]:
    """Machine code of the text `ir`, and its image to be kept; without images it is kept here."""
    if not loader.suits(target.triple):
        return compile(ir, target), None
    image = loader.prelinked(_emit(ir, target))
    return placed(image, lambda: ir, target), image


def _since(start: float) -> float:
    return 1e3 * (time.perf_counter() - start)


def symbol(name: str, address: int | Callable[[], int]) -> None:
    """Let compiled code call the function at `address` (or what it returns, on use) by `name`."""
    _symbols[name] = address


@_one_at_a_time
def assembly(ir: str, target: Target | None = None, level: int = OPT_LEVEL) -> str:
    """The machine code of `ir` as text, for a reader or a test; nothing is loaded."""
    target = target or _current()
    texts, outer = _parted(ir, target)
    found = [(text, level) for text in texts] + [(text, 0) for text in outer]
    through = engine.Through(library())
    with without_idle_passes(through):
        return "".join(
            through.machine(target, level).emit_assembly(
                _checked(through.module, complete(text, target), text)
            )
            for text, level in found
        )


def _parted(ir: str, target: Target, among: int = 1) -> tuple[list[str], list[str]]:
    return parts.parted(ir, among) if loader.suits(target.triple) else ([ir], [])


def _emit(ir: str, target: Target, plain: str = "") -> bytes:
    """Machine code, of long modules in parts that threads make side by side."""
    number = threads.number() if ir.count("\n") > parts.LEAST else 1
    texts, outer = _parted(ir, target, number)
    outer += [plain] * bool(plain)
    number = min(number, len(texts) + len(outer))
    more = range(1, min(number, len(texts)))
    machines = [_machine(target), *(_machine(target, OPT_LEVEL, k) for k in more)]
    quick = [_machine(target, 0)] if outer else []
    jobs = [  # what cannot be cut goes first, so that nobody waits for it in the end
        functools.partial(_part, made, complete(text, target), text)
        for made, several in ((quick, outer), (machines, texts)) for text in several
    ]  # fmt: skip
    with without_idle_passes(_engine()):
        made = parts.side_by_side(jobs, number)
    return loader.joined([*made[len(outer) :], *made[: len(outer)]])


def _part(machines: list[Any], whole: str, ir: str) -> bytes:
    """The object of one part, made with a machine that no other thread uses."""
    machine = machines.pop()
    try:
        return _checked(functools.partial(_engine().object_of, machine), whole, ir)
    finally:
        machines.append(machine)


def _checked(make: Callable[[str], R], whole: str, ir: str) -> R:
    """What is made of the text `whole`, which `complete` made of `ir`."""
    try:
        return make(whole)
    except RuntimeError as error:
        raise _explained(str(error), ir) from None


def _explained(message: str, ir: str) -> BaseException:
    """LLVM's complaint with the line of the IR that it is about."""
    lines = ir.splitlines()
    first, *rest = [line.strip() for line in message.strip().splitlines()] or ["unknown"]
    if found := re.search(r":(\d+):\d+: error: (.*)", message):
        number, first = int(found[1]), found[2]
    else:  # the verifier prints the instruction, not where it stood
        stripped = [line.strip() for line in lines]
        number = next((stripped.index(line) + 1 for line in rest if line in stripped), 0)
    shown = lines[number - 1].strip() if 0 < number <= len(lines) else " / ".join(rest)
    where = f"line {number}" if number else "somewhere"
    return fail(RuntimeError, f"the generated code is wrong: {first} ({where}: {shown})")


@functools.cache
def _linker() -> Any:
    """One linker for the process; it never goes away, as threads may run what it loaded."""
    near = sys.platform != "win32"  # JITLink knows little of COFF
    machine = engine.Through(library()).machine(target(), OPT_LEVEL)
    linker = library().create_lljit_compiler(machine, use_jit_link=near, suppress_errors=True)
    _loaded.add(linker)
    return linker


def _link(binary: bytes, ir: str, target: Target, name: str) -> Code:
    """Load an object file."""
    try:
        loaded, addresses = _placed(binary, ir, target)
    except OSError as error:
        raise fail(RuntimeError, f"the compiled code cannot be loaded: {error}") from error
    return _code(loaded, Code(addresses, ir, target, name))


def _code(loaded: Any, code: Code) -> Code:
    _loaded.add(loaded)
    weakref.finalize(code, _unload, loaded).atexit = False
    return code


@_one_at_a_time
def placed(image: loader.Image, ir: Callable[[], str], target: Target) -> Code:
    """Code of which the image was kept; `ir` is asked only when someone wants to see it."""
    try:
        block, addresses = loader.place(image, lambda name: _address(name, loader.process_symbol))
    except OSError as error:
        raise fail(RuntimeError, f"the compiled code cannot be loaded: {error}") from error
    return _code(block, Code(addresses, ir, target))


def _placed(binary: bytes, ir: str, target: Target) -> tuple[Any, dict[str, int]]:
    """The object in memory, and the addresses of the functions it defines."""
    if loader.suits(target.triple):
        try:
            return loader.load(binary, lambda name: _address(name, loader.process_symbol))
        except loader.Unexpected as error:
            if sys.platform == "win32":  # LLVM's own linker gives up there, and the process with it
                raise fail(RuntimeError, f"the compiled code cannot be loaded: {error}") from error
    names = {
        match["name"] for match in _DEFINED.finditer(ir)
        if not {"internal", "private"} & set(match["how"].split())
    }  # fmt: skip
    builder = library().JITLibraryBuilder().add_current_process()
    for part in loader.parts(binary):
        builder.add_object_img(part)
    for name in _declared(ir):
        builder.import_symbol(name, _address(name, library().address_of_symbol))
    for name in names:
        builder.export_symbol(name)
    try:
        loaded = builder.link(_linker(), f"rushlight{next(_serial)}")
    except RuntimeError as error:
        raise fail(RuntimeError, f"the compiled code cannot be loaded: {error}") from error
    return loaded, {name: loaded[name] for name in names}


def _address(name: str, elsewhere: Callable[[str], int | None]) -> int:
    """Where the function `name` is that compiled code asks for."""
    place = _symbols.get(name)
    found = place() if callable(place) else place if place is not None else elsewhere(name)
    if not found:
        raise fail(RuntimeError, f"the compiled code needs {name}, which nobody provides")
    return found


@_one_at_a_time
def _unload(loaded: Any) -> None:
    loaded.close()


def _declared(ir: str) -> list[str]:
    return [
        name for match in _DECLARED.finditer(ir)
        if not (name := match[1] or match[2]).startswith("llvm.")
    ]  # fmt: skip


@atexit.register
def _leave() -> None:
    """Keep all code in memory until the process is gone: a thread may still run in it."""
    for loaded in list(_loaded):
        loaded.detach()


if hasattr(os, "register_at_fork"):  # a child must not find the lock held by a lost thread
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )
