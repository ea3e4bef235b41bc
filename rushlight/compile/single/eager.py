"""Native programs for single operations of eager mode, made for `core/heavy.py`.

A program is kept on disk by the name of its formula, the forms of its arguments and the rest that
decides its code, so that a process that finds it neither lowers nor schedules. While it runs it has
a table of addresses to itself: a second thread at the same time gets another one. Temporaries lie
in scratch memory that all programs share.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...core import heavy
from ...core.memory import empty, keep_freed
from ..calls import entry
from ..code import helpers, llvm
from ..disk import remembered
from ..kernels import runtime
from ..kernels.affine import contiguous
from ..kernels.running import BUSY, kept
from ..lower.value import NotNative
from ..middle.graph import Graph, Node, takes
from . import eager_each, eager_kept
from .eager_kept import Kept

LOG = logging.getLogger("rushlight.compile")
KEPT = 256 << 20  # bytes of scratch memory that stay after a call
_spare: list[tuple[np.ndarray, int]] = []  # scratch memory that nobody uses now, and its address
_said: set[str] = set()


def make(name: str, args: tuple[Any, ...], result: Any, into: int, over: int = 0) -> Any:
    """A function of the same arguments that runs native code; None where NumPy is to stay.

    The first `into` arguments take the results; the first `over` are overwritten by them. While
    the result is `heavy.UNKNOWN`, so is the answer where that is asked for.
    """
    if not llvm.available():
        heavy.SWITCH.on = False
        return None
    try:
        return _made(name, args, args[:into] if into else result, into, over)
    except NotNative as error:
        LOG.debug("eager %s stays with NumPy: %s", name, error)
    except Exception as error:
        if result is heavy.UNKNOWN:  # perhaps the arguments are at fault: NumPy will say so
            return heavy.UNKNOWN
        if name not in _said:
            _said.add(name)
            LOG.warning("eager %s stays with NumPy: %s", name, error, exc_info=error)
    return None


def _made(
    name: str, args: tuple[Any, ...], result: Any, into: int, over: int
) -> Callable[..., Any]:  # fmt: skip
    known = None if result is heavy.UNKNOWN else _forms(result)
    args = tuple(map(_form, args))
    places = [place for place, x in enumerate(args) if type(x) is np.ndarray and place >= into]
    arrays = [args[place] for place in places]
    rounds = over > 0 or name in heavy.ROUNDING
    for x in arrays:
        if not takes(x.dtype, rounds) or any(step % x.itemsize for step in x.strides):
            raise NotNative(f"an operand of {x.dtype}{x.strides}")
    if known is None and not all(x.flags.c_contiguous for x in arrays):
        return heavy.UNKNOWN  # in which order of memory the result lies is NumPy's to say
    keep_freed()
    program = eager_each.program(name, args, arrays, _program) if name in eager_each.NAMES else None
    program = program or _program(name, args[into:], arrays, over)
    if known is not None and known != program.recipe.outputs:
        raise NotNative(f"{program.recipe.outputs} for {known}")
    native = Native(program, [(x.shape, x.dtype, x.strides) for x in arrays])
    if into or over:
        return _filling(native, places, into or over)
    if program.missing is None:
        return _one(native, places)
    return _many(native, places, program.missing)


def _forms(result: Any) -> list[Any]:
    """Shapes and types of results that NumPy has made."""
    found = [y for y in (result if type(result) is tuple else (result,)) if y is not None]
    if not all(y.flags.c_contiguous for y in found):
        raise NotNative("a result in another order of memory")
    return [(y.shape, y.dtype) for y in found]


def _form(x: Any) -> Any:
    """An array's form without its memory, which a program must not hold; the rest as it is."""
    if type(x) is not np.ndarray:
        return x
    return as_strided(np.zeros(1, x.dtype), x.shape, x.strides, writeable=False)


def _program(name: str, args: tuple[Any, ...], arrays: list[Any], over: int) -> Kept:
    """The program from the disk cache, or made now and kept there."""
    graph = _outline(f"{name} over {over}" if over else name, args, arrays)
    key = remembered.name(graph, [], arrays)
    found = eager_kept.load(key, graph) if key else None
    return found or eager_kept.make(key, graph, name, args, over)


def _outline(name: str, args: tuple[Any, ...], arrays: list[Any]) -> Graph:
    """One node that says what the program does, to be named by."""
    inputs = [Node("input", (), (k,), x.shape, x.dtype) for k, x in enumerate(arrays)]
    plain = tuple("array" if type(x) is np.ndarray else x for x in args)
    return Graph(inputs, [Node(f"eager {name}", inputs, plain, (), np.dtype(bool))])


