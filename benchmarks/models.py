"""The networks of rushlight.vision.models on torch too, from the same source."""

from __future__ import annotations

import functools
import sys
import types
from pathlib import Path
from typing import Any

from rushlight.vision import models

FILES = (
    "../ops/misc",
    "initial",
    "listing",
    "alexnet",
    "vgg",
    "googlenet",
    "resnet",
    "densenet",
    "mobilenetv2",
)
READ = (
    ("import rushlight as rl", "import torch as rl"), ("from rushlight", "from torch"),
    ("from ...core.", "from rushlight.core."), ("from ..ops.misc", "from .misc"),
    ("from .weights", "from rushlight.vision.models.weights"),
)  # fmt: skip


@functools.cache
def on_torch() -> Any:
    """The list of networks, with every `rushlight` in their source read as `torch`."""
    package = "models_on_torch"
    sys.modules[package] = types.ModuleType(package)
    sys.modules[package].__path__ = []
    for name in FILES:
        source = (Path(models.__file__).parent / f"{name}.py").read_text()
        for mine, other in READ:
            source = source.replace(f"\n{mine}", f"\n{other}")
        name = name.rpartition("/")[2]
        module = types.ModuleType(f"{package}.{name}")
        module.__package__ = package
        sys.modules[module.__name__] = module
        exec(compile(source, name, "exec"), module.__dict__)
    return sys.modules[f"{package}.listing"]


def make(name: str, t: Any) -> Any:
    """A network of that name in a framework."""
    from_where = on_torch() if t.__name__ == "torch" else models
    return from_where.get_model(name, **({"aux_logits": False} if name == "googlenet" else {}))
