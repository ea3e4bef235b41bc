"""Finds a pattern of calls in a graph and replaces it by other calls."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import rushlight as rl

from .graph import Graph
from .graph_module import GraphModule, symbolic_trace
from .node import Node

__all__ = ["Match", "replace_pattern"]


class Match(NamedTuple):
    """Where a pattern was found: its last node, and which node there each of its nodes is.

    >>> import rushlight as torch
    >>> graph = torch.fx.symbolic_trace(lambda x: torch.relu(x) + 1)
    >>> pattern, other = (lambda x: torch.relu(x)), (lambda x: torch.sigmoid(x))
    >>> matches = torch.fx.replace_pattern(graph, pattern, other)
    >>> len(matches), matches[0].anchor.name
    (1, 'relu')
    """

    anchor: Node
    nodes_map: dict[Node, Node]


def replace_pattern(
    gm: GraphModule, pattern: Callable[..., Any] | GraphModule,
    replacement: Callable[..., Any] | GraphModule,
) -> list[Match]:  # fmt: skip
    """Put `replacement` wherever the calls of `pattern` are in the graph of `gm`; say where.

    Both take the same arguments in the same order, which stand for any value. A place counts if
    what happens inside it is used nowhere else; of two that overlap the first counts.
    Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.replace_pattern

    >>> import rushlight as torch
    >>> gm = torch.fx.symbolic_trace(lambda x: torch.relu(x + 1) * 2)
    >>> found = torch.fx.replace_pattern(gm, lambda x: torch.relu(x), lambda x: torch.tanh(x))
    >>> len(found), "torch.tanh" in gm.code
    (1, True)
    """
    wanted, put = _graph_of(pattern), _graph_of(replacement)
    matches = _apart([m for m in map(_Matching(wanted).at, list(gm.graph.nodes)) if m])
    now: dict[Node, Node] = {}  # what has come in the place of nodes that later matches name
    for match in matches:
        _replace(gm.graph, wanted, put, match, now)
    _adopt(gm, replacement)
    gm.recompile()
    (last,) = wanted.output_node().all_input_nodes
    return [Match(last, match) for match in matches]


def _graph_of(given: Any) -> Graph:
    if isinstance(given, Graph):
        return given
    return given.graph if isinstance(given, GraphModule) else symbolic_trace(given).graph


class _Matching:
    """Compares the nodes of a graph with those of a pattern, from its last node backwards."""

    def __init__(self, pattern: Graph) -> None:
        self.end = pattern.output_node()
        self.last = self.end.all_input_nodes

    def at(self, node: Node) -> dict[Node, Node] | None:
        """Which node each of the pattern's is if its last one is `node`; None if it is not."""
        found: dict[Node, Node] = {}
        if len(self.last) != 1:
            raise NotImplementedError("a pattern of replace_pattern returns one value here")
        if not self._same(self.last[0], node, found) or not self._closed(found):
            return None
        return found

    def _same(self, wanted: Any, given: Any, found: dict[Node, Node]) -> bool:
        """Whether a value of the pattern can be this value of the graph."""
        if isinstance(wanted, Node):
            return isinstance(given, Node) and self._same_node(wanted, given, found)
        if isinstance(wanted, (tuple, list)):
            return (
                isinstance(given, (tuple, list)) and len(given) == len(wanted)
                and all(self._same(a, b, found) for a, b in zip(wanted, given))
            )  # fmt: skip
        if isinstance(wanted, dict):
            return (
                isinstance(given, dict) and given.keys() == wanted.keys()
                and all(self._same(wanted[key], given[key], found) for key in wanted)
            )  # fmt: skip
        return not isinstance(given, Node) and type(given) is type(wanted) and given == wanted

    def _same_node(self, wanted: Node, given: Node, found: dict[Node, Node]) -> bool:
        if wanted in found:
            return found[wanted] is given
        found[wanted] = given
        if wanted.op == "placeholder":
            return True
        if (wanted.op, wanted.target) != (given.op, given.target):
            return False
        return self._same((wanted.args, wanted.kwargs), (given.args, given.kwargs), found)

    def _closed(self, found: dict[Node, Node]) -> bool:
        """Whether what is computed inside is used inside alone."""
        inside = {id(given) for wanted, given in found.items() if wanted.op != "placeholder"}
        return all(
            wanted.op == "placeholder" or wanted in self.last
            or all(id(user) in inside for user in given.users)
            for wanted, given in found.items()
        )  # fmt: skip


def _apart(matches: list[dict[Node, Node]]) -> list[dict[Node, Node]]:
    """The matches that share no node with an earlier one, arguments aside."""
    taken: set[Node] = set()
    kept = []
    for match in matches:
        own = {given for wanted, given in match.items() if wanted.op != "placeholder"}
        if own.isdisjoint(taken):
            taken |= own
            kept.append(match)
    return kept


def _replace(
    graph: Graph, pattern: Graph, put: Graph, match: dict[Node, Node], now: dict[Node, Node]
) -> None:
    asked = [node for node in pattern.nodes if node.op == "placeholder"]
    taken = [node for node in put.nodes if node.op == "placeholder"]
    if len(asked) != len(taken):
        raise RuntimeError(f"the pattern takes {len(asked)} values, its replacement {len(taken)}")
    known = {}
    for mine, theirs in zip(taken, asked):
        if theirs in match:
            given = match[theirs]
            known[mine] = now.get(given, given)
    last = match[pattern.output_node().all_input_nodes[0]]
    users = [node for node in graph.nodes if node in last.users]
    with graph.inserting_before(users[0] if users else graph.output_node()):
        copied: Any = graph.graph_copy(put, known)
    result: Any = copied[0] if isinstance(copied, tuple) else copied
    last.replace_all_uses_with(result)
    now[last] = result
    for wanted in reversed(pattern.nodes):
        if wanted in match and wanted.op not in ("placeholder", "output"):
            graph.erase_node(match[wanted])


def _adopt(gm: GraphModule, replacement: Any) -> None:
    """Give `gm` the parts that its graph names now and only the replacement has."""
    gm.delete_all_unused_submodules()
    if not isinstance(replacement, rl.nn.Module):
        return
    for node in gm.graph.nodes:
        if node.op not in ("call_module", "get_attr") or _part(gm, node.target) is not None:
            continue
        part = copy.deepcopy(_part(replacement, node.target))
        if isinstance(part, rl.nn.Module):
            gm.add_submodule(node.target, part)
        else:
            *path, name = node.target.split(".")
            setattr(_part(gm, ".".join(path)) if path else gm, name, part)


def _part(owner: Any, target: str) -> Any:
    for name in target.split("."):
        owner = getattr(owner, name, None)
    return owner
