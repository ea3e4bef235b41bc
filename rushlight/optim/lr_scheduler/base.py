"""What every learning-rate scheduler shares."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable
from functools import partial, wraps
from typing import Any
from weakref import ref

import rushlight as rl

from ...core.errors import fail
from ...core.state import STATE
from ..optimizer import Optimizer

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where "
    "possible. Please use `scheduler.step()` to step the scheduler. During the deprecation, if "
    "epoch is different from None, the closed form is used instead of the new chainable form, "
    "where available. Please open an issue if you are unable to replicate your use case: "
    "https://github.com/pytorch/pytorch/issues/new/choose."
)
_MORE = "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"
OVERRIDDEN_WARNING = (
    "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
    "initialization. Please, make sure to call `optimizer.step()` before "
    f"`lr_scheduler.step()`. {_MORE}"
)
ORDER_WARNING = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. "
    "In PyTorch 1.1.0 and later, you should call them in the opposite order: "
    "`optimizer.step()` before `lr_scheduler.step()`.  Failure to do this "
    "will result in PyTorch skipping the first value of the learning rate schedule. "
    f"{_MORE}"
)


def check_optimizer(optimizer: Any) -> None:
    """Refuse what is not an optimiser, with torch's words."""
    if not isinstance(optimizer, Optimizer):
        raise fail(
            TypeError,
            f"{type(optimizer).__name__} is not an Optimizer",
            "a schedule's first argument is the optimizer whose learning rate it sets",
        )


def repeated(step: Callable[..., None]) -> Callable[..., None]:
    """A schedule's step, which a compiled call makes at its end, in Python, every time."""

    @wraps(step)
    def wrapped(self: Any, epoch: Any = None) -> None:
        tracer = STATE.tracer
        if tracer is None or epoch is not None or not tracer.postpones(self, partial(step, self)):
            step(self) if epoch is None else step(self, epoch)

    return wrapped


def _own(value: Any) -> Any:
    return value.clone() if isinstance(value, rl.Tensor) else value


def per_group(name: str, optimizer: Any, value: Any) -> list:
    """One value per parameter group, given as one for all or as a list."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        value = [value] * count
    elif len(value) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(value)} values, param_groups has {count}."
        )
    return [_own(item) for item in value]


def group_values(optimizer: Any, key: str) -> list:
    """The groups' values of `key`; tensors are copied."""
    return [_own(group[key]) for group in optimizer.param_groups]


def set_group_value(group: dict[str, Any], key: str, value: Any) -> None:
    """Set a group's value, in place where it is a tensor."""
    if isinstance(group[key], rl.Tensor):
        group[key].fill_(value.squeeze() if isinstance(value, rl.Tensor) else value)
    else:
        group[key] = value


def warn_outside_step(scheduler: LRScheduler) -> None:
    """Tell a user who calls `get_lr` which method they want."""
    if not scheduler._get_lr_called_within_step:
        warnings.warn(
            "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
            UserWarning,
            stacklevel=3,
        )


def _watch_steps(optimizer: Any) -> None:
    """Let the optimiser note that it stepped, so that a wrong order can be told."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    owner = ref(optimizer)
    step = optimizer.step.__func__

    @wraps(step)
    def watched(*args: Any, **kwargs: Any) -> Any:
        instance: Any = owner()
        instance._opt_called = True
        return step(instance, *args, **kwargs)

    watched._wrapped_by_lr_sched = True  # type: ignore[attr-defined]  # torch's mark on functions
    optimizer.step = watched


class LRScheduler:
    """Sets each parameter group's learning rate by the epoch's number.

    A subclass gives `get_lr()`: the groups' rates at `self.last_epoch`.
    Arguments: `optimizer`; `last_epoch`, -1 to start, else where to resume (then every group needs
    `initial_lr`).  Raises TypeError for a non-optimiser, KeyError without `initial_lr`.
    Source: https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate

    >>> import rushlight as torch
    >>> class Halving(torch.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [rate / 2**self.last_epoch for rate in self.base_lrs]
    >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
    >>> schedule = Halving(optimizer)
    >>> optimizer.step()
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    _get_lr_called_within_step: bool = False
    _is_initial: bool = False
    _moves_rates = True  # for compiled calls: what it keeps differs at every one
    _last_lr: list
    _get_closed_form_lr: Callable[[], list]

    def __init__(self, optimizer: Any, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _own(group["lr"]))
            elif "initial_lr" not in group:
                raise fail(
                    KeyError,
                    f"param 'initial_lr' is not specified in param_groups[{index}] when resuming "
                    "scheduler with last_epoch >= 0.\n"
                    "This typically happens when:\n"
                    "1. You're trying to resume training from a checkpoint but haven't properly "
                    "loaded the optimizer state\n"
                    "2. You're using last_epoch >= 0 for a fresh training run (not recommended)",
                )
        self.base_lrs = group_values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _watch_steps(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser, as a dictionary.

        >>> import rushlight as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.5)
        >>> state = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3).state_dict()
        >>> state["step_size"], state["last_epoch"]
        (3, 0)
        """
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned; the optimiser stays the one it has.

        >>> import rushlight as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.5)
        >>> scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3)
        >>> scheduler.load_state_dict({"step_size": 5, "last_epoch": 2})
        >>> scheduler.step_size, scheduler.last_epoch
        (5, 2)
        """
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list:
        """The rates set by the last step, one per group.

        >>> import rushlight as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.5)
        >>> torch.optim.lr_scheduler.StepLR(optimizer, step_size=1).get_last_lr()
        [0.5]
        """
        return self._last_lr

    def get_lr(self) -> list:
        """The rates at `last_epoch`, one per group; a subclass gives them, and `step` asks.

        Raises NotImplementedError where no class has given it.

        >>> import rushlight as torch
        >>> class Steady(torch.optim.lr_scheduler.LRScheduler):
        ...     def get_lr(self):
        ...         return self.base_lrs
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.5)
        >>> Steady(optimizer).get_lr()
        [0.5]
        """
        raise NotImplementedError

    @repeated
    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch, or to `epoch`, and set the rates.

        >>> import rushlight as torch
        >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.5)
        >>> scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.25]
        """
        if self._step_count == 1:
            if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
                warnings.warn(OVERRIDDEN_WARNING, UserWarning, stacklevel=3)
            elif not getattr(self.optimizer, "_opt_called", False):
                warnings.warn(ORDER_WARNING, UserWarning, stacklevel=3)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=3)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed = epoch is not None and hasattr(self, "_get_closed_form_lr")
        self._set_rates(self._get_closed_form_lr if closed else self.get_lr)

    def _set_rates(self, rates: Callable[[], list]) -> None:
        self._get_lr_called_within_step = True
        try:
            values = rates()
        finally:
            self._get_lr_called_within_step = False
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            set_group_value(group, "lr", value)
        self._last_lr = group_values(self.optimizer, "lr")

    def _present(self) -> list:
        return group_values(self.optimizer, "lr")

    def _times(self, factor: float) -> list:
        return [group["lr"] * factor for group in self.optimizer.param_groups]


def pack_functions(functions: list) -> list:
    """Attributes of callable objects for a state dictionary; plain functions become None."""
    plain = types.FunctionType
    return [None if isinstance(fn, plain) else fn.__dict__.copy() for fn in functions]


def unpack_functions(functions: list, packed: list) -> None:
    """Give callable objects their saved attributes back."""
    for function, attributes in zip(functions, packed):
        if attributes is not None:
            function.__dict__.update(attributes)
