"""Weight averaging: stochastic weight averaging and exponential moving averages."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import rushlight as rl

from ..core.state import STATE
from .lr_scheduler import LRScheduler
from .lr_scheduler.base import per_group, warn_outside_step

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn",
    "get_swa_multi_avg_fn", "update_bn",
]  # fmt: skip


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def get_ema_avg_fn(decay: float = 0.999) -> Callable:
    """An `avg_fn` for `AveragedModel`: decay * average + (1 - decay) * value.

    `decay` is the share of the old average.  Raises: ValueError unless 0 <= decay <= 1.
    Source: https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema

    >>> import rushlight as torch
    >>> from rushlight.optim.swa_utils import get_ema_avg_fn
    >>> get_ema_avg_fn(0.75)(torch.tensor(1.0), torch.tensor(3.0), 1)
    tensor(1.5000)
    """
    _check_decay(decay)

    @rl.no_grad()
    def ema_update(ema_param, current_param, num_averaged):
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Callable:
    """An `avg_fn` for `AveragedModel`: the mean of all values so far.

    average + (value - average) / (count + 1).
    Source: https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema

    >>> import rushlight as torch
    >>> from rushlight.optim.swa_utils import get_swa_avg_fn
    >>> average = get_swa_avg_fn()
    >>> average(torch.tensor(1.0), torch.tensor(4.0), 2)  # the third value
    tensor(2.)
    """

    @rl.no_grad()
    def swa_update(averaged_param, current_param, num_averaged):
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """A `multi_avg_fn` for `AveragedModel`: moving averages, lists of tensors in place.

    `decay` is the share of the old averages.  Raises: ValueError unless 0 <= decay <= 1.
    Source: https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema

    >>> import rushlight as torch
    >>> from rushlight.optim.swa_utils import get_ema_multi_avg_fn
    >>> averages = [torch.tensor(1.0)]
    >>> get_ema_multi_avg_fn(0.75)(averages, [torch.tensor(3.0)], 1)
    >>> averages
    [tensor(1.5000)]
    """
    _check_decay(decay)

    @rl.no_grad()
    def ema_update(ema_params, current_params, num_averaged):
        for average, value in zip(ema_params, current_params):
            if average.is_floating_point() or average.is_complex():
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(average * decay + value * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn() -> Callable:
    """A `multi_avg_fn` for `AveragedModel`: the mean so far, lists of tensors in place.

    Source: https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema

    >>> import rushlight as torch
    >>> from rushlight.optim.swa_utils import get_swa_multi_avg_fn
    >>> averages = [torch.tensor(1.0)]
    >>> get_swa_multi_avg_fn()(averages, [torch.tensor(4.0)], 2)
    >>> averages
    [tensor(2.)]
    """

    @rl.no_grad()
    def swa_update(averaged_params, current_params, num_averaged):
        count = rl.as_tensor(num_averaged).double() + 1
        for average, value in zip(averaged_params, current_params):
            if average.is_floating_point() or average.is_complex():
                average.lerp_(value, (1 / count).to(average.dtype))
            else:
                average.copy_(average + (value - average) / count)

    return swa_update


def _none_yet(count: rl.Tensor) -> bool:
    """Whether nothing was averaged before; programs are for all calls but that one."""
    if STATE.tracer is None:
        return bool(count == 0)
    return STATE.tracer.first((count == 0)._array, "a first average")


class AveragedModel(rl.nn.Module):
    """A copy of `model` whose parameters are running averages; `update_parameters(model)` adds one.

    Arguments: `model`; `device`; `avg_fn(average, value, count)` for one tensor, or
    `multi_avg_fn(averages, values, count)` for lists, in place (default: the mean);
    `use_buffers` averages buffers too instead of copying them.
    Raises AssertionError where both functions are given.
    Source: Izmailov et al. 2018, https://arxiv.org/abs/1803.05407.

    >>> import rushlight as torch
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> average = torch.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 3.0):
    ...     _ = torch.nn.init.constant_(model.weight, value)
    ...     average.update_parameters(model)
    >>> average.module.weight.item()
    2.0
    """

    n_averaged: Any

    def __init__(
        self,
        model: Any,
        device: Any = None,
        avg_fn: Callable | None = None,
        multi_avg_fn: Callable | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", rl.tensor(0, dtype=rl.long))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def _averaged(self, model: Any) -> list:
        if self.use_buffers:
            return [t.detach() for t in itertools.chain(model.parameters(), model.buffers())]
        return [t.detach() for t in model.parameters()]

    def update_parameters(self, model: Any) -> None:
        """Take the present parameters of `model` into the average; the first time they are it.

        >>> import rushlight as torch
        >>> model = torch.nn.Linear(1, 1)
        >>> average = torch.optim.swa_utils.AveragedModel(model)
        >>> average.update_parameters(model)
        >>> average.n_averaged
        tensor(1)
        """
        averages, values = self._averaged(self.module), self._averaged(model)
        if _none_yet(self.n_averaged):
            for average, value in zip(averages, values):
                average.copy_(value)
        elif self.multi_avg_fn is not None:
            self.multi_avg_fn(averages, values, self.n_averaged)
        else:
            combine = self.avg_fn or get_swa_avg_fn()
            for average, value in zip(averages, values):
                average.copy_(combine(average, value, self.n_averaged))
        if not self.use_buffers:
            for average, value in zip(self.module.buffers(), model.buffers()):
                average.detach().copy_(value.detach())
        self.n_averaged += 1


@rl.no_grad()
def update_bn(loader: Iterable, model: Any, device: Any = None) -> None:
    """Recompute the running statistics of `model`'s batch norms in one pass over `loader`.

    `loader` gives batches, or lists and tuples whose first part is one; they are moved to `device`
    where it is given.
    Source: https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema

    >>> import rushlight as torch
    >>> from rushlight.optim.swa_utils import update_bn
    >>> net = torch.nn.Sequential(torch.nn.BatchNorm1d(1))
    >>> update_bn([torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [7.0]])], net)
    >>> net[0].running_mean
    tensor([4.])
    """
    norms = (rl.nn.BatchNorm1d, rl.nn.BatchNorm2d, rl.nn.BatchNorm3d, rl.nn.SyncBatchNorm)
    layers = [module for module in model.modules() if isinstance(module, norms)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    was_training = model.training
    model.train()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # cumulative mean
    for batch in loader:
        inputs = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(inputs if device is None else inputs.to(device))
    for layer, momentum in zip(layers, momenta):
        layer.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Anneal each group's learning rate to `swa_lr` over `anneal_epochs`, then keep it there.

    Arguments: `optimizer`; `swa_lr`, a number or one per group; `anneal_epochs`;
    `anneal_strategy`, "cos" or "linear"; `last_epoch`, the epoch to resume at (-1 to begin).
    Raises ValueError for another strategy, a negative `anneal_epochs`, or a list of another length
    than the groups.
    Source: https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema

    >>> import rushlight as torch
    >>> opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> from rushlight.optim.swa_utils import SWALR
    >>> scheduler = SWALR(opt, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> rates = []
    >>> for _ in range(3):
    ...     opt.step()
    ...     scheduler.step()
    ...     rates += scheduler.get_last_lr()
    >>> rates
    [0.75, 0.5, 0.5]
    """

    def __init__(
        self,
        optimizer: Any,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for value, group in zip(per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups):
            group["swa_lr"] = value
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def anneal_func(self, t: float) -> float:
        """The share of the way gone at time `t` in [0, 1]."""
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list:
        warn_outside_step(self)
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = (
            self.anneal_func(max(0, min(1, moment / max(1, self.anneal_epochs))))
            for moment in (step - 1, step)
        )
        rates = []
        for group in self.optimizer.param_groups:
            goal, lr = group["swa_lr"], group["lr"]
            start = goal if before == 1 else (lr - before * goal) / (1 - before)
            rates.append(goal * now + start * (1 - now))
        return rates
