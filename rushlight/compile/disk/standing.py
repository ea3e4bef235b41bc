"""Calls kept on disk: a process that meets a call which another one traced needs no trace.

An entry is named by the description of all that the call can see (`world.py`), and says how the
package stood (`ambient.py`) and which files it was made of. Where both are the same, the traced
graph would be: the entry has what `capture` found, with objects by their numbers in the
description. What guards later calls is found anew in this process, and the first call is one that
runs under those guards. Anything else is traced as ever. RUSHLIGHT_KEPT_CALLS=0 traces always.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from ...core.handles import EVERY_MODULE
from ...core.names import own_name
from ...core.primitive import REGISTRY
from ...core.tape import LEAF, PRIM, SHAPE
from ...core.tensor import Tensor
from ...core.trees import leaves_of
from ..calls.bound import Bound, frozen, sets
from ..calls.fast import make
from ..calls.guards import modes
from ..calls.opened import met, outline
from ..code import cache, llvm
from ..middle.graph import Graph, Node
from ..tracing.capture import Captured
from ..tracing.moved import Moves, Spread
from ..tracing.results import Result, form_of_entry, spent
from ..tracing.schedules import Afterwards, number
from ..tracing.sources import Source, owner_in
from ..tracing.telling import tells, told_apart
from .ambient import ambient
from .digest import nodes_of
from .given import walk_arguments
from .reach import Reach
from .remembered import PROFILE, joined, parted
from .world import Unclear, World

SWITCH = "RUSHLIGHT_KEPT_CALLS"
LEAST = 100  # nodes of graphs that take longer to trace than to recall
MOST = 1 << 22  # bytes of an entry
_ROOM = 1 << 20  # bytes of constants that are read with the entry


class Call:
    """One call before it is made: what it is called on the disk, and what it can see."""

    def __init__(self, function: Any, args: Any, kwargs: Any) -> None:
        if EVERY_MODULE:
            raise Unclear("hooks of all modules")
        self.function, self.args, self.kwargs = function, args, kwargs
        self.world = World([function, args, kwargs])
        found = sha256(self.world.text).hexdigest()
        machine = llvm.version(), repr(llvm.target()), str(PROFILE in os.environ)
        versions = np.__version__, sys.version
        apart = outline([args, kwargs])
        self.name = cache.key("call", *versions, *machine, repr(modes()), apart, found)
        self._warned = self._warnings()

    def _warnings(self) -> int:
        """How many warnings were given in the modules of the call's functions."""
        found = (space.get("__warningregistry__", ()) for space in self.world.globals.values())
        return sum(map(len, found))

    def bound(self, arguments: Any, before: Any) -> Bound | None:
        """The program of this call, if it is kept and nothing has changed."""
        body = cache.load(self.name)
        if body is None:
            return None
        try:
            head, *rest = parted(body)
            entry = pickle.loads(head)
            changed = [file for file, *seen in entry["files"] if _seen(file) != seen]
            if changed or (changed := _changed(entry["ambient"])):
                llvm.LOG.debug("a kept call is made again: %s differs", changed[0])
                return None
            found = self._bound(entry, rest, arguments, before)
            llvm.LOG.debug("recalled a call of %d ops", len(found.captured.graph))
            return found
        except Unclear as why:
            llvm.LOG.debug("a kept call is traced: %s", why)
            return None
        except Exception as why:  # written by another state of things: it is made again
            llvm.LOG.info("a kept call cannot be used (%s)", why)
            cache.drop(self.name)
            return None

    def _bound(self, entry: Any, rest: Any, arguments: Any, before: Any) -> Bound:
        if sets(arguments):
            raise Unclear("something is set on an argument")
        native = importlib.import_module("..native", __package__)
        sources = [self._source(k, *one) for k, one in enumerate(entry["sources"])]
        forms = [source.array for source in sources]
        main, *more = map(_KeptGraph, entry["graphs"], rest)
        captured = Captured(main, sources)
        for key in ("writes", "late", "items", "asked", "parts", "orders"):
            setattr(captured, key, entry[key])
        self._viewed = captured.viewed = list(map(self._read, entry["viewed"]))
        captured.results, captured.stored = self._read(entry["results"]), ()
        captured.gradients = [(self._read(x), k) for x, k in entry["gradients"]]
        captured.presence = [(self._read(x), had) for x, had in entry["presence"]]
        captured.shared = [(self._read(x), *place) for x, *place in entry["shared"]]
        captured.required.reads, captured.pinned = entry["reads"], entry["pinned"]
        captured.here.gone_by = list(entry["gone_by"])
        captured.moves = self._moves(entry["moves"])
        captured.required.graph = more[0] if more else None
        captured.places = self._places(sources)
        if self._tells:
            captured.apart = told_apart(self.args, self.kwargs, captured.places)
        program = native.NativeProgram(
            main, captured.writes, forms, frozen(captured), captured.late, main.name
        )
        first = native.NativeProgram(more[0], [], [], name=more[0].name) if more else None
        bound = Bound(captured, program, None, arguments, before, first)
        bound.fast = make(bound)
        return bound

    def _places(self, sources: list[Source]) -> Any:
        """What later calls take for granted, as `capture` notes it."""
        reach = Reach()
        reach.walk(self.function, "")
        walk_arguments(reach, self.args, self.kwargs)
        self._tells = tells(reach.functions)
        if reach.opaque:
            raise Unclear(reach.opaque[0])
        afterwards = Afterwards(reach)
        afterwards.moved = True  # nobody knows what the kept call looked at
        return afterwards.guarded(reach.places + afterwards.rates(sources))

    def _source(self, k: int, kind: str, owner: Any, key: Any, form: Any) -> Source:
        owner = self._read(owner)
        leaves = [x for x, _ in met((self.args, self.kwargs)) if isinstance(x, Tensor)]
        if kind == "number":
            array = np.array(number(owner, key if type(key) is tuple else (key,)))
        elif kind == "argument":
            array = leaves[owner]._array
        else:
            array = (owner_in(owner, leaves)._grad if kind == "gradient" else owner)._array
        if (array.shape, array.dtype, array.strides) != form:
            raise Unclear("an input of another form")
        node = Node("input", (), (k,), array.shape, array.dtype)
        return Source(kind, owner, key, array, node)

    def _moves(self, told: Any) -> Moves:
        """What the tensors of before become."""
        found = Moves()
        found.data = [(self._read(x), Spread(*spread)) for x, spread in told[0]]
        found.leaves = [(self._read(x), wants) for x, wants in told[1]]
        return found

    def _object(self, number: int) -> Any:
        return self.world.objects[number]

    def _read(self, found: Any) -> Any:
        """A result, or an object, of what `_said` made of it."""
        if type(found) is not tuple:
            return found
        mark, *parts = found
        if mark == "object":
            return self._object(parts[0])
        if mark == "viewed":
            return self._viewed[parts[0]]
        if mark in _BUILT:
            return _BUILT[mark](map(self._read, parts))
        if mark == "dict":
            return {key: self._read(part) for key, part in parts}
        kind, index, value, history, inferred = parts
        value = value if kind in ("view", "beside", "part") else self._read(value)
        return Result(kind, index, value, _entry(history), inferred)

    # --- keeping

    def keep(self, bound: Bound) -> None:
        """Keep what was made of this call, if all of it can be written down."""
        captured, first = bound.captured, bound.first
        plain = not (captured.joint or captured.stores or captured.afterwards or captured.chances)
        plain = plain and not captured.here.spots
        plain = plain and not sets(bound.arguments) and not captured.said
        plain = plain and self._warnings() == self._warned  # a warning is to be given again
        programs = [bound.program] if first is None else [bound.program, first]
        if not plain or len(captured.graph) < LEAST or captured.graph.effects:
            return
        if any(getattr(x, "draws", None) != [] or x.name is None for x in programs):
            return
        try:
            entry = self._entry(captured, programs)
            graphs = [pickle.dumps(_rows(x.graph), 5) for x in programs]
            body = joined([pickle.dumps(entry, 5), *graphs])
        except (Unclear, pickle.PickleError, TypeError, AttributeError, OSError):
            return
        if len(body) < MOST:
            cache.store(self.name, body)

    def _entry(self, captured: Captured, programs: Sequence[Any]) -> dict[str, Any]:
        return {
            "ambient": ambient(), "files": _files(),
            "graphs": [_brief(x) for x in programs], "reads": captured.required.reads,
            "sources": list(map(self._told, captured.sources)),
            "writes": captured.writes, "late": captured.late, "items": captured.items,
            "parts": captured.parts, "viewed": list(map(self._said, captured.viewed)),
            "orders": captured.orders,
            "results": self._said(_each_once(captured.results), captured.viewed),
            "gradients": [(self._numbered(x), k) for x, k in captured.gradients],
            "asked": captured.asked, "pinned": captured.pinned, "gone_by": captured.here.gone_by,
            "moves": (
                [(self._numbered(x), tuple(spread)) for x, spread in captured.moves.data],
                [(self._numbered(x), wants) for x, wants in captured.moves.leaves],
            ),
            "presence": [
                (self._numbered(x), None if had is None else True) for x, had in captured.presence
            ],
            "shared": [(self._numbered(x), *place) for x, *place in captured.shared],
        }  # fmt: skip

    def _numbered(self, x: Any) -> Any:
        """An object of the world, or the place of an argument as it is."""
        return x if type(x) is int else ("object", self.world.number(x))

    def _told(self, source: Source) -> Any:
        if source.kind not in ("argument", "tensor", "gradient", "number"):
            raise Unclear(source.kind)
        array, owner = source.array, self._numbered(source.owner)
        return source.kind, owner, source.key, (array.shape, array.dtype, array.strides)

    def _said(self, x: Any, viewed: Sequence[Any] = ()) -> Any:
        kind = type(x)
        if kind is Result:
            if x in viewed:
                return "viewed", viewed.index(x)
            value = x.value
            if x.kind in ("same", "gradient"):
                value = self._numbered(value)
            return "result", x.kind, x.index, value, _told_entry(x.entry), x.inferred
        if kind is tuple or kind is list:
            return (kind.__name__, *(self._said(part, viewed) for part in x))
        if kind is dict:
            return ("dict", *((key, self._said(part, viewed)) for key, part in x.items()))
        raise Unclear(f"a result in a {kind.__name__}")


