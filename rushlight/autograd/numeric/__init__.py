"""Numeric differentiation: derivatives by differences, and where their error comes from."""

from .curves import CostCurve, ErrorCurve, cost_curve, error_curve
from .differences import Estimate, best_step, derivative, evaluations, gradient, jacobian
