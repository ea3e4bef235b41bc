"""Optimisers, as `torch.optim`.

`optimizer.py` has groups, state and hooks; `elementwise.py` runs a rule over many parameters at
once; each algorithm's file then holds its arguments and its rule.
"""

from ..core.names import explain_missing as _explain_missing
from . import lr_scheduler, swa_utils
from .adadelta import Adadelta
from .adafactor import Adafactor
from .adagrad import Adagrad
from .adam import Adam
from .adamax import Adamax
from .adamw import AdamW
from .asgd import ASGD
from .lbfgs import LBFGS
from .muon import Muon
from .nadam import NAdam
from .optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from .radam import RAdam
from .rmsprop import RMSprop
from .rprop import Rprop
from .sgd import SGD
from .sparse_adam import SparseAdam

_SWAP = "swap_in_optimizer_params_and_state"
_explain_missing(__name__, {_SWAP: ("rushlight.optim.swapped", _SWAP)})
