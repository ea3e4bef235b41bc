"""Convolutions of few elements go by a table of their patches; of many, through blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl

F = rl.nn.functional
MANY = 8192  # elements of images beyond which there is no table


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_few_and_many_images_agree(data):
    dims, groups = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    side, width = st.integers(3, 5), st.integers(1, 2)
    channels, outs = groups * data.draw(width), groups * data.draw(width)
    numbers = {
        "stride": data.draw(st.integers(1, 3)), "padding": data.draw(st.integers(0, 2)),
        "dilation": data.draw(st.integers(1, 2)), "groups": groups,
    }  # fmt: skip
    sizes = [data.draw(side) for _ in range(dims)]
    turned = data.draw(st.booleans())
    taps = [data.draw(st.integers(1, 2)) for _ in range(dims)]
    convolve = getattr(F, f"conv{'_transpose' * turned}{dims}d")
    ends = (channels, outs // groups) if turned else (outs, channels // groups)
    x, w, b = (
        rl.randn(*s, dtype=rl.float64) for s in ((2, channels, *sizes), (*ends, *taps), (outs,))
    )
    try:
        y = convolve(x, w, b, **numbers)
    except RuntimeError:
        return  # the kernel is larger than the images
    times = MANY // x.numel() + 1
    found = []
    for count in (1, times):
        leaves = [
            one.clone().requires_grad_() for one in (x.repeat(count, *[1] * (dims + 1)), w, b)
        ]
        z = convolve(*leaves, **numbers)[:2]
        assert rl.allclose(z, y)
        first = rl.autograd.grad(z.square().sum(), leaves, create_graph=True)
        second = rl.autograd.grad(sum(g.square().sum() for g in first), leaves)
        found.append([g[:2] if one is leaves[0] else g
                      for one, g in zip(leaves * 2, (*first, *second))])  # fmt: skip
    for few, many in zip(*found):
        assert rl.allclose(few, many)


@pytest.mark.parametrize("size", [(1, 2, 4), (3000, 2, 4)])
def test_second_derivatives_of_output_padding_beyond_the_stride(size):
    """Places that only the output padding adds are no places of the convolution that undoes it."""
    x = rl.randn(*size, dtype=rl.float64, requires_grad=True)
    w = rl.randn(2, 1, 2, dtype=rl.float64, requires_grad=True)
    y = F.conv_transpose1d(x, w, stride=1, output_padding=1, dilation=2)
    first = rl.autograd.grad((y * y).sum(), [x, w], create_graph=True)
    second = rl.autograd.grad(sum((g * g).sum() for g in first), [x, w])
    assert [g.shape for g in second] == [x.shape, w.shape]
    if len(x) == 1:
        f = lambda x, w: F.conv_transpose1d(x, w, stride=1, output_padding=1, dilation=2)
        assert rl.autograd.gradgradcheck(f, (x, w))


def test_what_a_check_has_to_say_is_said_again_for_a_form_that_passed():
    """The answer of the checks is kept for each form, and for those alone that pass."""
    x, w = rl.ones(1, 2, 4, 4), rl.ones(2, 2, 3, 3)
    assert F.conv2d(x, w, stride=1).shape == (1, 2, 2, 2)
    with pytest.raises(RuntimeError, match="expected bias to be 1-dimensional with 2 elements"):
        F.conv2d(x, w, rl.ones(3))
    with pytest.raises(RuntimeError, match="bias type"):
        F.conv2d(x, w, rl.ones(2, dtype=rl.float64))
    with pytest.raises(RuntimeError, match="non-positive stride"):
        F.conv2d(x, w, stride=0)
    with pytest.raises(RuntimeError, match="greater than actual input size"):
        F.conv2d(x[..., :2], w)
    with pytest.raises(RuntimeError, match="to have 2 channels"):
        F.conv2d(rl.ones(1, 1, 4, 4), w)


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_numbers_of_numpy_stand_for_all_dimensions(kind):
    x, w = rl.arange(49.0).reshape(1, 1, 7, 7), rl.arange(9.0).reshape(1, 1, 3, 3)
    given = F.conv2d(x, w, stride=kind(1), padding=kind(1), dilation=kind(2))
    assert rl.equal(given, F.conv2d(x, w, padding=1, dilation=2))
