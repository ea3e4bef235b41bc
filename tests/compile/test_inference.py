"""Compiled calls in inference mode: programs of their own, their results tensors of the mode."""

import warnings

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.core.inference import InferenceTensor
from rushlight.core.tensor import EAGER_TYPES

MODES = (torch.inference_mode, torch.no_grad, torch.enable_grad)


def look(*results):
    return [(type(x), x.requires_grad, x.tolist()) for x in results]


@pytest.fixture(autouse=True)
def never_eager():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def shapes_of(x):
    return x * 2, x.view(-1), x[0], x.t(), x


@pytest.mark.parametrize("inside", [False, True])
def test_results_and_views_are_of_the_modes_kind(inside):
    with torch.inference_mode(inside):
        x = torch.arange(6.0).reshape(2, 3)
    step = torch.compile(shapes_of)
    for _ in range(2):  # the second time every program is known
        for mode in MODES:
            with mode():
                for _ in range(3):
                    assert look(*step(x)) == look(*shapes_of(x))


def test_a_module_in_evaluation():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).eval()
    net.compile()
    x = torch.randn(5, 3)
    for mode in MODES * 2:
        with mode():
            found = [net(x) for _ in range(3)]
        assert {type(y) for y in found} == {InferenceTensor if mode is MODES[0] else torch.Tensor}
        assert {y.requires_grad for y in found} == {mode is torch.enable_grad}
        torch.testing.assert_close(found[1].detach().clone(), found[2].detach().clone())
    assert len(net._compiled_call_impl.programs) == 3


def test_gradients_switched_on_inside_the_mode_are_another_program():
    step = torch.compile(lambda x, w: x * w)
    x, w = torch.ones(2), torch.ones(2, requires_grad=True)
    for _ in range(3):
        assert step(x, w).requires_grad
        with torch.inference_mode(), torch.enable_grad():
            assert step(x, w).is_inference()


def test_running_statistics_stay_ordinary():
    net = nn.BatchNorm1d(3)
    step = torch.compile(net)
    with torch.inference_mode():
        for _ in range(3):
            step(torch.ones(4, 3))
    assert net.num_batches_tracked == 3
    assert not net.running_mean.is_inference()
    net(torch.ones(4, 3)).sum().backward()


def test_a_trace_leaves_the_kinds_of_tensors_as_they_were():
    def inside(x):
        with torch.inference_mode():
            return x + 1

    with torch.inference_mode():
        x = torch.ones(2)
        torch.compile(lambda x: x * 2)(x)
    torch.compile(inside)(x)
    with torch.no_grad():
        torch.compile(lambda x: x * 3)(x)
        assert x.view(-1).is_inference()
    assert InferenceTensor not in EAGER_TYPES
    with pytest.raises(RuntimeError, match="cannot be saved for backward"):
        x * torch.ones(2, requires_grad=True)
