"""Networks with weights of their own for each sample, and gradients per sample: all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight as rl
from rushlight import nn
from rushlight.autograd import batched
from rushlight.func import functional_call, grad, jvp, stack_module_state, vmap

F = nn.functional


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 4)
        self.norm = nn.LayerNorm(4)
        self.out = nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        return self.out(self.norm(self.table(x)).mean(-2))


def convolutional() -> Any:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4, track_running_stats=False), nn.PReLU(),
        nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, stride=2, groups=2, bias=False), nn.GroupNorm(2, 6),
        nn.ConvTranspose2d(6, 3, 2), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(3, 3),
    )  # fmt: skip


CASES: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "perceptron": (
        lambda: nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.0), nn.Linear(8, 3)),
        lambda: rl.randn(6, 5),
    ),
    "convolutional": (convolutional, lambda: rl.randn(6, 2, 6, 6)),
    "attention": (
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True), nn.Flatten(),
            nn.Linear(12, 3),
        ),
        lambda: rl.randn(6, 3, 4),
    ),
    "words": (Words, lambda: rl.randint(0, 7, (6, 5))),
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(level: Any, prim: Any, *rest: Any) -> None:
        raise AssertionError(f"{prim.name} runs sample by sample")

    monkeypatch.setattr(batched, "one_by_one", refuse)


def made(name: str) -> tuple[list[Any], Any, Any, Any]:
    """Three networks, the names and stack of their parameters, and a batch."""
    rl.manual_seed(3)
    make, draw = CASES[name]
    nets = [make() for _ in range(3)]
    stacked = {k: v.detach() for k, v in stack_module_state(nets)[0].items()}
    return nets, stacked, draw(), rl.tensor([0, 2, 1, 1, 0, 2])


def one_of(stacked: Any, i: int) -> Any:
    return {name: value[i] for name, value in stacked.items()}


def compare(found: Any, wanted: list[Any]) -> None:
    for name, value in found.items():
        rl.testing.assert_close(
            value, rl.stack([one[name] for one in wanted]), rtol=1e-4, atol=1e-5, msg=name
        )


@pytest.mark.parametrize("name", CASES)
def test_an_ensemble(name: str) -> None:
    """Values, gradients and tangents of three networks on one batch."""
    nets, stacked, x, labels = made(name)

    def loss(p: Any) -> Any:
        return F.cross_entropy(functional_call(nets[0], p, (x,)), labels)

    def value(p: Any, x: Any) -> Any:
        return functional_call(nets[0], p, (x,))

    wanted = rl.stack([net(x) for net in nets])
    rl.testing.assert_close(vmap(value, (0, None))(stacked, x), wanted, rtol=1e-4, atol=1e-5)
    own = rl.stack([x, x.flip(0), x])
    wanted = rl.stack([net(part) for net, part in zip(nets, own)])
    rl.testing.assert_close(vmap(value)(stacked, own), wanted, rtol=1e-4, atol=1e-5)
    members = [one_of(stacked, i) for i in range(3)]
    compare(vmap(grad(loss))(stacked), [grad(loss)(p) for p in members])
    push = lambda p: jvp(loss, (p,), (p,))[1]
    rl.testing.assert_close(vmap(push)(stacked), rl.stack([push(p) for p in members]))


@pytest.mark.parametrize("name", CASES)
def test_gradients_per_sample(name: str) -> None:
    nets, stacked, x, labels = made(name)
    p = one_of(stacked, 0)

    def loss(p: Any, x: Any, label: Any) -> Any:
        return F.cross_entropy(functional_call(nets[0], p, (x[None],)), label[None])

    found = vmap(grad(loss), in_dims=(None, 0, 0))(p, x, labels)
    compare(found, [grad(loss)(p, *one) for one in zip(x, labels)])


LAYERS = {
    "RNN": lambda: nn.RNN(3, 4, num_layers=2, nonlinearity="relu"),
    "GRU": lambda: nn.GRU(3, 4, bidirectional=True),
    "LSTM": lambda: nn.LSTM(3, 5, num_layers=2, bidirectional=True, proj_size=2, bias=False),
    "long RNN": lambda: nn.RNN(3, 128),
    "long LSTM": lambda: nn.LSTM(3, 16),  # by native steps, a member after the other
}


@pytest.mark.parametrize("name", LAYERS)
def test_recurrent_layers_with_weights_of_their_own(name: str) -> None:
    """Forward, reverse, forward mode and one over the other, as each member alone."""
    members = [LAYERS[name]() for _ in range(3)]
    stacked = stack_module_state(members)[0]
    params = {k: v.detach() for k, v in stacked.items()}
    ts = {k: rl.randn_like(v) for k, v in params.items()}
    x = rl.randn(3, *((18, 16, 3) if "long" in name else (5, 2, 3)))

    def loss(p: Any, x: Any) -> Any:
        y, ends = functional_call(members[0], p, (x,))
        return (y * y).sum() + rl.stack([end.sin().sum() for end in (*ends,)]).sum()

    def both(p: Any, x: Any, t: Any) -> Any:
        slopes = grad(loss, (0, 1))
        return loss(p, x), slopes(p, x), jvp(loss, (p, x), (t, x))[1]

    def second(p: Any, x: Any, t: Any) -> Any:
        return jvp(grad(loss), (p, x), (t, x))

    leaves = rl.utils._pytree.tree_leaves
    for function in (both,) if "long" in name else (both, second):
        found = vmap(function)(params, x, ts)
        for i in range(3):
            alone = function(*({k: v[i] for k, v in one.items()} if isinstance(one, dict)
                               else one[i] for one in (params, x, ts)))  # fmt: skip
            for a, b in zip(leaves(found), leaves(alone)):
                rl.testing.assert_close(a[i], b, rtol=1e-4, atol=1e-4)
    tracked = {k: v.requires_grad_() for k, v in params.items()}
    slopes = rl.autograd.grad(vmap(loss)(tracked, x).sum(), list(tracked.values()))
    for a, b in zip(slopes, vmap(grad(loss))(params, x).values()):
        rl.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_members_within_members() -> None:
    """An ensemble of ensembles of packed and of whole sequences, also compiled."""
    rnns = [nn.GRU(3, 4, bidirectional=True) for _ in range(6)]
    stacked = stack_module_state(rnns)[0]
    params = {k: v.detach() for k, v in stacked.items()}
    x = rl.randn(5, 2, 3)
    packed = rl.nn.utils.rnn.pack_padded_sequence(x, [5, 3])
    want = rl.stack([rnn(x)[0] for rnn in rnns])
    nested = {k: v.reshape(2, 3, *v.shape[1:]) for k, v in params.items()}

    def run(p: Any) -> Any:
        return functional_call(rnns[0], p, (x,))[0]

    rl.testing.assert_close(vmap(vmap(run))(nested).flatten(0, 1), want)
    rl.testing.assert_close(rl.compile(lambda p: vmap(run)(p))(params), want)
    lengths = vmap(lambda p: functional_call(rnns[0], p, (packed,))[0].data)(params)
    rl.testing.assert_close(lengths, rl.stack([rnn(packed)[0].data for rnn in rnns]))


@pytest.mark.parametrize("name", LAYERS)
def test_members_that_require_grad_take_the_kernel(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients and tangents of each member, and the gradient of these, as in a loop."""
    members = [LAYERS[name]().double() for _ in range(3)]
    stacked = stack_module_state(members)[0]
    params = {k: v.detach().requires_grad_() for k, v in stacked.items()}
    ts = {k: rl.randn_like(v) for k, v in params.items()}
    shape = (18, 16, 3) if "long" in name else (5, 2, 3)
    x = rl.randn(3, *shape, dtype=rl.float64, requires_grad=True)

    def loss(p: Any, x: Any) -> Any:
        y, ends = functional_call(members[0], p, (x,))
        return (y * y).sum() + rl.stack([end.sin().sum() for end in (*ends,)]).sum()

    def both(p: Any, x: Any, t: Any) -> Any:
        return *grad(loss, (0, 1))(p, x), jvp(loss, (p, x), (t, x))[1]

    leaves = rl.utils._pytree.tree_leaves
    wanted = [
        rl.stack(parts) for parts in zip(*(
            leaves(both(*({k: v[i] for k, v in one.items()} if isinstance(one, dict)
                          else one[i] for one in (params, x, ts)))) for i in range(3)
        ))
    ]  # fmt: skip
    slow = rl.autograd.grad(sum(y.sin().sum() for y in wanted), (*params.values(), x))
    with monkeypatch.context() as patch:  # the formula in ops serves the gradient of these alone
        for place in ("ops.fused.recurrent", "autograd.batching_sequences"):
            patch.setattr(f"rushlight.{place}.formula", None)
            patch.setattr("rushlight.autograd.batching_sequences.unrolled", None)
        found = leaves(vmap(both)(params, x, ts))
    for one, other in zip(found, wanted, strict=True):
        rl.testing.assert_close(one, other)
    fast = rl.autograd.grad(sum(y.sin().sum() for y in found), (*params.values(), x))
    for one, other in zip(fast, slow, strict=True):
        rl.testing.assert_close(one, other)
