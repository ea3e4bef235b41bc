"""Whole powers of numbers of either sign: the bits are those of torch 2.13 for 3, -1 and -2."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch

X = [1.1, -1.7, 0.3, -0.0, 0.0, float("inf"), -float("inf"), -2.5e-20, 7.25]
# x ** 3, x ** -1, x ** -2 as float32's bits
BITS = {
    3.0: [1068129846, 3231528780, 1021128476, 2147483648, 0, 2139095040,
          4286578688, 2147483648, 1136560640],
    -1.0: [1063828014, 3205928598, 1079334229, 4286578688, 2139095040, 0,
          2147483648, 3758802723, 1041055179],
    -2.0: [1062441467, 1051797922, 1093781276, 2139095040, 2139095040, 0,
          0, 2139095040, 1016846913],
}  # fmt: skip


@pytest.mark.parametrize("p", BITS)
def test_powers_have_torchs_bits(p: float) -> None:
    y = torch.tensor(X).pow(p)
    assert y.numpy().view(np.uint32).tolist() == BITS[p]


@pytest.mark.parametrize("p", [4, -3, 7.0, -101.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_whole_powers_are_numpys(p: float, dtype: type) -> None:
    x = np.array([*X, float("nan"), -1.0], dtype)
    with np.errstate(all="ignore"):
        wanted = np.power(x, p)
    np.testing.assert_allclose(torch.from_numpy(x).pow(p).numpy(), wanted, rtol=3e-7)
