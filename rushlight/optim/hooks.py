"""Hooks of optimisers: tables of callables, and the handles that remove them again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..core.handles import RemovableHandle, attached

_TABLES = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


def resolve_arguments(step: Callable, result: Any, args: tuple, kwargs: dict) -> tuple:
    """The step's arguments after a pre-hook that may have returned new ones."""
    if result is None:
        return args, kwargs
    if isinstance(result, tuple) and len(result) == 2:
        return result
    raise RuntimeError(
        f"{step} must return None or a tuple of (new_args, new_kwargs), but got {result}."
    )


class Hooks:
    """The six hook tables of an optimiser."""

    _optimizer_step_pre_hooks: OrderedDict[int, Callable]
    _optimizer_step_post_hooks: OrderedDict[int, Callable]
    _optimizer_state_dict_pre_hooks: OrderedDict[int, Callable]
    _optimizer_state_dict_post_hooks: OrderedDict[int, Callable]
    _optimizer_load_state_dict_pre_hooks: OrderedDict[int, Callable]
    _optimizer_load_state_dict_post_hooks: OrderedDict[int, Callable]

    def _add_hook_tables(self) -> None:
        for name in _TABLES:
            self.__dict__.setdefault(name, OrderedDict())

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before `step`; it may return new arguments.

        Returns a handle to remove it by.  `step` raises RuntimeError where the hook returns
        anything but None or a pair (args, kwargs).

        >>> import rushlight as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> handle = optimizer.register_step_pre_hook(lambda opt, args, kwargs: print("a step"))
        >>> optimizer.step()
        a step
        >>> handle.remove()
        """
        return attached(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after `step`.

        Returns a handle to remove it by.

        >>> import rushlight as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> handle = optimizer.register_step_post_hook(lambda opt, args, kwargs: print("done"))
        >>> optimizer.step()
        done
        >>> handle.remove()
        """
        return attached(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`.

        `prepend` puts it before the hooks that are there.  Returns a handle to remove it by.

        >>> import rushlight as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> handle = optimizer.register_state_dict_pre_hook(lambda opt: print("a state"))
        >>> state = optimizer.state_dict()
        a state
        >>> handle.remove()
        """
        return attached(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after `state_dict`; it may return another one.

        `prepend` puts it before the hooks that are there.  Returns a handle to remove it by.

        >>> import rushlight as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> handle = optimizer.register_state_dict_post_hook(lambda opt, state: {"only": 1})
        >>> optimizer.state_dict()
        {'only': 1}
        >>> handle.remove()
        """
        return attached(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before loading; it may return another one.

        `prepend` puts it before the hooks that are there.  Returns a handle to remove it by.

        >>> import rushlight as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> handle = optimizer.register_load_state_dict_pre_hook(lambda opt, state: print(*state))
        >>> optimizer.load_state_dict(optimizer.state_dict())
        state param_groups
        >>> handle.remove()
        """
        return attached(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` after loading.

        `prepend` puts it before the hooks that are there.  Returns a handle to remove it by.

        >>> import rushlight as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> handle = optimizer.register_load_state_dict_post_hook(lambda opt: print("loaded"))
        >>> optimizer.load_state_dict(optimizer.state_dict())
        loaded
        >>> handle.remove()
        """
        return attached(self._optimizer_load_state_dict_post_hooks, hook, prepend)
