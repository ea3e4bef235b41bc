"""Optimisers, schedules and mistakes to try on torch and on rushlight alike.

Every function takes the library as `t` and returns plain data that JSON can hold.
"""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

STEPS = 10
SHAPES = ((3, 2), (4,), ())


def combine(base: dict[str, Any], **choices: list[Any]) -> list[dict[str, Any]]:
    """All combinations of the choices on top of `base`."""
    names = list(choices)
    return [{**base, **dict(zip(names, values))} for values in itertools.product(*choices.values())]


def adam_options() -> list[dict[str, Any]]:
    return [
        *combine({"lr": 0.1}, weight_decay=[0, 0.1], amsgrad=[False, True], maximize=[False, True]),
        {},
        {"lr": 0.01, "betas": [0.5, 0.9]},
        {"lr": 0.1, "eps": 0.1},
        {"lr": 0.05, "betas": [0.0, 0.99]},
    ]


OPTIONS: dict[str, list[dict[str, Any]]] = {
    "SGD": [
        *combine({"lr": 0.05}, weight_decay=[0, 0.1], maximize=[False, True]),
        *combine(
            {"lr": 0.05},
            momentum=[0.9, 0.5],
            dampening=[0, 0.3],
            weight_decay=[0, 0.1],
            maximize=[False, True],
        ),
        *combine({"lr": 0.02, "nesterov": True}, momentum=[0.9, 0.5], weight_decay=[0, 0.1]),
        {},
    ],
    "Adam": [*adam_options(), {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}],
    "AdamW": [*adam_options(), {"lr": 0.1, "weight_decay": 0.5}],
    "Adagrad": [
        *combine(
            {"lr": 0.2},
            lr_decay=[0, 0.1],
            weight_decay=[0, 0.1],
            initial_accumulator_value=[0, 0.5],
        ),
        {},
        {"lr": 0.1, "eps": 0.01, "maximize": True},
    ],
    "RMSprop": [
        *combine({"lr": 0.02}, momentum=[0, 0.9], centered=[False, True], weight_decay=[0, 0.1]),
        {},
        {"lr": 0.02, "alpha": 0.5, "eps": 0.01},
        {"lr": 0.02, "maximize": True},
    ],
    "Adadelta": [
        *combine({}, weight_decay=[0, 0.1], maximize=[False, True], rho=[0.9, 0.5]),
        {"lr": 0.5, "eps": 0.01},
    ],
    "Adamax": [
        *combine({"lr": 0.1}, weight_decay=[0, 0.1], maximize=[False, True]),
        {},
        {"lr": 0.1, "betas": [0.5, 0.8]},
        {"lr": 0.1, "eps": 0.1},
    ],
    "NAdam": [
        *combine({"lr": 0.1}, weight_decay=[0, 0.1], decoupled_weight_decay=[False, True]),
        {},
        {"lr": 0.1, "momentum_decay": 0.1},
        {"lr": 0.1, "maximize": True},
    ],
    "RAdam": [
        *combine({"lr": 0.1}, weight_decay=[0, 0.1], decoupled_weight_decay=[False, True]),
        {},
        {"lr": 0.1, "betas": [0.8, 0.9]},
        {"lr": 0.1, "maximize": True},
    ],
    "ASGD": [
        *combine({"lr": 0.05}, weight_decay=[0, 0.1], t0=[1e6, 2]),
        {},
        {"lr": 0.05, "lambd": 0.1, "alpha": 0.5, "maximize": True},
    ],
    "Adafactor": [
        *combine({"lr": 0.2}, weight_decay=[0, 0.1], d=[1.0, 2.0]),
        {},
        {"lr": 0.2, "eps": [1e-3, 0.1], "maximize": True},
        {"lr": 0.2, "beta2_decay": -0.5},
    ],
    "Rprop": [
        {},
        {"lr": 0.1},
        {"lr": 0.1, "etas": [0.3, 1.5]},
        {"lr": 0.1, "step_sizes": [0.05, 0.12]},
        {"lr": 0.1, "maximize": True},
    ],
    "LBFGS": [
        {"lr": 0.1, "max_iter": 4},
        {"lr": 0.5, "history_size": 2, "max_iter": 3},
        {"line_search_fn": "strong_wolfe", "max_iter": 3},
        {"line_search_fn": "strong_wolfe", "lr": 0.2, "history_size": 2, "max_iter": 5},
    ],
}


