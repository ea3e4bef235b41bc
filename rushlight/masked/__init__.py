"""torch.masked: reductions over the elements that a mask leaves in, and tensors with a mask.

Source: https://pytorch.org/docs/stable/masked.html
"""

from __future__ import annotations

from ..core.names import explain_missing as _explain_missing
from ._ops import (
    amax,
    amin,
    argmax,
    argmin,
    cumprod,
    cumsum,
    log_softmax,
    logaddexp,
    logsumexp,
    mean,
    median,
    norm,
    normalize,
    prod,
    softmax,
    softmin,
    std,
    sum,
    var,
)

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp",
    "logsumexp", "mean", "median", "norm", "normalize", "prod", "softmax", "softmin", "std", "sum",
    "var",
]  # fmt: skip

_HOME = f"{__name__}.maskedtensor"
_CLASSES = ("MaskedTensor", "as_masked_tensor", "is_masked_tensor", "masked_tensor")
_explain_missing(
    __name__, {"maskedtensor": (_HOME, None), **{name: (_HOME, name) for name in _CLASSES}}
)
