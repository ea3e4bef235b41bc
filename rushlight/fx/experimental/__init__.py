"""torch.fx.experimental: the questions that other libraries ask of it."""

from ...core.names import explain_missing as _explain_missing
from . import proxy_tensor as proxy_tensor

_explain_missing(__name__, {"optimization": ("rushlight.fx.experimental.optimization", None)})
