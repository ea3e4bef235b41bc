"""Half precision is computed in float32 and rounded once."""

from __future__ import annotations

import pytest

import rushlight as torch
import rushlight.nn.functional as F

STEP = {torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}
FUNCTIONS = {
    "avg_pool1d": lambda x: F.avg_pool1d(x[0], 5, 2),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 7, 1),
    "avg_pool2d, uneven": lambda x: F.avg_pool2d(x, 4, 3, 2, True, False),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, 5),
    "adaptive_avg_pool2d, even": lambda x: F.adaptive_avg_pool2d(x[..., :12, :12], 3),
    "bilinear": lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear"),
    "bicubic": lambda x: F.interpolate(x, scale_factor=0.6, mode="bicubic"),
    "rms_norm": lambda x: F.rms_norm(x, [13]),
    "attention": lambda x: F.scaled_dot_product_attention(x, x.flip(-1), x.flip(-2)),
    "attention, a mask": lambda x: F.scaled_dot_product_attention(x, x, x, x[0, 0]),
}


@pytest.mark.parametrize("kind", STEP, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_half_precision_is_rounded_once(name: str, kind: torch.dtype) -> None:
    torch.manual_seed(0)
    half = torch.randn(2, 8, 13, 13).to(kind).requires_grad_()
    single = half.detach().float().requires_grad_()
    function = FUNCTIONS[name]
    y, expected = function(half), function(single)
    assert y.dtype is kind
    assert ((y.float() - expected).abs() <= STEP[kind] * expected.abs() + 1e-7).all()


def test_half_gradients_are_those_of_float32_rounded() -> None:
    torch.manual_seed(0)
    half = torch.randn(2, 3, 13, 13).bfloat16().requires_grad_()
    single = half.detach().float().requires_grad_()
    for function in (FUNCTIONS["rms_norm"], FUNCTIONS["avg_pool2d"], FUNCTIONS["bilinear"]):
        g = torch.randn(function(half).shape).bfloat16()
        (found,) = torch.autograd.grad(function(half), half, g)
        (expected,) = torch.autograd.grad(function(single), single, g.float())
        assert found.dtype is torch.bfloat16
        assert torch.equal(found, expected.bfloat16())


@pytest.mark.parametrize("size", [6, 40])  # by few calls, and by those for many numbers
@pytest.mark.parametrize("layer", ["batch", "group", "layer"])
def test_float32_weights_beside_bfloat16_images_learn_in_float32(layer: str, size: int) -> None:
    torch.manual_seed(0)
    made = {
        "batch": lambda: torch.nn.BatchNorm2d(8),
        "group": lambda: torch.nn.GroupNorm(2, 8),
        "layer": lambda: torch.nn.LayerNorm([8, size, size]),
    }[layer]
    one, other = made(), made()
    x, g = torch.randn(2, 4, 8, size, size).bfloat16()
    one(x).backward(g)
    other(x.float()).backward(g.float())
    for found, expected in zip(one.parameters(), other.parameters()):
        assert found.grad is not None and expected.grad is not None
        assert found.grad.dtype is torch.float32
        assert torch.allclose(found.grad, expected.grad, rtol=1e-5, atol=1e-4)
