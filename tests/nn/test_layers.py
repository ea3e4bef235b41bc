"""Layers and containers: what they hold, and properties that do not need torch's answers."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as torch
from rushlight import nn
from rushlight.nn.utils import rnn


def close(a, b, tolerance=1e-5):
    return bool(((a - b).abs() <= tolerance).all())


def test_lazy_layers_become_their_plain_class_and_learn_their_sizes():
    net = nn.Sequential(nn.LazyLinear(4), nn.LazyLinear(2))
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    net(torch.ones(3, 5))
    assert [type(layer) for layer in net] == [nn.Linear, nn.Linear]
    assert [p.shape for p in net.parameters()] == [(4, 5), (4,), (2, 4), (2,)]
    assert net(torch.ones(7, 5)).shape == (7, 2)
    assert net[0]._forward_pre_hooks == {} and net[0]._load_state_dict_pre_hooks == {}


def test_lazy_and_plain_layers_draw_the_same_weights():
    torch.manual_seed(3)
    plain = nn.Linear(5, 4)
    lazy = nn.LazyLinear(4)
    torch.manual_seed(3)
    lazy(torch.ones(1, 5))
    assert close(plain.weight, lazy.weight, 0) and close(plain.bias, lazy.bias, 0)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.booleans(), st.integers(0, 99))
def test_packing_and_padding_are_inverse(lengths, batch_first, seed):
    torch.manual_seed(seed)
    sequences = [torch.randn(n, 2) for n in lengths]
    padded = rnn.pad_sequence(sequences, batch_first=batch_first)
    packed = rnn.pack_padded_sequence(
        padded, lengths, batch_first=batch_first, enforce_sorted=False
    )
    assert packed.data.shape[0] == sum(lengths)
    again, found = rnn.pad_packed_sequence(packed, batch_first=batch_first)
    assert found.tolist() == lengths and close(again, padded, 0)
    for one, other in zip(rnn.unpack_sequence(packed), sequences):
        assert close(one, other, 0)


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_packed_batch_gives_what_its_sequences_give_alone(kind, bidirectional):
    torch.manual_seed(0)
    layer = kind(3, 4, num_layers=2, bidirectional=bidirectional)
    lengths = [2, 5, 4]
    sequences = [torch.randn(n, 3) for n in lengths]
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    output, state = layer(packed)
    padded, _ = rnn.pad_packed_sequence(output)
    states = state if isinstance(state, tuple) else (state,)
    for place, sequence in enumerate(sequences):
        alone, end = layer(sequence)
        assert close(padded[: lengths[place], place], alone)
        ends = end if isinstance(end, tuple) else (end,)
        assert all(close(s[:, place], e) for s, e in zip(states, ends))


@pytest.mark.parametrize(
    ("layer_kind", "cell_kind"),
    [(nn.RNN, nn.RNNCell), (nn.GRU, nn.GRUCell), (nn.LSTM, nn.LSTMCell)],
)
def test_a_layer_is_its_cell_step_by_step(layer_kind, cell_kind):
    torch.manual_seed(0)
    layer, cell = layer_kind(3, 4), cell_kind(3, 4)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x = torch.randn(6, 2, 3)
    output, _ = layer(x)
    state = None
    for step in range(6):
        state = cell(x[step], state)
        hidden = state[0] if isinstance(state, tuple) else state
        assert close(output[step], hidden)


def test_gradients_flow_through_time():
    torch.manual_seed(0)
    layer = nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    x = torch.randn(5, 2, 3, requires_grad=True)
    output, _ = layer(x)
    output[-1].sum().backward()
    assert all(p.grad is not None for p in layer.parameters())
    assert float(x.grad[0].abs().sum()) > 0


def test_sequential_slices_share_their_modules():
    net = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    part = net[1:]
    assert isinstance(part, nn.Sequential) and part[0] is net[1]
    assert len(net * 2) == 6 and (2 * net)[3] is net[0]
    net.extend([nn.ReLU()]).insert(0, nn.GELU())
    assert [type(m).__name__ for m in net] == ["GELU", "ReLU", "Tanh", "Sigmoid", "ReLU"]


def test_parameter_containers_register_and_keep_order():
    net = nn.Module()
    net.many = nn.ParameterList([torch.ones(1), torch.ones(2)])
    net.named = nn.ParameterDict([("b", torch.ones(1)), ("a", torch.ones(2))])
    names = [name for name, _ in net.named_parameters()]
    assert names == ["many.0", "many.1", "named.b", "named.a"]
    net.many += [torch.zeros(3)]
    assert len(net.many) == 3 and [p.shape for p in net.many[1:]] == [(2,), (3,)]
    key, value = net.named.popitem()
    assert key == "a" and value.shape == (2,) and len(net.named) == 1


def test_clipping_scales_all_gradients_alike():
    params = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(1))]
    params[0].grad, params[1].grad = torch.full((2,), 3.0), torch.full((3,), 4.0)
    total = nn.utils.clip_grad_norm_(params, 1.0)
    assert abs(float(total) - (2 * 9 + 3 * 16) ** 0.5) < 1e-5
    after = nn.utils.get_total_norm([p.grad for p in params[:2]])
    assert abs(float(after) - 1) < 1e-5 and params[2].grad is None
    assert abs(float(params[1].grad[0] / params[0].grad[0]) - 4 / 3) < 1e-5


def test_vectors_go_to_parameters_and_back():
    net = nn.Linear(3, 2)
    vector = nn.utils.parameters_to_vector(net.parameters())
    nn.utils.vector_to_parameters(vector.detach() * 2, net.parameters())
    assert close(nn.utils.parameters_to_vector(net.parameters()), vector * 2, 0)


def test_parametrised_weight_is_computed_set_and_removed():
    class Symmetric(nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).mT

        def right_inverse(self, x):
            return x.triu()

    layer = nn.Linear(3, 3)
    nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    assert close(layer.weight, layer.weight.mT, 0)
    wanted = torch.eye(3) * 2
    layer.weight = wanted
    assert close(layer.weight, wanted, 0)
    assert [n for n, _ in layer.named_parameters()] == ["bias", "parametrizations.weight.original"]
    nn.utils.parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and close(layer.weight, wanted, 0)


def test_functional_call_uses_the_given_tensors_and_puts_the_own_back():
    net = nn.Sequential(nn.Linear(2, 2, bias=False))
    own = net[0].weight
    given = {"0.weight": torch.eye(2) * 3}
    out = nn.utils.stateless.functional_call(net, given, torch.ones(2))
    assert out.tolist() == [3, 3] and net[0].weight is own


def test_a_module_has_other_tensors_for_a_block():
    exchanged = nn.utils.stateless._reparametrize_module
    net = nn.Linear(1, 1, bias=False)
    own, given = net.weight, {"weight": torch.full((1, 1), 3.0)}
    with exchanged(net, given):
        assert net(torch.ones(1)).item() == 3 and net.weight is given["weight"]
    assert net.weight is own and list(given) == ["weight"]
    with pytest.raises(KeyError), exchanged(net, given):
        net._parameters["weight"] = torch.ones(1, 1)
        raise KeyError
    assert net.weight is own and given["weight"].item() == 1  # what it left there, as in torch
    with (
        pytest.raises(RuntimeError, match=r"Unexpected key\(s\): 'x'"),
        exchanged(net, {**given, "x": own}, strict=True),
    ):
        pass


@pytest.mark.parametrize(
    "layer, given, kind, text",
    [
        (nn.Linear(2, 2), [1.0], TypeError, "linear(): argument 'input' (position 1) must be"
         " Tensor, not list"),
        (nn.ReLU(), None, TypeError, "relu(): argument 'input' (position 1) must be Tensor, not"
         " NoneType"),
        (nn.Embedding(3, 2), [1], TypeError, "embedding(): argument 'indices' (position 2) must be"
         " Tensor, not list"),
        (nn.Conv2d(1, 1, 1), np.ones((1, 1, 2, 2)), TypeError, "conv2d() received an invalid"
         " combination of arguments - got (numpy.ndarray, Parameter, Parameter, tuple, tuple,"
         " tuple, int), but expected one of:"),
        (nn.BatchNorm1d(2), (1,), AttributeError, "'tuple' object has no attribute"),
    ],
)  # fmt: skip
def test_what_is_no_tensor_is_refused_as_torch_does(layer, given, kind, text):
    with pytest.raises(kind) as caught:
        layer(given)
    assert str(caught.value).startswith(text)


def test_targets_that_are_no_tensors_are_refused():
    with pytest.raises(TypeError, match=r"argument 'target' \(position 2\) must be Tensor, not"):
        nn.CrossEntropyLoss()(torch.ones(2, 2), [0, 1])
    with pytest.raises(AttributeError, match="'list' object has no attribute 'size'"):
        nn.MSELoss()(torch.ones(2), [0, 1])


def test_an_attribute_that_a_module_of_the_user_misses_stays_its_own_error():
    class Broken(nn.Module):
        def forward(self, x):
            return x.missing

    with pytest.raises(AttributeError, match="'list' object has no attribute 'missing'"):
        Broken()([1])


@pytest.mark.parametrize(
    ("layer", "told"),
    [("Conv2d", "Conv2d"), ("ConvTranspose1d", "ConvTranspose1d"), ("LazyConv2d", "LazyConv2d"),
     ("ReLU", "ReLU"), ("ZeroPad2d", "ZeroPad2d"), ("MaxPool2d", "_MaxPoolNd"),
     ("BatchNorm2d", "_BatchNorm"), ("Dropout", "_DropoutNd"), ("MSELoss", "_Loss")],
)  # fmt: skip
def test_arguments_that_a_layer_does_not_take_are_refused_in_torch_s_name(
    layer: str, told: str
) -> None:
    words = f"{told}.__init__() got an unexpected keyword argument 'size'"
    with pytest.raises(TypeError, match=re.escape(words)):
        getattr(nn, layer)(size=1)
