"""Learning-rate schedules to try on torch and on rushlight alike."""

from __future__ import annotations

import warnings
from typing import Any

from tests.parity.optim_cases import caught, combine, tuples

MEASURES = [5, 4, 3, 3, 3, 3, 2.9, 2.9999, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1]
SIMPLE: dict[str, list[dict[str, Any]]] = {
    "StepLR": [
        *combine({}, step_size=[1, 3, 7], gamma=[0.1, 0.5]),
        {"step_size": 4},
    ],
    "MultiStepLR": [
        {"milestones": [2, 5, 9]},
        {"milestones": [3, 3, 4], "gamma": 0.3},
        {"milestones": []},
        {"milestones": [0, 6], "gamma": 0.9},
    ],
    "ConstantLR": [{}, *combine({}, factor=[0.5, 0.1], total_iters=[1, 4, 20])],
    "LinearLR": [
        {},
        *combine({}, start_factor=[0.2, 1.0], end_factor=[0.5, 1.0], total_iters=[3, 8]),
    ],
    "ExponentialLR": [{"gamma": 0.9}, {"gamma": 0.5}, {"gamma": 1.1}],
    "PolynomialLR": [{}, *combine({}, total_iters=[3, 12], power=[1.0, 2.0, 0.5])],
    "CosineAnnealingLR": [*combine({}, T_max=[1, 4, 10, 30], eta_min=[0.0, 0.01])],
    "CosineAnnealingWarmRestarts": [*combine({}, T_0=[1, 3, 10], T_mult=[1, 2], eta_min=[0, 0.01])],
    "CyclicLR": [
        *combine(
            {"base_lr": 0.01, "max_lr": 0.3, "gamma": 0.97},
            mode=["triangular", "triangular2", "exp_range"],
            step_size_up=[2, 5],
        ),
        {"base_lr": [0.01, 0.02], "max_lr": [0.1, 0.3], "step_size_up": 3, "step_size_down": 1},
        {"base_lr": 0.01, "max_lr": 0.3, "step_size_up": 3, "cycle_momentum": False},
        {"base_lr": 0.01, "max_lr": 0.3, "step_size_up": 3, "base_momentum": 0.5},
    ],
    "OneCycleLR": [
        *combine(
            {"max_lr": 0.5, "total_steps": 16},
            anneal_strategy=["cos", "linear"],
            three_phase=[False, True],
            pct_start=[0.3, 0.5],
        ),
        {"max_lr": [0.5, 0.1], "epochs": 4, "steps_per_epoch": 6, "div_factor": 10.0},
        {"max_lr": 0.5, "total_steps": 30, "cycle_momentum": False, "final_div_factor": 100.0},
    ],
    "LambdaLR": [{"lr_lambda": ["power"]}, {"lr_lambda": ["power", "inverse"]}],
    "MultiplicativeLR": [{"lr_lambda": ["constant"]}, {"lr_lambda": ["constant", "inverse"]}],
    "SWALR": [
        {"swa_lr": 0.05},
        {"swa_lr": [0.05, 0.1], "anneal_epochs": 4, "anneal_strategy": "linear"},
        {"swa_lr": 0.05, "anneal_epochs": 0},
    ],
}
PLATEAU = [
    {},
    *combine({"patience": 1}, mode=["min", "max"], threshold_mode=["rel", "abs"]),
    *combine({"factor": 0.5, "threshold": 0.5}, patience=[0, 2], cooldown=[0, 3]),
    {"patience": 1, "min_lr": [0.1, 0.001]},
    {"patience": 0, "min_lr": 0.01, "eps": 0.02},
]
FUNCTIONS = {
    "power": lambda epoch: 0.9**epoch,
    "inverse": lambda epoch: 1 / (1 + epoch),
    "constant": lambda epoch: 0.95,
}
COMBINED = ("warm-up then decay", "three in a row", "chained", "linear then cosine")


