"""Products with a bias in half precision: summed in float32 and rounded once, as torch does."""

from __future__ import annotations

import pytest

import rushlight as torch

F = torch.nn.functional


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", ["linear", "conv2d", "addmm"])
def test_the_sum_with_the_bias_is_rounded_once(name: str, kind: torch.dtype) -> None:
    torch.manual_seed(0)
    x, w, b = (torch.randn(*shape).to(kind) for shape in ((64, 32), (16, 32), (16,)))
    if name == "conv2d":
        x, w = x.reshape(1, 2, 32, 32), w.reshape(16, 2, 4, 4)
        found, wide = F.conv2d(x, w, b), F.conv2d(x.float(), w.float(), b.float())
    elif name == "addmm":
        found, wide = torch.addmm(b, x, w.t()), torch.addmm(b.float(), x.float(), w.t().float())
    else:
        found, wide = F.linear(x, w, b), F.linear(x.float(), w.float(), b.float())
    assert found.dtype == kind
    assert torch.equal(found, wide.to(kind))
