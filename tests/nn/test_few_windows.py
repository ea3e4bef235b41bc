"""Pooling of few elements goes by a table of windows; of many, a place of the window at a time."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl
from rushlight.ops.fused.pooling import FEW

F = rl.nn.functional
POOLS = {
    "maximum": lambda x, k, s, p, c: F.max_pool2d(x, k, s, p, ceil_mode=c),
    "place": lambda x, k, s, p, c: F.max_pool2d(x, k, s, p, ceil_mode=c, return_indices=True)[1],
    "mean": lambda x, k, s, p, c: F.avg_pool2d(x, k, s, p, c),
    "mean of what is there": lambda x, k, s, p, c: F.avg_pool2d(x, k, s, p, c, False),
}


def many(x):
    """So many copies of the images that the other way is taken."""
    return x.repeat(FEW // x.numel() + 1, 1, 1, 1)


@pytest.mark.parametrize("pool", POOLS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_few_and_many_windows_agree(pool, data):
    kernel = data.draw(st.integers(1, 3))
    high, wide = data.draw(st.integers(kernel, 6)), data.draw(st.integers(kernel, 6))
    rest = (
        data.draw(st.integers(1, 3)),
        data.draw(st.integers(0, kernel // 2)),
        data.draw(st.booleans()),
    )
    odd = data.draw(st.sampled_from([0.0, float("nan"), float("-inf"), float("inf")]))
    _ = rl.manual_seed(data.draw(st.integers(0, 9)))
    x = rl.randn(1, 2, high, wide)
    x[rl.rand(x.shape) < data.draw(st.sampled_from([0.0, 0.3, 1.0]))] = odd
    few, lots = x.clone().requires_grad_(), many(x).requires_grad_()
    y, z = POOLS[pool](few, kernel, *rest), POOLS[pool](lots, kernel, *rest)
    assert rl.allclose(y, z[:1], equal_nan=True)
    if y.requires_grad:
        y.sum().backward()
        z[:1].sum().backward()
        assert rl.allclose(few.grad, lots.grad[:1], equal_nan=True)
        assert few.grad.is_contiguous()
        assert few.grad.untyped_storage().nbytes() == few.grad.nbytes


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(1, 5), st.integers(1, 3))
def test_adaptive_maxima_stand_where_they_say(high, wide, out, images):
    x = rl.randn(images, 2, high, wide)
    y, places = F.adaptive_max_pool2d(x, out, return_indices=True)
    assert rl.equal(x.flatten(2).gather(2, places.flatten(2)).view_as(y), y)
    for i in range(out):
        for j in range(out):
            part = x[:, :, i * high // out : -(-(i + 1) * high // out),
                     j * wide // out : -(-(j + 1) * wide // out)]  # fmt: skip
            assert rl.equal(part.amax((2, 3)), y[:, :, i, j])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.data())
def test_adaptive_means_are_those_of_their_windows(dims, data):
    out = data.draw(st.integers(1, 3))
    sizes = [data.draw(st.integers(1, 7)) for _ in range(dims)]
    x = rl.randn(2, 1, *sizes, dtype=rl.float64, requires_grad=True)
    y = getattr(F, f"adaptive_avg_pool{dims}d")(x, out)
    for at in itertools.product(range(out), repeat=dims):
        part = x[(..., *(slice(i * n // out, -(-(i + 1) * n // out)) for i, n in zip(at, sizes)))]
        assert rl.allclose(part.mean(tuple(range(2, 2 + dims))), y[(..., *at)])
    weight = rl.rand(y.shape, dtype=rl.float64)
    (g,) = rl.autograd.grad((y * weight).sum(), x)
    assert rl.allclose(g.sum((2, 3, 4)[:dims]), weight.sum((2, 3, 4)[:dims]))
