"""Under the alias, public classes say that they are of torch's modules: `print(type(layer))`."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from ..core.names import RENAMED

# Where torch keeps the classes of a module of ours, if the name differs by more than its root.
_HOMES = {
    "accelerator": "", "amp.casting": "amp.autocast_mode", "autograd.modes": "autograd.grad_mode",
    "core.handles": "utils.hooks", "core.shortage": "", "core.dtypes": "", "core.tensor": "",
    "distributions.transform": "distributions.transforms",
    "distributions.transforms_elementwise": "distributions.transforms",
    "distributions.transforms_events": "distributions.transforms",
    "functions.drawing": "_C", "functions.results": "return_types",
    "functions.storage": "storage", "futures": "", "jit": "", "jit.annotations": "",
    "nn.activation_pieces": "nn.modules.activation",
    "nn.activation_softmax": "nn.modules.activation",
    "nn.containers": "nn.modules.container", "nn.pooling_adaptive": "nn.modules.pooling",
    "nn.conv_lazy": "nn.modules.conv", "nn.embedding": "nn.modules.sparse",
    "nn.layers_linear": "nn.modules.linear", "nn.losses": "nn.modules.loss",
    "nn.losses_linear": "nn.modules.loss", "nn.losses_margin": "nn.modules.loss",
    "nn.module_state": "nn.modules.module", "nn.norm": "nn.modules.batchnorm",
    "nn.norm_feature": "nn.modules.normalization", "nn.norm_lazy": "nn.modules.batchnorm",
    "nn.parallel": "nn.parallel.data_parallel", "nn.parameter_containers": "nn.modules.container",
    "nn.rnn_cells": "nn.modules.rnn", "nn.transformer_layers": "nn.modules.transformer",
    "optim.adafactor": "optim", "optim.muon": "optim", "serialize.file_reader": "", "types": "",
    **{f"nn.{name}": f"nn.modules.{name}" for name in (
        "activation", "adaptive", "conv", "distance", "dropout", "fold", "lazy", "module",
        "padding", "pixelshuffle", "pooling", "rnn", "transformer", "upsampling",
    )},
}  # fmt: skip
_APART = {
    "ChannelShuffle": "nn.modules.channelshuffle", "Flatten": "nn.modules.flatten",
    "LinearCrossEntropyOptions": "nn.modules.linear_cross_entropy_options",
    "MultiheadAttention": "nn.modules.activation", "OutOfMemoryError": "",
    "StorageBase": "_C", "Unflatten": "nn.modules.flatten",
    "_InstanceNorm": "nn.modules.instancenorm",
    "detect_anomaly": "autograd.anomaly_mode", "set_detect_anomaly": "autograd.anomaly_mode",
    **{f"{lazy}InstanceNorm{rank}d": "nn.modules.instancenorm"
       for lazy in ("", "Lazy") for rank in (1, 2, 3)},
}  # fmt: skip
# Torch's modules whose classes stand in one of ours of another name.
ELSEWHERE = {
    "_tensor": "core.tensor", "nn.parallel.replicate": "nn.parallel",
    "storage": "functions.storage", "utils.data._utils.fetch": "utils.data.fetch",
    "utils.tensorboard.writer": "utils.tensorboard",
    **{f"cuda.amp.{name}": "cuda.amp" for name in ("autocast_mode", "common", "grad_scaler")},
    "utils.data._utils.worker": "utils.data.worker",
    "amp.autocast_mode": "amp.casting", "autograd.anomaly_mode": "autograd.modes",
    "autograd.grad_mode": "autograd.modes", "nn.modules.adaptive": "nn.adaptive",
    "nn.modules.channelshuffle": "nn.pixelshuffle", "nn.parallel.data_parallel": "nn.parallel",
    "nn.modules.linear_cross_entropy_options": "nn.losses_linear",
    "distributed._tensor": "distributed.tensor",
    "distributed._tensor.device_mesh": "distributed.device_mesh",
    "distributed._tensor.experimental": "distributed.tensor.experimental",
    "distributed._tensor.placement_types": "distributed.tensor.placements",
    "distributed.tensor.placement_types": "distributed.tensor.placements",
    "distributed.fsdp._fully_shard": "distributed.fsdp",
    "distributed.fsdp.api": "distributed.fsdp.fully_sharded_data_parallel",
    "distributed._composable.fsdp": "distributed.fsdp",
    "distributed.optim.zero_redundancy_optimizer": "distributed.optim",
    **{f"distributed.tensor.parallel.{name}": "distributed.tensor.parallel"
       for name in ("api", "loss", "style")},
}  # fmt: skip
# Those among them that share their name with a function of the package they are in.
NAMESAKES = ("torch.nn.parallel.data_parallel", "torch.nn.parallel.replicate")
# The modules that programs name: torch has them at the same place, and their `__name__` says so.
_MODULES = frozenset(
    "amp autograd autograd.functional autograd.graph autograd.profiler backends cpu cuda cuda.amp"
    " distributed distributions distributions.constraints distributions.kl distributions.transforms"
    " fft func futures fx hub jit library linalg masked nn nn.functional nn.init nn.modules"
    " nn.parallel nn.parameter nn.utils nn.utils.parametrizations nn.utils.parametrize"
    " nn.utils.prune nn.utils.rnn nn.utils.stateless onnx optim optim.lr_scheduler optim.swa_utils"
    " overrides profiler random serialization sparse special testing types utils utils.benchmark"
    " utils.checkpoint utils.data utils.hooks version".split()
)
_PUBLIC = ("nn", "optim", "utils", "distributions", "autograd", "amp", "fx")


def torch_home(kind: type) -> str | None:
    """Torch's module for a class of ours; None for one that torch has not."""
    root, _, inside = kind.__module__.partition(".")
    if root != "rushlight":
        return None
    home = _HOMES.get(inside)
    if kind.__name__ in _APART and (home is not None or inside in ("nn.attention", "cuda")):
        home = _APART[kind.__name__]
    if home is None:
        family, _, rest = inside.partition(".")
        if family == "vision":
            return f"torchvision.{rest}"
        home = inside if family in _PUBLIC else None
    return None if home is None else f"torch.{home}".rstrip(".")


