"""`torch.utils._pytree`: the containers that `torch.func` takes apart, under torch's names."""

from __future__ import annotations

from collections import deque, namedtuple
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ..core.trees import (
    LEAF_SPEC,
    TreeSpec,
    flatten,
    leaves_of,
    map_leaves,
    register,
    registered,
    unflatten,
)
from ..core.trees import (
    LeafSpec as LeafSpec,
)
from ..core.trees import (
    broadcast as _broadcast_to_and_flatten,
)

assert _broadcast_to_and_flatten  # reachable here, as in torch
PyTree = Context = Any
PyTreeSpec = TreeSpec
tree_leaves = leaves_of
tree_map = map_leaves


class NodeDef(NamedTuple):
    """How containers of a class are taken apart and rebuilt."""

    type: Any
    flatten_fn: Callable[[Any], tuple[list[Any], Any]]
    unflatten_fn: Callable[[Any, Any], Any]


_NAMED = NodeDef(namedtuple, lambda x: (list(x), type(x)), lambda parts, kind: kind(*parts))


class _Nodes(Mapping[Any, NodeDef]):
    """The classes that count as containers; all named tuples are `collections.namedtuple` here."""

    def __getitem__(self, kind: Any) -> NodeDef:
        return _NAMED if kind is namedtuple else NodeDef(kind, *registered()[kind])

    def __iter__(self) -> Iterator[Any]:
        return iter((*registered(), namedtuple))

    def __len__(self) -> int:
        return len(registered()) + 1


SUPPORTED_NODES = _Nodes()


def _get_node_type(tree: Any) -> Any:
    """The key of a container in SUPPORTED_NODES, or the class of a leaf."""
    kind = type(tree)
    named = isinstance(tree, tuple) and hasattr(kind, "_fields") and kind not in registered()
    return namedtuple if named else kind


def tree_flatten(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[Any], TreeSpec]:
    """The leaves of nested containers from left to right, and how to put them together again.

    >>> from rushlight.utils._pytree import tree_flatten
    >>> tree_flatten([1, (2, {"a": 3})])[0]
    [1, 2, 3]
    """
    return flatten(tree, is_leaf)


def tree_unflatten(leaves: Any, treespec: TreeSpec) -> Any:
    """Nested containers of a known form with the given leaves."""
    return unflatten(list(leaves), treespec)


def tree_structure(tree: Any) -> TreeSpec:
    """The form of nested containers, without their leaves."""
    return flatten(tree)[1]


def tree_map_only(kind: Any, function: Callable[[Any], Any], tree: Any,
                  is_leaf: Callable[[Any], bool] | None = None) -> Any:  # fmt: skip
    """The tree with `function(leaf)` in the place of every leaf of a class (or for which it asks).

    >>> from rushlight.utils._pytree import tree_map_only
    >>> tree_map_only(int, lambda x: x + 1, [1, "a"])
    [2, 'a']
    """
    fits = _fits(kind)
    return map_leaves(lambda x: function(x) if fits(x) else x, tree, is_leaf=is_leaf)


def tree_all(predicate: Callable[[Any], bool], tree: Any) -> bool:
    """Whether something holds for every leaf."""
    return all(map(predicate, leaves_of(tree)))


def tree_any(predicate: Callable[[Any], bool], tree: Any) -> bool:
    """Whether something holds for some leaf."""
    return any(map(predicate, leaves_of(tree)))


def _fits(kinds: Any) -> Callable[[Any], bool]:
    """The question whether a leaf is of some classes; a function is a question already."""
    classes: Any = kinds
    if isinstance(kinds, type) or not callable(kinds):
        return lambda x: isinstance(x, classes)
    return classes


def tree_map_only_(kinds: Any, function: Callable[[Any], Any], tree: Any,
                   is_leaf: Callable[[Any], bool] | None = None) -> Any:  # fmt: skip
    """`tree_map_only` for what `function` does to the leaves; gives the tree itself."""
    fits = _fits(kinds)
    for x in filter(fits, leaves_of(tree, is_leaf)):
        function(x)
    return tree


def tree_all_only(kinds: Any, pred: Callable[[Any], bool], tree: Any,
                  is_leaf: Callable[[Any], bool] | None = None) -> bool:  # fmt: skip
    """Whether something holds for every leaf of a class.

    >>> from rushlight.utils._pytree import tree_all_only
    >>> tree_all_only(int, lambda x: x > 0, [1, -2.0, {"a": 3}])
    True
    """
    return all(map(pred, filter(_fits(kinds), leaves_of(tree, is_leaf))))


