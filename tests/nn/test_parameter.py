"""Parameter, Buffer, and the kinds without a shape."""

import pickle
from typing import Any

import pytest

import rushlight as torch
from rushlight import nn


def test_a_parameter_shares_memory_and_is_a_leaf():
    data = torch.zeros(3)
    param = nn.Parameter(data)
    data[0] = 5
    assert param.tolist() == [5, 0, 0]
    assert param.is_leaf and param.requires_grad and not data.requires_grad


def test_results_of_parameters_are_plain_tensors():
    param = nn.Parameter(torch.ones(2))
    assert type(param + 1) is torch.Tensor and type(param.detach()) is torch.Tensor
    assert type(param.data) is torch.Tensor and not param.data.requires_grad


def test_a_parameter_of_a_graph_is_cut_off():
    source = torch.ones(2, requires_grad=True)
    param = nn.Parameter(source * 2)
    (param * 3).sum().backward()
    assert source.grad is None and param.grad.tolist() == [3, 3]


def test_gradients_arrive():
    param = nn.Parameter(torch.tensor([1.0, 2.0]))
    (param * param).sum().backward()
    assert param.grad.tolist() == [2, 4]


def test_a_tensor_subclass_keeps_its_type():
    class Mine(torch.Tensor):
        pass

    mine = object.__new__(Mine)
    mine._array, mine._entry = torch.ones(2)._array, None
    marked = nn.Parameter(mine)
    assert isinstance(marked, nn.Parameter) and marked.requires_grad
    assert not isinstance(torch.ones(1), nn.Parameter)


def test_pickling_keeps_type_flag_and_attributes():
    param = nn.Parameter(torch.ones(2), requires_grad=False)
    param.tag = "head"
    again = pickle.loads(pickle.dumps(param))
    assert type(again) is nn.Parameter and not again.requires_grad and again.tag == "head"


def test_a_buffer_is_a_marked_tensor():
    buffer = nn.Buffer(torch.ones(2), persistent=False)
    assert type(buffer) is torch.Tensor
    assert isinstance(buffer, nn.Buffer) and buffer.persistent is False


@pytest.mark.parametrize(
    "use",
    [
        lambda p: p + 1,
        lambda p: 1 - p,
        lambda p: p.dim(),
        lambda p: p.sum(),
        lambda p: torch.relu(p),
        lambda p: nn.init.zeros_(p),
        lambda p: p[0],
        lambda p: p.numel(),
    ],
)
def test_an_uninitialised_parameter_refuses_to_be_used(use):
    with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter in <method"):
        use(nn.UninitializedParameter())


@pytest.mark.parametrize(
    ("use", "name"),
    [
        (lambda p: p.numel(), "numel"),
        (lambda p: p.dim(), "dim"),
        (lambda p: p @ p, "matmul"),
        (lambda p: p == p, "__eq__"),
        (lambda p: float(p), "__float__"),
        (lambda p: p.item(), "item"),
        (lambda p: p.clone(), "clone"),
    ],
)
def test_the_refusal_names_the_method_that_was_called(use, name):
    """The names are torch's: a reader who counts a lazy model's numbers shall find `numel`."""
    with pytest.raises(ValueError, match=f"in <method '{name}' of 'torch._C.TensorBase' objects>"):
        use(nn.UninitializedParameter())


def test_materialising_turns_it_into_a_parameter():
    param = nn.UninitializedParameter(dtype=torch.float64)
    same = param
    param.materialize((2, 3))
    assert type(same) is nn.Parameter and same.shape == (2, 3) and same.dtype == torch.float64
    assert (same * 0).requires_grad
    buffer = nn.UninitializedBuffer()
    buffer.materialize((4,))
    assert type(buffer) is torch.Tensor and buffer.shape == (4,)


def test_parameters_without_a_shape_move_and_know_their_device() -> None:
    layer = nn.LazyLinear(2).to(device="cpu").double()
    assert layer.weight.device == torch.device("cpu") and layer.weight.dtype is torch.float64
    assert not layer.weight.is_meta and not layer.weight.is_cuda
    assert layer.weight.layout is torch.strided and layer.weight.itemsize == 8
    assert layer.half()(torch.ones(1, 3).half()).shape == (1, 2)
    assert nn.UninitializedParameter(requires_grad=False).long().dtype is torch.int64


def test_data_has_to_be_a_tensor_that_may_have_a_gradient() -> None:
    p = nn.Parameter(torch.ones(2))
    given: list[Any] = [[1.0], None]
    for value in given:
        with pytest.raises(TypeError, match="Variable data has to be a tensor, but got"):
            p.data = value
    with pytest.raises(RuntimeError, match="must be floating point or complex dtype"):
        p.data = torch.ones(2, dtype=torch.int64)
    assert p.tolist() == [1.0, 1.0] and p.dtype is torch.float32
