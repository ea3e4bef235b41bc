"""torch.fx: graphs and sources as torch 2.13 makes them of the same code, and what they compute."""

from __future__ import annotations

import copy
import importlib
import operator
import pickle

import pytest

import rushlight as torch
from rushlight import cat, fx, nn
from rushlight.nn import functional as F
from rushlight.vision.models import mobilenet_v2, resnet18
from rushlight.vision.models.feature_extraction import (
    create_feature_extractor,
    get_graph_node_names,
)

fx.wrap("scaled")


def scaled(x: torch.Tensor, by: int) -> torch.Tensor:
    return x * by if x.sum() > 0 else x


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(inplace=True)
        self.gamma = nn.Parameter(torch.ones(4, 1, 1))
        self.register_buffer("shift", torch.arange(4.0).view(4, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.act(self.conv(x)) * self.gamma - self.shift


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Block(), Block())
        self.head = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor, flag: bool = True) -> dict[str, torch.Tensor]:
        x = self.blocks(x)
        B, C, H, W = x.shape
        x = cat([x.reshape(B, C, H * W).mean(-1)] * 2, dim=1)[..., :4]
        x = scaled(self.head(x), 3)
        first, second = torch.chunk(x, 2, dim=0)
        return {"a": -first, "b": second @ second.t() + torch.ones(1)}


CODE = """\
def forward(self, x, flag = True):
    blocks_0_conv = self.blocks.0.conv(x)
    blocks_0_act = self.blocks.0.act(blocks_0_conv);  blocks_0_conv = None
    blocks_0_gamma = self.blocks.0.gamma
    mul = blocks_0_act * blocks_0_gamma;  blocks_0_act = blocks_0_gamma = None
    add = x + mul;  x = mul = None
    blocks_0_shift = self.blocks.0.shift
    sub = add - blocks_0_shift;  add = blocks_0_shift = None"""


def test_a_network_as_source() -> None:
    torch.manual_seed(0)
    net = Net().eval()
    traced = fx.symbolic_trace(net)
    written = CODE.replace("self.blocks.0", 'getattr(self.blocks, "0")')
    assert traced.code.strip().startswith(written)
    x = torch.randn(2, 4, 5, 5)
    wanted = net(x)
    for one in (traced, copy.deepcopy(traced), pickle.loads(pickle.dumps(traced))):
        assert torch.equal(one(x)["a"], wanted["a"]) and torch.equal(one(x)["b"], wanted["b"])
    assert torch.equal(fx.Interpreter(traced).run(x)["b"], wanted["b"])
    assert list(traced.state_dict()) == ["_tensor_constant0", *net.state_dict()]
    traced.graph.lint()


LINES = """
pow_1 = x ** 2;  x = None
sub = 3 - pow_1;  pow_1 = None

getitem = x[(0, slice(None, None, None), None, Ellipsis)];  x = None

_tensor_constant0 = self._tensor_constant0
add = _tensor_constant0.add(x);  _tensor_constant0 = x = None

max_1 = torch.max(x, 1);  x = None
getattr_1 = max_1.values;  max_1 = None
to = getattr_1.to(torch.float64);  getattr_1 = None

size = x.size(0)
new_zeros = x.new_zeros(size);  x = size = None

relu = torch.nn.functional.relu(x)
gt = x > 0;  x = None
masked_fill_ = relu.masked_fill_(gt, -inf);  relu = gt = None"""
FUNCTIONS = (
    lambda x: 3 - x**2,
    lambda x: x[0, :, None, ...],
    lambda x: torch.zeros(3) + x,
    lambda x: torch.max(x, 1).values.to(torch.float64),
    lambda x: x.new_zeros(x.size(0)),
    lambda x: F.relu(x).masked_fill_(x > 0, float("-inf")),
)


@pytest.mark.parametrize(
    ("function", "lines"), list(zip(FUNCTIONS, LINES.strip().split("\n\n"), strict=True))
)
def test_lines_of_source(function, lines) -> None:
    assert [
        line.strip() for line in fx.symbolic_trace(function).code.split("\n")[4:-2]
    ] == lines.split("\n")


