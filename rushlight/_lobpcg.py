"""A few eigenpairs of a large symmetric matrix, by products with it alone.

To the present guess are added its residuals, sharpened by a preconditioner, and the way that the
step before went; the best guess in that space is the next one.
Source: Knyazev 2001, https://doi.org/10.1137/S1064827500366124; a basis that stays orthogonal as
in Stathopoulos and Wu 2002, https://doi.org/10.1137/S1064827500370883
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import rushlight as rl

from .core.errors import fail
from .core.tensor import Tensor

__all__ = ["lobpcg"]

Pairs = tuple[Tensor, Tensor]
STEPS = 1000  # where the caller sets no limit
SWEEPS = 3  # of making directions orthogonal; once more than exact arithmetic needs, and a check


class LOBPCG:
    """The state of one iteration, as a `tracker` sees it after each step.

    `E`, `X`, `R` and `S` are the values, vectors, residuals and the space of the last step;
    `ivars["istep"]` counts steps, `ivars["converged_count"]` the pairs that are done, and
    `bvars["force_stop"] = True` ends it.
    """

    def __init__(
        self, A: Tensor, B: Tensor | None, X: Tensor, iK: Tensor | None,
        iparams: dict[str, int], fparams: dict[str, float], bparams: dict[str, bool],
        method: str, tracker: Callable[[LOBPCG], Any] | None,
    ) -> None:  # fmt: skip
        self.A, self.B, self.iK, self.X = A, B, iK, X
        self.iparams, self.fparams, self.bparams = iparams, fparams, bparams
        self.method, self.tracker = method, tracker
        rows, columns = X.shape
        self.E, self.R = X.new_zeros(columns), X.new_zeros(rows, columns)
        self.S = X.new_zeros(rows, 3 * columns)
        self.P: Tensor | None = None  # the way of the step before
        self.tvars: dict[str, Tensor] = {}
        self.ivars: dict[str, int] = {"istep": 0}
        self.fvars: dict[str, float] = {"_": 0.0}
        self.bvars: dict[str, bool] = {"_": False}

    def __str__(self) -> str:
        tables = ("iparams", "fparams", "bparams", "ivars", "fvars", "bvars")
        lines = (f"  {name}={getattr(self, name)}" for name in tables)
        return "\n".join(["LOBPCG:", *lines, f"  E={self.E}"])

    def run(self) -> None:
        """Steps until enough pairs are done, or the limit or the tracker ends it."""
        self._begin()
        while not self._done():
            self._step()
            self.ivars["istep"] += 1
            self._judge()
            if self.tracker is not None:
                self.tracker(self)
                if self.bvars.get("force_stop"):
                    break

    def _begin(self) -> None:
        """The scales that errors are measured by, and the best pairs within the first guess."""
        size = self.X.norm().item()
        self.fvars["X_norm"] = size
        self.fvars["A_norm"] = (self.A @ self.X).norm().item() / size
        self.fvars["B_norm"] = self._weighed(self.X).norm().item() / size
        self.E, turn = self._best(self.X)
        self.X = self.X @ turn[:, : len(self.E)]
        self._judge()

    def _weighed(self, x: Tensor) -> Tensor:
        return x if self.B is None else self.B @ x

    def _best(self, space: Tensor) -> Pairs:
        """The eigenpairs of the matrix within a space, those sought first, as its combinations."""
        gram = space.mT @ self._weighed(space)
        scale = gram.diagonal().rsqrt()  # columns of equal length lose least in the factor
        lower = rl.linalg.cholesky(gram * scale[:, None] * scale)
        inner = space.mT @ (self.A @ space) * scale[:, None] * scale
        inner = rl.linalg.solve_triangular(lower, inner, upper=False)
        inner = rl.linalg.solve_triangular(lower.mT, inner, upper=True, left=False)
        values, vectors = rl.linalg.eigh((inner + inner.mT) / 2)
        vectors = scale[:, None] * rl.linalg.solve_triangular(lower.mT, vectors, upper=True)
        if self.bparams["largest"]:
            values, vectors = values.flip(-1), vectors.flip(-1)
        found = self.iparams["n"]
        return values[:found], vectors

    def _step(self) -> None:
        waits = self.R[:, self.ivars["converged_count"] :]  # what is done needs no new direction
        more = waits if self.iK is None else self.iK @ waits
        if self.P is not None:
            more = rl.cat((self.P, more), -1)
        if self.method == "ortho":
            more = self._orthogonal(more)
        self.S = rl.cat((self.X, more), -1)
        self.E, turn = self._best(self.S)
        count = len(self.E)
        self.P = more @ turn[count:, :count]
        self.X = self.X @ turn[:count, :count] + self.P

    def _orthogonal(self, more: Tensor) -> Tensor:
        """A basis of what directions add to the present guess; what adds nothing is left out."""
        drop = len(self.X) * rl.finfo(self.X.dtype).eps
        for _ in range(SWEEPS):
            more = more - self.X @ (self.X.mT @ self._weighed(more))
            gram = more.mT @ self._weighed(more)
            scale = gram.diagonal().clamp_min(0).rsqrt()
            scale = scale.where(scale.isfinite(), 0)
            values, vectors = rl.linalg.eigh(gram * scale[:, None] * scale)
            kept = values > drop * values[-1:].clamp_min(0)
            more = more @ (scale[:, None] * vectors[:, kept] / values[kept].sqrt())
        return more

    def _judge(self) -> None:
        """The residuals, and how many pairs from the first on are exact enough."""
        weighed = self._weighed(self.X)
        self.R = self.A @ self.X - weighed * self.E
        scale = self.fvars["A_norm"] + self.E.abs() * self.fvars["B_norm"]
        error = self.R.norm(dim=0) / (self.X.norm(dim=0) * scale)
        self.tvars["rerr"] = error
        good = (error < self.fparams["tol"]).to(rl.int64)
        self.ivars["converged_count"] = int(good.cumprod(0).sum())
        self.ivars["iterations_left"] = self.iparams["niter"] - self.ivars["istep"]

    def _done(self) -> bool:
        enough = self.ivars["converged_count"] >= self.iparams["k"]
        return bool(self.ivars["istep"]) and (enough or self.ivars["iterations_left"] == 0)


@functools.cache
def _recorded() -> Any:
    """The pairs of a matrix that wants a gradient; made at the first of them."""

    class LOBPCGAutogradFunction(rl.autograd.Function):
        @staticmethod
        def forward(ctx: Any, A: Tensor, solve: Callable[[Tensor], Pairs], plain: bool) -> Pairs:
            values, vectors = solve(A)
            ctx.save_for_backward(A, values, vectors)
            ctx.plain = plain
            return values, vectors

        @staticmethod
        def backward(ctx: Any, by_values: Tensor, by_vectors: Tensor) -> Any:
            A, values, vectors = ctx.saved_tensors
            if A.is_sparse:
                raise ValueError(
                    "lobpcg.backward does not support sparse input yet. "
                    "Note that lobpcg.forward does though."
                )
            if not ctx.plain:
                raise ValueError("lobpcg.backward does not support backward with B != I yet.")
            inner = vectors * by_values[..., None, :] + _turns(A, values, vectors, by_vectors)
            return inner @ vectors.mT, None, None

    return LOBPCGAutogradFunction


def _turns(A: Tensor, values: Tensor, vectors: Tensor, g: Tensor) -> Tensor:
    """Columns (e_i - A)^+ g_i: how a change of the matrix turns each eigenvector.

    The eigenvector itself is taken out of what has no inverse.
    """
    columns = vectors.mT  # (..., k, m)
    own = columns[..., :, None] * columns[..., None, :]
    unit = rl.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    matrices = values[..., None, None] * unit - A[..., None, :, :] + own
    across = g.mT - columns * (columns * g.mT).sum(-1, keepdim=True)
    return rl.linalg.solve(matrices, across).mT


def lobpcg(
    A: Tensor, k: int | None = None, B: Tensor | None = None, X: Tensor | None = None,
    n: int | None = None, iK: Tensor | None = None, niter: int | None = None,
    tol: float | None = None, largest: bool | None = None, method: str | None = None,
    tracker: Callable[[LOBPCG], Any] | None = None,
    ortho_iparams: dict[str, int] | None = None, ortho_fparams: dict[str, float] | None = None,
    ortho_bparams: dict[str, bool] | None = None,
) -> Pairs:  # fmt: skip
    """The `k` largest (or smallest) eigenvalues of A x = e B x, and their vectors.

    A is symmetric (..., m, m), dense or sparse, B positive definite or None for the identity;
    the result has shapes (..., k) and (..., m, k). `X` (..., m, n) is the first guess (random if
    None), `iK` nearly the inverse of A (a preconditioner), `niter` the most steps (1,000 if None,
    -1 for no limit), `tol` the relative residual of pairs that are done. `method`: "ortho" keeps
    the space orthogonal, "basic" does not. `tracker` is called with the state after each step. The
    gradient, of dense A with B None, takes A as symmetric and each eigenvalue as simple.
    Raises ValueError for fewer than 3 n rows, AssertionError for shapes that do not fit.
    Source: https://pytorch.org/docs/stable/generated/torch.lobpcg.html

    >>> import rushlight as torch
    >>> A = torch.diag(torch.arange(1., 10.))
    >>> torch.lobpcg(A, k=2)[0]
    tensor([9.0000, 8.0000])
    """
    rows = A.shape[-1]
    _check(A, B, X)
    count = X.shape[-1] if X is not None else n if n is not None else k if k is not None else 1
    k = count if k is None else k
    if rows < 3 * count:
        raise fail(
            ValueError,
            f"LOBPCG algorithm is not applicable when the number of A rows (={rows})"
            f" is smaller than 3 x the number of requested eigenpairs (={count})",
            "torch.linalg.eigh gives all eigenpairs of a small matrix",
        )
    tol = rl.finfo(A.dtype).eps ** 0.5 if tol is None else tol
    names = ("ortho_tol", "ortho_tol_drop", "ortho_tol_replace")
    params = (
        {"m": rows, "n": count, "k": k, "niter": STEPS if niter is None else niter}
        | {"ortho_i_max": SWEEPS, "ortho_j_max": SWEEPS} | (ortho_iparams or {}),
        {"tol": tol} | dict.fromkeys(names, tol) | (ortho_fparams or {}),
        {"largest": largest is None or largest, "ortho_use_drop": False} | (ortho_bparams or {}),
        "ortho" if method is None else method,
        tracker,
    )  # fmt: skip

    def solve(A: Tensor) -> Pairs:
        return _each(A, B, X, iK, params)

    if A.requires_grad and rl.is_grad_enabled():
        symmetric = A if A.is_sparse else (A + A.mT) / 2
        return _recorded().apply(symmetric, solve, B is None)
    with rl.no_grad():
        return solve(A)


def _check(A: Tensor, B: Tensor | None, X: Tensor | None) -> None:
    rows = A.shape[-1]
    if A.shape[-2] != rows:
        raise AssertionError(f"A must be square, got shape {A.shape}")
    if B is not None and A.shape != B.shape:
        raise AssertionError(f"A and B must have same shape, got {A.shape} vs {B.shape}")
    if X is not None and X.shape[-2] != rows:
        raise AssertionError(f"X shape mismatch: got {X.shape}, expected {(rows, X.shape[-1])}")


def _each(A: Tensor, B: Tensor | None, X: Tensor | None, iK: Tensor | None, params: Any) -> Pairs:
    """The pairs of each matrix of a batch."""
    if A.ndim > 2:
        parts = [None if x is None else x.reshape(-1, *x.shape[-2:]) for x in (B, X, iK)]
        found = [
            _each(one, *(None if x is None else x[place] for x in parts), params=params)
            for place, one in enumerate(A.reshape(-1, *A.shape[-2:]))
        ]
        values, vectors = (rl.stack(list(part)) for part in zip(*found))
        above = A.shape[:-2]
        return values.reshape(*above, -1), vectors.reshape(*above, *vectors.shape[-2:])
    sizes, wanted = params[0], params[0]["k"]
    guess = rl.randn((sizes["m"], sizes["n"]), dtype=A.dtype, device=A.device) if X is None else X
    worker = LOBPCG(A, B, guess, iK, *params)
    worker.run()
    return worker.E[:wanted], worker.X[:, :wanted]
