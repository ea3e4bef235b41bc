"""torch.return_types: the classes of results with named fields, where pickles look for them.

>>> import pickle, rushlight as torch
>>> pickle.loads(pickle.dumps(torch.ones(2).max(0))).indices
tensor(0)
"""

from __future__ import annotations

import importlib
from typing import Any

from .functions.results import RETURN_TYPES

_HOMES = (
    "counting", "factorizations", "histograms", "householder", "indefinite", "linear_algebra",
    "old_matrices", "reduction", "scanning", "sorting", "special_functions", "statistics",
)  # fmt: skip

# what gives a result of each class, of A = [[2, 1], [1, 3]]
_CALLS = """
aminmax: torch.aminmax(A)
cummax: torch.cummax(A, 0)
cummin: torch.cummin(A, 0)
frexp: torch.frexp(A)
geqrf: torch.geqrf(A)
histogram: torch.histogram(A, 3)
histogramdd: torch.histogramdd(A, [2, 2])
kthvalue: torch.kthvalue(A, 2)
linalg_cholesky_ex: torch.linalg.cholesky_ex(A)
linalg_eig: torch.linalg.eig(A)
linalg_eigh: torch.linalg.eigh(A)
linalg_inv_ex: torch.linalg.inv_ex(A)
linalg_ldl_factor: torch.linalg.ldl_factor(A)
linalg_ldl_factor_ex: torch.linalg.ldl_factor_ex(A)
linalg_ldl_factor_ex_out: torch.linalg.ldl_factor_ex(A, out=torch.linalg.ldl_factor_ex(A))
linalg_ldl_factor_out: torch.linalg.ldl_factor(A, out=torch.linalg.ldl_factor(A))
linalg_lstsq: torch.linalg.lstsq(A, A)
linalg_lu: torch.linalg.lu(A)
linalg_lu_factor: torch.linalg.lu_factor(A)
linalg_lu_factor_ex: torch.linalg.lu_factor_ex(A)
linalg_qr: torch.linalg.qr(A)
linalg_slogdet: torch.linalg.slogdet(A)
linalg_solve_ex: torch.linalg.solve_ex(A, A)
linalg_svd: torch.linalg.svd(A)
lu_unpack: torch.lu_unpack(*torch.linalg.lu_factor(A))
max: torch.max(A, 1)
median: torch.median(A, 1)
min: torch.min(A, 1)
mode: torch.mode(A, 1)
nanmedian: torch.nanmedian(A, 1)
qr: torch.qr(A)
slogdet: torch.slogdet(A)
sort: torch.sort(A, 1)
svd: torch.svd(A)
topk: torch.topk(A, 1)
triangular_solve: torch.triangular_solve(A, A)
"""


def _load() -> None:
    for home in _HOMES:
        importlib.import_module(f"{__package__}.functions.{home}")


def _shown(kind: Any) -> Any:
    """The class, which says how to get a result of it."""
    call = _CALLS.partition(f"\n{kind.__name__}: ")[2].partition("\n")[0]
    if call and ">>>" not in kind.__doc__:
        kind.__doc__ += (
            "\n\n>>> import rushlight as torch\n>>> A = torch.tensor([[2.0, 1.0], [1.0, 3.0]])"
            f"\n>>> result = {call}\n>>> type(result).__name__, result._fields"
            f"\n{(kind.__name__, kind._fields)!r}\n"
        )
    return kind


def __getattr__(name: str) -> Any:
    if name not in RETURN_TYPES and name[:2] != "__":
        _load()
    if name not in RETURN_TYPES:
        raise AttributeError(f"module 'torch.return_types' has no attribute {name!r}")
    return _shown(RETURN_TYPES[name])


def __dir__() -> list[str]:
    _load()
    return sorted(RETURN_TYPES)
