"""Learning-rate schedules, as `torch.optim.lr_scheduler`."""

from ...core.names import explain_missing as _explain_missing
from .base import EPOCH_DEPRECATION_WARNING, LRScheduler
from .combine import ChainedScheduler, SequentialLR
from .cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from .cyclic import CyclicLR, OneCycleLR
from .factors import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from .plateau import ReduceLROnPlateau

_LRScheduler = LRScheduler  # the name of older scripts
for _kind in [one for one in globals().values() if isinstance(one, type)]:
    _kind.__module__ = __name__  # programs compare it with `lr_scheduler.__name__`

_explain_missing(__name__)