@pytest.mark.parametrize(
    ("function", "error", "text"),
    [
        (lambda x: x if x.sum() > 0 else -x, ValueError, "cannot be used as inputs to control"),
        (lambda x: [i + 1 for i in x], ValueError, "Proxy object cannot be iterated"),
        (lambda x: len(x), RuntimeError, "'len' is not supported in symbolic tracing by default"),
        (lambda x: torch.relu(x + object()), NotImplementedError, "argument of type: <class"),
    ],
)
def test_what_cannot_be_traced(function, error, text) -> None:
    before = torch.relu, nn.Module.__call__, F.softmax
    with pytest.raises(error, match=text):
        fx.symbolic_trace(function)
    assert before == (torch.relu, nn.Module.__call__, F.softmax), "everything is back in its place"


def test_graphs_can_be_changed() -> None:
    net = fx.symbolic_trace(lambda x: torch.relu(x + 1))
    for node in net.graph.nodes:
        if node.target is torch.relu:
            with net.graph.inserting_after(node):
                new = net.graph.call_function(torch.sigmoid, (node,))
            node.replace_all_uses_with(new, lambda user, new=new: user is not new)
    net.recompile()
    assert net(torch.ones(2)).tolist() == torch.sigmoid(torch.full((2,), 2.0)).tolist()
    first = next(iter(net.graph.nodes))
    with pytest.raises(
        RuntimeError, match=r"Tried to erase Node x but it still had 1 users in the"
    ):
        net.graph.erase_node(first)

    class Subtracting(fx.Transformer):
        def call_function(self, target, args, kwargs):
            return super().call_function(
                torch.sub if target is operator.add else target, args, kwargs
            )

    assert Subtracting(net).transform()(torch.ones(2)).tolist() == [0.5, 0.5]


def test_wrap_is_for_the_top_of_a_module() -> None:
    with pytest.raises(
        NotImplementedError, match="wrap must be called at the top level of a module"
    ):
        fx.wrap("len")
    with pytest.raises(RuntimeError, match="Unsupported type for global function"):
        fx.wrap(3)


def test_inner_results_of_a_network() -> None:
    names, again = get_graph_node_names(resnet18())
    assert names == again and len(names) == 70
    assert names[:6] == ["x", "conv1", "bn1", "relu", "maxpool", "layer1.0.conv1"]
    assert names[-5:] == ["layer4.1.add", "layer4.1.relu_1", "avgpool", "flatten", "fc"]
    assert get_graph_node_names(mobilenet_v2())[0][-4:] == [
        "adaptive_avg_pool2d", "flatten", "classifier.0", "classifier.1",
    ]  # fmt: skip
    net = resnet18().eval()
    inner = create_feature_extractor(net, {"layer1": "a", "layer2.0.relu": "b"})
    found = inner(torch.ones(1, 3, 32, 32))
    assert {name: tuple(one.shape) for name, one in found.items()} == {
        "a": (1, 64, 8, 8), "b": (1, 128, 4, 4),
    }  # fmt: skip
    stem = net.maxpool(net.relu(net.bn1(net.conv1(torch.ones(1, 3, 32, 32)))))
    assert torch.equal(found["a"], net.layer1(stem))
    assert not any(name.startswith(("layer3", "fc")) for name in inner.state_dict())
    assert torch.equal(copy.deepcopy(inner)(torch.ones(1, 3, 32, 32))["b"], found["b"])
    with pytest.raises(ValueError, match="node: 'nothing' is not present in model"):
        create_feature_extractor(net, ["nothing"])


