"""Differentiation: `torch.autograd`."""

from ..core.dispatch import LATE as _LATE
from ..ops import elementwise as _elementwise
from ..ops import structure as _structure
from . import engine as _engine
from . import forward_ad, function_levels, functional, graph
from .backward import backward, grad
from .function import Function, FunctionCtx, once_differentiable
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .graph import Node
from .modes import (
    detect_anomaly,
    enable_grad,
    inference_mode,
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
)
from .variable import Variable

_LATE.gradients = grad
_engine.Late.sum_to = _structure.sum_to
_engine.Late.add = _elementwise.add
_engine.Late.keep = _structure.kept
