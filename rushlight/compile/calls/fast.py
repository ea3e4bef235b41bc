"""The short way into a native program: one generated function per program.

It asks the guards, fetches the arrays, runs the code and puts the results in place, without a loop
or a call that is not needed. It answers MISS where anything is not as it was; the long way
(`Bound`) then decides. For a step of a few microseconds this is most of the time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from operator import is_not
from sys import getrefcount
from typing import Any

import numpy as np

from ...core.dispatch import OUTPUT_OF
from ...core.inference import InferenceTensor
from ...core.references import ATTRIBUTE, LISTED
from ...core.state import DEFAULTS, STATE, WATCHED
from ...core.tape import LEAF, Clock, follow, last_write
from ...core.tape import tick as clock_tick
from ...core.tensor import Tensor
from ..tracing.numbers import NAMES
from ..tracing.results import Container, Result, alike
from ..tracing.same import Same
from ..tracing.sources import NUMBERS, Held, Owner
from .apart import overlapping
from .backward import MANY, ONE, Kept
from .bound import Bound, takers
from .fast_arguments import Asked
from .fast_back import form_of, maker, turned
from .guards import lines_of
from .switched import Switched
from .taken import DRAWN
from .words import Words
from .words import known as words_known

MISS = object()


def missed(self: Any, given: tuple[Any, ...], rest: tuple[Any, ...], kwargs: Any) -> Any:
    """The long way of an object's call; MISS where there is no object."""
    if self is None:
        return MISS
    return self._long_call((*(x for x in given if x is not MISS), *rest), kwargs)


def make(bound: Bound) -> Callable[..., Any] | None:
    """The generated method of a program, or None where its call has no short form.

    It is the call of an object that has a long way, or is asked for no object: then it answers
    MISS where it does not serve.
    """
    writer = _Writer(bound)
    return writer.function() if writer.usable() else None


_ANEW = ("argument", "item")  # kinds of inputs that any call may bring
_SIMPLE = frozenset(("new", "value", "same", "number", "part", "held"))


def _is_simple(template: Any) -> bool:
    """Whether a result is written in one line: new tensors and numbers, and what holds those."""
    kind = type(template)
    if kind is dict:
        return all(type(key) is str and _is_simple(part) for key, part in template.items())
    if isinstance(template, Container):
        return type(template) is not Same and all(map(_is_simple, template.parts))
    if kind is tuple or kind is list or (issubclass(kind, tuple) and hasattr(kind, "_fields")):
        return all(map(_is_simple, template))
    return kind is Result and template.kind in _SIMPLE


class _Missed(Exception):
    """Leads out of the lock to the long way."""