def test_functions_of_a_proxy_outside_a_trace() -> None:
    graph = fx.Graph()
    tracer = fx.proxy.GraphAppendingTracer(graph)
    x, y = (fx.Proxy(graph.placeholder(name), tracer=tracer) for name in "xy")
    wide = torch.broadcast_tensors(x[..., :1], y)[0]
    graph.output((torch.add(wide, y, alpha=2) + 1).node)
    calls = [node.target for node in graph.nodes if node.op == "call_function"]
    assert calls[-2:] == [torch.add, operator.add]
    assert torch.broadcast_tensors in calls
    run = fx.GraphModule(torch.nn.Module(), graph)
    assert run(torch.ones(2, 3), torch.zeros(2, 1)).tolist() == [[2.0], [2.0]]


def test_nodes_go_where_torch_puts_them() -> None:
    graph = fx.Graph()
    x = graph.placeholder("x")
    y = graph.call_function(torch.relu, (x,))

    def added(*functions):
        for function in functions:
            last = graph.call_function(function, (x,))
        return last

    with graph.inserting_after(x):
        added(torch.sin, torch.cos)  # each right behind x
    with graph.inserting_before(y):
        added(torch.sinh, torch.cosh)
    with graph.inserting_after():
        added(torch.tan, torch.tanh)
    with graph.inserting_before():
        added(torch.exp, torch.log)
    graph.inserting_after(y)  # holds without a block too
    graph.inserting_after(added(torch.abs))
    added(torch.neg)
    assert " ".join(node.name for node in graph.nodes) == (
        "log exp x cos sin sinh cosh relu abs_1 neg tan tanh"
    )
    for put in (fx.Graph().inserting_after, fx.Graph().inserting_before):
        with pytest.raises(AssertionError, match=r"^Node to insert (after|before) is not in graph"):
            put(y)


def test_a_tracer_may_bring_a_trace_of_its_own() -> None:
    """As graph libraries do, with what torch.fx._symbolic_trace has for it."""
    inner = importlib.import_module("rushlight.fx._symbolic_trace")

    class Whole:
        def __call__(self, x):
            return F.relu(x)

    class Tracing(fx.Tracer):
        @inner.compatibility(is_backward_compatible=True)
        def trace(self, root, concrete_args=None):
            self.root, self.graph = root, inner.Graph(tracer_cls=type(self))
            self.tensor_attrs = {root.table: "table"}
            self.module_stack = {}
            function, args = self.create_args_for_root(type(root).forward, True, concrete_args)
            assert isinstance(function, inner.FunctionType)

            def call(module, *given, **named):
                def forward(*given, **named):
                    return inner._orig_module_call(module, *given, **named)

                return self.call_module(module, forward, given, named)

            def whole(own, x):
                return self.create_proxy("call_function", operator.neg, (x,), {})

            with inner._Patcher() as patcher:
                patcher.patch_method(nn.Module, "__call__", call, deduplicate=False)
                patcher.patch_method(Whole, "__call__", whole, deduplicate=False)
                inner._patch_wrapped_functions(patcher)
                inner._autowrap_check(patcher, function.__globals__, self._autowrap_function_ids)
                for module in self._autowrap_search:
                    inner._autowrap_check(patcher, module.__dict__, self._autowrap_function_ids)
                self.create_node("output", "output", (self.create_arg(function(*args)),), {})
            return self.graph

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.whole = nn.Linear(2, 2), Whole()
            self.register_buffer("table", torch.ones(2))

        def forward(self, x):
            return cat([F.relu(self.layer(x)) + self.table, self.whole(x)])

    net = Net()
    graph = Tracing().trace(net)
    assert [(node.op, node.name) for node in graph.nodes] == [
        ("placeholder", "x"), ("call_module", "layer"), ("call_function", "relu"),
        ("get_attr", "table"), ("call_function", "add"), ("call_function", "neg"),
        ("call_function", "cat"), ("output", "output"),
    ]  # fmt: skip
    x = torch.randn(1, 2)
    expected = torch.cat([net.layer(x).relu() + 1, -x])
    assert torch.equal(fx.GraphModule(net, graph)(x), expected)
    assert torch.equal(net.whole(x), x.relu()), "everything is back in its place"
