"""Settings of a run, and the values that do well for each network where the user gives none."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import rushlight as rl

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("cosine", "constant")
MOMENTUM = 0.9


@dataclass
class Settings:
    """Everything that decides what a run computes."""

    model: str
    data: str
    epochs: int = 20
    batch_size: int = 64
    lr: float = 1e-3
    optimizer: str = "adam"
    schedule: str = "cosine"
    weight_decay: float = 0.0
    dropout: float = 0.0
    seed: int = 0
    image_size: int | None = None
    resize: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain data."""
        return asdict(self)


# Small pictures by the thousand need many steps; large sets need few passes.
_SMALL: dict[str, dict[str, Any]] = {
    "linear": {"epochs": 20, "batch_size": 32, "lr": 5e-3},
    "softmax": {"epochs": 20, "batch_size": 32, "lr": 5e-3},
    "mlp": {"epochs": 20, "batch_size": 32, "lr": 2e-3},
    "lenet": {"epochs": 20, "batch_size": 32, "lr": 3e-3, "dropout": 0.4},
}
_LARGE: dict[str, dict[str, Any]] = {
    "linear": {"epochs": 8, "batch_size": 128, "lr": 1e-3},
    "softmax": {"epochs": 8, "batch_size": 128, "lr": 2e-3},
    "mlp": {"epochs": 8, "batch_size": 128, "lr": 1e-3},
    "lenet": {"epochs": 5, "batch_size": 32, "lr": 2e-3},
}
# The deep networks cost a thousand times more per picture; without norms they want small steps.
_DEEP: dict[str, Any] = {"epochs": 3, "batch_size": 64, "lr": 1e-3}
_DEEP_PLAIN: dict[str, Any] = {"epochs": 5, "batch_size": 64, "lr": 1e-4, "dropout": 0.5}
_LARGE_NETS: dict[str, dict[str, Any]] = {
    "alexnet": _DEEP_PLAIN,
    "vgg11": _DEEP_PLAIN,
    "vgg11_bn": _DEEP_PLAIN,
    "vgg16": _DEEP_PLAIN,
    "nin": _DEEP_PLAIN | {"lr": 5e-4},
    "googlenet": _DEEP | {"dropout": 0.2},
    "mobilenet_v2": _DEEP | {"dropout": 0.2},
    "d2l_alexnet": _DEEP_PLAIN,
    "d2l_vgg11": _DEEP_PLAIN,
}


def choose(given: dict[str, Any]) -> Settings:
    """Settings with the preset's values where `given` has None."""
    table = _SMALL if given["data"] == "digits" else _LARGE
    name = given["model"]
    values = dict(table[name] if name in table else _LARGE_NETS.get(name, _DEEP))
    known = {field.name for field in fields(Settings)}
    values.update({key: v for key, v in given.items() if key in known and v is not None})
    return Settings(**values)


def optimizer(settings: Settings, parameters: Any) -> rl.optim.Optimizer:
    """The optimiser that the settings name."""
    lr, decay = settings.lr, settings.weight_decay
    if settings.optimizer == "sgd":
        return rl.optim.SGD(parameters, lr=lr, momentum=MOMENTUM, weight_decay=decay)
    if settings.optimizer == "adamw":
        return rl.optim.AdamW(parameters, lr=lr, weight_decay=decay)
    return rl.optim.Adam(parameters, lr=lr, weight_decay=decay)


def scheduler(settings: Settings, chosen: rl.optim.Optimizer, steps: int) -> Any:
    """The learning rate's course over `steps`: half a cosine down to zero, or none."""
    if settings.schedule == "cosine":
        return rl.optim.lr_scheduler.CosineAnnealingLR(chosen, max(steps, 1))
    return rl.optim.lr_scheduler.ConstantLR(chosen, factor=1.0)
