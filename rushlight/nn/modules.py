"""torch's module names for the layer families: `nn.modules.batchnorm._BatchNorm` and the like."""

from __future__ import annotations

import sys

from ..core.names import class_path
from . import (
    activation,
    activation_pieces,
    activation_softmax,
    attention,
    containers,
    conv,
    conv_lazy,
    distance,
    dropout,
    embedding,
    fold,
    layers_linear,
    lazy,
    losses,
    losses_linear,
    losses_margin,
    module,
    module_global_hooks,
    norm,
    norm_feature,
    norm_lazy,
    padding,
    parameter_containers,
    pixelshuffle,
    pooling,
    pooling_adaptive,
    rnn,
    rnn_cells,
    sizes,
    transformer,
    transformer_layers,
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
_MORE = {  # what torch has in the same file
    activation: (activation_pieces, activation_softmax, attention),
    containers: (parameter_containers,),
    conv: (conv_lazy,),
    losses: (losses_margin, losses_linear),
    norm: (norm_lazy,),
    pooling: (pooling_adaptive,),
    rnn: (rnn_cells,),
    transformer: (transformer_layers,),
}
__path__: list[str] = []  # so that `from torch.nn.modules.loss import _Loss` finds it
Module = module.Module
_HOOKS = {name: value for name, value in vars(module_global_hooks).items() if "_module_" in name}
module.__dict__.update(_HOOKS)
for _first, _others in _MORE.items():
    for _other in _others:
        for _name, _kind in vars(_other).items():
            if isinstance(_kind, type) and class_path(_kind) == f"{_other.__name__}.{_name}":
                _first.__dict__.setdefault(_name, _kind)
for _name, _family in _FAMILIES.items():
    globals()[_name] = _family
    sys.modules[f"{__name__}.{_name}"] = _family
_LAYERS = {
    name: kind for name, kind in vars(sys.modules["rushlight.nn"]).items()
    if isinstance(kind, type) and issubclass(kind, Module) and name != "DataParallel"
}  # fmt: skip
globals().update(_LAYERS)
globals()["__all__"] = [*_LAYERS]