def rename(module: ModuleType) -> None:
    """Have the classes that `module` defines say torch's module, and a public one its name."""
    for kind in list(vars(module).values()):
        if isinstance(kind, type) and kind.__module__ == module.__name__:
            home = torch_home(kind)
            # A private class keeps its name unless torch's users know it, as `_Loss` and `_ConvNd`.
            if kind.__name__[0] != "_" or ".modules." in (home or ""):
                _rename(kind, home)
    if module.__name__.removeprefix("rushlight.") in _MODULES:
        module.__name__ = module.__name__.replace("rushlight", "torch", 1)


def _rename(kind: type, home: str | None) -> None:
    if home is not None and kind.__module__.partition(".")[0] == "rushlight":
        RENAMED[kind] = kind.__module__
        kind.__module__ = home


class Renaming(importlib.abc.MetaPathFinder):
    """Finds rushlight's own modules like everyone else, and renames their classes once they run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> ModuleSpec | None:
        if not fullname.startswith("rushlight."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def run_and_rename(module: ModuleType) -> None:
            run(module)
            rename(module)

        spec.loader.exec_module = run_and_rename
        return spec


def rename_all(top: Any) -> None:
    """Rename what is loaded already: `top` is rushlight itself, whose classes say so."""
    for name, module in list(sys.modules.items()):
        if name.startswith("rushlight."):
            rename(module)
    for kind in vars(top).values():
        if isinstance(kind, type) and kind.__module__ == "rushlight":
            _rename(kind, "torch")
    for kind in _return_types():
        _rename(kind, "torch.return_types")


def _return_types() -> list[type]:
    """The classes of named results that there are so far."""
    results = sys.modules.get("rushlight.functions.results")
    return [*results.RETURN_TYPES.values()] if results else []


def restore() -> None:
    """Every class says rushlight's module again, those made under the alias too."""
    for name in _MODULES:
        module = sys.modules.get(f"rushlight.{name}")
        if module is not None:
            module.__name__ = f"rushlight.{name}"
    for kind in _return_types():
        kind.__module__ = "rushlight.return_types"
    for kind, module in RENAMED.items():
        kind.__module__ = module
    RENAMED.clear()
