"""The declaration of an op and its families; `docs/one-op.md` walks one from end to end.

The fields of a `Primitive` are few and frozen. The families below fill what can be derived: the
pull (gradients of the inputs from the gradient of the output) is baked here, once, at declaration.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from .dtypes import bool_
from .numbers import masked
from .tape import INPUTS, OUTPUT, PARAMS, PARENTS, SHAPE, Entry, Ghost, ghosts

# Values of `reads` that say more about two operands: when one of them is not needed after all.
CROSSED = "x for the other"  # each is read only for the other's gradient
DIVIDED = "x; the first for the other"  # the first is read only for the second's gradient
RAISED = "x; y for the other"  # the output is read only for the second's gradient
CHOSEN = "x; the first alone"  # of three
AFFINE = "x for the other, not the third"  # a product and a bias
BIASED = "x, not the third"
ADDED = "x, not the first"  # which is only added to, or a table of which places are read


def spared(reads: str, place: int, parents: Sequence[Any]) -> bool:
    """Whether a kept operand (the output comes after them) turns out not to be needed."""
    if reads in (CROSSED, AFFINE):
        return place == 2 or parents[1 - place] is None
    if reads == DIVIDED:
        return place == 0 and parents[1] is None
    if reads == RAISED:
        return place == 2 and parents[1] is None
    if reads in (BIASED, ADDED):
        return place == (2 if reads == BIASED else 0)
    return reads == CHOSEN and place > 0


T = TypeVar("T")


class Declared(dict[str, T]):
    """What is declared, by name. Families of ops load when something needs one of them; asked for a
    name that it does not hold, or for all, the table has the remaining families load first."""

    def __missing__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return self.holds(name) or self._all().holds(name)

    def holds(self, name: object) -> bool:
        """Whether the name is declared by now."""
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default

    def _all(self) -> Declared:
        for load in FAMILIES:
            load()
        return self

    def __iter__(self) -> Iterator[str]:
        self._all()
        return super().__iter__()

    def __len__(self) -> int:
        self._all()
        return super().__len__()

    def keys(self) -> Any:
        self._all()
        return super().keys()

    def values(self) -> Any:
        self._all()
        return super().values()

    def items(self) -> Any:
        self._all()
        return super().items()


FAMILIES: list[Callable[[], Any]] = []  # each loads declarations; a second call costs nothing
REGISTRY: Declared[Primitive] = Declared()


class Elementwise:
    """One partial derivative per operand, `d(y, *xs)` or a number."""

    __slots__ = ("partials",)

    def __init__(self, partials: Sequence[Any]) -> None:
        self.partials = partials


class Multilinear:
    """One adjoint per operand: `adjoint(g, *xs, *params)`; linear in each operand alone."""

    __slots__ = ("adjoints", "view")

    def __init__(self, adjoints: Sequence[Callable[..., Any] | None], view: bool = False) -> None:
        self.adjoints, self.view = adjoints, view


class General:
    """`vjp(g, y, *xs, *params)` gives a gradient per operand; `jvp(ts, y, *xs, *params)` if any."""

    __slots__ = ("jvp", "view", "vjp")

    def __init__(
        self, vjp: Callable[..., Any], jvp: Callable[..., Any] | None = None, view: bool = False
    ) -> None:
        self.vjp, self.jvp, self.view = vjp, jvp, view


class Primitive:
    """An op, declared once: every interpreter reads these fields.

    `eval` computes on arrays; `shape` gives the result's shape from shapes (None: by family);
    `dtype` says how operands are promoted; `rule` is one of the three rule kinds or None; `lower`
    feeds the compiler; `reads` lists what the rule reads ("x" inputs, "y" output, "z" all outputs
    but the first); `pull` is the baked backward function. `flat` names the node of a gradient that
    does not move with x but is not independent of it either (ReLU): its own gradient is zero.
    `once`: with a number, half precision is computed in float32 and rounded once. `rounds`: its
    rule itself rounds numbers of 16 bits where torch does.
    `refuses`: kinds of numbers that the op does not take (words of `dtypes.KINDS`; "half") and
    the kernel by which torch says so, or its sentence (of a RuntimeError, or after
    "NotImplementedError: "), or what gives it for the operands. `real="..."` is short for
    `refuses={"complex": "..."}`.
    `numbers`: where one may stand for one of two operands: in either place (""), in both ("all"),
    in the second ("second"), in none ("none", and behind a colon torch's name of the second, where
    it is not `other`). `forbids` is shown the two operands as given, and raises for values that
    torch refuses; `beside` has the types of arrays whose type results keep beside an int.
    `arity` None means one sequence of operands (cat, stack). `edges(entry)` shows the node as
    torch's several: places of parents, and (node, *edges) for nodes between that no entry has.
    """

    __slots__ = (
        "arity", "beside", "doc", "dtype", "edges", "eval", "flat", "forbids", "lower", "name",
        "node", "numbers", "once", "outputs", "pull", "reads", "refuses", "rounds", "rule",
        "shape",
    )  # fmt: skip

    name: str
    eval: Callable[..., Any]
    shape: Callable[..., Any] | None
    dtype: str
    rule: Elementwise | Multilinear | General | None
    lower: Any
    reads: str
    flat: str
    once: bool
    rounds: bool
    refuses: dict[str, Any]
    numbers: str
    forbids: Callable[[Any, Any], None] | None
    beside: str
    doc: str
    pull: Callable[[Any, Entry], Any] | None
    arity: int | None
    outputs: int
    node: Any
    edges: Callable[[Entry], tuple[Any, ...]] | None

    def __init__(self, name: str, **fields: Any) -> None:
        self.name = name
        for field in ("shape", "rule", "lower", "pull", "edges", "forbids"):
            setattr(self, field, fields.get(field))
        self.eval = fields["eval"]
        self.dtype = fields.get("dtype", "first")
        self.reads = fields.get("reads", "")
        self.flat = fields.get("flat", "")
        self.once = fields.get("once", False)
        self.rounds = fields.get("rounds", False)
        real = fields.get("real", "")
        self.refuses = _by_kind({"complex": real} if real else {}, fields.get("refuses", {}))
        self.numbers = fields.get("numbers", "")
        self.beside = fields.get("beside", "fdlihb")
        self.doc = fields.get("doc", "")
        self.arity = fields.get("arity", 1)
        self.outputs = fields.get("outputs", 1)
        self.node = fields.get("node") or _node_name(name)
        if not fields.get("listed", True):
            return  # a record of the tape (which output, a compiled call), not an op to be called
        if REGISTRY.holds(name):
            raise ValueError(f"op {name!r} is declared twice")
        REGISTRY[name] = self

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


_SEVERAL = {"half": ("float16", "bfloat16"), "int": ("int", "uint8")}


def _by_kind(*tables: dict[str, Any]) -> dict[str, Any]:
    """Tables of refusals with a key for each kind of numbers."""
    return {
        kind: text
        for table in tables for words, text in table.items()
        for word in words.split() for kind in _SEVERAL.get(word, (word,))
    }  # fmt: skip


@functools.cache
def variant(prim: Primitive, node: str) -> Primitive:
    """The same op under another node name."""
    twin = object.__new__(Primitive)
    for field in Primitive.__slots__:
        setattr(twin, field, getattr(prim, field))
    twin.node = node
    return twin


def _node_name(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Backward0"


def bake_elementwise(partials: Sequence[Any], reads: str) -> Callable[[Any, Entry], Any]:
    """The pull `g * d` of each operand, with the operand count and the constants settled now."""
    terms = [_term(partial) for partial in partials]
    needs_x, needs_y = "x" in reads, "y" in reads
    if list(partials) == [1, 1]:
        return lambda g, entry: (g, g)
    if len(terms) == 1:
        (term,) = terms

        def pull_one(g: Any, entry: Entry) -> Any:
            x = entry[INPUTS][0] if needs_x else None
            return (term(g, entry[OUTPUT] if needs_y else None, x, *entry[PARAMS]),)

        return pull_one
    if len(terms) == 2:
        return _pull_two(terms[0], terms[1], needs_x, needs_y)

    def pull(g: Any, entry: Entry) -> Any:
        xs = entry[INPUTS] if needs_x else (None,) * len(terms)
        y = entry[OUTPUT] if needs_y else None
        return [
            None if parent is None else term(g, y, *xs, *entry[PARAMS])
            for parent, term in zip(entry[PARENTS], terms)
        ]

    return pull


def _pull_two(first: Any, second: Any, needs_x: bool, needs_y: bool) -> Callable[[Any, Entry], Any]:
    nothing = (None, None)

    def pull(g: Any, entry: Entry) -> Any:
        _, (a, b), inputs, y, params, _, _, _ = entry
        x, z = inputs if needs_x else nothing
        if not needs_y:
            y = None
        return (
            None if a is None else first(g, y, x, z, *params),
            None if b is None else second(g, y, x, z, *params),
        )

    return pull


def _term(partial: Any) -> Callable[..., Any]:
    if partial is None:
        return lambda g, *_: None
    if not callable(partial):
        if partial == 1:
            return lambda g, *_: g
        if partial == -1:
            return lambda g, *_: -g
        return (lambda g, *_: g * partial) if partial else lambda g, *_: nothing_of(g)

    def term(g: Any, y: Any, *xs: Any) -> Any:
        d = partial(y, *xs)
        if type(d) is np.ndarray and d.dtype is g.dtype and d.dtype.char in "fd":
            return g * d
        kind = getattr(d, "dtype", None)
        if kind in _MASKS:
            return held(g, d)
        return g * (d if kind is None else _match(d, kind, g))

    return term


_MASKS = (bool_, np.dtype(bool))
# What the rules below need of values that are no arrays; an op of that name, once it is declared.
CHOICES: dict[str, Any] = {"where": None, "zero": None}


def _raw(x: Any) -> bool:
    """Whether numbers are there (of a trace's values `isinstance` would say so too)."""
    return type(x) is np.ndarray or issubclass(type(x), np.generic)


def held(g: Any, mask: Any) -> Any:
    """g where the mask holds, else 0: a product would make nan of an infinite gradient there."""
    if type(g) is type(mask) is np.ndarray or (_raw(g) and _raw(mask)):
        return masked(g, mask)
    return CHOICES["where"](mask, g, 0.0)


def scaled(g: Any, d: Any) -> Any:
    """g times a partial, or where it holds."""
    return held(g, d) if d.dtype in _MASKS else g * d


def nothing_of(g: Any) -> Any:
    """Zeros, of an infinite gradient too."""
    return np.zeros(g.shape, g.dtype) if _raw(g) else CHOICES["zero"](g)


def _match(d: Any, kind: Any, g: Any) -> Any:
    """A partial in the gradient's type (constants may have widened it), conjugated if complex."""
    if isinstance(d, (np.ndarray, np.generic)):
        if kind.kind == "c":
            return d.conj()
        return d.astype(g.dtype) if kind is not g.dtype and kind.kind == "f" == g.dtype.kind else d
    if kind.is_complex:
        return d.conj()
    return d.to(g.dtype) if kind.is_floating_point and g.dtype.is_floating_point else d


def bake_extreme(loses: Callable[[Any, Any], Any]) -> Callable[[Any, Entry], Any]:
    """The pull of the larger or the smaller of two operands, of which `loses(a, b)` tells one.

    A half to each at ties, nothing to the loser, of an infinite gradient too. Beside nan neither
    loses, and both get the gradient, as in torch.
    """
    shared = bake_elementwise([lambda y, a, b: 1 - (a == b) * 0.5] * 2, "x")

    def pull(g: Any, entry: Entry) -> Any:
        (a, b), (left, right) = entry[INPUTS], shared(g, entry)
        return (
            None if left is None else held(left, ~loses(a, b)),
            None if right is None else held(right, ~loses(b, a)),
        )

    return pull


def bake_multilinear(adjoints: Sequence[Any], keep: bool) -> Callable[[Any, Entry], Any]:
    """The pull that calls one adjoint per operand that wants its gradient."""
    if len(adjoints) == 1:
        (adjoint,) = adjoints

        def pull_by_value(g: Any, entry: Entry) -> Any:
            return (adjoint(g, *entry[INPUTS], *entry[PARAMS]),)

        def pull_by_shape(g: Any, entry: Entry) -> Any:
            parent = entry[PARENTS][0]
            shape = parent[SHAPE] if type(parent) is list else parent._array.shape
            return (adjoint(g, Ghost(shape), *entry[PARAMS]),)

        return pull_by_value if keep else pull_by_shape

    def pull(g: Any, entry: Entry) -> Any:
        xs = entry[INPUTS] if keep else ghosts(entry)
        params = entry[PARAMS]
        return [
            None if parent is None else adjoint(g, *xs, *params)
            for parent, adjoint in zip(entry[PARENTS], adjoints)
        ]

    return pull


def bake_general(vjp: Any, arity: int | None, keep: bool) -> Callable[[Any, Entry], Any]:
    """The pull that hands the rule everything it declared to read."""

    def pull(g: Any, entry: Entry) -> Any:
        xs = entry[INPUTS] if keep else ghosts(entry)
        found = vjp(g, entry[OUTPUT], *((xs,) if arity is None else xs), *entry[PARAMS])
        return (found,) if arity == 1 and type(found) is not tuple else found

    return pull