def runs() -> list[dict[str, Any]]:
    """Every optimiser with every choice of options; the first of each in double precision too."""
    found = []
    for name, options in OPTIONS.items():
        for index, kwargs in enumerate(options):
            found.append({"name": name, "kwargs": kwargs, "dtype": "float32"})
            if index < 2:
                found.append({"name": name, "kwargs": kwargs, "dtype": "float64"})
    return found


def tuples(kwargs: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists as the tuples that options are."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in kwargs.items()}


def start(shape: tuple[int, ...], phase: float) -> Any:
    """Nested lists of numbers between -1 and 1."""
    count = math.prod(shape)
    flat = [round(math.sin(1.7 * index + phase), 3) for index in range(count)]
    if not shape:
        return flat[0]
    for size in reversed(shape[1:]):
        flat = [flat[i : i + size] for i in range(0, len(flat), size)]
    return flat


def make(t: Any, run: dict[str, Any]) -> tuple[list[Any], Any, list[Any]]:
    """Parameters in two groups of different rates, their optimiser, and what they should become."""
    dtype = getattr(t, run["dtype"])
    params = [
        t.tensor(start(shape, 0.3 * i), dtype=dtype, requires_grad=True)
        for i, shape in enumerate(SHAPES)
    ]
    targets = [t.tensor(start(shape, 2 + 0.7 * i), dtype=dtype) for i, shape in enumerate(SHAPES)]
    groups: list[Any] = params
    if run["name"] != "LBFGS":
        groups = [{"params": params[:2]}, {"params": params[2:], "lr": 0.03}]
    return params, getattr(t.optim, run["name"])(groups, **tuples(run["kwargs"])), targets


def train(t: Any, run: dict[str, Any]) -> dict[str, Any]:
    """Losses of ten steps, final parameters and state; one parameter sits two steps out."""
    params, optimizer, targets = make(t, run)
    losses = []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = sum(((p - q) ** 2 * (i + 1)).sum() for i, (p, q) in enumerate(zip(params, targets)))
        loss.backward()
        return loss

    for step in range(STEPS):
        if run["name"] == "LBFGS":
            loss = optimizer.step(closure)
        else:
            loss = closure()
            if step in (4, 5):
                params[1].grad = None
            optimizer.step()
        losses.append(loss.item())
    return {
        "losses": losses,
        "params": [param.detach().tolist() for param in params],
        "state": describe_state(t, optimizer.state_dict()["state"]),
    }


def describe_state(t: Any, state: dict[int, Any]) -> dict[str, Any]:
    """Names in their order, dtypes, shapes and sums of what a state holds."""
    told: dict[str, Any] = {}
    for number, entries in state.items():
        told[str(number)] = [
            [name, str(value.dtype), list(value.shape), float(value.double().sum())]
            if isinstance(value, t.Tensor)
            else [name, type(value).__name__]
            for name, value in entries.items()
        ]
    return told


def printed(t: Any, name: str) -> dict[str, Any]:
    """The optimiser as text, and its parameter groups as data."""
    weights = [t.zeros(2, requires_grad=True), t.zeros(1, requires_grad=True)]
    optimizer = getattr(t.optim, name)(weights)
    groups = optimizer.state_dict()["param_groups"]
    return {"text": repr(optimizer), "groups": [[[k, v] for k, v in g.items()] for g in groups]}


MISTAKES: list[tuple[str, dict[str, Any]]] = [
    *[(name, {"lr": -1.0}) for name in OPTIONS],
    *[(name, {"weight_decay": -0.1}) for name in OPTIONS if name not in ("Rprop", "LBFGS")],
    *[
        (name, {"betas": betas})
        for name in ("Adam", "AdamW", "Adamax", "NAdam", "RAdam")
        for betas in ([1.0, 0.9], [0.9, -0.1])
    ],
    *[(name, {"eps": -1.0}) for name in ("Adam", "Adagrad", "RMSprop", "Adadelta", "Adamax")],
    ("SGD", {"momentum": -1}),
    ("SGD", {"nesterov": True}),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
    ("SGD", {"fused": True, "foreach": True}),
    ("SGD", {"fused": True, "differentiable": True}),
    ("Adam", {"fused": True, "foreach": True}),
    ("Adam", {"betas": [0, 0.9]}),
    ("Adagrad", {"lr_decay": -1}),
    ("Adagrad", {"initial_accumulator_value": -1}),
    ("RMSprop", {"alpha": -1}),
    ("RMSprop", {"momentum": -1}),
    ("Adadelta", {"rho": 2}),
    ("NAdam", {"momentum_decay": -1}),
    ("Rprop", {"etas": [0.5, 0.9]}),
    ("Adafactor", {"beta2_decay": 0.5}),
    ("Adafactor", {"eps": [-1.0, 0.1]}),
    ("Adafactor", {"eps": [None, -0.1]}),
    ("Adafactor", {"d": 0.5}),
]


def mistake(t: Any, name: str, kwargs: dict[str, Any]) -> list[str]:
    """Type and first line of what building the optimiser raises."""
    return caught(
        lambda: getattr(t.optim, name)([t.zeros(1, requires_grad=True)], **tuples(kwargs))
    )


def caught(action: Any) -> list[str]:
    """Built-in type and text of the exception, or of the warnings, of an action."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            action()
        except Exception as error:
            kinds = (k for k in type(error).__mro__ if k.__module__ == "builtins")
            return [next(kinds).__name__, str(error)]
    return [text for warning in seen for text in (warning.category.__name__, str(warning.message))]


def wrong_groups(t: Any) -> dict[str, list[str]]:
    """What is refused when parameters are handed over in the wrong way."""

    def leaf(size: int = 1) -> Any:
        return t.zeros(size, requires_grad=True)

    def add_twice() -> None:
        one = leaf()
        t.optim.SGD([{"params": [one]}, {"params": [one]}])

    def load(groups: list[Any], others: list[Any]) -> Any:
        return lambda: t.optim.SGD(groups).load_state_dict(t.optim.SGD(others).state_dict())

    def same_twice() -> None:
        one = leaf()
        t.optim.SGD([one, one])

    def named_then_not() -> None:
        t.optim.SGD([("a", leaf())]).add_param_group({"params": [leaf()]})

    sgd = t.optim.SGD
    actions = {
        "empty": lambda: sgd([]),
        "tensor": lambda: sgd(leaf()),
        "number": lambda: sgd([1.0]),
        "text": lambda: sgd(["weight"]),
        "non-leaf": lambda: sgd([leaf() * 2]),
        "set": lambda: sgd([{"params": {leaf()}}]),
        "group not a dict": lambda: sgd([leaf()]).add_param_group([leaf()]),
        "twice": add_twice,
        "same twice": same_twice,
        "half named": lambda: sgd([("a", leaf()), leaf()]),
        "named then not": named_then_not,
        "fewer groups": load([{"params": [leaf()]}, {"params": [leaf()]}], [leaf()]),
        "fewer parameters": load([leaf(), leaf()], [leaf()]),
        "lbfgs groups": lambda: t.optim.LBFGS([{"params": [leaf()]}, {"params": [leaf()]}]),
        "step missing": lambda: t.optim.Optimizer([leaf()], {}).step(),
    }
    return {name: caught(action) for name, action in actions.items()}
