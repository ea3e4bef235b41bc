"""Denormals, NaN, infinities and -0.0 through compiled functions: as eager."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import numpy as np
import pytest

import rushlight as torch

F = torch.nn.functional
BACKENDS = ["numpy"] + (["llvm"] if importlib.util.find_spec("llvmlite") else [])
SMOOTH = "exp expm1 sin cos tanh sigmoid erf sqrt log log1p rsqrt reciprocal square atan".split()
EXACT = "neg abs sign floor ceil round trunc isnan isinf isfinite signbit".split()
FAMILIES = {
    "smooth": lambda x, y: [getattr(torch, name)(x) for name in SMOOTH],
    "exact": lambda x, y: [getattr(torch, name)(x) for name in EXACT],
    "pairs": lambda x, y: [x + y, x - y, x * y, x / y, torch.maximum(x, y), torch.minimum(x, y),
                           torch.where(x > y, x, y), x.clamp(-1, 1), x.nan_to_num(1.0), x.relu()],
    "compared": lambda x, y: [x < y, x <= y, x == y, x != y, x >= y, x > y, x.eq(x), x.bool()],
    "reduced": lambda x, y: [x.sum(1), x.mean(1), x.amax(1), x.amin(1), x.max(1)[0], x.prod(1),
                             x.argmax(1), x.argmin(1), x.var(1), x.norm(dim=1), x.any(1)],
    "rows": lambda x, y: [x.softmax(1), x.log_softmax(1), x.logsumexp(1), F.layer_norm(x, (6,)),
                          F.normalize(x, dim=1), x.cumsum(1)],
}  # fmt: skip


def table(dtype: Any) -> np.ndarray:
    """Rows of special numbers, each kind alone and all together."""
    tiny, most = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    nan, inf = np.nan, np.inf
    rows = [
        [0.0, -0.0, 1.0, -1.0, 0.5, -2.5], [nan, 1.0, 2.0, -0.0, 3.0, 0.0],
        [inf, 1.0, -1.0, 0.0, 2.0, 3.0], [-inf, 1.0, 2.0, 3.0, -0.0, 5.0],
        [inf, -inf, 0.0, 1.0, 2.0, nan], [-inf] * 6, [inf] * 6, [nan] * 6, [-0.0] * 6,
        [tiny, -tiny, 7 * tiny, 0.0, -3 * tiny, 90 * tiny], [most, -most, 1.0, tiny, 0.0, -0.0],
    ]  # fmt: skip
    return np.array(rows, dtype)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["single", "double"])
@pytest.mark.parametrize("family", FAMILIES)
def test_as_eager(family: str, dtype: Any, backend: str) -> None:
    function, rows = FAMILIES[family], table(dtype)
    step = torch.compile(function, backend=backend, fullgraph=True)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for turn in range(3):
            x, y = torch.tensor(rows), torch.tensor(np.roll(rows, turn, 1)[::-1].copy())
            for place, (a, b) in enumerate(zip(step(x, y), function(x, y), strict=True)):
                found, wanted = a.numpy(), b.numpy()
                near = 0 if family in ("exact", "compared", "pairs") else 8 * np.finfo(dtype).eps
                limit = np.finfo(dtype).tiny * near
                np.testing.assert_allclose(found, wanted, near, limit, err_msg=f"{family} {place}")
                if found.dtype.kind == "f" and family in ("exact", "smooth"):
                    known = ~np.isnan(wanted)
                    assert (np.signbit(found) == np.signbit(wanted))[known].all(), place
    assert step.programs and not step.fallbacks


RESAMPLED = {
    "means of unequal windows": lambda x: F.adaptive_avg_pool1d(x, 3),
    "doubled": lambda x: F.interpolate(x, scale_factor=2, mode="linear"),
    "of two dimensions": lambda x: F.interpolate(x[..., None, :], size=(3, 10), mode="bicubic"),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", RESAMPLED)
def test_an_infinity_reaches_only_the_windows_that_see_it(name: str, backend: str) -> None:
    """What has no part in a mean is not multiplied by 0 either, forwards and back."""
    function = RESAMPLED[name]

    def both(x: Any, scale: Any) -> Any:
        x = x.detach().requires_grad_()
        y = function(x)
        (y * scale.expand_as(y)).sum().backward()
        return y.detach(), x.grad

    step = torch.compile(both, backend=backend, fullgraph=True)
    x = torch.arange(14.0).view(1, 2, 7)
    x[0, 0, 0], x[0, 1, 6] = np.inf, np.nan
    scale = torch.ones(function(x).shape)
    scale[..., 0] = np.inf
    for _ in range(2):
        for found, wanted in zip(step(x, scale), both(x, scale), strict=True):
            np.testing.assert_allclose(found.numpy(), wanted.numpy(), 1e-5, 1e-5)
            assert np.isfinite(found.numpy()).any()
