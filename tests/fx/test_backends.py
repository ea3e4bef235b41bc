"""`torch.compile` with a function as backend: the graphs do what the function does."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.utils import _pytree as pytree


def tensors(value: Any) -> list[Any]:
    return [one for one in pytree.tree_leaves(value) if isinstance(one, torch.Tensor)]


class Graphs:
    """A backend that keeps what it is given."""

    def __init__(self) -> None:
        self.modules: list[Any] = []

    def __call__(self, gm: Any, example_inputs: Any) -> Any:
        gm.graph.lint()
        self.modules.append(gm)
        return gm.forward


class Breaking(nn.Module):
    """Conditions on values, numbers, writes through views, derivatives inside."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(4))
        self.register_buffer("n", torch.zeros(()))
        self.lin = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        h = self.lin(x) * self.w
        self.n += 1
        h = h.sin() if h.mean() > 0 else h.cos()
        h[:2].mul_(2)
        h[0, 0] = 3.0
        times = int(self.n.item())
        a, b = h.chunk(2, 1)
        for row in h:
            a = a + row.sum()
        with torch.no_grad():
            c = (a * b).exp()
        g = torch.autograd.grad((a * b).sum(), self.w, create_graph=True)[0]
        return {"a": a * c, "b": [b, *torch.topk(a, 1)], "u": b[b > 0], "g": g * times}


class Calls(nn.Module):
    """Autocast, makers of tensors, transforms, NumPy, operators from both sides."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            h = self.lin(x)
        made = torch.zeros_like(h)
        made[:, 1] = h[:, 0]
        made += torch.arange(4, device=x.device)
        mapped = torch.func.vmap(lambda row: row.sin() * 2)(x)
        slope = torch.func.grad(lambda one: (one**2).sum())(x)
        own = x.clone().requires_grad_()
        third = torch.autograd.grad((own**3).sum(), own)[0]
        total = x.numpy().sum() * x
        mixed = [2 - x, 2 / (x + 9), 2**x, ~(x > 0), x % 2, (x > 0) | (x < -1), x.T @ x, -x]
        laid = x.view(-1).reshape(x.shape)[..., None].expand(-1, -1, 2).permute(2, 0, 1)
        return h.float(), made, mapped, slope, third, total, mixed, laid, x.new_zeros(3), list(x)


CASES = {
    "perceptron": (lambda: nn.Sequential(
        nn.Linear(4, 8), nn.ReLU(), nn.Dropout(), nn.BatchNorm1d(8), nn.Linear(8, 2)
    ), (5, 4), 1),
    "convolution": (lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.MaxPool2d(2), nn.Flatten()
    ), (2, 3, 8, 8), 1),
    "transformer": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8), 1),
    "recurrent": (lambda: nn.LSTM(4, 5, 2, dropout=0.2), (6, 2, 4), None),
    "breaks": (Breaking, (3, 4), None),
    "calls": (Calls, (3, 4), None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_followed_module_gives_what_it_gives_eagerly(name: str) -> None:
    make, shape, count = CASES[name]
    torch.manual_seed(0)
    eager = make()
    followed, graphs = copy.deepcopy(eager), Graphs()
    compiled = torch.compile(followed, backend=graphs)
    x = torch.randn(*shape)
    for seed in range(2):
        torch.manual_seed(seed)
        expected = tensors(eager(x))
        torch.manual_seed(seed)
        found = tensors(compiled(x))
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            assert type(one) is torch.Tensor and torch.equal(one, other)
        for values in (found, expected):
            sum(one.float().sum() for one in values if one.requires_grad).backward()
    for one, other in zip(followed.parameters(), eager.parameters()):
        assert (one.grad is None) == (other.grad is None)
        assert one.grad is None or torch.equal(one.grad, other.grad)
    assert all(map(torch.equal, followed.buffers(), eager.buffers()))
    assert graphs.modules and (count is None or len(graphs.modules) == count)


def test_a_whole_training_step_is_followed() -> None:
    graphs = Graphs()

    def step(net: Any, optimizer: Any, x: Any) -> Any:
        optimizer.zero_grad()
        loss = net(x).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    nets = [nn.Linear(3, 1)]
    nets.append(copy.deepcopy(nets[0]))
    both = [torch.optim.Adam(net.parameters(), 0.1) for net in nets]
    compiled, x = torch.compile(step, backend=graphs), torch.randn(5, 3)
    for _ in range(3):
        assert torch.equal(compiled(nets[0], both[0], x), step(nets[1], both[1], x))
    assert len(graphs.modules) == 1


def test_an_error_of_the_function_is_the_functions_own() -> None:
    buffer = torch.zeros(2)

    def wrong(x: Any) -> Any:
        buffer.add_(1)
        return x @ torch.ones(5)

    with pytest.raises(RuntimeError, match="size mismatch"):
        torch.compile(wrong, backend=Graphs())(torch.ones(2, 3))
    assert buffer.tolist() == [1, 1]  # what was done before it is done


def test_views_of_results_know_each_other() -> None:
    def parts(x: Any) -> Any:
        y = x * 2
        return y, y[0]

    y, row = torch.compile(parts, backend=Graphs())(torch.ones(2, 2, requires_grad=True))
    y.mul_(3)
    assert row.tolist() == [6, 6] and row._base is y
    row.sum().backward()


def test_more_graphs_than_the_limit_run_eagerly() -> None:
    graphs = Graphs()
    double = torch.compile(lambda x: x * 2, backend=graphs, recompile_limit=2)
    for size in range(1, 6):
        assert double(torch.ones(size)).sum() == 2 * size
    assert len(graphs.modules) == 2


def test_disabled_functions_and_breaks_by_hand() -> None:
    @torch.compiler.disable
    def aside(x: Any) -> Any:
        return x.exp()

    def function(x: Any) -> Any:
        assert torch.compiler.is_compiling()
        y = aside(x + 1)
        torch._dynamo.graph_break()
        return y * 2

    told = torch._dynamo.explain(function)(torch.ones(2))
    assert [len(ops) for ops in told.ops_per_graph] == [1, 1]
    assert not torch.compiler.is_compiling()


def test_draws_keep_their_place_among_seeds_and_states() -> None:
    def function() -> Any:
        first = torch.rand(2)
        torch.manual_seed(3)
        second = torch.rand(2)
        state = torch.get_rng_state()
        third = torch.rand(2)
        torch.set_rng_state(state)
        return first, second, third, torch.rand(2)

    torch.manual_seed(1)
    expected = function()
    torch.manual_seed(1)
    found = torch.compile(function, backend=Graphs())()
    assert all(map(torch.equal, found, expected))