def runs() -> list[dict[str, Any]]:
    """Every schedule with every choice of options, on SGD, and some on Adam too."""
    found = []
    for name, options in SIMPLE.items():
        for index, kwargs in enumerate(options):
            found.append({"name": name, "kwargs": kwargs, "optimizer": "SGD"})
            if index == 0 and name in ("StepLR", "CyclicLR", "OneCycleLR"):
                found.append({"name": name, "kwargs": kwargs, "optimizer": "Adam"})
    others = [("ReduceLROnPlateau", kwargs) for kwargs in PLATEAU]
    others += [(name, {}) for name in COMBINED]
    return found + [{"name": n, "kwargs": k, "optimizer": "SGD"} for n, k in others]


def make_optimizer(t: Any, name: str) -> Any:
    groups = [
        {"params": [t.zeros(2, requires_grad=True)]},
        {"params": [t.zeros(1, requires_grad=True)], "lr": 0.05},
    ]
    extra = {"momentum": 0.9} if name == "SGD" else {}
    return getattr(t.optim, name)(groups, lr=0.5, **extra)


def make_schedule(t: Any, optimizer: Any, name: str, kwargs: dict[str, Any]) -> Any:
    s = t.optim.lr_scheduler
    if name == "warm-up then decay":
        parts = [s.ConstantLR(optimizer, 0.1, total_iters=4), s.ExponentialLR(optimizer, 0.9)]
        return s.SequentialLR(optimizer, parts, [4])
    if name == "three in a row":
        parts = [s.LinearLR(optimizer), s.StepLR(optimizer, 2), s.ExponentialLR(optimizer, 0.9)]
        return s.SequentialLR(optimizer, parts, [3, 9])
    if name == "chained":
        parts = [s.ConstantLR(optimizer, 0.1, total_iters=4), s.ExponentialLR(optimizer, 0.9)]
        return s.ChainedScheduler(parts, optimizer)
    if name == "linear then cosine":
        parts = [s.LinearLR(optimizer, 0.1, total_iters=4), s.CosineAnnealingLR(optimizer, 8)]
        return s.SequentialLR(optimizer, parts, [4])
    if name == "SWALR":
        return t.optim.swa_utils.SWALR(optimizer, **kwargs)
    if "lr_lambda" in kwargs:
        functions = [FUNCTIONS[key] for key in kwargs["lr_lambda"]]
        return getattr(s, name)(optimizer, functions if len(functions) > 1 else functions[0])
    return getattr(s, name)(optimizer, **kwargs)


def follow(t: Any, run: dict[str, Any], steps: int = 18) -> dict[str, Any]:
    """The rates, and momenta, after every step; the state's names; what stopped it."""
    optimizer = make_optimizer(t, run["optimizer"])
    measures = iter(MEASURES)
    rates, stopped = [], None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schedule = make_schedule(t, optimizer, run["name"], run["kwargs"])
        for _ in range(steps):
            rates.append([present(group) for group in optimizer.param_groups])
            optimizer.step()
            try:
                args = (next(measures),) if run["name"] == "ReduceLROnPlateau" else ()
                schedule.step(*args)
            except ValueError as error:
                stopped = str(error)
                break
    names = sorted(schedule.state_dict())
    return {"rates": rates, "last": schedule.get_last_lr(), "state": names, "stopped": stopped}


def present(group: dict[str, Any]) -> list[float]:
    momentum = group["momentum"] if "momentum" in group else group["betas"][0]
    return [group["lr"], momentum]


JUMPS = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 2, 5]}),
    ("ConstantLR", {}),
    ("LinearLR", {}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("PolynomialLR", {"total_iters": 8, "power": 2.0}),
    ("CosineAnnealingLR", {"T_max": 6, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2}),
    ("CosineAnnealingWarmRestarts", {"T_0": 4}),
]


