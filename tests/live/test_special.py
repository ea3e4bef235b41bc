"""Special functions beside the real torch, on random arguments."""

import numpy as np
import pytest

from rushlight.core import special

torch = pytest.importorskip("torch")

ONE = {
    "erf": (-6, 6), "erfc": (-6, 9), "erfcx": (-5, 50), "erfinv": (-1, 1), "ndtr": (-9, 9),
    "ndtri": (0, 1), "log_ndtr": (-50, 5), "gammaln": (-20, 100), "digamma": (0, 100),
    "entr": (0, 10), "expit": (-50, 50), "logit": (0, 1), "sinc": (-5, 5), "i0": (-50, 50),
    "i0e": (-50, 50), "i1": (-50, 50), "i1e": (-50, 50), "bessel_j0": (-50, 50),
    "bessel_j1": (-50, 50), "bessel_y0": (0, 50), "bessel_y1": (0.1, 50),
    "modified_bessel_k0": (0, 50), "modified_bessel_k1": (0.01, 50),
    "scaled_modified_bessel_k0": (0, 50), "scaled_modified_bessel_k1": (0.01, 50),
    "spherical_bessel_j0": (-50, 50), "airy_ai": (-6, 10),
}  # fmt: skip
# torch's float64 Bessel and Airy functions are exact to about 1e-8 only.
LOOSE = {"bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "airy_ai"}


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_argument(name, dtype):
    x = np.random.default_rng(7).uniform(*ONE[name], 3000).astype(dtype)
    expected = getattr(torch.special, name)(torch.from_numpy(x)).numpy()
    got = getattr(special, name)(x)
    assert got.dtype == expected.dtype
    near = (1e-5, 2e-6) if dtype == np.float32 else (1e-10, 1e-12)
    near = (1e-6, 1e-6) if name in LOOSE and dtype == np.float64 else near
    np.testing.assert_allclose(got, expected, *(near if name != "airy_ai" else (1e-4, 1e-5)))


@pytest.mark.parametrize("name", ["gammainc", "gammaincc", "zeta", "xlogy", "xlog1py"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_arguments(name, dtype):
    random = np.random.default_rng(8)
    a = random.uniform(1.2, 60, 2000).astype(dtype)
    x = random.uniform(0.1, 60, 2000).astype(dtype)
    expected = getattr(torch.special, name)(torch.from_numpy(a), torch.from_numpy(x)).numpy()
    near = (2e-4, 1e-7) if dtype == np.float32 else (1e-8, 1e-14)
    np.testing.assert_allclose(getattr(special, name)(a, x), expected, *near)


@pytest.mark.parametrize("n", range(6))
def test_polygamma(n):
    x = np.random.default_rng(9).uniform(0.05, 40, 1000)
    expected = torch.special.polygamma(n, torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(special.polygamma(n, x), expected, 1e-8, 1e-12)


@pytest.mark.parametrize("axis", [0, 1, (0, 1)])
def test_logsumexp(axis):
    x = np.random.default_rng(10).normal(size=(30, 40)) * 100
    expected = torch.special.logsumexp(torch.from_numpy(x), axis).numpy()
    np.testing.assert_allclose(special.logsumexp(x, axis), expected, 1e-12)


def test_half_precision():
    x = torch.linspace(-4, 4, 200)
    for name in ("erf", "erfc", "expit", "i0", "sinc"):
        expected = getattr(torch.special, name)(x.half()).float().numpy()
        got = getattr(special, name)(x.half().numpy())
        assert got.dtype == np.float16
        np.testing.assert_allclose(got.astype(np.float32), expected, 2e-3, 1e-3)