def _each_once(template: Any) -> Any:
    """A template of results, of which none stands in two places."""
    found = [x for x in leaves_of(template) if type(x) is Result and x.kind in _MADE]
    if len(set(found)) < len(found):
        raise Unclear("a result in two places")
    return template


_MADE = frozenset(("new", "view", "beside", "part"))
_BUILT: dict[str, Any] = {"tuple": tuple, "list": list}


def _told_entry(entry: Any) -> Any:
    """The stub of a result's history."""
    if entry is None or entry is LEAF:
        return None if entry is None else "leaf"
    if type(entry) is not list or REGISTRY.get(entry[PRIM].name) is not entry[PRIM]:
        raise Unclear("a history")
    _, taped, params = form_of_entry(entry)
    return entry[PRIM].name, taped, params, entry[SHAPE]


def _entry(told: Any) -> Any:
    if type(told) is not tuple:
        return LEAF if told == "leaf" else None
    name, *form = told
    return spent(REGISTRY[name], *form)


# --- files


def _changed(known: dict[str, bytes]) -> list[str]:
    """The modules of the package that are not as they were."""
    return [place for place, found in ambient().items() if known.get(place) != found]


def _files() -> list[Any]:
    """The files of this package that are loaded, and how they are."""
    home, found = __name__.split(".")[0], []
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.startswith(home) and file is not None and name == own_name(module):
            found.append((file, *(_seen(file) or ())))
    return found


