"""torch.fx: what a module does, as a graph of calls that can be read, changed and run."""

from ..core.names import explain_missing as _explain_missing
from .graph import Graph
from .graph_module import GraphModule, symbolic_trace
from .interpreter import Interpreter, Transformer
from .node import Node, has_side_effect, map_arg
from .patches import wrap
from .proxy import Proxy
from .subgraph_rewriter import replace_pattern
from .tracer import Tracer

__all__ = [
    "Graph", "GraphModule", "Interpreter", "Node", "Proxy", "Tracer", "Transformer",
    "has_side_effect", "map_arg", "replace_pattern", "symbolic_trace", "wrap",
]  # fmt: skip
_explain_missing(__name__, {
    "_symbolic_trace": ("rushlight.fx._symbolic_trace", None),
    "experimental": ("rushlight.fx.experimental", None),
    "passes": ("rushlight.fx.passes", None),
})  # fmt: skip
