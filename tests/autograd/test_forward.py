"""Dual numbers by hand and `func.jvp`: writes, views, levels, whole layers, and what they keep."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import rushlight as rl
import rushlight.autograd.forward_ad as fw
from rushlight import nn
from rushlight.core.heavy import FORMS

F = nn.functional


def draw(*shape: int, seed: int = 0) -> rl.Tensor:
    return rl.from_numpy(np.asarray(np.random.default_rng([seed, *shape]).standard_normal(shape)))


def agree(function: Any, *xs: rl.Tensor, rtol: float = 1e-5) -> None:
    """jvp against central differences along random directions, in float64."""
    ts = tuple(draw(*x.shape, seed=11 + i) for i, x in enumerate(xs))
    _, t = rl.func.jvp(function, xs, ts)
    step = 1e-6
    high, low = (
        function(*(x + s * d for x, d in zip(xs, ts))).detach().numpy() for s in (step, -step)
    )
    np.testing.assert_allclose(t.detach().numpy(), (high - low) / (2 * step), rtol=rtol, atol=1e-6)


def encoder() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)


LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "lstm": (lambda: nn.LSTM(4, 5, num_layers=2, bidirectional=True), (6, 3, 4)),
    "gru": (lambda: nn.GRU(4, 5), (6, 3, 4)),
    "transformer": (encoder, (2, 5, 8)),
    "attention": (lambda: nn.MultiheadAttention(8, 2), (5, 2, 8)),
    "convolution": (lambda: nn.Conv2d(3, 4, 3, padding=1, groups=1), (2, 3, 6, 6)),
    "transposed": (lambda: nn.ConvTranspose2d(3, 4, 3, stride=2), (2, 3, 4, 4)),
    "batch_norm": (lambda: nn.BatchNorm2d(3), (4, 3, 5, 5)),
    "layer_norm": (lambda: nn.LayerNorm(6), (4, 6)),
    "max_pool": (lambda: nn.MaxPool2d(2), (2, 3, 6, 6)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    make, shape = LAYERS[name]
    rl.manual_seed(0)
    layer = make().double()

    def function(x: rl.Tensor) -> rl.Tensor:
        y = layer(x, x, x) if name == "attention" else layer(x)
        return y[0] if isinstance(y, tuple) else y

    agree(function, draw(*shape))


def test_losses_and_grids() -> None:
    probabilities = draw(7, 2, 4)
    targets, lengths = rl.tensor([[1, 2, 3], [3, 1, 2]]), rl.tensor([3, 2])
    agree(
        lambda x: F.ctc_loss(x.log_softmax(2), targets, rl.tensor([7, 6]), lengths), probabilities
    )
    agree(lambda x, g: F.grid_sample(x, g.tanh(), align_corners=False), draw(2, 3, 5, 5),
          draw(2, 4, 4, 2, seed=3))  # fmt: skip
    agree(lambda q: F.scaled_dot_product_attention(q, q, q), draw(2, 5, 4))
    agree(lambda x: F.cross_entropy(x, rl.tensor([1, 0, 3])), draw(3, 4))
    agree(lambda x: rl.linalg.svd(x)[1].cumsum(0) + rl.linalg.det(x[:3]), draw(4, 3))
    agree(lambda x: rl.linalg.eigh(x @ x.mT)[0].sort(descending=True)[0], draw(4, 4))


def test_writes_follow_the_tangent() -> None:
    def function(x: rl.Tensor) -> rl.Tensor:
        y = rl.zeros(3, 2).double()
        y[0] = x[:2] * 2
        column = y[:, 1]
        column += x
        y[1:].mul_(x[1:, None])
        kept = x + 1
        doubled = kept.mul_(2)
        doubled[0] = doubled[1]
        return rl.cat([y.flatten(), kept])

    agree(function, draw(3))


def test_a_write_leaves_given_tangents_alone() -> None:
    x, t = rl.ones(3), rl.tensor([1.0, 2.0, 3.0])
    with fw.dual_level():
        dual = fw.make_dual(x.clone(), t)
        shifted = dual + 1
        shifted.mul_(5)
        assert fw.unpack_dual(dual).tangent.tolist() == [1.0, 2.0, 3.0]
        assert fw.unpack_dual(shifted).tangent.tolist() == [5.0, 10.0, 15.0]
        dual.mul_(7)
        assert fw.unpack_dual(dual).tangent.tolist() == [7.0, 14.0, 21.0]
    assert t.tolist() == [1.0, 2.0, 3.0]


def test_dual_level() -> None:
    with pytest.raises(RuntimeError, match="no level exists"):
        fw.make_dual(rl.ones(1), rl.ones(1))
    with fw.dual_level():
        dual = fw.make_dual(rl.tensor(3.0), rl.tensor(1.0))
        y = dual**2
        assert repr(y) == "tensor(9., tangent=tensor(6.))"
        assert isinstance(y, rl.Tensor)
        assert fw.unpack_dual(y).tangent.item() == 6.0
        assert fw.unpack_dual(dual.detach()).tangent is None
        assert fw.unpack_dual(rl.ones(1)).tangent is None
        assert fw.unpack_dual((y > 3).float()).tangent is None
        with pytest.raises(RuntimeError, match="Nested forward mode AD"):
            fw.enter_dual_level()
        with pytest.raises(RuntimeError, match="already has a forward gradient"):
            fw.make_dual(dual, rl.tensor(1.0))
        assert y.item() == 9.0 and bool(y > 3)
    assert fw.unpack_dual(y).tangent is None
    assert repr(y + 1) == "tensor(10.)"


def test_a_tangent_lies_in_memory_as_its_value_does() -> None:
    x, t = rl.rand(3, 4), rl.rand(4, 3)
    with fw.dual_level():
        for primal, tangent in ((x, t.T), (x.T, t), (x[:, ::2], t.T[:, ::2])):
            kept = fw.unpack_dual(fw.make_dual(primal, tangent)).tangent
            np.testing.assert_array_equal(kept.numpy(), tangent.numpy())
            order = np.argsort(kept.stride()).tolist()
            assert order == np.argsort(primal.stride()).tolist()
        same = rl.rand(3, 4)
        assert fw.unpack_dual(fw.make_dual(x, same)).tangent is same


def test_a_long_tangent_stands_on_a_line_of_its_own() -> None:
    x = rl.arange(8.0)
    with fw.dual_level():
        text = repr(fw.make_dual(x, x * 100))
    assert text == (
        "tensor([0., 1., 2., 3., 4., 5., 6., 7.],\n"
        "       tangent=tensor([  0., 100., 200., 300., 400., 500., 600., 700.]))"
    )


def test_reverse_over_a_dual() -> None:
    """With a leaf inside, the tangent of the gradient is the Hessian's product."""
    x = draw(4).requires_grad_()
    v = draw(4, seed=5)
    with fw.dual_level():
        y = (fw.make_dual(x, v).exp() * x).prod()
        (slope,) = rl.autograd.grad(y, x, create_graph=True)
        product = fw.unpack_dual(slope).tangent
    hessian = rl.func.hessian(lambda x: (x.exp() * x).prod())
    mixed = rl.func.jvp(
        lambda d: rl.func.grad(lambda a: (a.exp() * x.detach()).prod())(d)
        + rl.func.grad(lambda b: (d.exp() * b).prod())(x.detach()),
        (x.detach(),), (v,),
    )[1]  # fmt: skip
    assert hessian(x.detach()).shape == (4, 4)
    np.testing.assert_allclose(product.detach().numpy(), mixed.numpy(), rtol=1e-9)


