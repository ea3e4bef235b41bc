"""Rewrites of a graph that make a trained model faster and leave its results alone."""

from __future__ import annotations

import copy
from typing import Any

import rushlight as rl

from ...nn.utils.fusion import fuse_conv_bn_eval
from ..graph_module import GraphModule, symbolic_trace

__all__ = ["fuse", "remove_dropout"]

_PAIRS = (("Conv1d", "BatchNorm1d"), ("Conv2d", "BatchNorm2d"), ("Conv3d", "BatchNorm3d"))


def fuse(model: Any, inplace: bool = False, no_trace: bool = False) -> GraphModule:
    """A model without the batch norms that follow convolutions: their weights hold both.

    The model is to be in evaluation. With `no_trace` it has a graph already; with `inplace` its
    own parts are changed, else copies of them.
    Source: https://docs.pytorch.org/tutorials/intermediate/fx_conv_bn_fuser.html

    >>> import rushlight as torch
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2)).eval()
    >>> from rushlight.fx.experimental.optimization import fuse
    >>> [node.target for node in fuse(model).graph.nodes]
    ['input', '0', 'output']
    """
    if not inplace:
        model = copy.deepcopy(model)
    traced = model if no_trace and isinstance(model, GraphModule) else symbolic_trace(model)
    pairs = {(getattr(rl.nn, conv), getattr(rl.nn, norm)) for conv, norm in _PAIRS}
    parts = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        if node.op != "call_module" or not node.args:
            continue
        before = node.args[0]
        if getattr(before, "op", None) != "call_module" or len(before.users) > 1:
            continue
        conv, norm = parts[before.target], parts[node.target]
        if (type(conv), type(norm)) not in pairs or not norm.track_running_stats:
            continue
        parts[before.target] = fuse_conv_bn_eval(conv, norm)
        _put(parts, before.target, parts[before.target])
        node.replace_all_uses_with(before)
        traced.graph.erase_node(node)
    return GraphModule(traced, traced.graph)


def remove_dropout(model: Any) -> Any:
    """A model whose graph leaves out every dropout layer.

    >>> import rushlight as torch
    >>> from rushlight.fx.experimental.optimization import remove_dropout
    >>> model = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.ReLU())
    >>> [node.target for node in remove_dropout(model).graph.nodes]
    ['input', '1', 'output']
    """
    traced = symbolic_trace(model)
    parts = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        if node.op == "call_module" and isinstance(parts[node.target], rl.nn.Dropout):
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)
    return GraphModule(traced, traced.graph)


def _put(parts: dict[str, Any], target: str, part: Any) -> None:
    path, _, name = target.rpartition(".")
    setattr(parts[path], name, part)
