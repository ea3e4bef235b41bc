"""opt_einsum contracts rushlight's tensors as it contracts NumPy's arrays."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl

oe = pytest.importorskip("opt_einsum")


@pytest.mark.parametrize("formula", ["ij,jk,kl->il", "ij,jk,kl->", "ij,jk,kl->lji", "ij,kj,lk->il"])
def test_contractions(formula: str) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((4, 4)) for _ in range(3)]
    tensors = [rl.from_numpy(array).requires_grad_() for array in arrays]
    ours = oe.contract(formula, *tensors)
    ours.sum().backward()
    np.testing.assert_allclose(ours.detach().numpy(), np.einsum(formula, *arrays), rtol=1e-10)
    assert all(tensor.grad is not None for tensor in tensors)