def _seen(file: str) -> list[int] | None:
    """Size and time of a file."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


# --- graphs


class _KeptGraph(Graph):
    """A graph whose nodes are read when somebody looks at them."""

    __slots__ = ("_body", "_count", "_ends", "_whole", "constants", "name")

    def __init__(self, brief: Any, body: bytes) -> None:
        self.name, self._count, ends, constants = brief
        self._ends = [
            [Node("kept", (), (), shape, _own(kind)) for shape, kind in forms] for forms in ends
        ]
        self._body, self._whole = body, None
        self.constants = {k: Node("constant", (), params, (), None) for k, params in constants}

    def _read(self) -> Graph:
        if self._whole is None:
            columns, inputs, outputs = pickle.loads(self._body)
            nodes: list[Node] = []
            for op, reads, params, shape, kind, *rest in zip(*columns):
                nodes.append(Node(op, [nodes[k] for k in reads], params, shape, _own(kind), *rest))
            self._whole = Graph([nodes[k] for k in inputs], [nodes[k] for k in outputs])
        return self._whole

    @property
    def nodes(self) -> list[Node]:
        """All of them."""
        return self._read().nodes

    @property
    def inputs(self) -> list[Node]:
        """Of the right form; the nodes themselves once they were read."""
        return self._ends[0] if self._whole is None else self._whole.inputs

    @property
    def outputs(self) -> list[Node]:
        """As the inputs."""
        return self._ends[1] if self._whole is None else self._whole.outputs

    @property
    def effects(self) -> list[Node]:
        """None: such a call is not kept."""
        return []

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, k: int) -> Node:
        """A node by its place in the order of the trace."""
        found = self.constants.get(k)
        return nodes_of(self._read())[k] if found is None else found


def _own(kind: Any) -> Any:
    """NumPy's own object of a data type: what a file gives is equal, and the way in asks for it."""
    own = np.dtype(kind.type) if isinstance(kind, np.dtype) else kind
    return own if own == kind else kind


def _brief(program: Any) -> Any:
    """What of a program's graph is needed to run it."""
    graph, nodes = program.graph, nodes_of(program.graph)
    ends = [[(x.shape, x.dtype) for x in part] for part in (graph.inputs, graph.outputs)]
    constants, room = [], _ROOM
    for k, node in enumerate(nodes):
        if node.op == "constant" and node.size > 1 and node.nbytes <= room:
            constants.append((k, node.params))
            room -= node.nbytes
    return program.name, len(nodes), ends, constants


def _rows(graph: Graph) -> Any:
    nodes = nodes_of(graph)
    numbers = {node: k for k, node in enumerate(nodes)}
    columns = [
        [x.op for x in nodes], [[numbers[y] for y in x.inputs] for x in nodes],
        [x.params for x in nodes], [x.shape for x in nodes], [x.dtype for x in nodes],
        [x.line for x in nodes], [x.module for x in nodes],
    ]  # fmt: skip
    return columns, [numbers[x] for x in graph.inputs], [numbers[x] for x in graph.outputs]
