"""Trees of containers: nested tuples, lists, dicts and named tuples, taken apart and rebuilt.

Whatever is no container is a leaf, None included. Dicts keep the order of their keys.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Flatten = Callable[[Any], tuple[list[Any], Any]]
Rebuild = Callable[[list[Any], Any], Any]


class TreeSpec:
    """The shape of a tree: the container's kind, what it knows beside its parts, and their specs.

    >>> from rushlight.core.trees import flatten
    >>> flatten((1, [2, 3]))[1]
    TreeSpec(tuple, None, [*,
      TreeSpec(list, None, [*,
        *])])
    """

    __slots__ = ("children_specs", "context", "num_leaves", "type")

    def __init__(self, kind: Any, context: Any, children: Sequence[TreeSpec]) -> None:
        self.type, self.context, self.children_specs = kind, context, list(children)
        self.num_leaves = 1 if kind is None else sum(one.num_leaves for one in self.children_specs)

    def is_leaf(self) -> bool:
        return self.type is None

    @property
    def num_nodes(self) -> int:
        """How many containers and leaves there are."""
        return 1 + sum(one.num_nodes for one in self.children_specs)

    @property
    def num_children(self) -> int:
        return len(self.children_specs)

    def children(self) -> list[TreeSpec]:
        return list(self.children_specs)

    def child(self, index: int) -> TreeSpec:
        return self.children_specs[index]

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """What stands in a tree where this shape has leaves."""
        return parts_at(self, tree)

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The tree of this shape with these leaves."""
        return unflatten(list(leaves), self)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TreeSpec) and self.type is other.type
            and self.context == other.context and self.children_specs == other.children_specs
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash((self.type, self.num_leaves))

    def text(self, indent: int = 0) -> str:
        if self.type is None:
            return "*"
        gap = ",\n" + " " * (indent + 2)
        parts = gap.join(one.text(indent + 2) for one in self.children_specs)
        return f"TreeSpec({self.type.__name__}, {self.context}, [{parts}])"

    def __repr__(self) -> str:
        return self.text()


class LeafSpec(TreeSpec):
    """The shape of a leaf."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(None, None, [])


LEAF_SPEC = LeafSpec()
_KINDS: dict[type, tuple[Flatten, Rebuild]] = {}


def register(kind: type, take_apart: Flatten, rebuild: Rebuild) -> None:
    """Let instances of a class be containers: `take_apart(x)` gives (parts, context)."""
    if kind in _KINDS:
        raise ValueError(f"{kind} is already registered as pytree node.")
    _KINDS[kind] = (take_apart, rebuild)


register(tuple, lambda x: (list(x), None), lambda parts, _: tuple(parts))
register(list, lambda x: (list(x), None), lambda parts, _: list(parts))
register(deque, lambda x: (list(x), x.maxlen), lambda parts, size: deque(parts, size))
register(dict, lambda x: (list(x.values()), list(x)), lambda parts, keys: dict(zip(keys, parts)))
register(OrderedDict, lambda x: (list(x.values()), list(x)),
         lambda parts, keys: OrderedDict(zip(keys, parts)))  # fmt: skip
register(defaultdict, lambda x: (list(x.values()), [x.default_factory, list(x)]),
         lambda parts, how: defaultdict(how[0], zip(how[1], parts)))  # fmt: skip
_DICTS = (dict, OrderedDict, defaultdict)


def taken_apart(x: Any) -> tuple[list[Any], Any] | None:
    """The parts and context of a container of a registered class, else None."""
    found = _KINDS.get(type(x))
    return None if found is None else found[0](x)


def rebuilt(kind: type, parts: list[Any], context: Any) -> Any:
    """A container of a registered class from its parts."""
    return _KINDS[kind][1](parts, context)


def registered() -> dict[type, tuple[Flatten, Rebuild]]:
    """The registered classes, each with how it is taken apart and rebuilt."""
    return _KINDS


def _kind_of(x: Any) -> tuple[Any, Flatten, Rebuild] | None:
    kind = type(x)
    found = _KINDS.get(kind)
    if found is not None:
        return kind, *found
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return kind, lambda x: (list(x), kind), lambda parts, kind: kind(*parts)
    return None


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], TreeSpec]:
    """The leaves from left to right, and the spec that `unflatten` needs.

    What `is_leaf` says yes to is not taken apart.

    >>> from rushlight.core.trees import flatten, unflatten
    >>> leaves, spec = flatten({"a": 1, "b": (2, None)}); leaves
    [1, 2, None]
    >>> unflatten([5, 6, 7], spec)
    {'a': 5, 'b': (6, 7)}
    """
    known = _kind_of(tree)
    if known is None or (is_leaf is not None and is_leaf(tree)):
        return [tree], LEAF_SPEC
    kind, take_apart, _ = known
    parts, context = take_apart(tree)
    leaves: list[Any] = []
    specs = []
    for part in parts:
        found, spec = flatten(part, is_leaf)
        leaves += found
        specs.append(spec)
    return leaves, TreeSpec(kind, context, specs)


def unflatten(leaves: Sequence[Any], spec: TreeSpec) -> Any:
    """A tree of the shape `spec` with the given leaves."""
    if len(leaves) != spec.num_leaves:
        raise ValueError(
            f"tree_unflatten(leaves, treespec): `leaves` has length {len(leaves)} but the spec"
            f" refers to a pytree that holds {spec.num_leaves} items ({spec})."
        )
    return _unflatten(iter(leaves), spec)


def _unflatten(leaves: Any, spec: TreeSpec) -> Any:
    if spec.type is None:
        return next(leaves)
    parts = [_unflatten(leaves, one) for one in spec.children_specs]
    if spec.type in _KINDS:
        return _KINDS[spec.type][1](parts, spec.context)
    return (spec.context if spec.type is namedtuple else spec.type)(*parts)


def leaves_of(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves from left to right."""
    return flatten(tree, is_leaf)[0]


