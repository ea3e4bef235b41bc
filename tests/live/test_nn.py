"""Modules beside torch itself: recurrent layers, clipping and initialisers on drawn arguments."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl

torch = pytest.importorskip("torch")


def ours(tensor):
    return rl.from_numpy(tensor.detach().numpy().copy())


def assert_close(mine, theirs, tolerance=2e-5):
    np.testing.assert_allclose(
        mine.detach().numpy(), theirs.detach().numpy(), rtol=1e-4, atol=tolerance
    )


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(["RNN", "GRU", "LSTM"]),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    bias=st.booleans(),
    batch_first=st.booleans(),
    lengths=st.none() | st.lists(st.integers(1, 5), min_size=3, max_size=3),
    seed=st.integers(0, 1000),
)
def test_recurrent_layers_and_their_gradients(
    kind, layers, bidirectional, bias, batch_first, lengths, seed
):
    options = {"num_layers": layers, "bidirectional": bidirectional}
    options |= {"bias": bias, "batch_first": batch_first}
    nets = []
    for library in (rl, torch):
        library.manual_seed(seed)
        nets.append(getattr(library.nn, kind)(4, 3, **options))
    mine, theirs = nets
    for (name, param), (other, value) in zip(mine.named_parameters(), theirs.named_parameters()):
        assert name == other and param.detach().numpy().tolist() == value.detach().numpy().tolist()
    x = torch.randn((3, 5, 4) if batch_first else (5, 3, 4))
    inputs = [ours(x).requires_grad_(), x.clone().requires_grad_()]
    outputs = []
    for library, net, given_input in zip((rl, torch), nets, inputs):
        fed = given_input
        if lengths is not None:
            fed = library.nn.utils.rnn.pack_padded_sequence(
                given_input, lengths, batch_first=batch_first, enforce_sorted=False
            )
        out, state = net(fed)
        out = out.data if lengths is not None else out
        states = state if isinstance(state, tuple) else (state,)
        (out.square().sum() + sum((s * 2).sum() for s in states)).backward()
        outputs.append((out, *states))
    for one, other in zip(*outputs):
        assert_close(one, other)
    assert_close(inputs[0].grad, inputs[1].grad, 1e-4)
    for one, other in zip(mine.parameters(), theirs.parameters()):
        assert_close(one.grad, other.grad, 1e-4)


FILLS = [
    ("uniform_", {}),
    ("normal_", {"mean": 1.0, "std": 3.0}),
    ("trunc_normal_", {"a": -1.0, "b": 0.5}),
    ("xavier_uniform_", {"gain": 0.5}),
    ("xavier_normal_", {}),
    ("kaiming_uniform_", {"a": 0.3}),
    ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}),
    ("sparse_", {"sparsity": 0.3}),
    ("eye_", {}),
]


@settings(max_examples=60, deadline=None)
@given(
    fill=st.sampled_from(FILLS),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    seed=st.integers(0, 2**31),
)
def test_initialisers_draw_the_same_numbers(fill, rows, columns, seed):
    name, options = fill
    filled = []
    for library in (rl, torch):
        library.manual_seed(seed)
        filled.append(getattr(library.nn.init, name)(library.zeros(rows, columns), **options))
    assert_close(*filled, tolerance=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    norm_type=st.sampled_from([1.0, 2.0, 3.0, float("inf")]),
    limit=st.floats(0.01, 10),
    seed=st.integers(0, 100),
)
def test_clipping_by_norm(norm_type, limit, seed):
    grads = [
        np.random.default_rng(seed).normal(size=shape).astype("float32") for shape in ((3,), (2, 4))
    ]
    after = []
    for library in (rl, torch):
        params = []
        for grad in grads:
            param = library.nn.Parameter(library.zeros(*grad.shape))
            param.grad = library.from_numpy(grad.copy())
            params.append(param)
        total = library.nn.utils.clip_grad_norm_(params, limit, norm_type)
        after.append([total, *[param.grad for param in params]])
    for one, other in zip(*after):
        assert_close(one, other)


def test_every_class_of_torch_is_here_with_its_arguments():
    import inspect

    absent = []
    for name in torch.nn.modules.__all__:
        kind = getattr(torch.nn, name)
        mine = getattr(rl.nn, name, None)
        if mine is None:
            absent.append(name)
            continue
        wanted = inspect.signature(kind.__init__).parameters
        got = inspect.signature(mine.__init__).parameters
        assert list(got) == list(wanted), name
    assert not absent


def test_every_method_of_torchs_module_is_here():
    public = {name for name in vars(torch.nn.Module) if not name.startswith("_")}
    assert public - set(dir(rl.nn.Module)) <= {"T_destination"}


@pytest.mark.parametrize("seed", range(3))
def test_a_checkpoint_of_torch_loads_by_name(seed):
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = torch.nn.Sequential(
            torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Tanh(), torch.nn.Linear(4, 2)
        )
    mine = rl.nn.Sequential(
        rl.nn.Linear(3, 4), rl.nn.BatchNorm1d(4), rl.nn.Tanh(), rl.nn.Linear(4, 2)
    )
    state = {name: ours(value) for name, value in theirs.state_dict().items()}
    assert str(mine.load_state_dict(state)) == "<All keys matched successfully>"
    x = torch.randn(6, 3)
    assert_close(mine(ours(x)), theirs(x))
    assert_close(mine.eval()(ours(x)), theirs.eval()(x))
