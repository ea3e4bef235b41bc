"""Gamma and Dirichlet numbers, which `torch.distributions` draws."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dispatch import scalar_type_name
from ..core.tensor import Tensor
from ..ops import gamma_draws as ops
from .arguments import misfit
from .drawing import engine_of

__all__ = ["_dirichlet_grad", "_sample_dirichlet", "_standard_gamma", "_standard_gamma_grad"]


def _floats(name: str, kernel: str, x: Any) -> Any:
    if not isinstance(x, Tensor):
        raise misfit(name, "input", 1, "Tensor", x)
    if x._array.dtype.kind != "f":
        kind = scalar_type_name(x.dtype)
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{kind}'")
    a = x._array
    return np.ascontiguousarray(a).reshape(a.shape) if type(a) is np.ndarray else a


def _standard_gamma(input: Tensor, generator: Any = None) -> Tensor:
    """Gamma numbers of scale 1, one for each shape parameter."""
    shapes = _floats("_standard_gamma", "gamma", input)
    return ops.gamma_by(input, engine_of(generator).standard_gamma(shapes))


def _sample_dirichlet(input: Tensor, generator: Any = None) -> Tensor:
    """Weights that sum to 1 along the last dimension."""
    shapes = _floats("_sample_dirichlet", "dirichlet", input)
    return ops.dirichlet_by(input, engine_of(generator).dirichlet(shapes))


def _standard_gamma_grad(input: Tensor, output: Tensor) -> Tensor:
    """The derivative of gamma numbers `output` by their shapes `input`."""
    return ops.standard_gamma_grad(input, output)


def _dirichlet_grad(x: Tensor, alpha: Tensor, total: Tensor) -> Tensor:
    """The derivative of Dirichlet weights by their shapes, over 1 - x."""
    return ops.dirichlet_grad(x, alpha, total)
