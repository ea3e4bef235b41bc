"""Tracing: an ordinary eager call, carried out while everything it does to tensors is noted.

During a trace no tensor takes the short path (the set of eager types is empty), and NumPy arrays
are registered like any other array class, so every op arrives at `handle`. Tensors that exist
before the call are *lifted*: a `Traced` takes the place of their array until the trace ends, and
the graph gets an input for them. When the trace ends, by its end or by an escape, every tensor gets
its real array back, and the call goes on, or is done, as if nothing had happened.
"""

from __future__ import annotations

import logging
from sys import getrefcount
from threading import get_ident
from typing import Any

import numpy as np

from ...core import dispatch
from ...core.primitive import Primitive
from ...core.references import LISTED
from ...core.state import STATE
from ...core.tape import no_gradient, owner_of, tick
from ...core.tensor import Tensor
from ..calls.guards import modes
from ..middle.foreign import Hole
from ..middle.graph import Node
from .alive import Age, alive, kinds, others_hold
from .draws import DrawnEngine, Draws
from .handling import handle
from .items import Promises
from .later import Forms, Later, Met
from .lent import Lending, array_of
from .numpy_calls import COUNTING, line, masks, value_of
from .pinned import Pins
from .pulls import PLAIN, Pulls, plain
from .required import ASKS, ask
from .schedules import Afterwards, Settings
from .sources import Source
from .traced import TORN, Cell, Traced, covers, inside, overlap, traced_in

ndarray = np.ndarray
PASSING = "no program is made of"
_LOOKED_AT = COUNTING | ASKS.keys() | {"index"}
LOG = logging.getLogger("rushlight.compile")


class Unwatched:
    """A trace during which nobody looks for side effects."""

    looks = False

    @staticmethod
    def unseen(function: Any, *args: Any) -> Any:
        """Call a function."""
        return function(*args)

    seen = unseen