class _Writer:
    def __init__(self, bound: Bound) -> None:
        self.bound, self.captured = bound, bound.captured
        self.native: Any = getattr(bound.program, "native", None)
        self.names: dict[str, Any] = {
            **NAMES, "MISS": MISS, "STATE": STATE, "DEFAULTS": DEFAULTS,
            "WATCHED": WATCHED, "LEAF": LEAF, "Tensor": Tensor, "InferenceTensor": InferenceTensor,
            "new": object.__new__,  # Tensor.__new__ is what users construct by
            "copyto": np.copyto, "getrefcount": getrefcount,
            "ndarray": np.ndarray, "missed": missed,
        }  # fmt: skip
        self.lines: list[str] = []
        self._results: dict[Result, str] = {}  # the names of tensors that are given
        self._leaves: list[str] = []  # what the text calls the tensors among the arguments
        given = "".join(f"x{i}, " for i in range(len(bound.arguments[0])))
        self.miss = f"return missed(self, ({given}), rest, kwargs)"

    def usable(self) -> bool:
        """Whether the call is of the plain kind: tensors of its own in, new tensors out."""
        if self.native is None or self.bound.program.draws is None or self.bound.once:
            return False
        if self.captured.shared or self.captured.apart:
            return False
        if not self.captured.moves.simple(self.captured.graph.outputs):
            return False
        grown = [source.owner for source in self.captured.sources if source.kind == "gradient"]
        if not all(isinstance(owner, Tensor) for owner in grown):
            return False
        owners = [x for x, _ in (*self.captured.gradients, *self.captured.presence)]
        if any(type(x) is Held for x in owners):
            return False
        written = {place for place, _ in self.captured.writes}
        if any(self.captured.sources[place].kind in _ANEW for place in written):
            return False
        captured = self.captured
        return all(map(_is_simple, (captured.results, *captured.stored, *captured.given)))

    def function(self) -> Callable[..., Any] | None:
        """Write, compile and return it."""
        if not self._entries():
            return None
        self.copied = {
            k: place for place, k in self.captured.writes if place not in self.bound.program.wrote
        }  # fmt: skip
        self.outputs = [
            k for k in range(len(self.captured.graph.outputs))
            if k not in self.native.donate and k not in self.copied
        ]  # fmt: skip
        self._arguments()
        self._guards()
        self._inputs()
        if self.captured.writes:
            self._apart()
        if self.bound.first is not None and not self._ask_first():
            return None
        self._memory()
        self._run()
        self._effects()
        given = "".join(f"x{i}=MISS, " for i in range(len(self.bound.arguments[0])))
        head = f"def __call__(self, {given}/, *rest, **kwargs):\n    "
        exec(compile(head + "\n    ".join(self.lines), "<compiled call>", "exec"), self.names)
        return self.names["__call__"]

    def _entries(self) -> bool:
        """The ways into the native code, if there are such ways."""
        forms = [*self.bound._forms, *map(form_of, self.captured.graph.outputs)]
        first, donate = len(self.bound._forms), self.native.donate
        slots = [k for k in range(len(forms)) if k - first not in donate]
        self.words = Words(self.bound.places) if words_known() else None
        if self.words is not None:
            for spot in self.captured.stores:
                self.words.forget(spot.holder)
        program = self.bound.program
        self.switched = Switched(self.bound.modes[:3])
        twice = {place: first + k for k, place in donate.items()}
        given = slots, [forms[k] for k in slots], self.words
        anew = [k for k, x in enumerate(self.captured.sources) if x.kind in _ANEW]
        written = [place for place, _ in self.captured.writes]
        more: Any = {"modes": self.switched, "twice": twice, "apart": (anew, written)}
        self.names["run"] = program.array_entry(*given, **more)
        if program.draws:
            self.names["probe"] = program.array_entry(*given, False, **more)
        return self.names["run"] is not None

    def _arguments(self) -> None:
        unasked = "rest" if self.bound.arguments[1] else "rest or kwargs"
        grad, inference, autocast, _, dtype = self.bound.modes
        self.names.update(dtype=dtype, autocast=autocast, asked=self.switched.asked)
        self.lines.append(
            f"if {unasked} or WATCHED[0] or DEFAULTS.dtype is not dtype or asked[0] and"
            f" (STATE.grad is not {grad} or STATE.inference is not {inference} or STATE.transforms"
            f" or STATE.duals or STATE.autocast is not autocast): {self.miss}"
        )
        if self.captured.chances:
            self.names["DRAWN"] = DRAWN
            self.lines.append("drawn = DRAWN.values")
        asked = Asked(self.bound.arguments, self.miss)
        self.lines += asked.lines
        self.names.update(asked.names)
        self._leaves = asked.leaves

    def _guards(self) -> None:
        tests: list[str] = []
        if self.words is None:
            tests, names = lines_of(self.bound.places)
            self.names.update(names)
        for i, (x, had) in enumerate(self.bound.presence):
            owner = self._owner(f"p{i}", x)
            tests.append(f"{owner}._grad is {'not ' if had is not None else ''}None")
        owners = [self._owner(f"w{i}", x) for i, x in enumerate(takers(self.captured))]
        tests += [f"{x} is not {y}" for x, y in itertools.combinations(owners, 2)]
        if tests:  # the long way may raise what the user's code raises: not in here
            self.lines.append(f"try: still_so = {' and '.join(tests)}")
            self.lines.append("except Exception: still_so = False")
            self.lines.append(f"if not still_so: {self.miss}")

    def _owner(self, name: str, x: Owner) -> str:
        """How the text says a tensor: an argument, or one that gets this name."""
        if type(x) is int:
            return self._leaves[x]
        self.names[name] = x
        return name

    def _inputs(self) -> None:
        leaves = self._leaves
        self.fetched = []
        if self.bound.before:
            found = "; ".join(self.bound.before.lines(self._here(), leaves))
            self.lines += [f"try: {found}", f"except Exception: {self.miss}"]
        for k, source in enumerate(self.captured.sources):
            if source.kind == "argument":
                self.fetched.append(f"{leaves[source.owner]}._array")
                continue
            self.names[f"s{k}"] = source.owner
            if source.kind in ("item", "gradient"):
                where = "._grad" if source.kind == "gradient" else f"[{source.key!r}]"
                self.lines += [
                    f"try: i{k} = s{k}{where}._array", f"except Exception: {self.miss}",
                ]  # fmt: skip
                self.fetched.append(f"i{k}")
            elif source.kind in NUMBERS:
                cell: Any = source.array.reshape(1)
                self.names[f"n{k}"], self.names[f"a{k}"] = memoryview(cell), source.array
                place = f"s{k}" + "".join(f"[{key!r}]" for key in source.path)
                if source.kind == "spot":
                    place = self._spot(f"s{k}", source.owner)
                elif source.kind == "text":
                    place = self.bound.before.name(source.owner)
                self.lines += [f"try: n{k}[0] = {place}", f"except Exception: {self.miss}"]
                self.fetched.append(f"a{k}")
            else:
                self.fetched.append(f"s{k}._array")

    def _here(self) -> list[str]:
        """How the text says the places of the numbers that are known from where they stand."""
        return [self._spot(f"H{i}", x) for i, x in enumerate(self.captured.here.spots)]

    def _spot(self, name: str, spot: Any) -> str:
        """How the text says a place; its holder gets this name."""
        self.names[name] = spot.holder
        return spot.said(name)

    def _ask_first(self) -> bool:
        """Whether the values will do is asked before anything is written or drawn."""
        first, reads = self.bound.first, self.captured.required.reads
        if getattr(first, "draws", None) is None:
            return False
        answer: Any = np.ones((), bool)
        forms = [*(self.bound._forms[place] for place in reads), form_of(first.graph.outputs[0])]
        ask = first.array_entry(range(len(forms)), forms, None, held=True)
        if ask is None:
            return False
        self.names.update(ask=ask, answer=answer, fine=memoryview(answer.reshape(1)))
        arrays = ", ".join(self.fetched[place] for place in reads)
        self.lines.append(f"if not ask({arrays}, answer) or not fine[0]: {self.miss}")
        return True

    def _memory(self) -> None:
        """Results get new memory; a gradient's is used again where nobody else holds it."""
        add = self.lines.append
        gradients = {index: x for x, index in self.captured.gradients if index is not None}
        for k in self.outputs:
            node = self.captured.graph.outputs[k]
            self.names[f"S{k}"], self.names[f"D{k}"] = node.shape, node.dtype
            self.names[f"M{k}"] = maker(node.nbytes, self.captured.orders.get(k))
            if k not in gradients:
                add(f"o{k} = M{k}(S{k}, D{k})")
                continue
            owner, self.names[f"G{k}"] = self._owner(f"g{k}", gradients[k]), [None]
            add(f"t{k} = G{k}[0]; k{k} = {owner}._grad is t{k}")
            if self.captured.late is not None:  # the old one must be there if nothing comes of it
                self.names[f"G{k}"].append(None)
                add(f"if k{k}: G{k}.reverse(); t{k} = G{k}[0]; k{k} = {owner}._grad is t{k}")
            add(f"if t{k} is None or getrefcount(t{k}) > {LISTED} + k{k} or"
                f" t{k}._entry is not None or getrefcount(t{k}._array) > {ATTRIBUTE}:")  # fmt: skip
            add(f"    t{k} = G{k}[0] = new(Tensor); k{k} = False")
            add(f"    t{k}._array = M{k}(S{k}, D{k})")
            add(f"    t{k}._entry = None")

    def _apart(self) -> None:
        """What the program writes must lie apart from what it knows; `run` asks of arguments."""
        add = self.lines.append
        written = [place for place, _ in self.captured.writes]
        lasting = ("tensor", "gradient")
        rest = [k for k, x in enumerate(self.captured.sources) if x.kind in lasting]
        held = [self.fetched[k] for k in (*written, *(k for k in rest if k not in written))]
        known: list[Any] = [None] * len(held)
        clock, count = Clock(), len(written)

        def moved(*now: np.ndarray) -> bool:
            if overlapping(now, count):
                return True
            known[:] = now
            for array in now[:count]:
                follow(array, clock)
            return False

        self.names.update(A=known, moved=moved, **clock.names())
        changed = " or ".join(f"{array} is not A[{i}]" for i, array in enumerate(held))
        add(f"if ({changed}) and moved({', '.join(held)}): {self.miss}")

    def _run(self) -> None:
        orders, own = self.captured.orders, self.captured.gradients
        gradients = {k: turned(orders.get(k)) for _, k in own if k is not None}
        donate = self.native.donate
        outs = [
            self.fetched[donate[k]] if k in donate
            else f"b{k}" if k in self.copied
            else f"t{k}._array{gradients[k]}" if k in gradients else f"o{k}"
            for k in range(len(self.captured.graph.outputs))
        ]  # fmt: skip
        for k in self.copied:
            node = self.captured.graph.outputs[k]
            self.names[f"b{k}"] = np.empty(node.shape, node.dtype)
        apart = [out for k, out in enumerate(outs) if k not in donate]
        arrays = ", ".join([*self.fetched, *apart])
        if self.words is not None:
            self.names["soft"] = self.words.soft
            self.lines.append(f"if soft[0] is not None and not soft[0](): {self.miss}")
        if not (self.bound.program.releases or self.bound.program.draws or self.copied):
            self.lines += self._calls(arrays, outs)
            return
        self.names.update(lock=self.native._lock, Missed=_Missed)
        miss, self.miss = self.miss, "raise Missed"  # the long way wants the lock
        body = self._calls(arrays, outs)
        self.miss = miss
        self.lines += [f"if not lock.acquire(False): {miss}", "try:", "    try:"]
        self.lines += ["        " + line for line in body]
        self.lines += ["    finally: lock.release()", f"except Missed: {miss}"]

    def _calls(self, arrays: str, outs: list[str]) -> list[str]:
        """Look (and draw) and run, and copy what the program could not write in place."""
        call = f"run({arrays})"
        looked = f"probe({arrays})" if self.bound.program.draws else call
        lines = [*self._still(), *self._looked(f"if not {looked}:")]
        if self.bound.program.draws:
            lines.append(f"nothing.outputs = ({''.join(out + ', ' for out in outs)})")
        for i, draw in enumerate(self.bound.program.draws):
            self.names[f"draw{i}"] = draw
            lines.append(f"draw{i}(nothing)")
        if self.bound.program.draws:
            self.names["nothing"] = self.bound.program.blank
            lines.append(call)
        if self.captured.late is not None:
            self._answer(lines)
        if self.native.status is not None:
            self.names.update(status=self.native.status, check=self.native.check)
            lines.append("if status[0]: check()")
        for k, place in self.copied.items():
            lines.append(f"copyto({self.fetched[place]}, b{k})")
        return lines

    def _looked(self, refused: str) -> list[str]:
        """Look if all is as it was; what changed may be of no importance: ask in full, once."""
        if self.words is None:
            return [f"{refused} {self.miss}"]
        names = {"right": self.switched.again, "holds": self.bound.holds, "renew": self.words.renew}
        self.names.update(names, sized=self.bound.sized)
        return [
            refused, f"    if not sized({', '.join(self.fetched)}): {self.miss}",
            "    modes = right()",
            f"    {refused.replace('not', 'not modes or not', 1)}",
            f"        if modes is None or not holds(): {self.miss}",
            "        renew()",
            f"        {refused} {self.miss}",
        ]  # fmt: skip

    def _answer(self, lines: list[str]) -> None:
        """Leave all as it was where the program has found that it is not right for the call."""
        undo = [f"    {self.miss}"]
        if self.bound.program.draws:
            self.names["engines"] = self.bound.engines
            lines.insert(0, "states = [engine.get_state() for engine in engines]")
            undo.insert(0, "    for engine, state in zip(engines, states): engine.set_state(state)")
        if self.native.status is not None:
            undo.insert(0, "    status[0] = 0")
        lines += [f"if not o{self.captured.late}:", *undo]

    def _still(self) -> list[str]:
        """What is made of inputs that hardly ever change is made again if they did."""
        once = self.native.once
        if once is None:
            return []
        self.names.update(once=once, last_write=last_write, is_not=is_not)
        given = "".join(f"{self.fetched[k]}, " for k in once.places)
        return [
            f"still = ({given})",
            "if once.seen != last_write[0] or any(map(is_not, still, once.arrays)):"
            " once.renew(still)",
        ]

    def _effects(self) -> None:
        add = self.lines.append
        for i, (x, index) in enumerate(self.captured.gradients):
            owner = self._owner(f"h{i}", x)
            add(f"{owner}._grad = None" if index is None else
                f"if not k{index}: {owner}._grad = t{index}")  # fmt: skip
        if self.captured.writes:
            add(Clock.LINE)
        self._move()
        if self.captured.joint is not None:
            self._entry()
        if self.bound.texts:
            self.lines += self.bound.texts.lines(self._here(), self._leaves)
        stored = [self._result(value) for value in self.captured.stored]
        for i, (spot, value) in enumerate(zip(self.captured.stores, stored)):
            self.names[f"T{i}"] = spot.holder if spot.fixed is None else spot.fixed
            add(spot.line(f"T{i}", value))
        if self.captured.afterwards:
            self.names["conclude"] = self.bound.conclude
            add("conclude()")
        result = self._result(self.captured.results)
        self._say()
        add(f"return {result}")

    def _say(self) -> None:
        """What is told the world, when all else is done."""
        for i, (spot, value) in enumerate(zip(self.captured.said, self.captured.given)):
            self.names[f"V{i}"] = spot.holder
            self.lines.append(spot.line(f"V{i}", self._result(value)))

    def _move(self) -> None:
        """Tensors of before get other memory, or begin to want gradients."""
        add, moves = self.lines.append, self.captured.moves
        for i, (x, wants) in enumerate(moves.leaves):
            add(f"{self._owner(f'l{i}', x)}._entry = {'LEAF' if wants else 'None'}")
        for i, (_, spread) in enumerate(moves.data):  # all are looked up before one is exchanged
            add(f"m{i} = {f'o{spread.place}' if spread.made else self.fetched[spread.place]}")
        for i, (x, _) in enumerate(moves.data):
            add(f"{self._owner(f'd{i}', x)}._array = m{i}")

    def _entry(self) -> None:
        """The tape's entry for results that want a gradient: `Halves.entry` written out."""
        halves: Any = self.bound.halves
        joint: Any = self.captured.joint
        parents = ""
        for place in joint.targets:
            source = self.captured.sources[place]
            x = f"s{place}"
            if source.kind == "argument":
                x = self.fetched[place].removesuffix("._array")
            parents += f"{x} if {x}._entry is LEAF else {x}._entry, "
        kept = [self.fetched[i] if is_input else f"o{i}" for is_input, i in joint.kept]
        single = len(joint.shapes) == 1
        self.names.update(
            RULE=ONE if single else MANY, Kept=Kept, halves=halves, now=clock_tick,
            shape=joint.shapes[0] if single else tuple(joint.shapes), OUTPUT_OF=OUTPUT_OF,
        )  # fmt: skip
        self.lines.append(f"node = [RULE, ({parents}), (Kept(halves, [{', '.join(kept)}]),), None,"
                          " (), shape, now(), None]")  # fmt: skip

    def _result(self, x: Any) -> str:
        add, n = self.lines.append, len(self.names)
        if type(x) is dict:
            return f"{{{', '.join(f'{key!r}: {self._result(part)}' for key, part in x.items())}}}"
        if type(x) is list:
            return f"[{', '.join(map(self._result, x))}]"
        if type(x) is tuple:
            return f"({''.join(f'{self._result(part)}, ' for part in x)})"
        if isinstance(x, (Container, tuple)):
            parts = x.parts if isinstance(x, Container) else x
            self.names[f"B{n}"] = x.built if isinstance(x, Container) else partial(alike, x)
            return f"B{n}([{', '.join(map(self._result, parts))}])"
        if x.kind == "number":
            return self.bound.texts.name(x.value)
        if x in self._results:
            return self._results[x]
        if x.kind == "held":
            self.names[f"r{n}"] = x.value.table
            add(f"y{n} = r{n}[{x.value.key!r}]")
            return f"y{n}"
        if x.kind not in ("new", "part"):
            self.names[f"r{n}"] = x.value
            return f"r{n}"
        gradients = {index for _, index in self.captured.gradients}
        memory = f"o{x.index}"
        if x.index in gradients or x.index in self.native.donate:
            return "MISS"  # excluded by `usable`
        self.names[f"r{n}"] = x.entry
        add(f"y{n} = new({'InferenceTensor' if x.inferred else 'Tensor'})")
        add(f"y{n}._array = {self._lying(n, memory, x.value)}")
        entry = f"[*r{n}]" if type(x.entry) is list else f"r{n}"  # hooks hang on the entry
        if type(x.entry) is int:  # a live result
            shape = f"[OUTPUT_OF, (node,), None, None, ({x.entry},), shape[{x.entry}], now(), None]"
            entry = "node" if self.names["RULE"] is ONE else shape
        add(f"y{n}._entry = {entry}")
        self._results[x] = f"y{n}"
        if x.kind == "part" and x.value.base is not None:
            self.names[f"link{n}"] = x.value.link
            add(f"link{n}(y{n}, {self._result(self.captured.viewed[x.value.base])})")
        return f"y{n}"

    def _lying(self, n: int, memory: str, part: Any) -> str:
        """How the text says the array of a result: all of an output, or a part of it."""
        if part is None or part.where is None:
            return memory
        shape, _, strides, offset = part.where
        self.names.update({f"q{n}": shape, f"e{n}": strides}, ndarray=np.ndarray)
        return f"ndarray(q{n}, {memory}.dtype, {memory}, {offset}, e{n})"
