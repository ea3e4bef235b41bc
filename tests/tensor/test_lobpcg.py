"""A few eigenpairs by products: against all of them, and their gradients."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch


def matrices(seed: int, m: int, weighed: bool):
    """A symmetric matrix of known spread, and a positive definite one beside it or None."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(m, m)))[0]
    a = (turn * rng.uniform(0.5, 50, m)) @ turn.T
    c = rng.normal(size=(m, m))
    b = c @ c.T / m + np.eye(m)
    pair = ((a + a.T) / 2, b if weighed else None)
    return tuple(None if x is None else torch.tensor(x) for x in pair)


def everything(a, b):
    """All eigenvalues and vectors of a x = e b x."""
    if b is None:
        return torch.linalg.eigh(a)
    lower = torch.linalg.cholesky(b)
    back = torch.linalg.inv(lower)
    values, vectors = torch.linalg.eigh(back @ a @ back.mT)
    return values, back.mT @ vectors


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_pairs_are_those_of_the_whole(seed, weighed, largest):
    m, k = 20 + 7 * seed, 1 + seed
    a, b = matrices(seed, m, weighed)
    torch.manual_seed(seed)
    values, vectors = torch.lobpcg(a, k, B=b, largest=largest, tol=1e-10)
    wanted, _ = everything(a, b)
    wanted = wanted.flip(0)[:k] if largest else wanted[:k]
    assert values.shape == (k,) and vectors.shape == (m, k)
    torch.testing.assert_close(values, wanted, rtol=1e-8, atol=1e-8)
    weight = torch.eye(m, dtype=a.dtype) if b is None else b
    torch.testing.assert_close(a @ vectors, weight @ vectors * values, rtol=1e-6, atol=1e-6)
    unit = torch.eye(k, dtype=a.dtype)
    torch.testing.assert_close(vectors.mT @ weight @ vectors, unit, rtol=1e-8, atol=1e-8)


def test_a_preconditioner_saves_steps():
    a, _ = matrices(3, 60, False)
    counts = []
    for inverse in (None, torch.linalg.inv(a)):
        steps = []
        torch.manual_seed(0)
        torch.lobpcg(a, 2, iK=inverse, largest=False, tracker=steps.append)
        counts.append(len(steps))
    assert counts[1] < counts[0] / 2


def test_basic_finds_the_same_and_a_tracker_can_end_it():
    a, _ = matrices(5, 40, False)
    torch.manual_seed(0)
    basic = torch.lobpcg(a, 2, method="basic")[0]
    torch.testing.assert_close(basic, torch.linalg.eigh(a)[0].flip(0)[:2], rtol=1e-6, atol=0)
    seen = []

    def tracker(worker):
        seen.append((worker.ivars["istep"], worker.tvars["rerr"].max().item()))
        worker.bvars["force_stop"] = len(seen) == 2

    torch.lobpcg(a, 2, tracker=tracker)
    assert [step for step, _ in seen] == [1, 2] and seen[1][1] < seen[0][1]


def test_batches_and_sparse_matrices():
    whole = torch.stack([matrices(seed, 12, False)[0] for seed in range(4)]).reshape(2, 2, 12, 12)
    torch.manual_seed(0)
    values, vectors = torch.lobpcg(whole, 3, tol=1e-10)
    assert values.shape == (2, 2, 3) and vectors.shape == (2, 2, 12, 3)
    wanted = torch.linalg.eigvalsh(whole).flip(-1)[..., :3]
    torch.testing.assert_close(values, wanted, rtol=1e-8, atol=0)
    sparse = whole[0, 0].where(whole[0, 0].abs() > 3, 0)
    torch.manual_seed(0)
    from_sparse = torch.lobpcg(sparse.to_sparse(), 2, tol=1e-10)[0]
    torch.testing.assert_close(
        from_sparse, torch.linalg.eigvalsh(sparse).flip(0)[:2], rtol=1e-8, atol=0
    )


def test_gradients_are_those_of_all_pairs():
    a, _ = matrices(1, 9, False)
    weights = torch.randn(9, 2, dtype=a.dtype)
    found = []
    for few in (True, False):
        x = a.clone().requires_grad_()
        torch.manual_seed(0)
        if few:
            values, vectors = torch.lobpcg(x, 2, tol=1e-13)
        else:
            values, vectors = (one.flip(-1)[..., :2] for one in torch.linalg.eigh((x + x.mT) / 2))
        (values.exp().log1p().sum() + (vectors**2 * weights).sum()).backward()
        found.append(x.grad)
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-8)


def test_second_gradients():
    z = torch.randn(7, 7, dtype=torch.float64, requires_grad=True)

    def pairs(x):
        torch.manual_seed(3)
        values, vectors = torch.lobpcg(x @ x.mT, 2, tol=1e-13)
        return values, vectors**2

    assert torch.autograd.gradgradcheck(pairs, (z,), atol=1e-3)


def test_refusals():
    a, b = matrices(0, 10, True)
    with pytest.raises(ValueError, match=r"A rows \(=10\) is smaller than 3 x .* \(=4\)"):
        torch.lobpcg(a, 4)
    with pytest.raises(AssertionError, match="A must be square"):
        torch.lobpcg(a[:5], 1)
    with pytest.raises(AssertionError, match="must have same shape"):
        torch.lobpcg(a, 1, B=b[:4, :4])
    with pytest.raises(AssertionError, match=r"X shape mismatch: got torch.Size\(\[9, 2\]\)"):
        torch.lobpcg(a, 1, X=torch.zeros(9, 2, dtype=a.dtype))
    x = a.clone().requires_grad_()
    with pytest.raises(ValueError, match="backward with B != I"):
        torch.lobpcg(x, 1, B=b)[0].sum().backward()
