"""Gamma and Dirichlet draws, differentiable in their shapes by the quantile they stand at."""

from __future__ import annotations

from typing import Any

from ..core import special_shape
from ..core.families import general, plain
from .reduce import sum as total_of

standard_gamma_grad = plain(
    "standard_gamma_grad", eval=special_shape.standard_gamma_grad, arity=2,
    doc="dx/da of gamma numbers x of shape a.",
)  # fmt: skip
dirichlet_grad = plain(
    "dirichlet_grad", eval=special_shape.dirichlet_grad, arity=3,
    doc="dx/da / (1 - x) of the weights x of Dirichlet vectors.",
)  # fmt: skip


def _dirichlet_vjp(g: Any, y: Any, a: Any, values: Any) -> Any:
    last = (len(y.shape) - 1,)
    total = total_of(a, last, True) + 0.0 * a
    return dirichlet_grad(y, a, total) * (g - total_of(g * y, last, True))


gamma_by = general(
    "gamma_by", eval=lambda a, values: values, reads="xy",
    vjp=lambda g, y, a, values: g * standard_gamma_grad(a, y), node="StandardGammaBackward0",
    doc="Gamma draws of shape a.",
)  # fmt: skip
dirichlet_by = general(
    "dirichlet_by", eval=lambda a, values: values, reads="xy", vjp=_dirichlet_vjp,
    node="_DirichletBackward", doc="Dirichlet draws of shapes a.",
)  # fmt: skip
