"""Half-precision tensors by numbers that are none of theirs: rounded once, as torch does."""

from __future__ import annotations

import pytest

import rushlight as torch

VALUES = [1.5390625, -0.29296875, -2.171875, 0.5703125, -1.0859375, -1.3984375]
# torch 2.13: x * 0.9, and that / 0.3
PRODUCTS = [1.3828125, -0.263671875, -1.953125, 0.51171875, -0.9765625, -1.2578125]
QUOTIENTS = [4.625, -0.87890625, -6.5, 1.703125, -3.25, -4.1875]


def test_torchs_numbers() -> None:
    x = torch.tensor(VALUES, dtype=torch.bfloat16)
    assert (x * 0.9).tolist() == (0.9 * x).tolist() == PRODUCTS
    assert (x * 0.9 / 0.3).tolist() == x.clone().mul_(0.9).div_(0.3).tolist() == QUOTIENTS
    compiled = torch.compile(lambda x: x * 0.9 / 0.3)
    assert [compiled(x).tolist() for _ in range(3)] == [QUOTIENTS] * 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("number", [0.9, 1001, torch.tensor(0.1), torch.tensor(0.7).double()])
def test_one_rounding(dtype: torch.dtype, number: float | torch.Tensor) -> None:
    x = torch.linspace(-3, 3, 101).to(dtype)
    wide = torch.as_tensor(number).float()
    first = wide.to(dtype) if isinstance(number, torch.Tensor) else wide  # rounded before, in torch
    for found, wanted in (
        (x * number, x.float() * wide), (number * x, first.float() * x.float()),
        (x / number, x.float() / wide),
    ):  # fmt: skip
        assert found.dtype is dtype and torch.equal(found, wanted.to(dtype))


def test_gradients_and_what_stays_as_it_is() -> None:
    x = torch.tensor([1.0, 2.0], dtype=torch.bfloat16, requires_grad=True)
    (x * 0.9 / 0.7).sum().backward()
    assert x.grad is not None and x.grad.dtype is torch.bfloat16
    assert x.grad.tolist() == [1.2890625, 1.2890625]
    assert type((x * 0.5).grad_fn).__name__ == "MulBackward0"
    assert (torch.ones(2, dtype=torch.bfloat16) * 1e40).tolist() == [float("inf")] * 2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_scaled_summand(dtype: torch.dtype) -> None:
    x, y = torch.linspace(-3, 3, 101).to(dtype), torch.linspace(2, 5, 101).to(dtype)
    alpha = float(torch.tensor(0.1, dtype=dtype))  # torch rounds it to the type
    wide = (x.float() + y.float() * alpha, x.float() - y.float() * alpha)
    assert torch.equal(torch.add(x, y, alpha=0.1), wide[0].to(dtype))
    assert torch.equal(torch.sub(x, y, alpha=0.1), wide[1].to(dtype))
    assert torch.equal(x.clone().add_(y, alpha=0.1), wide[0].to(dtype))
    assert torch.equal(torch.lerp(x, y, 0.1), torch.lerp(x.float(), y.float(), 0.1).to(dtype))