def jump(t: Any, name: str, kwargs: dict[str, Any]) -> list[Any]:
    """The rates when epochs are named out of order, and resumed."""
    optimizer = make_optimizer(t, "SGD")
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schedule = make_schedule(t, optimizer, name, kwargs)
        for epoch in (1, 5, 2, 9, 0, None, None):
            schedule.step(epoch)
            found.append([group["lr"] for group in optimizer.param_groups])
        resumed = make_schedule(t, optimizer, name, {**kwargs, "last_epoch": 4})
        for _ in range(3):
            found.append([group["lr"] for group in optimizer.param_groups])
            resumed.step()
    return found


def mistakes(t: Any) -> dict[str, list[str]]:
    """What the schedules refuse or warn of."""
    s = t.optim.lr_scheduler

    def make(name: str, **kwargs: Any) -> Any:
        return lambda: getattr(s, name)(make_optimizer(t, "SGD"), **tuples(kwargs))

    def early() -> None:
        schedule = s.StepLR(make_optimizer(t, "SGD"), 2)
        schedule.step()

    def overridden() -> None:
        optimizer = make_optimizer(t, "SGD")
        schedule = s.StepLR(optimizer, 2)
        optimizer.step = lambda: None
        schedule.step()

    def peek() -> None:
        optimizer = make_optimizer(t, "SGD")
        s.StepLR(optimizer, 2).get_lr()

    def named_epoch() -> None:
        optimizer = make_optimizer(t, "SGD")
        schedule = s.StepLR(optimizer, 2)
        optimizer.step()
        schedule.step(3)

    def strangers() -> None:
        one, other = make_optimizer(t, "SGD"), make_optimizer(t, "SGD")
        s.ChainedScheduler([s.StepLR(one, 2), s.StepLR(other, 2)])

    def plateau_inside() -> None:
        one = make_optimizer(t, "SGD")
        s.SequentialLR(one, [s.StepLR(one, 2), s.ReduceLROnPlateau(one)], [3])

    def few_milestones() -> None:
        one = make_optimizer(t, "SGD")
        s.SequentialLR(one, [s.StepLR(one, 2), s.StepLR(one, 2)], [])

    actions = {
        "early step": early,
        "overridden step": overridden,
        "get_lr": peek,
        "named epoch": named_epoch,
        "plateau inside": plateau_inside,
        "few milestones": few_milestones,
        "not an optimizer": lambda: s.StepLR([1], 2),
        "no initial_lr": make("StepLR", step_size=2, last_epoch=3),
        "many lambdas": make("LambdaLR", lr_lambda=[abs, abs, abs]),
        "not a function": make("MultiplicativeLR", lr_lambda=0.5),
        "factor": make("ConstantLR", factor=2.0),
        "start": make("LinearLR", start_factor=0.0),
        "end": make("LinearLR", end_factor=2.0),
        "T_0": make("CosineAnnealingWarmRestarts", T_0=0),
        "T_mult": make("CosineAnnealingWarmRestarts", T_0=2, T_mult=0),
        "plateau factor": make("ReduceLROnPlateau", factor=1.0),
        "plateau mode": make("ReduceLROnPlateau", mode="best"),
        "plateau min_lr": make("ReduceLROnPlateau", min_lr=[0.1]),
        "one cycle steps": make("OneCycleLR", max_lr=0.1),
        "one cycle total": make("OneCycleLR", max_lr=0.1, total_steps=-1),
        "one cycle share": make("OneCycleLR", max_lr=0.1, total_steps=9, pct_start=2.0),
        "one cycle strategy": make("OneCycleLR", max_lr=0.1, total_steps=9, anneal_strategy="no"),
        "cyclic mode": make("CyclicLR", base_lr=0.1, max_lr=0.2, mode="no"),
        "cyclic lengths": make("CyclicLR", base_lr=[0.1], max_lr=0.2),
        "empty chain": lambda: s.ChainedScheduler([]),
        "swa decay": lambda: t.optim.swa_utils.get_ema_avg_fn(2.0),
    }
    found = {name: caught(action) for name, action in actions.items()}
    kind, text = caught(strangers)
    found["strangers"] = [kind, text.split(" has SGD")[0]]
    return found
