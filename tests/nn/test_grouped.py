"""Products in groups against one product after the other."""

from __future__ import annotations

import pytest

import rushlight as torch

F = torch.nn.functional
ENDS = torch.tensor([3, 3, 7], dtype=torch.int32)  # the second group is empty


def operands(*shapes, dtype=torch.float32):
    torch.manual_seed(0)
    return [torch.randn(*shape).to(dtype).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_each_with_its_matrix(dtype):
    x, w = operands((9, 4), (3, 4, 5), dtype=dtype)
    y = F.grouped_mm(x, w, offs=ENDS)
    assert y.shape == (9, 5) and y.dtype is dtype
    assert torch.equal(y[:3], x[:3] @ w[0]) and torch.equal(y[3:7], x[3:7] @ w[2])
    assert not y[7:].any()
    y.float().sum().backward()
    assert not w.grad[1].any() and not x.grad[7:].any()
    torch.testing.assert_close(w.grad[2], x[3:7].detach().sum(0).to(dtype)[:, None].expand(4, 5))


def test_columns_pieces_and_batches():
    x, w = operands((3, 2, 4), (4, 9))
    y = F.grouped_mm(x, w, offs=ENDS)
    assert torch.equal(y[:, :3], x[0] @ w[:, :3]) and torch.equal(y[:, 3:7], x[2] @ w[:, 3:7])
    assert y.shape == (2, 9) and not y[:, 7:].any()
    x, w = operands((2, 9), (9, 4))
    y = F.grouped_mm(x, w, offs=ENDS)
    assert y.shape == (3, 2, 4) and not y[1].any()
    assert torch.equal(y[2], x[:, 3:7] @ w[3:7])
    x, w = operands((3, 2, 4), (3, 4, 5))
    assert torch.equal(F.grouped_mm(x, w), x @ w)


def test_refusals_in_torchs_words():
    x, w = (one.detach() for one in operands((9, 4), (3, 4, 5)))
    refused = {
        "Have to provide offsets if there is a 2d matrix": lambda: F.grouped_mm(x, w),
        "Offsets have to be int32": lambda: F.grouped_mm(x, w, offs=ENDS.long()),
        "matrix batch sizes have to match": lambda: F.grouped_mm(x, w[:1], offs=ENDS),
        "Bias not supported yet": lambda: F.grouped_mm(x, w, offs=ENDS, bias=torch.zeros(5)),
        "mat_a has to be 2 or 3d": lambda: F.grouped_mm(x[0], w, offs=ENDS),
        "contraction dimension of mat_a and": lambda: F.grouped_mm(x[:, :2], w, offs=ENDS),
        "Expected mat_a to be Float32, BFloat16 or Float16 matrix, got Double": lambda: (
            F.grouped_mm(x.double(), w, offs=ENDS)
        ),
        "Grouped gemm output dtype must match": lambda: F.grouped_mm(
            x, w, offs=ENDS, out_dtype=torch.float64
        ),
    }
    for words, call in refused.items():
        with pytest.raises(RuntimeError, match=words):
            call()