def map_leaves(
    function: Callable[..., Any], tree: Any, *others: Any,
    is_leaf: Callable[[Any], bool] | None = None,
) -> Any:  # fmt: skip
    """The tree with `function(leaf, ...)` in the place of each leaf.

    >>> from rushlight.core.trees import map_leaves
    >>> map_leaves(lambda a, b: a + b, [1, (2,)], [10, (20,)])
    [11, (22,)]
    """
    leaves, spec = flatten(tree, is_leaf)
    rows = [leaves, *(parts_at(spec, other) for other in others)]
    return unflatten([function(*row) for row in zip(*rows, strict=True)], spec)


def parts_at(spec: TreeSpec, tree: Any) -> list[Any]:
    """What stands in `tree` where `spec` has leaves; dictionaries of any kind go by their keys.

    Raises: ValueError where the tree has another kind, number or names of parts above them.

    >>> from rushlight.core.trees import flatten, parts_at
    >>> parts_at(flatten([1, {"a": 2}])[1], [[5, 6], {"a": (7,)}])
    [[5, 6], (7,)]
    """
    if spec.is_leaf():
        return [tree]
    known = _kind_of(tree)
    named = spec.type in _DICTS
    if known is None or (known[0] is not spec.type and not (named and known[0] in _DICTS)):
        kind = type(tree) if known is None else known[0]
        raise ValueError(f"Node type mismatch; expected {spec.type!r}, but got {kind!r}.")
    parts, context = known[1](tree)
    if len(parts) != spec.num_children:
        expected = f"expected {spec.num_children}, but got {len(parts)}"
        raise ValueError(f"Node arity mismatch; {expected}.")
    if named:
        parts = _in_order(spec, tree)
    elif context != spec.context and spec.type is not deque:
        expected = f"expected {spec.context!r}, but got {context!r}"
        raise ValueError(f"Node context mismatch for node type {spec.type!r}; {expected}.")
    return [x for part, one in zip(parts, spec.children_specs) for x in parts_at(one, part)]


def _in_order(spec: TreeSpec, tree: Any) -> list[Any]:
    """A dictionary's values in the order of the spec's keys."""
    keys = spec.context[1] if spec.type is defaultdict else spec.context
    missing, extra = set(keys) - set(tree), set(tree) - set(keys)
    if missing or extra:
        said = f"; missing key(s): {missing}" if missing else ""
        said += f"; extra key(s): {extra}" if extra else ""
        raise ValueError(f"Node keys mismatch{said}.")
    return [tree[key] for key in keys]


def broadcast(tree: Any, spec: TreeSpec) -> list[Any] | None:
    """A prefix of a tree spread over the leaves of `spec`; None if it is no prefix.

    >>> from rushlight.core.trees import broadcast, flatten
    >>> broadcast((0, None), flatten((1, [2, 3]))[1])
    [0, None, None]
    """
    known = _kind_of(tree)
    if known is None:
        return [tree] * spec.num_leaves
    parts, context = known[1](tree)
    if known[0] is not spec.type or context != spec.context:
        return None
    if len(parts) != len(spec.children_specs):
        return None
    found: list[Any] = []
    for part, child in zip(parts, spec.children_specs):
        below = broadcast(part, child)
        if below is None:
            return None
        found += below
    return found
