"""`torch.utils._pytree`: the containers that `torch.func` takes apart, under torch's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.trees import LEAF_SPEC, TreeSpec, flatten, leaves_of, map_leaves, register, unflatten

LeafSpec = type(LEAF_SPEC)
tree_leaves = leaves_of
tree_map = map_leaves


def tree_flatten(tree: Any) -> tuple[list[Any], TreeSpec]:
    """The leaves of nested containers from left to right, and how to put them together again.

    >>> from rushlight.utils._pytree import tree_flatten
    >>> tree_flatten([1, (2, {"a": 3})])[0]
    [1, 2, 3]
    """
    return flatten(tree)


def tree_unflatten(leaves: Any, treespec: TreeSpec) -> Any:
    """Nested containers of a known form with the given leaves."""
    return unflatten(list(leaves), treespec)


def tree_structure(tree: Any) -> TreeSpec:
    """The form of nested containers, without their leaves."""
    return flatten(tree)[1]


def tree_map_only(kind: Any, function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with `function(leaf)` in the place of every leaf of a class.

    >>> from rushlight.utils._pytree import tree_map_only
    >>> tree_map_only(int, lambda x: x + 1, [1, "a"])
    [2, 'a']
    """
    return map_leaves(lambda x: function(x) if isinstance(x, kind) else x, tree)


def tree_all(predicate: Callable[[Any], bool], tree: Any) -> bool:
    """Whether something holds for every leaf."""
    return all(map(predicate, leaves_of(tree)))


def tree_any(predicate: Callable[[Any], bool], tree: Any) -> bool:
    """Whether something holds for some leaf."""
    return any(map(predicate, leaves_of(tree)))


def register_pytree_node(
    cls: type, flatten_fn: Callable[[Any], Any], unflatten_fn: Callable[[Any, Any], Any], **_: Any
) -> None:
    """Let instances of a class count as containers."""
    register(cls, lambda x: _as_list(flatten_fn(x)), unflatten_fn)


def _as_list(found: Any) -> tuple[list[Any], Any]:
    parts, context = found
    return list(parts), context