def tree_any_only(kinds: Any, pred: Callable[[Any], bool], tree: Any,
                  is_leaf: Callable[[Any], bool] | None = None) -> bool:  # fmt: skip
    """Whether something holds for some leaf of a class."""
    return any(map(pred, filter(_fits(kinds), leaves_of(tree, is_leaf))))


def tree_iter(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Iterator[Any]:
    """The leaves from left to right, one by one."""
    return iter(leaves_of(tree, is_leaf))


def tree_is_leaf(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether something is no container (or `is_leaf` says that it is a leaf).

    >>> from rushlight.utils._pytree import tree_is_leaf
    >>> tree_is_leaf(None), tree_is_leaf([])
    (True, False)
    """
    return (is_leaf is not None and is_leaf(tree)) or flatten(tree)[1] is LEAF_SPEC


def is_namedtuple(obj: Any) -> bool:
    """Whether something is a named tuple, or a class of them."""
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


def is_namedtuple_instance(obj: Any) -> bool:
    """Whether something is a named tuple."""
    return is_namedtuple_class(type(obj))


def is_namedtuple_class(cls: Any) -> bool:
    """Whether something is a class of named tuples."""
    fields = getattr(cls, "_fields", None)
    return isinstance(cls, type) and issubclass(cls, tuple) and isinstance(fields, tuple)


def treespec_pprint(treespec: TreeSpec) -> str:
    """A form as the containers themselves, with stars for leaves.

    >>> from rushlight.utils._pytree import tree_structure, treespec_pprint
    >>> treespec_pprint(tree_structure({"a": [1, (2,)]}))
    "{'a': [*, (*,)]}"
    """
    return repr(unflatten([_Star()] * treespec.num_leaves, treespec))


def is_structseq_instance(obj: Any) -> bool:
    """Whether it is a result with names such as `torch.max` gives along a dimension."""
    return is_structseq_class(type(obj))


is_structseq = is_structseq_instance


def is_structseq_class(cls: Any) -> bool:
    """Whether it is the class of such results.

    >>> import rushlight as torch
    >>> is_structseq_class(torch.return_types.max), is_structseq_class(tuple)
    (True, False)
    """
    return isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "n_sequence_fields")


class _Star:
    def __repr__(self) -> str:
        return "*"


def tree_map_(function: Callable[..., Any], tree: Any, *rests: Any) -> Any:
    """`tree_map` for what `function` does to the leaves; gives the tree itself."""
    map_leaves(function, tree, *rests)
    return tree


class SequenceKey(NamedTuple):
    """The step of a path into a list or tuple: `[0]`."""

    idx: int

    def get(self, parent: Any) -> Any:
        """What is there in a container."""
        return parent[self.idx]

    def __str__(self) -> str:
        return f"[{self.idx!r}]"


class MappingKey(NamedTuple):
    """The step of a path into a dict: `['a']`."""

    key: Any

    def get(self, parent: Any) -> Any:
        """What is there in a container."""
        return parent[self.key]

    def __str__(self) -> str:
        return f"[{self.key!r}]"


class GetAttrKey(NamedTuple):
    """The step of a path into an object or named tuple: `.a`."""

    name: str

    def get(self, parent: Any) -> Any:
        """What is there in a container."""
        return getattr(parent, self.name)

    def __str__(self) -> str:
        return f".{self.name}"


KeyPath = tuple[Any, ...]
WithKeys = Callable[[Any], tuple[list[tuple[Any, Any]], Any]]
_WITH_KEYS: dict[type, WithKeys] = {}


def keystr(path: KeyPath) -> str:
    """A path as Python would write it.

    >>> from rushlight.utils._pytree import MappingKey, SequenceKey, keystr
    >>> keystr((MappingKey("a"), SequenceKey(1)))
    "['a'][1]"
    """
    return "".join(map(str, path))


def key_get(obj: Any, kp: KeyPath) -> Any:
    """What a path leads to.

    >>> from rushlight.utils._pytree import MappingKey, SequenceKey, key_get
    >>> key_get({"a": [5, 6]}, (MappingKey("a"), SequenceKey(1)))
    6
    """
    for key in kp:
        obj = key.get(obj)
    return obj


def _dict_flatten(d: dict[Any, Any]) -> tuple[list[Any], list[Any]]:
    return list(d.values()), list(d)


def _dict_unflatten(values: Any, context: list[Any]) -> dict[Any, Any]:
    return dict(zip(context, values, strict=True))


def _dict_flatten_with_keys(d: dict[Any, Any]) -> tuple[list[tuple[MappingKey, Any]], list[Any]]:
    return [(MappingKey(key), value) for key, value in d.items()], list(d)


def _list_flatten(x: list[Any]) -> tuple[list[Any], None]:
    return x, None


def _list_unflatten(values: Any, context: None) -> list[Any]:
    return list(values)


def _list_flatten_with_keys(x: list[Any]) -> tuple[list[tuple[SequenceKey, Any]], None]:
    return [(SequenceKey(i), value) for i, value in enumerate(x)], None


def _tuple_flatten(x: tuple[Any, ...]) -> tuple[list[Any], None]:
    return list(x), None


def _tuple_unflatten(values: Any, context: None) -> tuple[Any, ...]:
    return tuple(values)


def _tuple_flatten_with_keys(x: Any) -> tuple[list[tuple[SequenceKey, Any]], None]:
    return _list_flatten_with_keys(list(x))


def _steps(tree: Any) -> list[tuple[Any, Any]]:
    """The parts of a container, each with the step that leads to it."""
    known = _WITH_KEYS.get(type(tree))
    if known is not None:
        return known(tree)[0]
    if isinstance(tree, dict):
        return [(MappingKey(key), value) for key, value in tree.items()]
    if hasattr(tree, "_fields"):
        return [(GetAttrKey(name), value) for name, value in zip(tree._fields, tree)]
    if isinstance(tree, (list, tuple, deque)):
        return [(SequenceKey(place), value) for place, value in enumerate(tree)]
    raise ValueError(
        f"Did not find a flatten_with_keys_fn for type: {type(tree)}. Please pass a"
        " flatten_with_keys_fn argument to register_pytree_node."
    )


def tree_leaves_with_path(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> list[tuple[KeyPath, Any]]:
    """The leaves from left to right, each with its path.

    >>> from rushlight.utils._pytree import keystr, tree_leaves_with_path
    >>> [(keystr(path), leaf) for path, leaf in tree_leaves_with_path({"a": [1, 2]})]
    [("['a'][0]", 1), ("['a'][1]", 2)]
    """
    if (is_leaf is not None and is_leaf(tree)) or flatten(tree)[1] is LEAF_SPEC:
        return [((), tree)]
    return [
        ((step, *path), leaf)
        for step, part in _steps(tree)
        for path, leaf in tree_leaves_with_path(part, is_leaf)
    ]


def tree_flatten_with_path(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[tuple[KeyPath, Any]], TreeSpec]:
    """The leaves with their paths, and how to put the leaves together again."""
    return tree_leaves_with_path(tree, is_leaf), flatten(tree, is_leaf)[1]


def tree_map_with_path(
    function: Callable[..., Any], tree: Any, *rests: Any,
    is_leaf: Callable[[Any], bool] | None = None,
) -> Any:  # fmt: skip
    """The tree with `function(path, leaf, ...)` in the place of each leaf."""
    found, spec = tree_flatten_with_path(tree, is_leaf)
    rows = [flatten(other, is_leaf)[0] for other in rests]
    values = [function(path, leaf, *row) for (path, leaf), *row in zip(found, *rows, strict=True)]
    return unflatten(values, spec)


def register_pytree_node(
    cls: type, flatten_fn: Callable[[Any], Any], unflatten_fn: Callable[[Any, Any], Any], *,
    serialized_type_name: str | None = None, to_dumpable_context: Any = None,
    from_dumpable_context: Any = None, flatten_with_keys_fn: WithKeys | None = None,
) -> None:  # fmt: skip
    """Let instances of a class count as containers.

    `flatten_fn` gives (parts, context); `flatten_with_keys_fn`, for paths, ((step, part) pairs,
    context). The names for writing specs to a file are taken and not used.
    """
    register(cls, lambda x: _as_list(flatten_fn(x)), unflatten_fn)
    if flatten_with_keys_fn is not None:
        _WITH_KEYS[cls] = flatten_with_keys_fn


def _as_list(found: Any) -> tuple[list[Any], Any]:
    parts, context = found
    return list(parts), context


_register_pytree_node = register_pytree_node