class Tracer(Draws, Settings, Lending, Promises, Pins):
    """One trace: its inputs, its memory cells, the draws it made, and why it ended early."""

    def __init__(self, reach: Any = None, leaves: Any = (), forms: Forms | None = None) -> None:
        self.reach = reach
        self.places = {id(x): place for place, x in enumerate(leaves)}
        self.swept, self.over, self.thread = False, False, get_ident()
        self.began, self.modes = tick(), modes()
        self.strangers = False  # whether somebody else holds what is still to be computed
        self.live: dict[int, int] = {}
        self.sources: list[Source] = []
        self.cells: dict[int, list[Cell]] = {}
        self.nothings: dict[Any, Traced] = {}  # gradients of outputs that nobody used
        self.draws: list[Node] = []
        self.lifted, self.beside = [], []
        self.gradients: dict[int, tuple[Tensor, str, Any]] = {}
        self.later = Later(Forms() if forms is None else forms, forms is not None)
        self.through: dict[int, Tensor] | None = None  # the call's results, once it went through
        self.broken: tuple[str, str] | None = None
        self.raises: type[BaseException] | None = None
        self.given_containers: dict[int, tuple[Any, ...]] = {}
        self.age: Age
        self.engines: dict[int, DrawnEngine] = {}
        self.required: list[Node] = []  # truth values that must hold at every run
        self.watch: Any = Unwatched
        self.afterwards = Afterwards(reach)
        self.replaced: set[int] = set()  # tensors for which the call put others in their places
        self.place = ""  # the user's line, while nothing but the package runs
        self.pulls = Pulls(self)
        self.numbers: list[Any] = []  # weak references to what stands for numbers of the call
        self.conditions: dict[str, Any] = {}  # what was asked of them, and the answers
        self.begin_promises()
        self.begin_pins()
        self.exchanged: dict[int, Tensor] = {}
        self.exchanges: set[int] = set()  # objects that the call puts in each other's places
        self.held: dict[int, Any] = {}  # tensors that make way for others, and where they stood
        self._holders: dict[int, list[Tensor]] | None = None

    # --- beginning and end

    def __enter__(self) -> Tracer:
        dispatch.intercept(handle)
        self.age = Age({*kinds(Tensor), Traced})
        STATE.tracer = self
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()
        if error[0] is not None:
            self.conclude()

    def close(self) -> None:
        """Give every tensor its real array back and let tensors take the short path again."""
        if self.closed:
            return
        try:
            if self.through is None:
                self.settle()
        finally:
            self._close()

    def _close(self) -> None:
        self.over = True
        STATE.tracer = None
        self.nothings.clear()  # who holds a traced array is asked below
        dispatch.release(handle)
        for x, _ in self.lifted:
            if type(x._array) is Traced:
                if getrefcount(x) > LISTED:
                    self._expect(x._array.cell, x)
                x._array = x._array.memory
        left = self._restore(self.age.young())
        told = left is not None and not others_hold(left)
        self.age.end()
        if not told:
            self._restore(alive(kinds(Tensor)))
        if self.broken is not None:
            self.conclude()

    def _restore(self, found: list[Any] | None) -> list[Traced] | None:
        """Give the tensors among objects their arrays back; the traced ones that others hold.

        None: nobody knows.
        """
        if found is None:
            self.strangers = True
            return None
        traced = []
        for x in found:
            if type(x) is Traced:
                traced.append(x)
                continue
            array = array_of(x)
            if type(array) is Traced and array.tracer is self:
                self._expect(array.cell, x)
                x._array = array.memory
        found.clear()
        x = array = None
        held = [x for x in traced if getrefcount(x) > LISTED]
        self.strangers = self.strangers or any(x.cell.waits for x in held)
        return held

    def _expect(self, cell: Cell, x: Tensor) -> None:
        """A tensor is left whose content is still to come: unless it is known, a stranger."""
        if cell.waits and cell.source is None and self.through is not None:
            self.strangers = self.strangers or id(x) not in self.through

    def settle(self) -> None:
        """Compute all that has been put off."""
        self.later.settle()

    def escape(self, how: str) -> None:
        """A value leaves the trace: it ends here, unless it has ended already."""
        self.stop(f"{how} needs the value of a tensor")

    def stop(self, reason: str, where: str | None = None) -> None:
        """End the trace early; the call goes on eagerly, or raises where the caller said so."""
        if self.closed:
            return
        self.broken = (reason, line() if where is None else where)
        LOG.debug("trace ended: %s", reason, stack_info=LOG.isEnabledFor(logging.DEBUG))
        self.close()
        if self.raises is not None:
            raise self.raises(f"{reason} ({self.broken[1]})")

    # --- inputs

    def lift(self, x: Tensor) -> Traced:
        """The traced array of a tensor; a tensor met for the first time becomes an input."""
        array = x._array
        if type(array) is Traced:
            return array
        known = self.find(array, x)
        if known is None:
            if self.stood(x):
                known = self.external(*self.origin(x), array)
                known.cell.source.tensor, known.cell.source.entry = x, x._entry
            else:
                known = self.beneath(array)
                known = self.constant(array) if known is None else known
        else:
            self.beside.append((x, x._entry))
        if not self.closed:
            x._array = known
            self.lifted.append((x, array))
        return known

    def stood(self, x: Tensor) -> bool:
        """Whether a tensor stood before the call."""
        return self.named(x) or not self.age.new(x)

    def origin(self, x: Tensor) -> tuple[str, Any, Any]:
        """Where a tensor that stood before the call is to be found at the next one."""
        if id(x) in self.places:
            return "argument", self.places[id(x)], None
        if self.reach is None or id(x) in self.reach.tensors:
            return "tensor", x, None
        for owner, _, had in self.gradients.values():
            if had is x:
                return "gradient", self.places.get(id(owner), owner), None
        self.stop("a tensor is used that is neither an argument nor reachable by name")
        return "tensor", x, None

    def external(self, kind: str, owner: Any, key: Any, array: np.ndarray) -> Traced:
        """A new input."""
        source = self._source(kind, owner, key, array)
        traced = self.fresh(array, source.node, source)
        source.cell = traced.cell
        return traced

    def _source(self, kind: str, owner: Any, key: Any, array: np.ndarray) -> Source:
        node = Node("input", (), (len(self.sources),), array.shape, array.dtype)
        self.sources.append(Source(kind, owner, key, array, node))
        return self.sources[-1]

    def input_of(self, x: Tensor, array: np.ndarray, entry: Any, cell: Cell) -> Source:
        """The input that a tensor becomes whose stand-in is used."""
        source = self._source(*self.origin(x), array)
        source.tensor, source.entry, source.cell = x, entry, cell
        return source

    def constant(self, array: np.ndarray) -> Traced:
        """An array that the call itself made, without reading any tensor."""
        kind = (array.shape, array.dtype) if no_gradient(array) else None
        if kind in self.nothings:
            return self.nothings[kind]
        self.refuse_content(array)
        value = array.copy()
        found = self.fresh(array, Node("constant", (), (value,), array.shape, array.dtype))
        if kind is not None:
            self.nothings[kind] = found
        return found

    def saw_grad(self, x: Tensor) -> None:
        """The gradient of a tensor is about to be read: whether there is one now matters."""
        self.gradients.setdefault(id(x), (x, "seen", x._grad))
        if x._grad is not None and not self.closed:
            self.lift(x._grad)

    def inside(self, function: Any) -> None:
        """Run a part of the package in which the user's line stays the same."""
        self.place, self.pulls = line(), Pulls(self)
        try:
            self.watch.unseen(function)
        finally:
            self.place = ""

    def outside(self, function: Any, *args: Any) -> Any:
        """Call what may be the user's in the middle of it."""
        before, self.place = self.place, ""
        try:
            return self.watch.seen(function, *args)
        finally:
            self.place = before

    def cleared_grad(self, x: Tensor) -> None:
        """The gradient of a tensor is about to be replaced, whatever it was."""
        self.gradients.setdefault(id(x), (x, "cleared", x._grad))

    # --- memory

    def fresh(self, value: np.ndarray, node: Node, source: Any = None) -> Traced:
        """A traced array in memory not seen before."""
        cell = Cell(value, node, source)
        cells = self.cells.setdefault(id(value if value.base is None else owner_of(value)), [])
        if cells:  # an owner that is gone may have had this address
            cells[:] = [one for one in cells if one.base is not None]
            cell.torn = any(one.torn for one in cells)
        cells.append(cell)
        if id(value) in self.later.unfilled:
            self.later.wait(cell)
        return Traced(self, value, node, cell)

    def find(self, value: np.ndarray, x: Tensor | None = None, view: bool = False) -> Traced | None:
        """The traced array of memory already followed; `x` is the tensor whose memory it is.

        `view`: its content is known from elsewhere, so any memory that it lies in will do.
        """
        owner = value if value.base is None else owner_of(value)
        cells = self.cells.get(id(owner))
        if not cells or not value.size:
            return None
        low = high = -1
        around, torn = None, False
        for cell in cells:
            base = cell.base
            if base is None:
                continue
            if base is owner and owner.flags.c_contiguous and not cell.torn:
                return self._part(cell, value)
            if low < 0:
                low, high = np.lib.array_utils.byte_bounds(value)
            start, stop = np.lib.array_utils.byte_bounds(base)
            if start <= low and high <= stop and inside(value, base):
                if not cell.torn or covers(value, base):
                    return self._part(cell, value)
                around = cell
            torn = torn or (low < stop and start < high and bool(overlap(value, base)))
        if around is not None and view:
            return self._part(around, value)
        if not torn or (x is not None and self._tear(cells, x)):
            return None
        self.stop(TORN)
        return known_dead(self, value)

    def _tear(self, cells: list[Cell], x: Tensor) -> bool:
        """Let inputs have parts of memory in common: possible as long as nobody writes there."""
        if not self.stood(x) or any(c.source is None or c.version or c.waits for c in cells):
            return False
        for cell in cells:
            cell.torn = True
        return True

    def _part(self, cell: Cell, value: np.ndarray) -> Traced:
        """An array over some of a cell's memory."""
        known = Traced(self, value, cell.node, cell)
        if not covers(value, cell.base):
            known.version = -1
        return known

    def refuse_content(self, array: Any, computed: bool = False) -> None:
        """End the trace at an array whose content the next call may find changed.

        `computed`: it may also come from any array that the call can reach.
        """
        if computed and self.reach is not None and self.reach.arrays:
            self.stop("the content of a NumPy array made before the call")
        while self.reach is not None and isinstance(array, ndarray):
            if self.reach.knows(array):
                self.stop("the content of a NumPy array made before the call")
            array = array.base

    def require(self, holds: Any) -> None:
        """A program must not go on where this truth value is not true everywhere."""
        if type(holds) is Traced and not self.closed:
            self.required.append(holds.read())
            if self.later.on and not holds.value.all():
                self.settle()  # so that it raises where it should

    def holds(self, truth: Any, otherwise: str = "") -> bool:
        """Whether it is true everywhere; a program asks at every call, and none is made of a no.

        `otherwise`: what a call is where it is not true, if that happens now and then.
        """
        self.require(truth)
        found = bool(value_of(truth).all())
        if not found and otherwise:
            self.passes(otherwise)
        elif not found:
            self.raises = None  # the caller will, with words of its own
            self.stop("a condition on values does not hold")
        return found

    def first(self, truth: Any, what: str) -> bool:
        """Whether it is the first call, of which no program is made; those of others ask."""
        if not bool(value_of(truth).all()):
            self.require(np.logical_not(truth))
            return False
        self.passes(what)
        return True

    def passes(self, what: str) -> None:
        """End the trace of a call that is not as others are: the next one may do."""
        self.raises = None
        self.stop(f"{PASSING} {what}")

    def within(self, numbers: Any, low: int, high: int) -> None:
        """A program must not go on where a whole number is not in low..high-1."""
        ask(self, numbers, low, high)

    def result(self, value: Any, node: Node) -> Any:
        """The traced array of what an operation gave: new memory, or a view of known memory."""
        if type(value) is not ndarray:
            value = np.asarray(value)
        if value.base is None:
            cells = self.cells.get(id(value))
            if not cells or cells[0].base is not value:
                return self.fresh(value, node)
            known = Traced(self, value, cells[0].node, cells[0])
        else:
            known = self.find(value, view=True)
            if known is None:
                return self.fresh(value, node)
        known.node, known.version = node, known.cell.version
        return known

    # --- operations

    def call(self, prim: Primitive, operands: Any, params: tuple[Any, ...]) -> Any:
        """Carry out an op on arrays and note it."""
        nodes, arrays, met = [], [], Met()
        for x in operands:
            if type(x) is not Traced:
                x = self.operand(x)
            if type(x) is Traced:
                arrays.append(met.of(x, nodes))
            else:
                nodes.append(Node("constant", (), (x,), (), np.dtype(bool)))
                arrays.append(x)
        name, real, template = prim.name, params, params
        if params and not plain(params):
            real, template = self.split(params, nodes, met)
        if name in _LOOKED_AT:
            self._look(name, operands, params, real)
        met.holes = len(nodes) > len(arrays)
        y = self.later.evaluated(
            name, template, met, dispatch.evaluate, (prim, tuple(arrays), real), {}
        )
        if prim.outputs != 1:
            return self.results(name, nodes, template, y)
        for memory in met.operands:
            if y is memory:
                given = (*operands, *traced_in(params))
                return next(x for x in given if type(x) is Traced and y is x.memory)
        y = y if type(y) is ndarray else np.asarray(y)
        return self.result(y, Node(name, nodes, template, y.shape, y.dtype, self.place or line()))

    def _look(self, name: str, operands: Any, params: Any, real: Any) -> None:
        """What is asked of an op before it is carried out."""
        if name in COUNTING or (name == "index" and masks(real)):
            self.stop(f"the shape of what {name} gives depends on values")
        if name in ASKS:
            ASKS[name](self, operands, params)

    def results(self, op: str, nodes: Any, params: Any, ys: Any) -> tuple[Traced, ...]:
        """The traced arrays of an op with several outputs."""
        ys = tuple(y if type(y) is ndarray else np.asarray(y) for y in ys)
        whole = Node(
            op, nodes, params, tuple(y.shape for y in ys), tuple(y.dtype for y in ys),
            self.place or line(),
        )  # fmt: skip
        return tuple(
            self.result(y, Node("output_of", (whole,), (place,), y.shape, y.dtype, whole.line))
            for place, y in enumerate(ys)
        )

    def operand(self, x: Any) -> Any:
        """A plain array or number among the operands of a raw op, as a traced constant."""
        if isinstance(x, ndarray) and type(x) is not ndarray:
            x = np.asarray(x)
        if type(x) is ndarray:
            known = self.known(x)
            return self.constant(x) if known is None else known
        if isinstance(x, (np.generic, bool, int, float, complex)):
            return self.constant(np.asarray(x))
        return x

    def split(self, template: Any, nodes: list[Node], met: Met) -> tuple[Any, Any]:
        """Params as (real values, template with holes for traced arrays, added to `nodes`)."""
        kind = type(template)
        if kind in PLAIN:
            return template, template
        if isinstance(template, Tensor):
            return self.split(self.lift(template), nodes, met)
        if kind is ndarray and (known := self.known(template)) is not None:
            template, kind = known, Traced
        if kind is Traced:
            return met.of(template, nodes), Hole(len(nodes) - 1)
        if kind is ndarray:
            self.refuse_content(template)
        if kind is tuple or kind is list:
            pairs = [self.split(part, nodes, met) for part in template]
            return kind(a for a, _ in pairs), kind(b for _, b in pairs)
        if kind is dict:
            pairs = {key: self.split(part, nodes, met) for key, part in template.items()}
            return {k: a for k, (a, _) in pairs.items()}, {k: b for k, (_, b) in pairs.items()}
        if kind is slice:
            parts = [
                self.split(p, nodes, met) for p in (template.start, template.stop, template.step)
            ]
            return slice(*(a for a, _ in parts)), slice(*(b for _, b in parts))
        return template, template


def known_dead(tracer: Tracer, value: np.ndarray) -> Traced:
    """A stand-in after the trace has ended."""
    node = Node("constant", (), (value,), value.shape, value.dtype)
    return Traced(tracer, value, node, Cell(value, node))