def test_complex_tangents() -> None:
    z = rl.complex(draw(3), draw(3, seed=1))
    t = rl.complex(draw(3, seed=2), draw(3, seed=3))
    step = 1e-6
    for function in (
        lambda z: z * z.conj(), lambda z: z.exp() / (z + 3), lambda z: z.abs(), lambda z: z.angle(),
        lambda z: (z * z).real, lambda z: rl.view_as_real(z).sin(), lambda z: z.sgn(),
    ):  # fmt: skip
        found = rl.func.jvp(function, (z,), (t,))[1].numpy()
        ends = [function(z + s * t).numpy() for s in (step, -step)]
        np.testing.assert_allclose(found, (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-7)


def peak_of_chain(length: int) -> int:
    def chain(x: rl.Tensor) -> rl.Tensor:
        for _ in range(length // 2):
            x = (x * 1.0001).sin()
        return x

    x = draw(1000)
    tracemalloc.start()
    try:
        rl.func.jvp(chain, (x,), (x,))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_program() -> None:
    """8 kB per step would be 32 MB; what the first runs load and cache is far less."""
    peak_of_chain(100)
    assert peak_of_chain(4000) < 1_000_000


def test_large_arrays_go_in_one_pass() -> None:
    """Value and tangent of one program are those of the function and of reverse mode."""

    def f(x: rl.Tensor) -> rl.Tensor:
        return x.exp() * x.relu()

    x, t = draw(65_537), draw(65_537) - 0.5
    y, pushed = rl.func.jvp(f, (x,), (t,))
    leaf = x.detach().requires_grad_()
    (g,) = rl.autograd.grad(f(leaf), leaf, t)
    rl.testing.assert_close(y, f(x))
    rl.testing.assert_close(pushed, g)
    found = {key[0] for key, program in FORMS.items() if program is not None}
    assert {"push exp", "push relu", "push mul"} <= found


def test_a_general_function_needs_jvp() -> None:
    class Double(rl.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: rl.Tensor) -> rl.Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: rl.Tensor) -> rl.Tensor:
            return g * 2

    with fw.dual_level(), pytest.raises(NotImplementedError, match="must implement the jvp"):
        Double.apply(fw.make_dual(rl.ones(1), rl.ones(1)))


@pytest.mark.parametrize(("kind", "how"), [
    ("RNN", {}), ("RNN", {"nonlinearity": "relu", "bias": False}), ("GRU", {}),
    ("GRU", {"bias": False}), ("LSTM", {}), ("LSTM", {"proj_size": 4}),
])  # fmt: skip
@pytest.mark.parametrize("rows", [2, 40])
def test_recurrent_layers_by_their_kernel(kind: str, how: Any, rows: int) -> None:
    """<g, J t> = <J^T g, t> of short sequences and of those that go by native steps."""
    rnn = getattr(rl.nn, kind)(3, 16, bidirectional=True, dtype=rl.float64, **how)
    params = {name: p.detach() for name, p in rnn.named_parameters()}
    x = rl.randn(9, rows, 3, dtype=rl.float64)

    def run(p: Any, x: Any) -> Any:
        y, ends = rl.func.functional_call(rnn, p, (x,))
        return y.sin().sum() + sum((end * end).sum() for end in (*ends,))

    t = {name: rl.randn_like(p) for name, p in params.items()}, rl.randn_like(x)
    slopes = rl.func.grad(run, (0, 1))(params, x)
    want = sum((slopes[0][name] * t[0][name]).sum() for name in params) + (slopes[1] * t[1]).sum()
    rl.testing.assert_close(rl.func.jvp(run, (params, x), t)[1], want)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_tangents_of_single_operands_of_native_steps(kind: str) -> None:
    """Each operand's share alone, against differences."""
    rnn = getattr(rl.nn, kind)(3, 16, dtype=rl.float64)
    params = {name: p.detach() for name, p in rnn.named_parameters()}
    x, h = rl.randn(9, 40, 3, dtype=rl.float64), rl.randn(1, 40, 16, dtype=rl.float64)
    states = (h, rl.randn_like(h)) if kind == "LSTM" else h

    def run(given: Any) -> Any:
        first = (given["h"], given["c"]) if kind == "LSTM" else given["h"]
        weights = {name: given[name] for name in params}
        return rl.func.functional_call(rnn, weights, (given["x"], first))[0].sin().sum()

    at = {"x": x, "h": h, **({"c": states[1]} if kind == "LSTM" else {}), **params}
    for name in at:
        t = rl.randn_like(at[name])
        pushed = rl.func.jvp(lambda v, name=name: run({**at, name: v}), (at[name],), (t,))[1]
        up, down = (run({**at, name: at[name] + step * t}) for step in (1e-6, -1e-6))
        rl.testing.assert_close(pushed, (up - down) / 2e-6, rtol=1e-6, atol=1e-6)


STEPS = {
    "floor": rl.floor, "ceil": rl.ceil, "round": rl.round, "trunc": rl.trunc,
    "sign": rl.sign, "decimals": lambda x: rl.round(x, decimals=1),
    "quotient": lambda x: rl.div(x, 2.0, rounding_mode="floor"),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [rl.float32, rl.bfloat16])
@pytest.mark.parametrize("name", STEPS)
def test_step_functions_have_a_tangent_of_zeros(name, dtype):
    """As in torch; a comparison has none, nor what only the sign of another is taken from."""
    x = rl.tensor([[0.3, -1.7], [2.2, 0.0]], dtype=dtype)
    with fw.dual_level():
        dual = fw.make_dual(x, rl.ones_like(x))
        y, tangent = fw.unpack_dual(STEPS[name](dual))
        assert rl.equal(y, STEPS[name](x))
        assert tangent.dtype is dtype and tangent.tolist() == [[0, 0], [0, 0]]
        product = fw.unpack_dual(STEPS[name](dual) * dual)
        assert rl.equal(product.tangent, y)
        for other in (dual > 0, rl.copysign(x, dual)):
            assert fw.unpack_dual(other).tangent is None


@pytest.mark.parametrize(
    ("name", "function"),
    [("floor_divide", lambda x, y: x // y), ("floor_divide", lambda x, y: x // 2.0),
     ("heaviside", rl.heaviside)],
)  # fmt: skip
def test_what_cannot_be_differentiated_is_refused_in_torchs_words(name, function):
    x, y = draw(3), draw(3, seed=1)
    with pytest.raises(NotImplementedError, match=f"forward AD with aten::{name} that does not"):
        rl.func.jvp(lambda x: function(x, y), (x,), (y,))
    with pytest.raises(RuntimeError, match=f"derivative for aten::{name} is not implemented"):
        function(x.clone().requires_grad_(), y).sum().backward()
