"""Modules in a wrapper that has `utils.checkpoint` compute them again for backward.

The wrapper does not show in names of parameters or in states.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import Any

import rushlight as rl

from ....core.names import explain_missing as _explain_missing
from ...checkpoint.naming import hide
from ...fsdp.wrap import chosen

__all__ = [
    "ActivationWrapper", "CheckpointImpl", "CheckpointWrapper", "OffloadWrapper",
    "apply_activation_checkpointing", "checkpoint_wrapper", "offload_wrapper",
]  # fmt: skip
_package: Any = rl
INSIDE = "_checkpoint_wrapped_module"
PREFIX = f"{INSIDE}."


class CheckpointImpl(Enum):
    """Which of `utils.checkpoint`'s two ways."""

    REENTRANT = auto()
    NO_REENTRANT = auto()


class ActivationWrapper(rl.nn.Module, ABC):
    """A module around another, whose names it does not lengthen."""

    def __init__(self, mod: Any) -> None:
        super().__init__()
        self._checkpoint_wrapped_module = mod
        hide(self, INSIDE)

    @abstractmethod
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module inside."""

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__(INSIDE), name)

    def __getitem__(self, key: int) -> Any:
        return self._checkpoint_wrapped_module[key]

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        """The parameters under their names inside."""
        for name, parameter in super().named_parameters(*args, **kwargs):
            yield name.replace(PREFIX, ""), parameter


class OffloadWrapper(ActivationWrapper):
    """What the tape keeps stays in main memory, where everything is."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module inside."""
        return self._checkpoint_wrapped_module(*args, **kwargs)


class CheckpointWrapper(ActivationWrapper):
    """A module whose values are forgotten and computed again for backward.

    Arguments: `mod`; `checkpoint_impl`; `checkpoint_fn(module, *args, **kwargs)` in place of
    `utils.checkpoint.checkpoint`; more are handed on to it.
    """

    def __init__(
        self, mod: Any, checkpoint_impl: CheckpointImpl = CheckpointImpl.NO_REENTRANT,
        checkpoint_fn: Callable[..., Any] | None = None, **checkpoint_fn_kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(mod)
        self.checkpoint_impl = checkpoint_impl
        if checkpoint_fn is None:
            reentrant = checkpoint_impl is CheckpointImpl.REENTRANT
            self.checkpoint_fn: Any = functools.partial(
                _package.utils.checkpoint.checkpoint, use_reentrant=reentrant,
                **checkpoint_fn_kwargs,
            )  # fmt: skip
        else:
            self.checkpoint_fn = functools.partial(checkpoint_fn, **checkpoint_fn_kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module inside."""
        inside = self._checkpoint_wrapped_module
        if self.checkpoint_impl is not CheckpointImpl.REENTRANT or not kwargs:
            return self.checkpoint_fn(inside, *args, **kwargs)
        names = list(kwargs)  # the reentrant way takes no arguments by name

        def call(*values: Any) -> Any:
            first = len(values) - len(names)
            return inside(*values[:first], **dict(zip(names, values[first:])))

        return self.checkpoint_fn(call, *args, *kwargs.values())


def offload_wrapper(module: Any) -> Any:
    """The module in an OffloadWrapper."""
    return OffloadWrapper(module)


def checkpoint_wrapper(
    module: Any, checkpoint_impl: CheckpointImpl = CheckpointImpl.NO_REENTRANT,
    checkpoint_fn: Callable[..., Any] | None = None, **checkpoint_fn_kwargs: Any,
) -> Any:  # fmt: skip
    """The module in a CheckpointWrapper.

    >>> import rushlight as torch
    >>> layer = checkpoint_wrapper(torch.nn.Linear(2, 1))
    >>> list(layer.state_dict()), layer(torch.ones(2)).shape
    (['weight', 'bias'], torch.Size([1]))
    """
    return CheckpointWrapper(module, checkpoint_impl, checkpoint_fn, **checkpoint_fn_kwargs)


def apply_activation_checkpointing(
    model: Any, checkpoint_wrapper_fn: Callable[[Any], Any] = checkpoint_wrapper,
    check_fn: Callable[[Any], bool] = lambda _: True, auto_wrap_policy: Any = None,
) -> None:  # fmt: skip
    """Put modules inside a model into wrappers: those for which `check_fn` is true, or that a
    policy of `fsdp.wrap` chooses."""
    if auto_wrap_policy is not None:
        wanted = [module for module, _ in chosen(model, auto_wrap_policy, set())]
    else:
        wanted = [module for module in list(model.modules())[1:] if check_fn(module)]
    among = {id(module) for module in wanted}
    made: dict[int, Any] = {}
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if id(child) in among:
                if id(child) not in made:
                    made[id(child)] = checkpoint_wrapper_fn(child)
                setattr(parent, name, made[id(child)])


_explain_missing(__name__)
