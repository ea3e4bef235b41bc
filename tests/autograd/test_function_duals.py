"""A Function of the user's own on tensors that have tangents and want gradients as well."""

import numpy as np
import pytest

import rushlight as rl
from rushlight.autograd import forward_ad


class Cube(rl.autograd.Function):
    """Two outputs, one of which backward and jvp read."""

    @staticmethod
    def forward(x):
        return x**3, 3 * x**2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0], output[1])

    @staticmethod
    def backward(ctx, g, slope):
        x, d = ctx.saved_tensors
        return g * d + 6 * slope * x

    @staticmethod
    def jvp(ctx, t):
        x, d = ctx.saved_tensors
        return d * t, 6 * t * x


class Exponential(rl.autograd.Function):
    """Its values come from NumPy, so that nothing but the user's backward can differentiate it."""

    @staticmethod
    def forward(ctx, x):
        y = rl.from_numpy(np.exp(x.numpy(force=True)))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]

    @staticmethod
    def jvp(ctx, t):
        return t * ctx.saved_tensors[0]


FORMS = {
    "several": (lambda x: Cube.apply(x)[0], lambda x: 3 * x**2, lambda x: 6 * x),
    "the second": (lambda x: Cube.apply(x)[1], lambda x: 6 * x, lambda x: 6 + 0 * x),
    "with ctx": (Exponential.apply, rl.exp, rl.exp),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_gradient_of_a_dual_goes_through_backward_and_has_a_tangent(form):
    function, slope, curvature = FORMS[form]
    x, t = rl.tensor([2.0, 3.0], requires_grad=True), rl.tensor([1.0, 0.5])
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, t)
        y = function(dual)
        (g,) = rl.autograd.grad(y.sum(), dual, create_graph=True)
        value, tangent = forward_ad.unpack_dual(g)
        pushed = forward_ad.unpack_dual(y).tangent
    rl.testing.assert_close(value.detach(), slope(x).detach())
    rl.testing.assert_close(pushed.detach(), (slope(x) * t).detach())
    rl.testing.assert_close(tangent.detach(), (curvature(x) * t).detach())


def test_what_is_recorded_ends_at_the_leaf():
    x = rl.tensor([2.0, 3.0], requires_grad=True)
    with forward_ad.dual_level():
        Exponential.apply(forward_ad.make_dual(x, rl.ones(2))).sum().backward()
    rl.testing.assert_close(x.grad, x.detach().exp())
    with forward_ad.dual_level(), rl.no_grad():
        assert not Exponential.apply(forward_ad.make_dual(x, rl.ones(2))).requires_grad
    with forward_ad.dual_level():
        plain = Exponential.apply(forward_ad.make_dual(x.detach(), rl.ones(2)))
        assert not plain.requires_grad


LAYOUTS = {
    "sliced": lambda: rl.zeros(3, 8, dtype=rl.cfloat)[:, ::2],
    "turned": lambda: rl.zeros(3, 4, dtype=rl.cdouble).t(),
    "channels last": lambda: rl.zeros(2, 3, 4, 5, dtype=rl.cfloat).to(
        memory_format=rl.channels_last
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_complex_draws_fill_other_layouts(layout):
    """The same words in the order of memory, whatever the strides."""
    x = LAYOUTS[layout]()
    order = sorted(range(x.dim()), key=x.stride, reverse=True)
    rl.manual_seed(3)
    x.uniform_()
    rl.manual_seed(3)
    parts = rl.empty([x.shape[d] for d in order] + [2], dtype=x.real.dtype).uniform_()
    assert rl.equal(rl.view_as_real(x.permute(order)), parts)


def test_complex_normals_fill_slices():
    rl.manual_seed(3)
    x = LAYOUTS["sliced"]().normal_()
    rl.manual_seed(3)
    first = rl.stack([rl.zeros(()).normal_() for _ in range(2)]) / 2**0.5
    rl.testing.assert_close(rl.view_as_real(x)[0, 0], first)
    assert rl.randn_like(LAYOUTS["channels last"]()).is_contiguous(memory_format=rl.channels_last)


def test_complex_halves_fill_slices_and_whole_tensors():
    rl.manual_seed(3)
    whole = rl.zeros(3, 4, dtype=rl.complex32).uniform_()
    rl.manual_seed(3)
    part = rl.zeros(3, 8, dtype=rl.complex32)[:, ::2].uniform_()
    assert rl.equal(part.to(rl.cfloat), whole.to(rl.cfloat))
    assert whole.to(rl.cfloat).abs().min() > 0
    assert rl.randn_like(whole).shape == whole.shape


def test_images_without_samples_are_unfolded_under_vmap():
    x = rl.empty_strided((2, 0, 3, 4, 4), (48, 96, 16, 4, 1))
    g = rl.func.vmap(rl.func.grad(lambda x: rl.nn.functional.unfold(x, 2).sum()))(x)
    assert g.shape == x.shape
