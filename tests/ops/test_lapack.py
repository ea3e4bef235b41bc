"""Linear algebra with LAPACK's routines and without them: the same answers, laid out alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.ops import factor_kernels, lapack, matrix_kernels

L = torch.linalg
KINDS = [torch.float32, torch.float64, torch.complex64, torch.complex128]


def made(kind: Any, *shape: int, positive: bool = False) -> torch.Tensor:
    draws = np.random.RandomState(sum(shape))
    x = draws.standard_normal(shape)
    if kind.is_complex:
        x = x + 1j * draws.standard_normal(shape)
    if positive:
        x = x @ np.conj(np.swapaxes(x, -1, -2)) + shape[-1] * np.eye(shape[-1])
    return torch.from_numpy(x).to(kind)


def solved(a: Any, b: Any, **how: bool) -> torch.Tensor:
    packed, pivots = L.lu_factor(a)
    return L.lu_solve(packed, pivots, b, **how)


def indefinite(a: Any, b: Any, hermitian: bool) -> torch.Tensor:
    factors, pivots = L.ldl_factor(a, hermitian=hermitian)
    return L.ldl_solve(factors, pivots, b, hermitian=hermitian)


# a: any matrices, p: positive definite ones, b: right-hand sides
CALLS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "lu_factor": lambda a, p, b: L.lu_factor(a),
    "lu": lambda a, p, b: L.lu(a[..., :3]),
    "lu of wide ones": lambda a, p, b: L.lu(a.mT[..., :3, :]),
    "lu_solve": lambda a, p, b: solved(p, b),
    "lu_solve, adjoint": lambda a, p, b: solved(a, b, adjoint=True),
    "lu_solve, from the right": lambda a, p, b: solved(a, b.mH, left=False),
    "solve": lambda a, p, b: L.solve(p, b),
    "solve, one for all": lambda a, p, b: L.solve(p.reshape(-1, *p.shape[-2:])[0], b),
    "inv": lambda a, p, b: L.inv(p),
    "upper": lambda a, p, b: L.solve_triangular(p, b, upper=True),
    "lower unit": lambda a, p, b: L.solve_triangular(p, b, upper=False, unitriangular=True),
    "of rows": lambda a, p, b: L.solve_triangular(p.mT, b, upper=True),
    "from the right": lambda a, p, b: L.solve_triangular(p, b.mT, upper=False, left=False),
    "cholesky": lambda a, p, b: L.cholesky(p),
    "cholesky, upper": lambda a, p, b: L.cholesky(p, upper=True),
    "cholesky_solve": lambda a, p, b: torch.cholesky_solve(b, L.cholesky(p)),
    "cholesky_inverse": lambda a, p, b: torch.cholesky_inverse(L.cholesky(p, upper=True), True),
    "qr": lambda a, p, b: L.qr(a[..., :3]),
    "qr, complete": lambda a, p, b: L.qr(a[..., :3], "complete"),
    "qr of wide ones": lambda a, p, b: L.qr(a[..., :3, :]),
    "householder_product": lambda a, p, b: L.householder_product(*torch.geqrf(a[..., :3])),
    "lstsq": lambda a, p, b: L.lstsq(a[..., :3], b)[:1],
    "lstsq, wide": lambda a, p, b: L.lstsq(p[..., :3, :], b[..., :3, :])[::2],
    "lstsq, gels": lambda a, p, b: L.lstsq(a[..., :3], b, driver="gels")[:2],
    "lstsq, gelsd": lambda a, p, b: L.lstsq(a[..., :3], b, driver="gelsd"),
    "lstsq, gelss": lambda a, p, b: L.lstsq(a[..., :3], b, driver="gelss"),
    "ldl_factor": lambda a, p, b: L.ldl_factor(a),
    "ldl_factor, hermitian": lambda a, p, b: L.ldl_factor(a + a.mH, hermitian=True),
    "ldl_solve": lambda a, p, b: indefinite(a, b, False),
    "ldl_solve, hermitian": lambda a, p, b: indefinite(a + a.mH, b, True),
    "geqrf": lambda a, p, b: torch.geqrf(a[..., :3]),
}  # fmt: skip


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (matrix_kernels, factor_kernels):
        monkeypatch.setattr(module, "routine", lambda *_: None)


def results(call: Callable[..., Any], *args: Any) -> list[torch.Tensor]:
    found = call(*args)
    return list(found) if isinstance(found, tuple) else [found]


@pytest.mark.parametrize("batch", [(), (2,), (400,)], ids=str)
@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("name", CALLS)
def test_with_and_without(
    name: str, kind: Any, batch: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    args = (
        made(kind, *batch, 5, 5),
        made(kind, *batch, 5, 5, positive=True),
        made(kind, *batch, 5, 2),
    )
    before = [x.clone() for x in args]
    monkeypatch.setattr(matrix_kernels, "SHORT", 0)  # the routines for matrices of any size
    with_it = results(CALLS[name], *args)
    assert all(torch.equal(x, y) for x, y in zip(args, before))
    forget(monkeypatch)
    without = results(CALLS[name], *args)
    near = 2e-3 if kind in (torch.float32, torch.complex64) else 1e-9
    for x, y in zip(with_it, without, strict=True):
        assert x.dtype is y.dtype and x.shape == y.shape and x.stride() == y.stride()
        assert torch.allclose(x.double() if not x.is_floating_point() and not x.is_complex() else x,
                              y.double() if not y.is_floating_point() and not y.is_complex() else y,
                              rtol=near, atol=near)  # fmt: skip


def test_numpys_wheel_has_the_routines() -> None:
    wheel = any("numpy.libs" in path and "openblas" in path for path in lapack.libraries())
    for name in lapack.FORMS if wheel else ():
        kinds = "FD" if name.startswith("he") else "fdFD"
        assert all(lapack.routine(name, kind) is not None for kind in kinds), name
    assert lapack.routine("getrf", "e") is None


def test_info_says_where_and_the_others_are_right() -> None:
    a = torch.tensor([[[1.0, 2.0], [2.0, 4.0]], [[1.0, 0.0], [0.0, 2.0]]])
    y, info = L.inv_ex(a)
    assert info.tolist() == [2, 0] and y[1].tolist() == [[1.0, 0.0], [0.0, 0.5]]
    x, info = L.solve_ex(a, torch.ones(2, 2, 1))
    assert info.tolist() == [2, 0] and x[1].tolist() == [[1.0], [0.5]]
    factor, info = L.cholesky_ex(torch.stack([-torch.eye(2), 4 * torch.eye(2)]))
    assert info.tolist() == [1, 0] and factor[1].tolist() == [[2.0, 0.0], [0.0, 2.0]]


@pytest.mark.parametrize("without", [False, True])
def test_what_is_no_number_has_no_factor(without: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if without:
        forget(monkeypatch)
    a = torch.eye(3)
    a[1, 1] = torch.nan
    with pytest.raises(L.LinAlgError, match="leading minor of order 2"):
        L.cholesky(a)
    with pytest.raises(L.LinAlgError, match="non-finite"):
        L.svd(a)
    assert L.inv(a).isnan().any() and L.solve(a, torch.ones(3)).isnan().any()


def test_swaps_that_are_none_are_refused() -> None:
    for pivots in ([0, 2, 3], [1, 2, 4]):
        swaps = torch.tensor(pivots, dtype=torch.int32)
        with pytest.raises(RuntimeError, match="Pivots given to lu_solve must all be"):
            L.lu_solve(torch.eye(3), swaps, torch.ones(3, 1))
        with pytest.raises(RuntimeError, match="must be between 1 and"):
            torch.lu_unpack(torch.eye(3), swaps)
