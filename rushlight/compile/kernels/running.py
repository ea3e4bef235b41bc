"""A finished program at work: its code, its memory, and the steps of a run."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from operator import is_
from typing import Any

import numpy as np

from ...core.errors import fail
from ...core.locks import fork_safe
from ...core.tape import last_write, writes
from ..code import llvm
from ..records import field, record
from . import runtime
from .affine import contiguous
from .recipe import ARENA, CONSTANT, VALUE, Host, Kernel, Place, Recipe

Array = np.ndarray[Any, Any]
BUSY = 20_000  # nanoseconds of work from which other Python threads run meanwhile


@record
class Memory:
    """Bytes of temporaries, and how many they would be if none shared."""

    size: int
    reused: int


class Program:
    """Native code with its memory; one call at a time."""

    schedule: Any = None  # how its kernels were chosen, where it was built in this process

    def __init__(
        self, recipe: Recipe, code: llvm.Code, shown: Callable[[], tuple[Any, Any]] | None = None
    ) -> None:
        self.recipe, self.code, self._shown = recipe, code, shown
        self.donate, self.work = recipe.donate, recipe.work
        self.plan = Memory(recipe.arena, recipe.reused)
        self._inputs, self._outputs = recipe.inputs, recipe.outputs
        self._constants = [kept(value) for value in recipe.constants]
        self.status: Array | None = None  # an int64 that an index out of range sets to 1
        self._arena = runtime.arena(max(recipe.arena, 64))
        self.table = runtime.Table(max(recipe.length, 1))
        self.addresses = self.table.slots
        self._fill(recipe)
        self._lock = fork_safe(self)
        self._steps: list[Callable[..., None]] = []
        self._bind(recipe)
        self.once = None if recipe.frozen is None else Once(self, recipe.frozen)

    @property
    def ir(self) -> str:
        """What LLVM was given."""
        return self.code.ir

    @property
    def kernels(self) -> list[Kernel]:
        """The kernel calls in their order."""
        recipe = self.recipe
        if self._shown is not None:
            recipe.kernels, recipe.notes = self._shown()
            self._shown = None
        return [Kernel(facts, recipe.notes) for facts in recipe.kernels]

    def _fill(self, recipe: Recipe) -> None:
        """Addresses that stay: temporaries, constants, the status."""
        slots, offsets = recipe.temporaries
        self.addresses[slots] = self._arena.ctypes.data + offsets
        slots, numbers, offsets = recipe.fixed
        if len(slots):
            starts = np.array([value.ctypes.data for value in self._constants], np.int64)
            self.addresses[slots] = starts[numbers] + offsets
        if len(recipe.status):
            self.status = runtime.aligned(8).view(np.int64)
            self.status[0] = 0
            self.addresses[recipe.status] = self.status.ctypes.data

    def _bind(self, recipe: Recipe) -> None:
        """What a run does, step by step."""
        number = 0
        self.entry: Callable[[int], None] | None = None
        for place, step in enumerate(recipe.steps):
            if step is not None:
                self._steps.append(HostStep(step, place, self))
                continue
            run = runtime.entry(self.code, f"program_{number}", release_gil=self.work > BUSY)
            self._steps.append(_Native(run, self.table.address))
            self.entry = run if len(recipe.steps) == 1 else None
            number += 1

    def cycles(self) -> list[int]:
        """Processor cycles spent in each of `kernels` since the last call (if it was timed)."""
        clocks = self.recipe.clocks
        found = [int(self.addresses[clock]) if clock else 0 for clock in clocks]
        self.addresses[[clock for clock in clocks if clock]] = 0
        return found

    def array(self, place: Place, state: State) -> Any:
        """A value as NumPy sees it, for host calls."""
        kind, number, dtype, size, first, shape = place
        if kind == VALUE:
            return state.values[number]
        if kind == CONSTANT:
            return self._constants[number].reshape(shape)
        if kind == ARENA:
            found = self._arena[number : number + size * dtype.itemsize].view(dtype)
        else:
            n = len(state.inputs)
            found = state.inputs[number] if number < n else state.outputs[number - n]
        count = 1
        for n in shape:
            count *= n
        return found.reshape(-1)[first : first + count].reshape(shape)

    def run(
        self, inputs: Sequence[Array], outputs: Sequence[Array | None] | None = None
    ) -> list[Array]:
        """The graph's outputs for these inputs, in the given arrays or in new ones.

        An output that took over an input's memory is written there unless an array is given.
        """
        given = [_fitting(x, form) for x, form in zip(inputs, self._inputs, strict=True)]
        wanted: list[Any] = list(outputs) if outputs is not None else [None] * len(self._outputs)
        results = []
        for k, (shape, dtype) in enumerate(self._outputs):
            out = wanted[k]
            if out is None and k in self.donate:
                out = given[self.donate[k]]
            if (
                out is None
                or out.shape != shape
                or out.dtype != dtype
                or not out.flags.c_contiguous
            ):
                out = np.empty(shape, dtype)
            results.append(out)
        with self._lock:
            self._run(given, results)
        for result, out in zip(results, wanted):
            if out is not None and out is not result:
                np.copyto(out, result)
        return [result if out is None else out for result, out in zip(results, wanted)]

    def _run(self, inputs: list[Array], outputs: list[Array]) -> None:
        for k, x in enumerate((*inputs, *outputs)):
            self.addresses[k] = x.__array_interface__["data"][0]
        if self.once is not None:
            self.once.renew([inputs[k] for k in self.once.places])
        state = State(inputs, outputs)
        for step in self._steps:
            step(state)
        self.check()

    def check(self) -> None:
        """Complain about an index that was out of range in the last run."""
        if self.status is not None and self.status[0]:
            self.status[0] = 0
            raise fail(IndexError, "index out of range in self", "in a compiled program")


class Once:
    """What is made of inputs that hardly ever change: it is made again when they did.

    Whoever runs the program looks first: nothing has to be done while `last_write[0]` is `seen`
    and the arrays are `arrays`. Else `renew` asks of each whether it was written; where that
    cannot be known, all is made anew.
    """

    def __init__(self, program: Program, places: list[int]) -> None:
        self.places, self._forms = places, [program.recipe.inputs[k] for k in places]
        self._table = program.table.address
        self._addresses = program.addresses
        self._run = runtime.entry(program.code, "program_once", release_gil=False)
        self.seen, self.arrays, self._counts = -1, (), [None]

    def renew(self, arrays: Sequence[Array]) -> None:
        """Make all of it for these arrays, if it is not what is there."""
        now = last_write[0]  # before anything is read: what is written meanwhile counts as later
        for x, form in zip(arrays, self._forms):
            if type(x) is not np.ndarray or (x.shape, x.dtype, x.strides) != form:
                return  # the program will not run either
        counts: list[Any] = [writes(x) for x in arrays]
        same = len(arrays) == len(self.arrays) and all(map(is_, arrays, self.arrays))
        if None in counts or counts != self._counts or not same:
            self.seen, self.arrays, self._counts = -1, (), [None]
            for place, x in zip(self.places, arrays):
                self._addresses[place] = x.__array_interface__["data"][0]
            self._run(self._table)
            self.arrays, self._counts = tuple(arrays), counts
        self.seen = -1 if None in counts else now


@record
class State:
    """What host calls of one run see: the arrays, and values no memory is planned for."""

    inputs: list[Array]
    outputs: list[Array]
    values: dict[int, Any] = field(default_factory=dict)


class _Native:
    """A native segment."""

    __slots__ = ("address", "run")

    def __init__(self, run: Callable[[int], None], address: int) -> None:
        self.run, self.address = run, address

    def __call__(self, state: State) -> None:
        self.run(self.address)


class HostStep:
    """A node that NumPy computes; its value is copied to where kernels look for it."""

    __slots__ = ("evaluate", "number", "program", "step")

    def __init__(self, step: Host, number: int, program: Program) -> None:
        self.step, self.number, self.program = step, number, program
        # the core ops' meaning in NumPy is not needed where all is native
        self.evaluate = importlib.import_module("..middle.interpret", __package__).evaluate

    def independent(self) -> bool:
        """Whether it draws random numbers and reads nothing."""
        return self.step.node.op == "draw" and not self.step.operands

    def __call__(self, state: State) -> None:
        step = self.step
        arrays = [self.program.array(place, state) for place in step.operands]
        with np.errstate(all="ignore"):
            found = self.evaluate(step.node, arrays)
        if isinstance(step.node.dtype, tuple):
            state.values[self.number] = found
        elif step.target is not None:
            np.copyto(self.program.array(step.target, state), found)


def kept(value: Array) -> Array:
    """A constant in memory of its own that begins on a cache line."""
    found = runtime.aligned(max(value.nbytes, 1))[: value.nbytes].view(value.dtype)
    found = found.reshape(value.shape)
    found[...] = value
    return found


def _fitting(x: Array, form: Any) -> Array:
    """An input as the program expects it, copied if it lies otherwise."""
    shape, dtype, strides = form
    if x.shape != shape or x.dtype != dtype:
        raise ValueError(f"the program takes {dtype}{list(shape)}, not {x.dtype}{list(x.shape)}")
    for n, have, want in zip(shape, x.strides, strides):
        if n > 1 and have != want:
            break
    else:
        return x
    if strides == tuple(step * dtype.itemsize for step in contiguous(shape)):
        return np.ascontiguousarray(x)
    low = sum((n - 1) * step for n, step in zip(shape, strides) if step < 0 and n)
    high = sum((n - 1) * step for n, step in zip(shape, strides) if step > 0 and n)
    memory = np.empty(high - low + dtype.itemsize, np.uint8)
    fresh = np.ndarray(shape, dtype, memory, -low, strides)
    fresh[...] = x
    return fresh
