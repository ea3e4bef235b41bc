"""torch's module names for the layer families: `nn.modules.batchnorm._BatchNorm` and the like."""

from __future__ import annotations

import sys

from . import (
    activation,
    containers,
    conv,
    distance,
    dropout,
    embedding,
    fold,
    layers_linear,
    lazy,
    losses,
    module,
    module_global_hooks,
    norm,
    norm_feature,
    padding,
    pixelshuffle,
    pooling,
    rnn,
    sizes,
    transformer,
    upsampling,
)

_FAMILIES = {
    "activation": activation,
    "batchnorm": norm,
    "container": containers,
    "conv": conv,
    "distance": distance,
    "dropout": dropout,
    "flatten": layers_linear,
    "fold": fold,
    "instancenorm": norm,
    "lazy": lazy,
    "linear": layers_linear,
    "loss": losses,
    "module": module,
    "normalization": norm_feature,
    "padding": padding,
    "pixelshuffle": pixelshuffle,
    "pooling": pooling,
    "rnn": rnn,
    "sparse": embedding,
    "transformer": transformer,
    "upsampling": upsampling,
    "utils": sizes,
}
__path__: list[str] = []  # so that `from torch.nn.modules.loss import _Loss` finds it
Module = module.Module
_HOOKS = {name: value for name, value in vars(module_global_hooks).items() if "_module_" in name}
module.__dict__.update(_HOOKS)
for _name, _family in _FAMILIES.items():
    globals()[_name] = _family
    sys.modules[f"{__name__}.{_name}"] = _family
