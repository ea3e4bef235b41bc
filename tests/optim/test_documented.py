"""What docstrings of optimisers, schedules and data sets say of their arguments and errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import rushlight as rl
import rushlight.optim.swa_utils

optim: Any = rl.optim  # tests of refusals give what types forbid
utils: Any = rl.utils
lr_scheduler, swa_utils, data = optim.lr_scheduler, optim.swa_utils, utils.data
PLACES = (optim, lr_scheduler, swa_utils, data)


def public() -> Iterator[Any]:
    for place in PLACES:
        for name in sorted(getattr(place, "__all__", vars(place))):
            value = getattr(place, name)
            own = getattr(value, "__module__", "").startswith(
                ("rushlight.optim", "rushlight.utils.data")
            )
            if own and not name.startswith("_") and (inspect.isclass(value) or callable(value)):
                yield pytest.param(value, id=f"{place.__name__}.{name}")


@pytest.mark.parametrize("value", list(public()))
def test_docstrings_name_every_argument_and_where_it_comes_from(value: Any) -> None:
    text = value.__doc__ or ""
    quoted = " ".join(re.findall(r"`([^`]*)`", text))
    words = set(re.findall(r"\w+", quoted))
    names = set(inspect.signature(value).parameters) - {"args", "kwargs"}
    assert names <= words, names - words
    if inspect.isclass(value) and not issubclass(value, Exception):
        assert "Source" in text and ">>>" in text


SGD = optim.SGD([rl.zeros(1, requires_grad=True)], lr=1.0)
OTHER = optim.SGD([rl.zeros(1, requires_grad=True)], lr=1.0)
LAYER = rl.nn.Linear(1, 1)
COUNT = type("Count", (data.IterableDataset,), {"__iter__": lambda self: iter(range(2))})


def step(**options: Any) -> Any:
    return lr_scheduler.StepLR(options.get("of", SGD), 1)


@pytest.mark.parametrize("kind", [
    lr_scheduler.ConstantLR, lr_scheduler.LinearLR, lr_scheduler.PolynomialLR,
    lr_scheduler.ReduceLROnPlateau,
    lambda x: lr_scheduler.StepLR(x, 1), lambda x: lr_scheduler.MultiStepLR(x, [1]),
    lambda x: lr_scheduler.ExponentialLR(x, 0.5), lambda x: lr_scheduler.CosineAnnealingLR(x, 2),
    lambda x: lr_scheduler.CosineAnnealingWarmRestarts(x, 2),
    lambda x: lr_scheduler.CyclicLR(x, 0.1, 0.2),
    lambda x: lr_scheduler.OneCycleLR(x, 1.0, total_steps=4),
])  # fmt: skip
def test_schedules_refuse_what_is_no_optimiser(kind: Callable) -> None:
    with pytest.raises(TypeError, match="is not an Optimizer"):
        kind("SGD")


@pytest.mark.parametrize(("error", "act"), [
    (ValueError, lambda: lr_scheduler.LambdaLR(SGD, [abs, abs])),
    (ValueError, lambda: lr_scheduler.MultiplicativeLR(SGD, [abs, abs])),
    (TypeError, lambda: lr_scheduler.MultiplicativeLR(SGD, 0.5)),
    (ValueError, lambda: lr_scheduler.ConstantLR(SGD, 1.5)),
    (ValueError, lambda: lr_scheduler.LinearLR(SGD, 0.0)),
    (ValueError, lambda: lr_scheduler.SequentialLR(SGD, [step()], [1])),
    (ValueError, lambda: lr_scheduler.SequentialLR(OTHER, [step()], [])),
    (TypeError, lambda: lr_scheduler.SequentialLR(SGD, ["no schedule"], [])),
    (ValueError, lambda: lr_scheduler.ChainedScheduler([])),
    (ValueError, lambda: lr_scheduler.ChainedScheduler([step(), step(of=OTHER)])),
    (ValueError, lambda: lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(SGD)])),
    (ValueError, lambda: lr_scheduler.CosineAnnealingWarmRestarts(SGD, 0)),
    (ValueError, lambda: lr_scheduler.CosineAnnealingWarmRestarts(SGD, 2, 1.5)),
    (ValueError, lambda: lr_scheduler.CyclicLR(SGD, 0.1, 0.2, mode="square")),
    (ValueError, lambda: lr_scheduler.CyclicLR(
        optim.Adagrad([rl.zeros(1, requires_grad=True)]), 0.1, 0.2)),
    (ValueError, lambda: lr_scheduler.CyclicLR(SGD, [0.1, 0.2], 0.2)),
    (ValueError, lambda: swa_utils.SWALR(SGD, [0.1, 0.2])),
    (ValueError, lambda: swa_utils.SWALR(SGD, 0.1, anneal_epochs=-1)),
    (AssertionError, lambda: swa_utils.AveragedModel(LAYER, avg_fn=max, multi_avg_fn=max)),
    (ValueError, lambda: optim.Rprop(LAYER.parameters(), etas=(1.5, 1.2))),
    (ValueError, lambda: optim.NAdam(LAYER.parameters(), momentum_decay=-1)),
    (ValueError, lambda: optim.Adagrad(LAYER.parameters(), lr_decay=-1)),
    (ValueError, lambda: optim.AdamW(LAYER.parameters(), betas=(1.0, 0.9))),
    (ValueError, lambda: optim.SparseAdam([rl.zeros(2, dtype=rl.complex64)])),
    (ValueError, lambda: optim.SparseAdam([rl.eye(2).to_sparse()])),
    (TypeError, lambda: SGD.add_param_group([LAYER.weight])),
    (ValueError, lambda: SGD.add_param_group({"params": SGD.param_groups[0]["params"]})),
    (TypeError, lambda: data.RandomSampler([1], replacement=1)),
    (ValueError, lambda: data.RandomSampler([])),
    (ValueError, lambda: data.BatchSampler([1], 0, False)),
    (ValueError, lambda: data.BatchSampler([1], 1, 1)),
    (ValueError, lambda: data.random_split(range(4), [1.5, -0.5])),
    (ValueError, lambda: data.random_split(range(4), [1, 2])),
    (AssertionError, lambda: data.ConcatDataset([])),
    (AssertionError, lambda: data.ConcatDataset([COUNT()])),
    (ValueError, lambda: data.ConcatDataset([range(3)])[-4]),
    (AssertionError, lambda: list(data.ChainDataset([range(3)]))),
    (NotImplementedError, lambda: data.Dataset()[0]),
    (TypeError, lambda: data.default_collate([object()])),
    (RuntimeError, lambda: data.default_collate([rl.zeros(1), rl.zeros(2)])),
    (RuntimeError, lambda: data.default_collate([[1], [1, 2]])),
])  # fmt: skip
def test_errors_are_those_of_the_docstrings(error: type[Exception], act: Callable) -> None:
    with pytest.raises(error):
        act()


def test_schedules_follow_their_formulas() -> None:
    """The closed forms in the docstrings, walked step by step."""
    for make, formula in (
        (lambda o: lr_scheduler.StepLR(o, 3, 0.5), lambda e: 0.5 ** (e // 3)),
        (lambda o: lr_scheduler.MultiStepLR(o, [4, 2, 2], 0.5),
         lambda e: 0.5 ** sum(m <= e for m in (4, 2, 2))),
        (lambda o: lr_scheduler.ConstantLR(o, 0.25, 3), lambda e: 0.25 if e < 3 else 1.0),
        (lambda o: lr_scheduler.LinearLR(o, 0.5, 0.8, 4),
         lambda e: 0.5 + (0.8 - 0.5) * min(e / 4, 1)),
        (lambda o: lr_scheduler.ExponentialLR(o, 0.9), lambda e: 0.9**e),
        (lambda o: lr_scheduler.PolynomialLR(o, 5, 2.0), lambda e: (1 - min(e, 5) / 5) ** 2),
    ):  # fmt: skip
        optimizer = rl.optim.SGD([rl.zeros(1, requires_grad=True)], lr=2.0)
        schedule = make(optimizer)
        for epoch in range(8):
            assert schedule.get_last_lr()[0] == pytest.approx(2.0 * formula(epoch), abs=1e-12)
            optimizer.step()
            schedule.step()
