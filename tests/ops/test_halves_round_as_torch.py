"""Where functions of 16 bits round: once at the end, or after each op that they are in torch.

The formulas were found by trying which of them gives torch's numbers to the last bit;
`tests/live/test_halves_beside_torch.py` compares with torch itself.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

import rushlight as torch

F = torch.nn.functional
HALVES = [torch.bfloat16, torch.float16]
Tensor = torch.Tensor
Round = Callable[[Tensor], Tensor]


def log_softmax(x: Tensor, r: Round) -> Tensor:
    moved = x - x.amax(1, keepdim=True)
    return moved - r(r(moved.exp().sum(1, keepdim=True)).log())


def logsumexp(x: Tensor, r: Round) -> Tensor:
    top = x.amax(1, keepdim=True)
    return r(r(r(r(x - top).exp()).sum(1)).log()) + top[:, 0]


def product(x: Tensor, r: Round) -> Tensor:
    y = x[:, 0]
    for column in x.T[1:]:
        y = r(y * column)
    return y


def logit_loss(x: Tensor, t: Tensor, r: Round) -> Tensor:
    return r(r(1 - t) * x) - r(F.logsigmoid(x))


ONCE: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid, "rsqrt": lambda x: x.abs().add(0.5).rsqrt(),
    "mean": lambda x: x.mean(1), "mean of all": lambda x: x.mean(), "std": lambda x: x.std(1),
    "glu": F.glu, "softmax": lambda x: x.softmax(1), "tanh": torch.tanh,
}  # fmt: skip
STEPS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "log_softmax": (lambda x, t: x.log_softmax(1), lambda x, t, r: log_softmax(x, r)),
    "logsumexp": (lambda x, t: x.logsumexp(1), lambda x, t, r: logsumexp(x, r)),
    "prod": (lambda x, t: x.prod(1), lambda x, t, r: product(x, r)),
    "binary_cross_entropy_with_logits": (
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none"), logit_loss,
    ),
}  # fmt: skip


def rounder(kind: torch.dtype) -> Round:
    return lambda x: x.to(kind).float()


@pytest.mark.parametrize("kind", HALVES, ids=str)
@pytest.mark.parametrize("name", ONCE)
def test_one_kernel_rounds_once(name: str, kind: torch.dtype) -> None:
    torch.manual_seed(0)
    x = (torch.randn(30, 20) * 2).to(kind)
    wide = x.float().abs() + 0.5 if name == "rsqrt" else x.float()
    if name == "rsqrt":  # its operand is itself short
        x, wide = wide.to(kind), wide.to(kind).float()
        found, wanted = x.rsqrt(), wide.rsqrt()
    else:
        found, wanted = ONCE[name](x), ONCE[name](wide)
    assert found.dtype == kind
    assert (found == wanted.to(kind)).float().mean() > 0.99


@pytest.mark.parametrize("kind", HALVES, ids=str)
@pytest.mark.parametrize("name", STEPS)
def test_several_ops_round_each(name: str, kind: torch.dtype) -> None:
    torch.manual_seed(1)
    x, t = (torch.randn(30, 20) * 2).to(kind), torch.rand(30, 20).to(kind)
    ours, steps = STEPS[name]
    found, wanted = ours(x, t), steps(x.float(), t.float(), rounder(kind)).to(kind)
    assert (found == wanted).float().mean() > 0.99
    assert not torch.equal(found, ours(x.float(), t.float()).to(kind))


def test_cubes_of_bfloat16_round_the_square() -> None:
    torch.manual_seed(2)
    x = torch.randn(500)
    short, half = x.bfloat16(), x.half()
    r = rounder(torch.bfloat16)
    assert torch.equal(short**3, (r(short.float() ** 2) * short.float()).bfloat16())
    assert torch.equal(short**-2, (1 / r(short.float() ** 2)).bfloat16())
    assert torch.equal(half**3, (half.double() ** 3).half())


def test_distances_are_rounded_in_the_type_that_torch_rounds() -> None:
    torch.manual_seed(3)
    for kind, once in ((torch.bfloat16, F.smooth_l1_loss), (torch.float16, F.huber_loss)):
        x, t = torch.randn(400).to(kind), torch.randn(400).to(kind)
        found = once(x, t, reduction="none")
        assert torch.equal(found, once(x.float(), t.float(), reduction="none").to(kind))
    other = torch.randn(400).half()
    t = torch.randn(400).half()
    d = other - t  # a half itself
    assert torch.equal(F.smooth_l1_loss(other, t, reduction="none"), F.smooth_l1_loss(
        d, torch.zeros_like(d), reduction="none"))  # fmt: skip


@pytest.mark.parametrize("kind", HALVES, ids=str)
@pytest.mark.parametrize("rows", [1, 16, 17, 18, 40, 256, 257, 300])
def test_losses_are_summed_by_sixteens(rows: int, kind: torch.dtype) -> None:
    """As torch's loop adds them: a level of the sum goes up by one each 16 rows."""
    torch.manual_seed(4)
    x, labels = torch.randn(rows, 7).log_softmax(1).to(kind), torch.randint(0, 7, (rows,))
    levels, r = [0.0] * 8, lambda value: torch.tensor(value).to(kind).item()
    for row, value in enumerate(x[torch.arange(rows), labels].tolist()):
        levels[0] = r(levels[0] - value)
        for j in range(7):
            if row & (15 << (4 * j)):
                break
            levels[j + 1], levels[j] = r(levels[j + 1] + levels[j]), 0.0
    total = 0.0
    for level in levels:
        total = r(total + level)
    assert F.nll_loss(x, labels).item() == r(total / r(float(rows)))
    assert F.nll_loss(x, labels, reduction="sum").item() == total


