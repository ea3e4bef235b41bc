"""Draws as nodes of the tape: values that do not depend on what they replace, gradient zero."""

from __future__ import annotations

from typing import Any

from ..core.families import linear


def _drawn(name: str, node: str, doc: str) -> Any:
    return linear(name, eval=lambda x, values: values, adjoint=lambda g, x, values: 0.0 * g,
                  node=node, doc=doc)  # fmt: skip


uniform_noise = _drawn("uniform_noise", "UniformBackward0", "Uniform draws in x's place.")
normal_noise = _drawn("normal_noise", "NormalBackward0", "Normal draws in x's place.")
normal_around = _drawn("normal_around", "NormalBackward1", "Normal draws with mean or std x.")
exponential_noise = _drawn("exponential_noise", "ExponentialBackward0", "Exponential draws.")
cauchy_noise = _drawn("cauchy_noise", "CauchyBackward0", "Cauchy draws in x's place.")
log_normal_noise = _drawn("log_normal_noise", "LogNormalBackward0", "Log-normal draws.")
geometric_noise = _drawn("geometric_noise", "GeometricBackward0", "Geometric draws.")
integer_noise = _drawn("integer_noise", "RandomBackward0", "Whole numbers in x's place.")
bernoulli_noise = _drawn("bernoulli_noise", "BernoulliBackward2", "Zeros and ones in x's place.")
bernoulli_by = _drawn("bernoulli_by", "BernoulliBackward0", "Ones with probability x.")
poisson_by = _drawn("poisson_by", "PoissonBackward0", "Poisson draws with rate x.")
