"""In-place writes on views: random programs beside the same programs without views or writes.

The model of a program is one flat tensor; a view is an array of flat places in it. A write through
a view makes a new flat tensor. Values of all views and the gradient of the leaf must agree.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight import func


class Model:
    """Values without views: the flat tensor, and where each view looks."""

    def __init__(self, flat: Any) -> None:
        self.flat = flat

    def read(self, places: np.ndarray) -> Any:
        return self.flat[rl.from_numpy(places.reshape(-1))].reshape(places.shape)

    def write(self, places: np.ndarray, value: Any) -> None:
        index = rl.from_numpy(places.reshape(-1))
        self.flat = self.flat.index_put((index,), value.expand(places.shape).reshape(-1))


def look(rng: random.Random, view: Any, places: np.ndarray) -> tuple[Any, np.ndarray]:
    """A random view of a view, and where it looks."""
    n = view.ndim
    if n == 0:
        return view.unsqueeze(0), places[None]
    kind = rng.choice(["slice", "step", "select", "transpose", "unsqueeze", "flat", "narrow",
                       "permute", "diagonal", "same"])  # fmt: skip
    dim = rng.randrange(n)
    size = view.shape[dim]
    at = (slice(None),) * dim
    if kind == "slice":
        low = rng.randrange(size)
        part = slice(low, rng.randint(low + 1, size))
        return view[(*at, part)], places[(*at, part)]
    if kind == "step":
        return view[(*at, slice(None, None, 2))], places[(*at, slice(None, None, 2))]
    if kind == "select":
        i = rng.randrange(-size, size)
        return view.select(dim, i), places[(*at, i, ...)]
    if kind == "transpose":
        other = rng.randrange(n)
        return view.transpose(dim, other), places.swapaxes(dim, other)
    if kind == "unsqueeze" and n < 4:
        return view.unsqueeze(dim), np.expand_dims(places, dim)
    if kind == "narrow":
        low = rng.randrange(size)
        return view.narrow(dim, low, size - low), places[(*at, slice(low, None))]
    if kind == "permute":
        order = rng.sample(range(n), n)
        return view.permute(order), places.transpose(order)
    if kind == "diagonal" and n == 2:
        return view.diagonal(), np.diagonal(places)
    if kind == "flat" and view.is_contiguous():
        return view.view(-1), places.reshape(-1)
    return view.view_as(view), places


def write(
    rng: random.Random, model: Model, view: Any, places: np.ndarray, w: Any, twin: Any
) -> None:
    """The same random write: of `w` through the view, of its twin to the model."""
    kind = rng.choice(
        ["add", "mul", "copy", "fill", "zero", "set", "row", "mask", "scaled", "turn"]
    )
    old, number = model.read(places), lambda value: rl.tensor(value, dtype=w.dtype)
    if kind == "add":
        view += w
        model.write(places, old + twin)
    elif kind == "mul":
        view.mul_(0.5)
        model.write(places, old * 0.5)
    elif kind == "copy":
        view.copy_((w * 3).expand(places.shape))
        model.write(places, twin * 3)
    elif kind == "fill":
        view.fill_(0.25)
        model.write(places, number(0.25))
    elif kind == "zero":
        view.zero_()
        model.write(places, number(0.0))
    elif kind == "set":
        view[...] = w * w
        model.write(places, twin * twin)
    elif kind == "row" and view.ndim:
        view[0] = w
        model.write(places[0], twin)
    elif kind == "mask":
        mask = rl.from_numpy(places % 2 == 0)
        view.masked_fill_(mask, 0.125)
        model.write(places, rl.where(mask, number(0.125), old))
    elif kind == "scaled":
        view.add_(w.expand(places.shape) * 2, alpha=0.5)
        model.write(places, old + twin)
    else:
        view.sub_(w).neg_()
        model.write(places, twin - old)


def bases(rng: random.Random, leaf: Any) -> tuple[Any, np.ndarray]:
    """A base that owns its memory, row-major or not."""
    places = np.arange(24).reshape(2, 3, 4)
    base = (leaf * 1).reshape(2, 3, 4)
    if rng.random() < 0.3:
        return base.permute(2, 0, 1).clone(), places.transpose(2, 0, 1)
    return base.clone(), places


@pytest.mark.parametrize("seed", range(250))
def test_random_program(seed: int) -> None:
    rng = random.Random(seed)
    leaf = rl.linspace(-1.0, 2.0, 24, dtype=rl.float64).requires_grad_()
    twin = leaf.detach().clone().requires_grad_()
    w = rl.tensor(0.7, dtype=rl.float64, requires_grad=True)
    w_twin = w.detach().clone().requires_grad_()
    base, places = bases(rng, leaf)
    model = Model(twin * 1)
    views = [(base, places)]
    total = total_twin = 0.0
    for _ in range(rng.randint(3, 14)):
        view, at = rng.choice(views[-4:])
        if rng.random() < 0.5:
            views.append(look(rng, view, at))
        elif rng.random() < 0.2:  # use a value in between: it must keep its old gradient
            factor = rng.random()
            total = total + view.sum() * factor
            total_twin = total_twin + model.read(at).sum() * factor
        else:
            pair = (w, w_twin) if rng.random() < 0.7 else (w.detach(), w.detach())
            write(rng, model, view, at, *pair)
    for i, (view, at) in enumerate(views):
        expected = model.read(at)
        np.testing.assert_allclose(view.detach().numpy(), expected.detach().numpy())
        scale = rl.from_numpy(np.sin(np.arange(at.size) + i).reshape(at.shape))
        total = total + (view * scale).sum()
        total_twin = total_twin + (expected * scale).sum()
    grads = rl.autograd.grad(total, (leaf, w), allow_unused=True, materialize_grads=True)
    others = rl.autograd.grad(total_twin, (twin, w_twin), allow_unused=True, materialize_grads=True)
    for found, expected in zip(grads, others):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-12)


def test_second_order_through_writes_on_views() -> None:
    def f(x: Any) -> Any:
        y = x * 1
        y[1:].mul_(x[:2])
        y.view(-1)[0] = x.prod()
        return (y**3).sum()

    x = rl.tensor([0.3, 0.7, 1.1], dtype=rl.float64, requires_grad=True)
    assert rl.autograd.gradcheck(f, x)
    assert rl.autograd.gradgradcheck(f, x)


def test_a_view_of_an_expanded_tensor_sees_the_write() -> None:
    x = rl.ones(3, 1, requires_grad=True)
    y = x * 2
    wide = y.expand(3, 4)
    y.mul_(5)
    assert wide.tolist() == [[10.0] * 4] * 3
    wide.sum().backward()
    assert x.grad.tolist() == [[40.0]] * 3


def test_as_strided_windows_share_and_sum_gradients() -> None:
    x = rl.arange(6.0, requires_grad=True)
    y = x * 1
    windows = y.as_strided((4, 3), (1, 1))
    y[2].fill_(0.0)
    assert windows[:, 0].tolist() == [0.0, 1.0, 0.0, 3.0]
    windows.sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 0.0, 3.0, 2.0, 1.0]


def test_a_write_through_a_view_of_a_tensor_with_gaps_reaches_its_gradient():
    """What torch 2.13 gives."""
    h = rl.arange(16.0).reshape(4, 4)
    a = h[:, 1:3].detach()  # no view of h, for gradients
    w = rl.full((4,), 2.0, requires_grad=True)
    a[..., 1].mul_(w)
    (a * rl.arange(8.0).reshape(4, 2)).sum().backward()
    assert w.grad.tolist() == [2.0, 18.0, 50.0, 98.0]
    assert h[:, 2].tolist() == [4.0, 12.0, 20.0, 28.0]


LOOKS = {
    "real": lambda z: z.real,
    "imag": lambda z: z.imag,
    "row of imag": lambda z: z.imag[1],
    "real of transposed": lambda z: z.T.real,
    "pairs": rl.view_as_real,
    "pairs transposed": lambda z: rl.view_as_real(z).transpose(0, 1),
    "half of the pairs": lambda z: rl.view_as_real(z)[:, 1:, 0],
}


def written_apart(look: Any, pairs: Any) -> Any:
    """What a write of 3 v + v^2 to a look at the complex numbers makes of them, without views."""
    places = look(rl.view_as_complex(rl.arange(12, dtype=rl.float64).reshape(2, 3, 2)))
    places, flat = places.reshape(-1).long(), pairs.reshape(-1)
    part = flat[places]
    return rl.view_as_complex(flat.index_put((places,), 3 * part + part * part).reshape(2, 3, 2))


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("base", ["complex", "pairs"])
def test_writes_through_real_views_of_complex_numbers(look: Any, base: str) -> None:
    values, weight = rl.randn(2, 3, 2, dtype=rl.float64), rl.randn(2, 3, dtype=rl.complex128)
    got, expected = values.clone().requires_grad_(), values.clone().requires_grad_()
    if base == "complex":
        z = rl.view_as_complex(got).clone()
        other = z.real
    else:
        memory = got.clone()
        z = rl.view_as_complex(memory)
        other = memory[..., 0]
    v = look(z)
    v.mul_(3 + v)
    apart = written_apart(look, expected)
    assert rl.allclose(z, apart)
    ((z * weight).abs().sum() + (other * other).sum()).backward()
    ((apart * weight).abs().sum() + (apart.real * apart.real).sum()).backward()
    assert got.grad is not None and expected.grad is not None
    np.testing.assert_allclose(got.grad.numpy(), expected.grad.numpy(), rtol=1e-12)


def test_a_complex_view_of_pairs_is_written() -> None:
    leaf = rl.arange(12.0, dtype=rl.float64).reshape(2, 3, 2).requires_grad_()
    pairs = leaf.clone()
    rl.view_as_complex(pairs)[1].mul_(2j)
    (pairs * leaf.detach()).sum().backward()
    turned = rl.stack([2 * leaf.detach()[1, :, 1], -2 * leaf.detach()[1, :, 0]], dim=-1)
    assert leaf.grad is not None
    assert rl.equal(leaf.grad, rl.stack([leaf.detach()[0], turned]))


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_writes_through_real_views_inside_transforms(look: Any) -> None:
    pairs = rl.randn(2, 3, 2, dtype=rl.float64)
    weight, way = rl.randn(2, 3, dtype=rl.complex128), rl.randn(2, 3, 2, dtype=rl.float64)

    def through_views(x: Any) -> Any:
        z = rl.view_as_complex(x).clone()
        other = z.real
        v = look(z)
        v.mul_(3 + v)
        return (z * weight).abs().sum() + (other * other).sum()

    def apart(x: Any) -> Any:
        z = written_apart(look, x)
        return (z * weight).abs().sum() + (z.real * z.real).sum()

    got, expected = func.grad(through_views)(pairs), func.grad(apart)(pairs)
    np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-12)
    got, expected = (func.jvp(f, (pairs,), (way,))[1] for f in (through_views, apart))
    np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (lambda x: x.unbind()[1][None], "Unsqueeze"),
        (lambda x: x.chunk(2)[1].view(2, 1), "View"),
        (lambda x: x.split(2)[0][:1], "Slice"),
        (lambda x: x.chunk(2)[1], "Split"),
    ],
)
def test_views_of_one_of_many_views_are_not_written(part: Any, name: str) -> None:
    view = part(rl.ones(4, requires_grad=True).clone())
    number = 1 if name == "Split" else 0
    with pytest.raises(
        RuntimeError, match=f"Output {number} of {name} is a view .* multiple views"
    ):
        view.mul_(2)
    assert view.detach().mul_(2).sum() == 2 * view.numel()


class Seen(rl.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return 3 * g


def test_views_made_by_a_function_are_not_written() -> None:
    x = rl.ones(4, requires_grad=True).clone()
    for view, name in ((Seen.apply(x), "Seen"), (Seen.apply(x)[1:], "Slice")):
        with pytest.raises(RuntimeError, match=f"Output 0 of {name} .* inside a custom Function"):
            view.add_(1)
    Seen.apply(x).clone().add_(1)


def test_retained_gradients_follow_writes_through_views() -> None:
    base = rl.ones(3, requires_grad=True).clone()
    view, other = base[1:], base[1:]
    for x in (base, view, other):
        x.retain_grad()
    view.mul_(2)
    base.mul_(3)  # of each tensor the gradient of what it is last
    (view * view + other).sum().backward()
    assert base.grad.tolist() == [0, 13, 13]
    assert view.grad.tolist() == [12, 12]
    assert other.grad.tolist() == [1, 1]


PARTS = {
    "row": lambda a: a[0],
    "columns": lambda a: a[:, 1:],
    "rows of transposed": lambda a: a.T[1:],
    "steps": lambda a: a[1:, ::2],
    "diagonal": lambda a: a.diagonal(),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_writes_to_views_of_samples_whose_rows_lie_apart(part: Any, dim: int) -> None:
    def written(a: Any) -> Any:
        a = a.clone()
        view = part(a)
        view *= 3 * view
        return (a * a).sum() + view.sum()

    def pushed(a: Any) -> Any:
        return func.jvp(written, (a,), (a + 1,))[1]

    x = rl.arange(24.0, dtype=rl.float64).reshape(3, 4, 2) / 7
    for differentiated in (func.grad(written), pushed):
        found = rl.vmap(differentiated, in_dims=dim)(x)
        alone = [differentiated(y.contiguous()) for y in x.unbind(dim)]
        assert rl.allclose(found, rl.stack(alone))
