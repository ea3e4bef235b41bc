"""Intermediate results of a network by name: it is traced, and cut down to what they need."""

from __future__ import annotations

import copy
import inspect
import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import rushlight as rl

from ... import fx
from .. import ops

__all__ = ["create_feature_extractor", "get_graph_node_names"]

Names = list[str] | dict[str, str]


class NodePathTracer(fx.Tracer):
    """Names nodes by the module they are in: `layer1.0.conv1`, `layer1.0.add`, `layer1.0.add_1`.

    leaf_modules: classes whose calls are one node, beside those of torch.nn.
    """

    def __init__(self, *args: Any, leaf_modules: Any = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.leaf_modules = tuple(leaf_modules)
        self.current = ""
        self.node_to_qualname: dict[fx.Node, str] = {}
        self._counts: dict[str, int] = {}

    def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:
        return isinstance(m, self.leaf_modules) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: Any, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        before, self.current = self.current, self.path_of_module(m)
        try:
            if self.is_leaf_module(m, self.current):
                return self.create_proxy("call_module", self.current, args, kwargs)
            return forward(*args, **kwargs)
        finally:
            self.current = before

    def create_proxy(self, kind: str, *args: Any, **kwargs: Any) -> fx.Proxy:
        proxy = super().create_proxy(kind, *args, **kwargs)
        self.node_to_qualname[proxy.node] = self._name(proxy.node)
        return proxy

    def _name(self, node: fx.Node) -> str:
        name = self.current
        if node.op != "call_module":
            name = f"{name}.{node}" if name else str(node)
        if re.match(
            r".+_[0-9]+$", name
        ):  # fx counts within the graph, here it is within the module
            name = name.rsplit("_", 1)[0]
        seen = self._counts.get(name)
        self._counts[name] = 0 if seen is None else seen + 1
        return name if seen is None else f"{name}_{seen + 1}"


def _options(given: dict[str, Any] | None) -> dict[str, Any]:
    """What the tracer is made with: the operators of vision are single nodes as well."""
    kinds = [one for _, one in inspect.getmembers(ops, inspect.isclass)]
    layers = [one for one in kinds if issubclass(one, rl.nn.Module)]
    result = dict(given or {})
    modules = (*result.get("autowrap_modules", ()), math, ops)
    result["autowrap_modules"] = tuple(dict.fromkeys(modules))
    result["leaf_modules"] = [*result.get("leaf_modules", ()), *layers]
    return result


def _traced(model: Any, options: dict[str, Any], concrete_args: Any) -> dict[str, Any]:
    """(tracer, graph) in training and in evaluation; the model is left as it was."""
    before, found = model.training, {}
    try:
        for mode in ("train", "eval"):
            model.train(mode == "train")
            tracer = NodePathTracer(**options)
            found[mode] = tracer, tracer.trace(model, concrete_args)
    finally:
        model.train(before)
    return found


def _within(some: list[str], all_of: list[str]) -> bool:
    rest = iter(all_of)
    return all(one in rest for one in some)


def _warn_of_differences(train: list[str], evaluation: list[str]) -> None:
    if train == evaluation:
        return
    if _within(train, evaluation):
        text = (
            "NOTE: The nodes obtained by tracing the model in eval mode are a subsequence of those"
            " obtained in train mode. "
        )
    elif _within(evaluation, train):
        text = (
            "NOTE: The nodes obtained by tracing the model in train mode are a subsequence of"
            " those obtained in eval mode. "
        )
    else:
        text = (
            "The nodes obtained by tracing the model in train mode are different to those obtained"
            " in eval mode. "
        )
    warnings.warn(
        f"{text}When choosing nodes for feature extraction, you may need to specify output nodes"
        " for train and eval mode separately.",
        stacklevel=3,
    )


def get_graph_node_names(
    model: Any,
    tracer_kwargs: dict[str, Any] | None = None,
    suppress_diff_warning: bool = False,
    concrete_args: dict[str, Any] | None = None,
) -> tuple[list[str], list[str]]:
    """The names that `create_feature_extractor` takes, in training and in evaluation.

    Source: https://docs.pytorch.org/vision/stable/feature_extraction.html

    >>> import rushlight as torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    >>> get_graph_node_names(net)[0]
    ['input', '0', '1']
    """
    found = _traced(model, _options(tracer_kwargs), concrete_args)
    train, evaluation = (list(found[mode][0].node_to_qualname.values()) for mode in found)
    if not suppress_diff_warning:
        _warn_of_differences(train, evaluation)
    return train, evaluation


class DualGraphModule(fx.GraphModule):
    """A GraphModule with a graph for training and one for evaluation; `train` changes over."""

    def __init__(
        self, root: Any, train_graph: fx.Graph, eval_graph: fx.Graph, class_name: str
    ) -> None:
        super().__init__(root, eval_graph, class_name)
        super().__init__(root, train_graph, class_name)
        evaluated = fx.GraphModule(root, eval_graph)
        for name, part in (*evaluated.named_parameters(), *evaluated.named_buffers()):
            self._keep(name, part)
        for name, part in evaluated.named_modules():
            self._keep(name, part)
        self.train_graph, self.eval_graph = train_graph, eval_graph
        self.training = True
        self.graph = train_graph

    def _keep(self, name: str, part: Any) -> None:
        *path, last = name.split(".")
        owner: Any = self
        for one in path:
            if not hasattr(owner, one):
                return
            owner = getattr(owner, one)
        if name and not hasattr(owner, last):
            setattr(owner, last, part)

    def train(self, mode: bool = True) -> Any:
        if mode != self.training:
            self.graph = self.train_graph if mode else self.eval_graph
        return super().train(mode)

    def __deepcopy__(self, memo: dict[int, Any]) -> DualGraphModule:
        parts = fx.GraphModule.__deepcopy__(self, memo)
        first, second = (copy.deepcopy(one, memo) for one in (self.train_graph, self.eval_graph))
        made = DualGraphModule(parts, first, second, type(self).__name__)
        return made.train(self.training)

    def __reduce__(self) -> Any:
        held = rl.nn.Module()
        held.__dict__.update(
            {k: v for k, v in self.__dict__.items() if not k.endswith(("_graph", "_code"))}
        )
        return _rebuilt, (
            held, self.train_graph, self.eval_graph, type(self).__name__, self.training
        )  # fmt: skip


def _rebuilt(held: Any, train_graph: Any, eval_graph: Any, name: str, training: bool) -> Any:
    return DualGraphModule(held, train_graph, eval_graph, name).train(training)


def _dictionary(names: Names) -> dict[str, str]:
    if isinstance(names, list):
        return {str(name): str(name) for name in names}
    return {str(name): str(key) for name, key in names.items()}


def _wanted(both: Names | None, train: Names | None, evaluation: Names | None) -> dict[str, Any]:
    if both is None and train is None and evaluation is None:
        raise ValueError(
            "Either `return_nodes` or `train_return_nodes` and `eval_return_nodes` together,"
            " should be specified"
        )
    if (train is None) != (evaluation is None):
        raise ValueError(
            "If any of `train_return_nodes` and `eval_return_nodes` are specified, then both"
            " should be specified"
        )
    if (both is None) == (train is None):
        raise ValueError(
            "If `train_return_nodes` and `eval_return_nodes` are specified, then both should be"
            " specified"
        )
    first, second = (both, both) if train is None else (train, evaluation)
    return {"train": _dictionary(first or {}), "eval": _dictionary(second or {})}


def _cut_down(tracer: NodePathTracer, graph: fx.Graph, wanted: dict[str, str]) -> fx.Graph:
    """Let a graph return the wanted nodes, the last of each name, and do nothing else."""
    available = list(tracer.node_to_qualname.values())
    for query in wanted:
        if not any(name == query or name.startswith(f"{query}.") for name in available):
            raise ValueError(
                f"node: '{query}' is not present in model. Hint: use `get_graph_node_names` to"
                " make sure the `return_nodes` you specified are present. It may even be that you"
                " need to specify `train_return_nodes` and `eval_return_nodes` separately."
            )
    graph.erase_node(graph.output_node())
    left, results = dict(wanted), {}
    for node in reversed(graph.nodes):
        name = tracer.node_to_qualname.get(node, "")
        for query in left:
            if name == query or name.startswith(f"{query}."):
                results[left.pop(query)] = node
                break
    graph.output(dict(reversed(results.items())))
    graph.eliminate_dead_code()
    return graph


def create_feature_extractor(
    model: Any,
    return_nodes: Names | None = None,
    train_return_nodes: Names | None = None,
    eval_return_nodes: Names | None = None,
    tracer_kwargs: dict[str, Any] | None = None,
    suppress_diff_warning: bool = False,
    concrete_args: dict[str, Any] | None = None,
) -> fx.GraphModule:
    """A module that returns inner results of `model` as a dictionary, and shares its weights.

    return_nodes: names as `get_graph_node_names` has them, or of modules (their last result); a
    dictionary says under which keys they come. What is not needed for them is left out.
    Raises: ValueError for names that are not in the model.
    Source: https://docs.pytorch.org/vision/stable/feature_extraction.html

    >>> import rushlight as torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    >>> create_feature_extractor(net, {"1": "act"})(torch.ones(1, 2))["act"].shape
    torch.Size([1, 3])
    """
    wanted = _wanted(return_nodes, train_return_nodes, eval_return_nodes)
    found = _traced(model, _options(tracer_kwargs), concrete_args)
    if not suppress_diff_warning:
        _warn_of_differences(*(list(found[m][0].node_to_qualname.values()) for m in found))
    graphs = {mode: _cut_down(found[mode][0], found[mode][1], wanted[mode]) for mode in found}
    name = type(model).__name__ if isinstance(model, rl.nn.Module) else model.__name__
    root = found["eval"][0].root
    return DualGraphModule(root, graphs["train"], graphs["eval"], name).train(model.training)
