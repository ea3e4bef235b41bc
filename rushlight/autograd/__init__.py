"""Differentiation: `torch.autograd`.

`backward.py` has the entrances to reverse mode, `engine.py` the sweep over the tape, `leaves.py`
what becomes of gradients at its end. `dual.py` is forward mode; `transforms.py`, `jacobians.py` and
`vmap.py` are torch.func's; `numeric` and `symbolic` are the other two ways to a derivative.
"""

from typing import TYPE_CHECKING

from ..core.dispatch import LATE as _LATE
from ..core.names import explain_missing as _explain_missing
from ..ops import elementwise as _elementwise
from ..ops import structure as _structure
from . import graph
from . import leaves as _leaves
from .backward import backward, grad, is_checkpoint_valid
from .function import Function, FunctionCtx, once_differentiable
from .graph import Node
from .modes import (
    detect_anomaly,
    enable_grad,
    inference_mode,
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    is_multithreading_enabled,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
    set_multithreading_enabled,
)
from .variable import Variable

if TYPE_CHECKING:  # loaded when first asked for
    from . import forward_ad, function_levels, functional, matrix_calculus
    from .gradcheck import GradcheckError, gradcheck, gradgradcheck

_LATE.gradients = grad
_is_checkpoint_valid = is_checkpoint_valid
_leaves.Late.sum_to = _structure.sum_to
_leaves.Late.add = _elementwise.add
_leaves.Late.keep = _structure.kept
_MODULES = "forward_ad function_levels functional matrix_calculus numeric symbolic".split()
_explain_missing(
    __name__,
    {
        **{name: (f"rushlight.autograd.{name}", None) for name in _MODULES},
        **dict.fromkeys(("grad_mode", "anomaly_mode"), ("rushlight.autograd.modes", None)),
        "profiler": ("rushlight.autograd.profiler", None),
        **{
            name: ("rushlight.autograd.gradcheck", name)
            for name in ("GradcheckError", "gradcheck", "gradgradcheck")
        },
    },
)
