"""torch.utils._pytree: questions to trees; the expectations are what torch 2.13 prints."""

from __future__ import annotations

import re
from collections import OrderedDict, namedtuple
from typing import Any

import pytest

from rushlight.utils import _pytree as p

Pair = namedtuple("Pair", "a b")
TREE: Any = {"a": [1, -2.5], "b": Pair(3, (None, "x"))}


def test_questions_to_leaves_of_a_class() -> None:
    assert p.tree_all_only(int, lambda x: x > 0, TREE)
    assert not p.tree_all_only(float, lambda x: x > 0, TREE)
    assert p.tree_any_only((int, float), lambda x: x < 0, TREE)
    assert p.tree_any_only(int | float, lambda x: x < 0, TREE)
    assert not p.tree_any_only(int, lambda x: x < 0, TREE)


def test_leaves() -> None:
    assert list(p.tree_iter(TREE)) == [1, -2.5, 3, None, "x"]
    found = p.tree_is_leaf(TREE), p.tree_is_leaf(3), p.tree_is_leaf([], lambda x: True)
    assert found == (False, True, True)


def test_changes_of_some_leaves() -> None:
    seen: list[float] = []
    assert p.tree_map_only_(float, seen.append, TREE) is TREE and seen == [-2.5]
    doubled = p.tree_map_only(lambda x: x == 3, lambda x: x * 2, TREE)
    assert doubled == {"a": [1, -2.5], "b": Pair(6, (None, "x"))}
    counted = p.tree_map_only(list, len, TREE, is_leaf=lambda x: isinstance(x, list))
    assert counted == {"a": 2, "b": Pair(3, (None, "x"))}


def test_named_tuples() -> None:
    one = Pair(1, 2)
    assert p.is_namedtuple(Pair) and p.is_namedtuple(one) and not p.is_namedtuple((1,))
    assert p.is_namedtuple_class(Pair) and not p.is_namedtuple_class(one)
    assert p.is_namedtuple_instance(one) and not p.is_namedtuple_instance(Pair)


def test_paths_and_forms() -> None:
    path = p.MappingKey("b"), p.GetAttrKey("b"), p.SequenceKey(1)
    assert p.key_get(TREE, path) == "x"
    for found, leaf in p.tree_leaves_with_path(TREE):
        assert p.key_get(TREE, found) is leaf
    form = p.tree_structure({"a": [1, (2,)], "b": OrderedDict(c=1)})
    assert p.treespec_pprint(form).startswith("{'a': [*, (*,)], 'b': OrderedDict(")
    assert p.treespec_pprint(p.tree_structure(3)) == "*" and p.PyTreeSpec is p.TreeSpec


def test_a_shape_tells_its_nodes_and_children() -> None:
    leaves, spec = p.tree_flatten([1, {"a": 2, "b": (3, [])}, None])
    assert (spec.num_nodes, spec.num_leaves, spec.num_children) == (8, 4, 3)
    assert [one.num_nodes for one in spec.children()] == [1, 5, 1]
    assert spec.child(1).context == ["a", "b"] and spec.child(0).is_leaf()
    assert spec.unflatten(iter(leaves)) == [1, {"a": 2, "b": (3, [])}, None]
    assert p.tree_structure([]).num_nodes == p.tree_structure(None).num_nodes == 1


def test_what_stands_beside_a_leaf_may_be_a_tree() -> None:
    def pair(x: Any, y: Any) -> Any:
        return x, y

    beside = [[5, 6], {"a": {"z": 1}}]
    assert p.tree_map(pair, [1, {"a": 2}], beside) == [(1, [5, 6]), {"a": (2, {"z": 1})}]
    assert p.tree_map(pair, {"a": 1, "b": 2}, {"b": 1, "a": 2}) == {"a": (1, 2), "b": (2, 1)}
    assert p.tree_map(pair, {"a": 1}, OrderedDict(a=5)) == {"a": (1, 5)}
    for tree, other, said in (
        ([1, 2], [1], "Node arity mismatch; expected 2, but got 1."),
        ([1, 2], (1, 2), "Node type mismatch; expected <class 'list'>, but got <class 'tuple'>."),
        ([1], 3, "Node type mismatch; expected <class 'list'>, but got <class 'int'>."),
        ({"a": 1}, {"b": 1}, "Node keys mismatch; missing key(s): {'a'}; extra key(s): {'b'}."),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
            p.tree_map(pair, tree, other)
