"""Sparse tensors: the same numbers as dense ones, at the places that are kept."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl
from rushlight.ops import sparse_products


def some(seed: int, n: int, m: int, count: int, dtype: Any = None) -> Any:
    """A sparse matrix with places that may stand twice, out of order."""
    rng = np.random.default_rng(seed)
    places = rng.integers(0, [[n], [m]], (2, count))
    return rl.sparse_coo_tensor(places, rng.normal(size=count), (n, m), dtype=dtype or rl.float64)


SIZES = st.tuples(*(st.integers(1, 5),) * 3, st.integers(0, 12), st.integers(0, 1 << 20))


@settings(max_examples=40, deadline=None)
@given(SIZES)
def test_operations_agree_with_dense_ones(sizes: tuple[int, ...]) -> None:
    n, m, k, count, seed = sizes
    a, b = some(seed, n, m, count), some(seed + 1, n, m, count + 1)
    c, d = some(seed + 2, m, k, count), rl.randn(m, k, dtype=rl.float64)
    x, y, z = a.to_dense(), b.to_dense(), c.to_dense()
    pairs = {
        "product": (a @ d, x @ d), "both": (a @ c, x @ z), "row": (d.t() @ a.t(), d.t() @ x.t()),
        "vector": (a @ d[:, 0], x @ d[:, 0]), "sum": (a + b, x + y), "less": (a - b, x - y),
        "times": (a * b, x * y), "dense": (a * y, x * y), "number": (a * 3, x * 3),
        "half": (a / 2, x / 2), "square": (a**2, x**2), "sine": (rl.sin(a), rl.sin(x)),
        "of both kinds": (y + a, y + x), "total": (a.sum(), x.sum()),
        "columns": (a.sum(0), x.sum(0)), "turned": (a.t(), x.t()), "cat": (rl.cat([a, b], 1),
        rl.cat([x, y], 1)), "stack": (rl.stack([a, b]), rl.stack([x, y])),
        "chosen": (a[n - 1], x[n - 1]), "cut": (a[1:], x[1:]), "once": (a.coalesce(), x),
        "rows": (a.to_sparse_csr() @ d, x @ d), "columns first": (a.to_sparse_csc() @ d, x @ d),
        "selected": (a.index_select(1, rl.tensor([m - 1, 0])), x[:, [m - 1, 0]]),
        "norm": (a.norm(), x.norm()), "linear": (rl.nn.functional.linear(d.t(), a),
        rl.nn.functional.linear(d.t(), x)), "again": (x.to_sparse(), x),
    }  # fmt: skip
    for name, (found, wanted) in pairs.items():
        assert rl.allclose(found.to_dense(), wanted), name


@settings(max_examples=25, deadline=None)
@given(SIZES)
def test_gradients_agree_with_dense_ones(sizes: tuple[int, ...]) -> None:
    n, m, k, count, seed = sizes
    a, d = some(seed, n, m, count).coalesce(), rl.randn(m, k, dtype=rl.float64)
    leaf = a.clone().requires_grad_()
    dense, x = d.clone().requires_grad_(), a.to_dense().requires_grad_()
    other = d.clone().requires_grad_()
    for left, right in ((leaf, dense), (x, other)):
        y = left @ right if left is x else rl.sparse.mm(left, right)
        (y.sin() * y).sum().backward()
    assert rl.allclose(dense.grad, other.grad)
    assert leaf.grad.is_sparse
    assert rl.allclose(leaf.grad.to_dense(), x.grad.sparse_mask(a).to_dense())


def test_the_second_derivative_goes_through_products() -> None:
    a, d = some(1, 3, 4, 6).coalesce(), rl.randn(4, 2, dtype=rl.float64)
    rows, columns = a.indices()

    def product(values: Any, dense: Any) -> Any:
        return rl.sparse_coo_tensor(rl.stack((rows, columns)), values, (3, 4)) @ dense

    inputs = (a.values().clone().requires_grad_(), d.requires_grad_())
    assert rl.autograd.gradcheck(product, inputs)
    assert rl.autograd.gradgradcheck(product, inputs)


def test_native_code_agrees_with_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, close in ((rl.float32, 1e-4), (rl.float64, 1e-10)):
        a, d = some(3, 40, 50, 300, kind), rl.randn(50, 67, dtype=kind)
        results = []
        for pays in (0, 1 << 60):
            monkeypatch.setattr(sparse_products, "PAYS", pays)
            leaf, dense = a.coalesce().requires_grad_(), d.clone().requires_grad_()
            y = rl.sparse.mm(leaf, dense)
            y.square().sum().backward()
            results.append((y.detach(), dense.grad, leaf.grad.values()))
        for mine, numpy in zip(*results):
            assert rl.allclose(mine, numpy, rtol=close, atol=close)


@pytest.mark.parametrize("make", [rl.nn.Embedding, rl.nn.EmbeddingBag])
@pytest.mark.parametrize("name", ["SGD", "Adagrad", "SparseAdam"])
def test_tables_train_alike_with_dense_gradients(make: Any, name: str) -> None:
    tables = []
    for sparse in (True, False):
        rl.manual_seed(0)
        table = make(7, 3, sparse=sparse)
        twin = "Adam" if name == "SparseAdam" and not sparse else name
        optimizer = getattr(rl.optim, twin)(table.parameters(), lr=0.1)
        for step in range(3):
            optimizer.zero_grad()
            for rows in ([[0, 1, 1]], [[step, 2, 0]]):
                (table(rl.tensor(rows)) ** 2).sum().backward()
            assert table.weight.grad.is_sparse is sparse
            optimizer.step()
            if name == "SparseAdam":
                break  # later on Adam moves rows that were not read
        tables.append(table.weight.detach())
    assert rl.allclose(*tables, atol=1e-6)


def test_tied_tables_have_dense_gradients() -> None:
    table = rl.nn.Embedding(4, 2, sparse=True)
    (rl.nn.functional.linear(table(rl.tensor([1, 2])), table.weight)).sum().backward()
    assert not table.weight.grad.is_sparse
    other = rl.nn.Embedding(4, 2, _weight=table.weight.detach().clone())
    (rl.nn.functional.linear(other(rl.tensor([1, 2])), other.weight)).sum().backward()
    assert rl.allclose(table.weight.grad, other.weight.grad)


def test_a_compiled_step_with_sparse_gradients_stays_eager() -> None:
    table = rl.nn.Embedding(4, 2, sparse=True)
    optimizer = rl.optim.SGD(table.parameters(), lr=0.5)

    @rl.compile
    def step(rows: Any) -> Any:
        optimizer.zero_grad()
        loss = table(rows).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    before = table.weight.detach().clone()
    with pytest.warns(UserWarning, match="gradients of sparse=True are computed eagerly"):
        step(rl.tensor([1, 1]))
    step(rl.tensor([1, 1]))
    assert table.weight.grad.is_sparse
    assert rl.allclose(table.weight[1], before[1])  # two gradients of 2 w: -w, w
    adjacency = rl.eye(3).to_sparse()
    doubled = rl.compile(lambda x: adjacency @ x)
    adjacency.mul_(2)
    with pytest.warns(UserWarning, match="sparse tensors are computed eagerly"):
        doubled(rl.ones(3, 1))
    assert rl.equal(doubled(rl.ones(3, 1)), rl.full((3, 1), 2.0))


def test_copies_and_files(tmp_path: Path) -> None:
    a = some(5, 3, 4, 6)
    for layout in (rl.sparse_coo, rl.sparse_csr, rl.sparse_csc):
        x = a.to_sparse(layout=layout)
        rl.save({"x": x}, tmp_path / "x.pt")
        others = (rl.load(tmp_path / "x.pt")["x"], pickle.loads(pickle.dumps(x)), copy.deepcopy(x))
        for other in others:
            assert other.layout is layout
            assert rl.equal(other.to_dense(), a.to_dense())
    other.mul_(2)
    assert rl.equal(x.to_dense(), a.to_dense())


@pytest.mark.parametrize(
    ("expression", "error", "text"),
    [
        ("s.exp()", NotImplementedError, "Could not run 'aten::exp'"),
        ("rl.sparse.softmax(d, 1)", NotImplementedError, "Could not run 'aten::_sparse_softmax'"),
        ("s + d", RuntimeError, "add(sparse, dense) is not supported. Use add(dense, sparse)"),
        ("s.numpy()", TypeError, "can't convert Sparse layout tensor to numpy"),
        ("s.indices()", RuntimeError, "Cannot get indices on an uncoalesced tensor"),
        ("d.indices()", RuntimeError, "indices expected sparse coordinate tensor layout but got"),
        ("s @ rl.ones(2, 2)", RuntimeError, "addmm: Argument #3 (dense): Expected dim 0 size 3"),
        ("s + s.t()", RuntimeError, "add: expected sizes of 'self' and 'other' to match"),
        ("rl.sparse_coo_tensor([[0], [1]], [1.0, 2.0])", RuntimeError, "indices and values must"),
        ("rl.sparse_coo_tensor([[0], [-1]], [1.0])", RuntimeError, "found negative index -1"),
        ("rl.sparse_coo_tensor([[0], [5]], [1.0], (2, 2))", RuntimeError, "size is inconsistent"),
        ("rl.sparse_csr_tensor([0, 3], [0], [1.0])", RuntimeError, "`crow_indices[..., -1] == nnz"),
        ("rl.optim.Adam([w]).step()", RuntimeError, "Adam does not support sparse gradients"),
    ],
)
def test_refusals(expression: str, error: type, text: str) -> None:
    s, d, w = some(6, 2, 3, 4), rl.ones(2, 3), rl.ones(3, 1, requires_grad=True)
    rl.nn.functional.embedding(rl.tensor([1]), w, sparse=True).sum().backward()
    with pytest.raises(error) as caught:
        eval(expression, {"s": s, "d": d, "w": w, "rl": rl})
    assert str(caught.value).startswith(text)
