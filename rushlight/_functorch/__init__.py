"""torch._functorch: the steps of `vmap` under torch's names (`vmap`)."""

from ..core.names import explain_missing as _explain_missing

_explain_missing(__name__, {"vmap": ("rushlight._functorch.vmap", None)})