@pytest.mark.parametrize("kind", HALVES, ids=str)
def test_cross_entropy_reads_rounded_logarithms(kind: torch.dtype) -> None:
    torch.manual_seed(5)
    x, labels = (torch.randn(40, 9) * 2).to(kind).requires_grad_(), torch.randint(0, 9, (40,))
    loss = F.cross_entropy(x, labels)
    (found,) = torch.autograd.grad(loss, x)
    apart = F.nll_loss(x.log_softmax(1), labels)
    (wanted,) = torch.autograd.grad(apart, x)
    assert torch.equal(loss, apart)
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("kind", HALVES, ids=str)
@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softmax", "log_softmax"])
def test_gradients_that_are_one_kernel_round_once(name: str, kind: torch.dtype) -> None:
    torch.manual_seed(6)
    x, g = torch.randn(20, 30).to(kind).requires_grad_(), torch.randn(20, 30).to(kind)
    y = x.softmax(1) if name == "softmax" else x.log_softmax(1) if name[0] == "l" else getattr(
        x, name)()  # fmt: skip
    (found,) = torch.autograd.grad(y, x, g)
    y, g = y.detach().float(), g.float()
    wanted = {
        "sigmoid": lambda: g * y * (1 - y), "tanh": lambda: g * (1 - y * y),
        "softmax": lambda: y * (g - (g * y).sum(1, keepdim=True)),
        "log_softmax": lambda: g - y.exp() * g.sum(1, keepdim=True),
    }[name]()  # fmt: skip
    assert (found == wanted.to(kind)).float().mean() > 0.99


def test_kept_numbers_of_dropout_are_scaled_by_one_rounded_number() -> None:
    x = torch.ones(1000, dtype=torch.float16)
    torch.manual_seed(7)
    found = F.dropout(x, 0.3)
    assert set(found.unique().tolist()) == {0.0, torch.tensor(1 / 0.7).half().item()}


@pytest.mark.parametrize("kind", HALVES, ids=str)
def test_norms_keep_their_statistics_in_16_bits(kind: torch.dtype) -> None:
    """The mean and 1 / deviation: for a batch's results, and for all gradients."""
    torch.manual_seed(8)
    r = rounder(kind)
    x, g = torch.randn(4, 6, 5, 5).to(kind), torch.randn(4, 6, 5, 5).to(kind)
    w, b = torch.randn(6).to(kind), torch.randn(6).to(kind)
    wide, dims, column = x.float(), (0, 2, 3), (6, 1, 1)
    middle = wide.mean(dims, keepdim=True)
    scale = r(1 / (wide.var(dims, correction=0, keepdim=True) + 1e-5).sqrt())
    factor = scale * w.float().view(column)
    shift = b.float().view(column) - r(middle) * factor
    x.requires_grad_()
    y = F.batch_norm(x, None, None, w, b, training=True)
    assert (y == (wide * factor + shift).to(kind)).float().mean() > 0.99
    (found,) = torch.autograd.grad(y, x, g)
    normal, inward = (wide - r(middle)) * scale, g.float() * w.float().view(column)
    wanted = scale * (inward - inward.mean(dims, keepdim=True)
                      - normal * (inward * normal).mean(dims, keepdim=True))  # fmt: skip
    assert (found == wanted.to(kind)).float().mean() > 0.99


def deviation(g: Tensor, x: Tensor, r: Round) -> Tensor:
    share = r(g / r(2 * r(x.std(1))))[:, None]
    return r(share * (2 / (x.shape[1] - 1))) * r(x - r(x.mean(1, keepdim=True)))


GRADIENTS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[..., Tensor]]] = {
    "log1p": (torch.log1p, lambda g, x, r: g / r(x + 1)),
    "log2": (torch.log2, lambda g, x, r: g / r(x * 0.6931471805599453)),
    "atan": (torch.atan, lambda g, x, r: g / r(r(x * x) + 1)),
    "asinh": (torch.asinh, lambda g, x, r: g * r(r(r(x * x) + 1).rsqrt())),
    "erf": (torch.erf, lambda g, x, r: g * r(1.1283791670955126 * r(r(-r(x * x)).exp()))),
    "std": (lambda x: x.std(1), deviation),
    "norm": (lambda x: x.norm(dim=1),
             lambda g, x, r: g[:, None] * r(x / r(x.norm(dim=1, keepdim=True)))),
    "leaky_relu": (lambda x: F.leaky_relu(x - 1, 0.3),
                   lambda g, x, r: g * torch.where(r(x - 1) > 0, 1.0, 0.3)),
}  # fmt: skip


@pytest.mark.parametrize("kind", HALVES, ids=str)
@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_round_after_each_op(name: str, kind: torch.dtype) -> None:
    torch.manual_seed(2)
    call, formula = GRADIENTS[name]
    x = (torch.rand(30, 20) * 2 + 0.1).to(kind).requires_grad_()
    y = call(x)
    g = torch.randn(*y.shape).to(kind)
    y.backward(g)
    wanted = formula(g.float(), x.detach().float(), rounder(kind)).to(kind)
    assert x.grad.dtype == kind
    assert (x.grad == wanted).float().mean() > 0.99


@pytest.mark.parametrize("kind", HALVES, ids=str)
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear"])
def test_gradients_of_resizing_count_beyond_256(mode: str, kind: torch.dtype) -> None:
    x = torch.ones(1, 1, 2, 2).to(kind).requires_grad_()
    F.interpolate(x, scale_factor=60, mode=mode).sum().backward()
    assert x.grad.flatten().tolist() == [torch.tensor(3600.0).to(kind).item()] * 4
