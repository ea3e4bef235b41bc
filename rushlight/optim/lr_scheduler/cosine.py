"""Schedules along a cosine."""

from __future__ import annotations

import math
from typing import Any

from .base import LRScheduler, repeated, warn_outside_step


class CosineAnnealingLR(LRScheduler):
    """lr goes from its start to `eta_min` along half a cosine of `T_max` epochs, and back.

    lr = eta_min + (initial lr - eta_min) (1 + cos(pi epoch / T_max)) / 2.
    Arguments: `optimizer`; `T_max`, the epochs from the top to the bottom; `eta_min`;
    `last_epoch`, the epoch to resume at (-1 to begin).
    Raises TypeError for a non-optimiser.
    Source: Loshchilov & Hutter 2017, https://arxiv.org/abs/1608.03983 (without restarts).

    >>> import rushlight as torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
    >>> optimizer.step(); scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: Any, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list:
        warn_outside_step(self)
        epoch, period, least = self.last_epoch, self.T_max, self.eta_min
        groups = self.optimizer.param_groups
        if self._is_initial:
            return self._present()
        if self._step_count == 1 and epoch > 0:
            height = 1 + math.cos(epoch * math.pi / period)
            return [least + (base - least) * height / 2 for base in self.base_lrs]
        if (epoch - 1 - period) % (2 * period) == 0:
            # at the bottom the quotient below would be 0 / 0
            lift = 1 - math.cos(math.pi / period)
            pairs = zip(self.base_lrs, groups, strict=True)
            return [group["lr"] + (base - least) * lift / 2 for base, group in pairs]
        ratio = (1 + math.cos(math.pi * epoch / period)) / (
            1 + math.cos(math.pi * (epoch - 1) / period)
        )
        return [ratio * (group["lr"] - least) + least for group in groups]

    def _get_closed_form_lr(self) -> list:
        least = self.eta_min
        height = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        return [least + (base - least) * height / 2 for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine down to `eta_min`, again and again: `T_0` epochs, then `T_mult` times longer.

    lr = eta_min + (initial lr - eta_min) (1 + cos(pi t / T)) / 2, t epochs into a cycle of T.
    Arguments: `optimizer`; `T_0`, the first cycle's epochs; `T_mult`, how many times longer each
    next one is; `eta_min`; `last_epoch`, the epoch to resume at (-1 to begin).
    `step(epoch)` takes fractions of an epoch too.
    Raises ValueError unless `T_0` and `T_mult` are whole numbers of at least 1 and `eta_min` is a
    number; TypeError for a non-optimiser.
    Source: Loshchilov & Hutter 2017, https://arxiv.org/abs/1608.03983.

    >>> import rushlight as torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    >>> scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> rates = []
    >>> for _ in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     optimizer.step()
    ...     scheduler.step()
    >>> [round(rate, 4) for rate in rates]
    [0.1, 0.05, 0.1, 0.05]
    """

    def __init__(
        self,
        optimizer: Any,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(
                f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}"
            )
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list:
        warn_outside_step(self)
        least = self.eta_min
        height = 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [least + (base - least) * height / 2 for base in self.base_lrs]

    @repeated
    def step(self, epoch: float | None = None) -> None:
        """Go on by one epoch, or to `epoch`, which may lie between two.

        Raises ValueError for an epoch below 0.

        >>> import rushlight as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
        >>> optimizer.step()
        >>> scheduler.step(2.5)
        >>> [round(rate, 4) for rate in scheduler.get_last_lr()]
        [0.8536]
        """
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur = self.T_cur + 1
            if self.T_cur >= self.T_i:
                self.T_cur = self.T_cur % self.T_i
                self.T_i = self.T_i * self.T_mult
        else:
            self._jump(epoch)
        self.last_epoch = math.floor(epoch)
        self._set_rates(self.get_lr)

    def _jump(self, epoch: float) -> None:
        """Find the cycle that `epoch` lies in, and its place there."""
        if epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        if epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            growth = self.T_mult
            cycle = int(math.log(epoch / self.T_0 * (growth - 1) + 1, growth))
            self.T_cur = epoch - self.T_0 * (growth**cycle - 1) / (growth - 1)
            self.T_i = self.T_0 * growth**cycle
