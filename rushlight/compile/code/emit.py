"""A builder of text IR: modules, functions, loops, vector loads and stores.

No optimisation passes run on this IR, so what is written here is what runs: loop-carried values
are phis, addresses of constants fold while they are written, vectors are explicit.

    module = Module(target)
    f = module.function("k0", [("table", PTR), ("begin", I64), ("end", I64)])
    x = f.load(PTR, f.arguments[0], 0)
    with f.loop(f.arguments[1], f.arguments[2], 16, carry=[f.constant(0.0, F32.wide(16))]) as loop:
        v = f.load(F32.wide(16), x, loop.index)
        loop.next(f.add(loop.carried[0], v))
    total = f.reduce("sum", loop.results[0])

Operands that are Python numbers take the type of the other operand; bounds and indices may be
Python ints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .instructions import Instructions
from .values import (
    BOOL,
    F32,
    F64,
    I8,
    I32,
    I64,
    PTR,
    U8,
    VOID,
    Type,
    Value,
    constant,
    lanes_of,
    literal,
    vector,
)  # fmt: skip

__all__ = [
    "BOOL", "F32", "F64", "I8", "I32", "I64", "PTR", "U8", "VOID", "Function", "Loop", "Module",
    "Type", "Value", "constant", "lanes_of", "literal", "vector",
]  # fmt: skip

Operand = Any  # Value | int | float


class Module:
    """Functions, global constants and declarations that become one text."""

    def __init__(self, target: Any = None) -> None:
        self.target = target
        self.functions: dict[str, Function] = {}
        self._declared: dict[str, str] = {}
        self._globals: dict[str, str] = {}
        self._arrays: dict[Any, Value] = {}

    @property
    def fused(self) -> bool:
        """Whether the target multiplies and adds with one rounding."""
        return self.target is None or self.target.fma

    @property
    def vast(self) -> bool:
        """Whether the instructions of AVX-512 are there."""
        return self.target is not None and self.target.bits == 512

    def declare(self, name: str, result: Type, arguments: Sequence[Type]) -> None:
        """A function that the process (or another module) holds."""
        inside = ", ".join(t.text for t in arguments)
        self._declared[name] = f"declare {result.text} @{name}({inside})"

    def function(
        self, name: str, arguments: Sequence[tuple[str, Type]] = (), result: Any = VOID,
        internal: bool = False,
    ) -> Function:  # fmt: skip
        """A new function to be filled; `result` is a Type or the text of one."""
        made = self.functions[name] = Function(self, name, arguments, result, internal)
        return made

    def array(self, values: np.ndarray, align: int = 64) -> Value:
        """A pointer to constant data in the module; equal arrays share one."""
        values = np.ascontiguousarray(values)
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._arrays:
            name = f"@data{len(self._arrays)}"
            of = vector(values.dtype)
            word = "i8" if of.kind == "b" else of.element
            spelt = U8 if of.kind == "b" else of
            inside = ", ".join(f"{word} {literal(x, spelt)}" for x in values.ravel().tolist())
            self._globals[name] = (
                f"{name} = private unnamed_addr constant [{values.size} x {word}] [{inside}],"
                f" align {align}"
            )
            self._arrays[key] = Value(name, PTR)
        return self._arrays[key]

    def pointers(self, names: Sequence[str]) -> Value:
        """A pointer to the addresses of functions, one behind the other."""
        name = f"@functions{len(self._globals)}"
        inside = ", ".join(f"ptr @{function}" for function in names)
        self._globals[name] = f"{name} = private constant [{len(names)} x ptr] [{inside}]"
        return Value(name, PTR)

    def text(self) -> str:
        """The whole module as LLVM reads it."""
        functions, lines = self.parts()
        return "\n".join([*lines, *functions.values(), ""])

    def parts(self) -> tuple[dict[str, str], list[str]]:
        """The functions by name, and the lines before them."""
        made = {name: f.text() for name, f in self.functions.items()}
        known = [line for name, line in self._declared.items() if name not in self.functions]
        return made, [*self._globals.values(), *known]


class Loop:
    """A loop being written: `index`, `carried` inside; `next(...)`; `results` after it."""

    __slots__ = ("carried", "index", "results", "updated")

    def __init__(self, index: Value, carried: list[Value]) -> None:
        self.index = index
        self.carried = carried
        self.updated: list[Value] = []
        self.results: list[Value] = []

    def next(self, *values: Value) -> None:
        """What the carried values are in the next turn, or after the last."""
        self.updated = list(values)


class Function(Instructions):
    """One function: a list of lines, a counter of registers, the block being written."""

    def __init__(
        self, module: Module, name: str, arguments: Sequence[tuple[str, Type]], result: Any,
        internal: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.module = module
        self.name = name
        self.result = result if isinstance(result, str) else result.text
        self.internal = internal
        self.arguments = [Value(f"%{name}", type) for name, type in arguments]
        self.label = "entry"
        self.naked = ""
        self._first: list[str] = []
        self._blocks = 0
        self._closed = False

    def text(self) -> str:
        """The definition; a function without `ret` at its end returns nothing."""
        inside = ", ".join(value.typed for value in self.arguments)
        link = "internal " if self.internal else ""
        end = [] if self._closed else ["  ret void"]
        head = f"define {link}{self.result} @{self.name}({inside}) {self.naked}{{"
        return "\n".join([head, "entry:", *self._first, *self.lines, *end, "}"])

    def assembly(self, lines: Sequence[str]) -> None:
        """All of the function, which finds its arguments where the system's rules put them."""
        self.naked = "naked "
        inside = "\n".join(lines).replace("$", "$$")
        self.do(f'call void asm sideeffect "{inside}", ""()')
        self.do("unreachable")
        self._closed = True

    def stack(self, type: Type, count: int = 1, align: int = 64) -> Value:
        """Room for `count` elements that lives as long as the call."""
        self._count += 1
        name = f"%s{self._count}"
        self._first.append(f"  {name} = alloca {type.memory}, i64 {count}, align {align}")
        return Value(name, PTR)

    # --- blocks ---------------------------------------------------------------------------------
    def new_label(self, word: str = "b") -> str:
        self._blocks += 1
        return f"{word}{self._blocks}"

    def place(self, label: str) -> None:
        """Begin the block `label`."""
        self.lines.append(f"{label}:")
        self.label = label
        self._closed = False

    def jump(self, label: str) -> None:
        self.do(f"br label %{label}")
        self._closed = True

    def jump_if(self, condition: Value, yes: str, no: str) -> None:
        self.do(f"br i1 {condition.name}, label %{yes}, label %{no}")
        self._closed = True

    def ret(self, value: Value | None = None) -> None:
        """Leave the function."""
        self.do("ret void" if value is None else f"ret {value.typed}")
        self._closed = True

    def apart(self, name: str, given: Sequence[Value], write: Callable[..., Any]) -> None:
        """Call a function of that name for what `write(function, *given)` writes.

        What is left here may then be only calls, which LLVM is done with sooner (`parts.py`).
        """
        if name not in self.module.functions:
            types = [(f"given{k}", value.type) for k, value in enumerate(given)]
            inside = self.module.function(name, types, internal=True)
            write(inside, *inside.arguments)
        self.call(name, VOID, *given)

    def phi(self, type: Type, *arms: tuple[Value, str]) -> Value:
        """The value of the arm by whose label control came here."""
        inside = ", ".join(f"[ {value.name}, %{label} ]" for value, label in arms)
        return self.emit(type, f"phi {type.text} {inside}")

    # --- loops and branches -----------------------------------------------------------------------
    @contextmanager
    def loop(
        self, start: Operand, stop: Operand, step: Operand = 1, carry: Sequence[Value] = (),
        some: bool = False,
    ) -> Iterator[Loop]:  # fmt: skip
        """for index in range(start, stop, step), signed, step > 0.

        `some` promises at least one turn, which saves a test; constant bounds show it themselves.
        Where they show that there is just one, its lines are all that is written.
        """
        ints = isinstance(start, int) and isinstance(stop, int)
        if ints and isinstance(step, int) and start < stop <= start + step:
            yield (once := Loop(self.coerce(start, I64), list(carry)))
            once.results = once.updated or list(carry)
            return
        always = some or (ints and start < stop)
        first, last = self.coerce(start, I64), self.coerce(stop, I64)
        body, done = self.new_label("loop"), self.new_label("done")
        before = self.label
        if always:
            self.jump(body)
        else:
            self.jump_if(self.compare("<", first, last), body, done)
        self.place(body)
        hole = len(self.lines)
        index = self.register(I64)
        carried = [self.register(value.type) for value in carry]
        loop = Loop(index, carried)
        yield loop
        following = self.add(index, step)
        again = self.compare("<", following, last)
        latch = self.label
        self.jump_if(again, body, done)
        new = loop.updated or carried
        if len(new) != len(carry):
            raise ValueError(f"the loop carries {len(carry)} values, next() was given {len(new)}")
        self.lines[hole:hole] = [
            f"  {now.name} = phi {now.type.text} [ {old.name}, %{before} ], [ {to.name}, %{latch} ]"
            for now, old, to in zip([index, *carried], [first, *carry], [following, *new])
        ]
        self.place(done)
        loop.results = list(new) if always else [
            self.phi(old.type, (old, before), (to, latch)) for old, to in zip(carry, new)
        ]  # fmt: skip

    def vectors(
        self, start: Operand, stop: Operand, lanes: int,
        body: Callable[[Value, Value | None, list[Value]], Sequence[Value] | None],
        carry: Sequence[Value] = (),
    ) -> list[Value]:  # fmt: skip
        """body(index, mask, carried) over `lanes` at a time; the mask is None but for the tail.

        Gives the carried values after the last. In the tail, carried lanes outside the mask are
        the body's own business (`select`).
        """
        values = list(carry)
        ints = isinstance(start, int) and isinstance(stop, int)
        whole = self._rounded(start, stop, lanes)
        if not (ints and start >= whole):
            with self.loop(start, whole, lanes, values) as loop:
                loop.next(*(body(loop.index, None, loop.carried) or ()))
            values = loop.results
        if lanes == 1 or (ints and whole >= stop):
            return values

        def tail() -> Sequence[Value]:
            mask = self.first_lanes(self.sub(stop, whole), lanes)
            return body(self.coerce(whole, I64), mask, values) or ()

        if ints:
            return list(tail()) or values
        return self.branch(self.compare("<", self.coerce(whole, I64), stop), tail, lambda: values)

    def _rounded(self, start: Operand, stop: Operand, lanes: int) -> Operand:
        """The end of the whole vectors from `start`; `lanes` is a power of two."""
        count = self.sub(stop, start)
        if isinstance(count, int):
            return start + max(count, 0) // lanes * lanes
        return stop if lanes == 1 else self.add(start, self.bit_and(count, -lanes))

    @contextmanager
    def if_(self, condition: Value) -> Iterator[None]:
        """What is written inside runs where the scalar condition holds."""
        yes, done = self.new_label("yes"), self.new_label("done")
        self.jump_if(condition, yes, done)
        self.place(yes)
        yield
        if not self._closed:
            self.jump(done)
        self.place(done)

    def branch(
        self, condition: Value, yes: Callable[[], Sequence[Value]],
        no: Callable[[], Sequence[Value]],
    ) -> list[Value]:  # fmt: skip
        """The values of `yes()` or of `no()`, of which only one runs."""
        labels = self.new_label("yes"), self.new_label("no")
        done = self.new_label("done")
        self.jump_if(condition, *labels)
        arms = []
        for label, write in zip(labels, (yes, no)):
            self.place(label)
            values = list(write() or ())
            arms.append((values, self.label))
            self.jump(done)
        self.place(done)
        (left, from_left), (right, from_right) = arms
        return [
            self.phi(a.type, (a, from_left), (b, from_right)) for a, b in zip(left, right)
        ]  # fmt: skip