# --- running it


class _Runner:
    """What one thread needs to run a program: a table, and the way in."""

    __slots__ = ("base", "enter", "slots")

    def __init__(self, slots: np.ndarray, enter: Callable[..., bool]) -> None:
        self.slots, self.enter, self.base = slots, enter, 0


class Native:
    """A program without memory of its own, for any number of threads."""

    def __init__(self, program: Kept, forms: list[Any]) -> None:
        recipe = program.recipe
        self.outputs = recipe.outputs
        steps = [tuple(n * kind.itemsize for n in contiguous(shape))
                 for shape, kind in self.outputs]  # fmt: skip
        self._forms = [*forms, *((*form, step) for form, step in zip(self.outputs, steps))]
        self._spec = program.spec()
        if any(call[3] for call in program.calls):
            runtime.parallel()
        constants = [kept(value) for value in recipe.constants]
        self._status: np.ndarray | None = None  # an index out of range sets it to 1
        self._slots = np.zeros(max(recipe.length, 1), np.int64)
        slots, numbers, offsets = recipe.fixed
        starts = np.array([value.ctypes.data for value in constants], np.int64)
        self._slots[slots] = starts[numbers] + offsets
        if len(recipe.status):
            self._status = np.zeros(1, np.int64)
            self._slots[recipe.status] = self._status.ctypes.data
        self._kept = (self._spec, constants, self._status)
        self._releases, self.need = recipe.work > BUSY, recipe.arena
        self._where, self._offsets = recipe.temporaries
        self._free = [self._runner()]

    def _runner(self) -> _Runner:
        table = runtime.Table(len(self._slots), self._spec.ctypes.data)
        table.slots[:] = self._slots
        enter = entry.arrays(
            helpers.address("rows"), table, range(len(self._forms)), self._forms,
            self._releases, (self._kept, table),
        )  # fmt: skip
        if enter is None:
            raise NotNative("another interpreter")
        return _Runner(table.slots, enter)

    def __call__(self, *arrays: np.ndarray) -> None:
        """Run on inputs and outputs."""
        try:
            runner = self._free.pop()
        except IndexError:
            runner = self._runner()
        room = None
        try:
            if self.need:
                room = _room(self.need)
                if runner.base != room[1]:
                    runner.slots[self._where] = self._offsets + room[1]
                    runner.base = room[1]
            if not runner.enter(*arrays) and not runner.enter(*self._alike(arrays)):
                raise RuntimeError("arrays of another form than the program's")
            if self._status is not None and self._status[0]:
                self._status[0] = 0
                raise IndexError("index out of range in self")
        finally:
            self._free.append(runner)
            if room is not None and len(room[0]) <= KEPT:
                _spare.append(room)

    def _alike(self, arrays: Any) -> list[np.ndarray]:
        """Views in the very types of the program; there may be several objects for one type."""
        return [x.view(kind) for x, (_, kind, _) in zip(arrays, self._forms)]


def _room(size: int) -> tuple[np.ndarray, int]:
    """Scratch memory of at least `size` bytes."""
    try:
        room = _spare.pop()
        if len(room[0]) >= size:
            return room
    except IndexError:
        pass
    memory = runtime.aligned(size)
    return memory, memory.ctypes.data


def _one(native: Native, places: list[int]) -> Callable[..., np.ndarray]:
    """What stands in for a function with one result."""
    ((shape, dtype),) = native.outputs

    def run(*args: Any) -> np.ndarray:
        y = empty(shape, dtype)
        native(*[args[place] for place in places], y)
        return y

    return run


def _filling(native: Native, places: list[int], into: int) -> Callable[..., None]:
    """What stands in for a function that fills its first arguments."""

    def run(*args: Any) -> None:
        native(*[args[place] for place in places], *args[:into])

    return run


def _many(native: Native, places: list[int], missing: list[int]) -> Callable[..., Any]:
    """What stands in for a function with several results; `missing` ones are None."""
    forms = native.outputs

    def run(*args: Any) -> tuple[Any, ...]:
        ys: list[Any] = [empty(shape, dtype) for shape, dtype in forms]
        native(*[args[place] for place in places], *ys)
        for place in missing:
            ys.insert(place, None)
        return tuple(ys)

    return run
