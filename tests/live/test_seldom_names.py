"""Functions that few programs call, beside torch's of the same name."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(40, 40))
MATRIX = MATRIX @ MATRIX.T
THIN = np.array([[0.0, 2, 0], [0, 0, 0], [1, 0, 3]])


def shown(call):
    """What a call gives in both, or the class and first line of its error."""
    found = []
    for t in (torch, rushlight):
        try:
            y = call(t)
            found.append([np.asarray(x.detach().float()) for x in (y if type(y) is tuple else [y])])
        except Exception as error:
            words = str(error).splitlines()[0]
            found.append((type(error).__name__, words))
    return found


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("method", ["ortho", "basic"])
def test_lobpcg(method, largest):
    def call(t):
        t.manual_seed(0)
        a = t.tensor(MATRIX, requires_grad=method == "ortho")
        values, vectors = t.lobpcg(a, 3, largest=largest, method=method, tol=1e-11)
        if method == "basic":
            return values, vectors.abs()
        (values.sum() + (vectors**4).sum()).backward()
        return values, vectors.abs(), a.grad

    for ours, theirs in zip(*shown(call)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


CALLS = {
    "sspaddmm": lambda t: t.sspaddmm(
        t.tensor(THIN).to_sparse(), t.eye(3, dtype=t.float64).to_sparse(), t.tensor(THIN), alpha=2
    ).to_dense(),
    "sspaddmm dense": lambda t: t.sspaddmm(t.eye(3).to_sparse(), t.eye(3), t.eye(3)),
    "sspaddmm sizes": lambda t: t.sspaddmm(*[t.eye(3).to_sparse()] * 2, t.ones(2, 3)),
    "smm": lambda t: t.tensor(THIN).to_sparse().smm(t.tensor(THIN)).to_dense(),
    "hsmm": lambda t: t.hsmm(t.tensor(THIN).to_sparse(), t.tensor(THIN)).to_dense(),
    "dsmm": lambda t: t.dsmm(t.tensor(THIN).to_sparse(), t.tensor(THIN)),
    "slice_copy": lambda t: t.slice_copy(t.tensor(MATRIX), 1, -7, None, 2),
    "slice_copy step": lambda t: t.slice_copy(t.tensor(MATRIX), 0, 0, 2, -1),
    "slice_copy scalar": lambda t: t.slice_copy(t.tensor(1.0)),
    "slice_copy dim": lambda t: t.slice_copy(t.tensor(MATRIX), 5),
    "crow_indices_copy": lambda t: t.crow_indices_copy(t.tensor(THIN).to_sparse_csr()),
    "values_copy": lambda t: t.values_copy(t.tensor(THIN).to_sparse_csr()),
    "row_indices_copy": lambda t: t.row_indices_copy(t.tensor(THIN).to_sparse_csc()),
    "grid_sampler_2d": lambda t: t.grid_sampler_2d(
        t.tensor(MATRIX)[None, None], t.tensor(MATRIX.reshape(1, 20, 40, 2) / 40), 0, 1, True
    ),
    "grid_sampler_3d": lambda t: t.grid_sampler_3d(
        t.tensor(MATRIX).view(1, 1, 10, 10, 16), t.tensor(MATRIX[:39].reshape(1, 2, 4, 65, 3) / 40),
        1, 2, False,
    ),
    "Tensor of negative sizes": lambda t: t.Tensor(2, -1),
    "new of negative sizes": lambda t: t.ones(1).new(2, -3),
    "IntTensor of negative sizes": lambda t: t.IntTensor(-2),
    "dequantize": lambda t: t.tensor([1, 2]).dequantize(),
    "xpu": lambda t: t.ones(1).xpu(),
    "ipu": lambda t: t.ones(1).ipu(),
    "_VF": lambda t: t._VF.tanh(t.tensor(MATRIX)),
    "grouped_mm": lambda t: t.nn.functional.grouped_mm(
        t.tensor(MATRIX[:6, :8]).bfloat16(), t.tensor(MATRIX[:2, :64].repeat(2, 1)).bfloat16()
        .reshape(2, 8, -1)[:, :, :8].contiguous(), offs=t.tensor([2, 6], dtype=t.int32),
    ),
    "grouped_mm without ends": lambda t: t.nn.functional.grouped_mm(
        t.zeros(6, 8).bfloat16(), t.zeros(2, 8, 8).bfloat16()
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
@pytest.mark.parametrize("name", CALLS)
def test_calls(name):
    theirs, ours = shown(CALLS[name])
    if type(theirs) is tuple:
        assert ours == theirs
    else:
        assert type(ours) is list
        for a, b in zip(ours, theirs):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
