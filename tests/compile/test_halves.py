"""Compiled modules in an unchanged loop: the short ways forward and back say what the long say."""

import copy

import numpy as np
import pytest

import rushlight as torch

nn = torch.nn


def near(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-5, atol=1e-6)


NETS = {
    "mlp": lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)),
    "norm": lambda: nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3)),
    "noise": lambda: nn.Sequential(nn.Linear(6, 5), nn.Dropout(0.5), nn.Linear(5, 3)),
}


@pytest.mark.parametrize("name", NETS)
def test_an_unchanged_loop_over_a_compiled_module(name):
    torch.manual_seed(1)
    net = NETS[name]()
    twin = copy.deepcopy(net)
    net.compile()
    x, y = torch.randn(8, 6), torch.randn(8, 3)
    seen = []
    for model in (net, twin):
        torch.manual_seed(2)
        opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        given = x.clone().requires_grad_()
        for _ in range(5):
            opt.zero_grad()
            loss = nn.functional.mse_loss(model(given), y)
            loss.backward()
            opt.step()
        seen.append([loss, given.grad, *model.state_dict().values(), torch.rand(2)])
    for a, b in zip(*seen):
        near(a, b)
    (bound,) = net._compiled_call_impl.programs
    assert bound.fast is not None and bound.halves.quick is not None
    assert bound.runs == 0  # every call after the first went the short way


def pair():
    weight = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)

    def function(x):
        return x @ weight, (x * weight).sin()

    return weight, function, torch.compile(function)


def test_several_results_each_with_a_history():
    weight, function, step = pair()
    x = torch.tensor([[0.5, -1.0], [2.0, 0.1]])
    for turn in range(4):
        for use in (lambda a, b: (a * b).sum(), lambda a, b: b.sum(), lambda a, b: a[0, 0]):
            grads = []
            for f in (function, step):
                weight.grad = None
                use(*f(x + turn)).backward()
                grads.append(weight.grad)
            near(*grads)
    (bound,) = step.programs
    assert bound.halves.quick is not None


@pytest.mark.parametrize("read", [(0,), (1,), (0, 1)])
def test_results_of_several_types_some_of_which_nobody_uses(read):
    """Logits in bfloat16 beside a loss in float32, as autocast gives them; or wide and narrow."""
    x = torch.linspace(-1, 1, 6).reshape(2, 3)
    for low in (torch.bfloat16, torch.float64):
        weight = torch.tensor([[1.0, 2.0], [3.0, 4.0], [0.5, -2.0]], requires_grad=True)

        def function(x, weight=weight, low=low):
            logits = (x @ weight).to(low)
            return logits, logits.float().square().mean()

        step, seen = torch.compile(function), []
        for call in (function, step, step, step):
            weight.grad = None
            results = call(x)
            sum(results[k].sum().float() for k in read).backward()
            seen.append(weight.grad.clone())
        for found in seen[1:]:
            near(found, seen[0])
        (bound,) = step.programs
        assert bound.runs == 0  # not one call went back to the long way


def test_gradients_that_lie_otherwise_take_the_long_way():
    weight, function, step = pair()
    x = torch.ones(2, 2)
    for seed in (
        torch.ones(2, 2).T,
        torch.ones(()).expand(2, 2),
        torch.arange(8.0)[::2].view(2, 2),
    ):
        grads = []
        for f in (function, step, step):
            weight.grad = None
            f(x)[0].backward(seed)
            grads.append(weight.grad)
        near(grads[0], grads[1])
        near(grads[0], grads[2])


def test_a_kept_value_that_was_written_is_refused_as_in_eager():
    _, _, step = pair()
    x = torch.ones(2, 2)
    step(x), step(x)
    a, _ = step(x)
    with torch.no_grad():
        x.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation: input 0 of the comp"):
        a.sum().backward()


def test_a_second_derivative_says_what_to_do():
    weight, function, step = pair()
    x = torch.ones(2, 2, requires_grad=True)
    step(x)
    with pytest.raises(RuntimeError, match="does not currently support double backward") as caught:
        torch.autograd.grad(step(x)[1].sum(), x, create_graph=True)
    assert "compile the function that computes both" in " ".join(caught.value.__notes__)

    @torch.compile(fullgraph=True)
    def both(x):
        (first,) = torch.autograd.grad(function(x)[1].sum(), x, create_graph=True)
        return torch.autograd.grad(first.sum(), x)[0]

    near(both(x), -(x * weight).sin() * weight**2)
    near(both(x), -(x * weight).sin() * weight**2)


def test_a_graph_is_used_once_unless_kept():
    _, _, step = pair()
    x = torch.ones(2, 2)
    step(x), step(x)
    a, _ = step(x)
    a.sum().backward(retain_graph=True)
    a.sum().backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        a.sum().backward()


@pytest.mark.parametrize("backend", [None, "numpy"])
@pytest.mark.parametrize("wants", [False, True])
def test_a_result_in_two_places_is_one_tensor(backend, wants):
    kept = {"last": torch.zeros(3)}

    def step(x):
        y = x * 2
        kept["last"] = y.t().detach()
        return y, [y, y + 1], kept["last"]

    call = torch.compile(step, backend=backend)
    for _ in range(4):
        x = torch.ones(3, 3, requires_grad=wants)
        first, (again, more), last = call(x)
        assert first is again and last is kept["last"]
        if wants:
            (first + 2 * again + more).sum().backward()
            assert x.grad.tolist() == [[8.0] * 3] * 3
        else:
            again.zero_()
            assert not first.any()
    assert call.programs
