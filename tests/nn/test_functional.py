"""Properties of `nn.functional` that need no second library."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as torch
from rushlight.nn import functional as F

SEEDS = st.integers(0, 2**16)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng([seed, *shape])
    return torch.from_numpy(np.asarray(rng.standard_normal(shape)))


def direct_convolution(
    x: np.ndarray, w: np.ndarray, stride: tuple, padding: tuple, dilation: tuple, groups: int
) -> np.ndarray:
    """The definition, one output element at a time."""
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    size = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(x.shape[2:], w.shape[2:], stride, dilation)
    ]
    y = np.zeros((x.shape[0], w.shape[0], *size))
    each_in, each_out = w.shape[1], w.shape[0] // groups
    for o in range(w.shape[0]):
        first = o // each_out * each_in
        for place in product(*map(range, size)):
            part = x[:, first : first + each_in]
            for axis, (at, s, d, k) in enumerate(zip(place, stride, dilation, w.shape[2:])):
                part = part.take(range(at * s, at * s + d * (k - 1) + 1, d), axis + 2)
            y[(slice(None), o, *place)] = (part * w[o]).sum(tuple(range(1, part.ndim)))
    return y


@st.composite
def convolutions(draw: Any) -> tuple[Any, ...]:
    dims = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    some = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(dims))
    kernel, stride, padding, dilation = some(1, 3), some(1, 3), some(0, 2), some(1, 2)
    size = tuple(d * (k - 1) + 1 + e for k, d, e in zip(kernel, dilation, some(0, 3)))
    shapes = ((2, groups * draw(st.integers(1, 2)), *size), kernel)
    return shapes, groups, draw(st.integers(1, 2)), stride, padding, dilation, draw(SEEDS)


@settings(max_examples=60, deadline=None)
@given(convolutions())
def test_convolution_and_its_adjoints(case: Any) -> None:
    (shape, kernel), groups, each, stride, padding, dilation, seed = case
    x = normal(*shape, seed=seed).requires_grad_()
    w = normal(groups * each, shape[1] // groups, *kernel, seed=seed).requires_grad_()
    conv = getattr(F, f"conv{len(kernel)}d")
    y = conv(x, w, None, stride, padding, dilation, groups)
    expected = direct_convolution(x.detach().numpy(), w.detach().numpy(), stride, padding, dilation,
                                  groups)  # fmt: skip
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-10, atol=1e-10)
    g = normal(*y.shape, seed=seed + 1)
    dx, dw = torch.autograd.grad(y, (x, w), g)
    inner = (y * g).sum().item()  # <conv(x, w), g> = <x, dx> = <w, dw>
    assert inner == pytest.approx((x * dx).sum().item(), rel=1e-9, abs=1e-9)
    assert inner == pytest.approx((w * dw).sum().item(), rel=1e-9, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(convolutions())
def test_transposed_convolution_is_the_adjoint(case: Any) -> None:
    (shape, kernel), groups, each, stride, padding, dilation, seed = case
    x = normal(*shape, seed=seed)
    w = normal(groups * each, shape[1] // groups, *kernel, seed=seed)
    y = getattr(F, f"conv{len(kernel)}d")(x, w, None, stride, padding, dilation, groups)
    g = normal(*y.shape, seed=seed + 1)
    extra = tuple(
        (n + 2 * p - d * (k - 1) - 1) % s
        for n, p, d, k, s in zip(shape[2:], padding, dilation, kernel, stride)
    )
    turned = getattr(F, f"conv_transpose{len(kernel)}d")
    back = turned(g, w, None, stride, padding, extra, groups, dilation)
    assert back.shape == x.shape
    assert (y * g).sum().item() == pytest.approx((x * back).sum().item(), rel=1e-9, abs=1e-9)


def test_convolution_in_blocks_equals_one_by_one() -> None:
    """A batch that fills several blocks of scratch gives what its images give alone."""
    x, w = normal(40, 8, 20, 20).requires_grad_(), normal(6, 8, 3, 3).requires_grad_()
    y = F.conv2d(x, w, padding=1)
    alone = torch.cat([F.conv2d(one.unsqueeze(0), w, padding=1) for one in x])
    np.testing.assert_allclose(y.detach().numpy(), alone.detach().numpy(), rtol=1e-10, atol=1e-10)
    g = normal(*y.shape, seed=3)
    for together, single in zip(torch.autograd.grad(y, (x, w), g),
                                torch.autograd.grad(alone, (x, w), g)):  # fmt: skip
        np.testing.assert_allclose(together.numpy(), single.numpy(), rtol=1e-9, atol=1e-9)


SECOND = {
    "conv2d": lambda x: F.conv2d(x.reshape(1, 2, 4, 5), normal(3, 2, 2, 2), padding=1),
    "conv2d weight": lambda x: F.conv2d(normal(2, 4, 4, 4), x.reshape(5, 4, 2, 1), stride=2),
    "conv_transpose2d": lambda x: F.conv_transpose2d(
        x.reshape(1, 2, 4, 5), normal(2, 3, 2, 2), stride=2
    ),
    "max_pool2d": lambda x: F.max_pool2d(x.reshape(1, 2, 4, 5), 2, 1),
    "avg_pool2d": lambda x: F.avg_pool2d(x.reshape(1, 2, 4, 5), 2, 1, 1),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x.reshape(1, 2, 4, 5), (3, 2)),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x.reshape(1, 2, 4, 5), (3, 2)),
    "batch_norm": lambda x: F.batch_norm(x.reshape(5, 4, 2), None, None, training=True),
    "layer_norm": lambda x: F.layer_norm(x.reshape(4, 10), (10,), normal(10), normal(10)),
    "group_norm": lambda x: F.group_norm(x.reshape(2, 4, 5), 2, normal(4), normal(4)),
    "instance_norm": lambda x: F.instance_norm(x.reshape(2, 4, 5)),
    "rms_norm": lambda x: F.rms_norm(x.reshape(4, 10), (10,), normal(10)),
    "softmax": lambda x: F.softmax(x.reshape(4, 10), 0),
    "log_softmax": lambda x: F.log_softmax(x.reshape(4, 10), 1),
    "cross_entropy": lambda x: F.cross_entropy(x.reshape(4, 10), torch.tensor([1, 9, 0, 3])),
    "cross_entropy weighted": lambda x: F.cross_entropy(
        x.reshape(4, 10), torch.tensor([1, 9, 0, 3]), normal(10).abs(), ignore_index=9
    ),
    "gelu": F.gelu, "silu": F.silu, "mish": F.mish, "softplus": F.softplus, "elu": F.elu,
    "logsigmoid": F.logsigmoid, "tanhshrink": F.tanhshrink,
    "bce": lambda x: F.binary_cross_entropy_with_logits(x, (normal(40) > 0).double()),
    "mse": lambda x: F.mse_loss(x, normal(40)),
    "smooth_l1": lambda x: F.smooth_l1_loss(x, normal(40)),
    "attention": lambda x: F.scaled_dot_product_attention(
        *x.reshape(1, 10, 4).unsqueeze(0).expand(3, 1, 10, 4).unbind(0), is_causal=True
    ),
    "interpolate": lambda x: F.interpolate(x.reshape(1, 2, 4, 5), (7, 3), mode="bicubic"),
    "grid_sample": lambda x: F.grid_sample(
        normal(1, 2, 4, 5), (x.reshape(1, 4, 5, 2) * 0.3), align_corners=False
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SECOND)
def test_first_and_second_derivative_against_differences(name: str) -> None:
    function = SECOND[name]
    start, move = normal(40, seed=8), normal(40, seed=9)
    weights = normal(*function(start).shape, seed=10)

    def value(x: torch.Tensor) -> torch.Tensor:
        return (function(x) * weights).sum()

    def slope(x: torch.Tensor) -> torch.Tensor:
        (g,) = torch.autograd.grad(value(x), x, create_graph=True)
        return (g * move).sum()

    step = 1e-6
    ends = [(start + sign * step * move).requires_grad_() for sign in (1, -1)]
    measured = (value(ends[0]) - value(ends[1])).item() / (2 * step)
    x = start.clone().requires_grad_()
    first = slope(x)
    assert first.item() == pytest.approx(measured, rel=1e-6, abs=1e-6)
    measured = (slope(ends[0]) - slope(ends[1])).item() / (2 * step)
    if not first.requires_grad:
        assert measured == pytest.approx(0, abs=1e-6)
        return
    (second,) = torch.autograd.grad(first, x, allow_unused=True)
    found = 0.0 if second is None else (second * move).sum().item()
    assert found == pytest.approx(measured, rel=1e-5, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 1), st.booleans(), SEEDS)
def test_max_pool_against_loops(k: int, s: int, p: int, ceil: bool, seed: int) -> None:
    p = min(p, k // 2)
    x = normal(2, 3, 7, 8, seed=seed).requires_grad_()
    y, places = F.max_pool2d(x, k, s, p, ceil_mode=ceil, return_indices=True)
    values = x.detach().numpy()
    for n, c, i, j in product(*map(range, y.shape)):
        rows = slice(max(0, i * s - p), min(7, i * s - p + k))
        columns = slice(max(0, j * s - p), min(8, j * s - p + k))
        assert y[n, c, i, j].item() == values[n, c, rows, columns].max()
    flat = values.reshape(2, 3, -1)
    read = np.take_along_axis(flat, places.numpy().reshape(2, 3, -1), 2).reshape(y.shape)
    np.testing.assert_array_equal(read, y.detach().numpy())
    assert torch.equal(F.max_pool2d(x.detach(), k, s, p, ceil_mode=ceil), y.detach())


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_softmax_rows_and_their_logarithm(seed: int) -> None:
    x = normal(5, 7, seed=seed) * 50
    y = F.softmax(x, 1)
    np.testing.assert_allclose(y.sum(1).numpy(), np.ones(5), rtol=1e-12)
    np.testing.assert_allclose(F.log_softmax(x, 1).exp().numpy(), y.numpy(), rtol=1e-9, atol=1e-300)
    shifted = F.softmax(x + 1e4, 1)
    np.testing.assert_allclose(shifted.numpy(), y.numpy(), rtol=1e-7, atol=1e-12)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_cross_entropy_is_the_sum_of_its_parts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = normal(6, 4, 3, seed=seed).requires_grad_()
    labels = torch.from_numpy(rng.integers(0, 4, (6, 3)))
    weight = torch.from_numpy(rng.uniform(0.1, 1, 4))
    both = {"weight": weight, "ignore_index": 0}
    for options in ({}, {"weight": weight}, {"ignore_index": 2}, both):
        fused = F.cross_entropy(x, labels, **options)
        parts = F.nll_loss(F.log_softmax(x, 1), labels, **options)
        for a, b in zip(torch.autograd.grad(fused, x), torch.autograd.grad(parts, x)):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-12)
        assert fused.item() == pytest.approx(parts.item(), rel=1e-12)


def test_unfold_times_weight_is_convolution() -> None:
    x, w = normal(2, 3, 6, 7), normal(4, 3, 3, 2)
    columns = F.unfold(x, (3, 2), padding=1, stride=(2, 1))
    y = F.conv2d(x, w, stride=(2, 1), padding=1)
    np.testing.assert_allclose(
        (w.reshape(4, -1) @ columns).reshape(y.shape).numpy(), y.numpy(), rtol=1e-10, atol=1e-12
    )


def test_shuffles_are_undone() -> None:
    x = normal(2, 8, 3, 5)
    assert torch.equal(F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2), x)
    assert torch.equal(F.channel_shuffle(F.channel_shuffle(x, 2), 4), x)


def test_dropout_keeps_the_mean_and_the_mask() -> None:
    torch.manual_seed(3)
    x = torch.ones(200, 300).requires_grad_()
    y = F.dropout(x, 0.3)
    values = set(np.unique(y.detach().numpy()).tolist())
    assert values == {0.0, float(np.float32(1) / np.float32(0.7))}
    assert y.mean().item() == pytest.approx(1, abs=0.01)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    assert F.dropout(x, 0.3, training=False) is x


def test_in_place_forms_write_into_their_argument() -> None:
    for name in ("relu_", "elu_", "selu_", "celu_", "leaky_relu_", "hardtanh_"):
        x = normal(3, 4)
        expected = getattr(F, name[:-1])(x.clone())
        assert getattr(F, name)(x) is x
        assert torch.equal(x, expected), name


@pytest.mark.parametrize("kind", ["layer", "batch", "batch1d"])
def test_norms_in_parts_equal_their_definition(kind: str) -> None:
    """Inputs large enough to be worked on part by part."""
    shape = {"layer": (60, 50, 64), "batch": (50, 16, 16, 16), "batch1d": (700, 300)}[kind]
    width = shape[-1] if kind == "layer" else shape[1]
    x, w, b = (t.requires_grad_() for t in (normal(*shape), normal(width), normal(width, seed=1)))
    dims = (2,) if kind == "layer" else (0, *range(2, len(shape)))
    turned = (width,) if kind == "layer" else (1, width) + (1,) * (len(shape) - 2)
    center = x.mean(dims, keepdim=True)
    size = (x - center).square().mean(dims, keepdim=True) + 1e-5
    plain = (x - center) / size.sqrt() * w.reshape(turned) + b.reshape(turned)
    if kind == "layer":
        y = F.layer_norm(x, (width,), w, b)
    else:
        y = F.batch_norm(x, None, None, w, b, training=True)
    g = normal(*shape, seed=2)
    np.testing.assert_allclose(y.detach().numpy(), plain.detach().numpy(), rtol=1e-9, atol=1e-9)
    for one, two in zip(torch.autograd.grad(y, (x, w, b), g),
                        torch.autograd.grad(plain, (x, w, b), g)):  # fmt: skip
        np.testing.assert_allclose(one.numpy(), two.numpy(), rtol=1e-8, atol=1e-8)


def test_running_statistics_are_moved_by_the_batch() -> None:
    x = normal(6, 3, 4)
    mean, variance = torch.zeros(3).double(), torch.ones(3).double()
    F.batch_norm(x, mean, variance, training=True, momentum=0.25)
    values = x.numpy().transpose(1, 0, 2).reshape(3, -1)
    np.testing.assert_allclose(mean.numpy(), 0.25 * values.mean(1), rtol=1e-12)
    np.testing.assert_allclose(variance.numpy(), 0.75 + 0.25 * values.var(1, ddof=1), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "notes"),
    [
        (lambda: F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 3])),
         "label 3 at row 1; 3 classes are 0..2"),
        (lambda: F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, -1])), "which is -100"),
        (lambda: F.cross_entropy(torch.zeros(2, 3), torch.tensor([0.0, 1.0])), "target.long()"),
        (lambda: F.cross_entropy(torch.zeros(2, 3), torch.tensor([[0], [1]])), "target.squeeze(1)"),
        (lambda: F.binary_cross_entropy(torch.tensor([0.5, 1.5]), torch.ones(2)),
         "the value at 1 is 1.5"),
        (lambda: F.embedding(torch.tensor([[1, 5]]), torch.zeros(3, 2)),
         "index 5 at position (0, 1); the table has rows 0..2"),
        (lambda: F.conv2d(torch.zeros(1, 1, 4, 4), torch.zeros(2, 3, 2, 2)), "grey image"),
        (lambda: F.conv2d(torch.zeros(1, 1, 4, 4).byte(), torch.zeros(2, 1, 2, 2)),
         "x.float() / 255"),
        (lambda: F.linear(torch.zeros(2, 4).byte(), torch.zeros(3, 4)), "x.float() / 255"),
        (lambda: F.batch_norm(torch.zeros(1, 3), None, None, training=True), "drop_last=True"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(call: Any, notes: str) -> None:
    with pytest.raises(Exception) as caught:
        call()
    assert notes in "\n".join(caught.value.__notes__)


def test_bfloat16_is_computed_in_float32() -> None:
    x = normal(3, 8).float().bfloat16()
    for function in (lambda x: F.softmax(x, 1), F.gelu, lambda x: F.layer_norm(x, (8,)), F.silu):
        wide, narrow = function(x.float()), function(x)
        assert narrow.dtype is torch.bfloat16
        np.testing.assert_allclose(narrow.float().numpy(), wide.numpy(), rtol=1e-2, atol=1e-2)


def test_softplus_of_few_numbers_rounds_as_finely_as_the_c_library() -> None:
    x = normal(20_000, seed=3) * 4
    parts = [F.softplus(part).numpy() for part in x.float().split(100)]
    exact = np.logaddexp(x.float().numpy().astype(np.float64), 0.0)  # of what float32 holds
    digits = np.abs(np.concatenate(parts) - exact) / np.spacing(exact.astype(np.float32))
    assert digits.mean() < 0.34 and digits.max() < 2
    assert np.allclose(F.softplus(x[:10], beta=2.5).numpy(), np.logaddexp(2.5 * x[:10], 0) / 2.5)
    assert F.softplus(torch.tensor([800.0, -800.0])).tolist() == [800.0, 0.0]


@pytest.mark.parametrize("size", [1, (1, 1), None])
def test_whole_images_and_means_of_windows_of_few_numbers(size: object) -> None:
    x = normal(2, 3, 4, 6).float()
    if size is not None:
        whole = F.adaptive_avg_pool2d(x, size)
        assert whole.shape == (2, 3, 1, 1)
        assert whole.equal(x.mean((-2, -1), keepdim=True))
        with pytest.raises(RuntimeError, match="non-zero size"):
            F.adaptive_avg_pool2d(torch.zeros(2, 3, 0, 6), size)
    windows = x.unfold(2, 2, 2).unfold(3, 2, 2).sum((-2, -1)) * 0.25
    for stride in (2, None, (2, 2)):
        assert F.avg_pool2d(x, 2, stride).allclose(windows)
    assert F.avg_pool2d(x[0], 2).shape == (3, 2, 3)
    assert F.avg_pool2d(x, 2, divisor_override=1).allclose(windows * 4)
    uneven = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    assert uneven[0, 0, 0, 0].allclose(x[0, 0, :2, :2].mean())
