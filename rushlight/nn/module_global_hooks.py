"""Hooks that run for every module: `torch.nn.modules.module.register_module_*`."""

from __future__ import annotations

from collections.abc import Callable

from ..core.handles import RemovableHandle
from . import module_hooks as tables
from .module_hooks import insert_hook

# Hooks run while a name is registered on any module: hook(module, name, value) -> value or None.
_global_buffer_registration_hooks: dict[int, Callable] = {}
_global_module_registration_hooks: dict[int, Callable] = {}
_global_parameter_registration_hooks: dict[int, Callable] = {}


def _register(table: dict, hook: Callable, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(table, extra_dict=tables.any_global_hook)
    insert_hook(table, handle.id, hook, prepend)
    tables.any_global_hook[handle.id] = True
    return handle


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, args)` before the forward of every module."""
    return _register(tables._global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after the forward of every module."""
    handle = _register(tables._global_forward_hooks, hook)
    handle.tables += [
        tables._global_forward_hooks_with_kwargs,
        tables._global_forward_hooks_always_called,
    ]
    if with_kwargs:
        tables._global_forward_hooks_with_kwargs[handle.id] = True
    if always_call:
        tables._global_forward_hooks_always_called[handle.id] = True
    return handle


def _claim_backward_style(full: bool) -> None:
    if tables._global_is_full_backward_hook is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module "
            "hook. Please use only one of them."
        )
    tables._global_is_full_backward_hook = full


def register_module_backward_hook(hook: Callable) -> RemovableHandle:
    """The old form of register_module_full_backward_hook."""
    _claim_backward_style(full=False)
    return _register(tables._global_backward_hooks, hook)


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` in the backward of every module."""
    _claim_backward_style(full=True)
    return _register(tables._global_backward_hooks, hook)


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, grad_output)` before the backward of every module."""
    return _register(tables._global_backward_pre_hooks, hook)


def _register_registration(table: dict, hook: Callable) -> RemovableHandle:
    handle = RemovableHandle(table)
    table[handle.id] = hook
    return handle


def register_module_buffer_registration_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, name, buffer)` whenever a buffer is registered; it may replace it."""
    return _register_registration(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, name, submodule)` whenever a module is registered; it may replace it."""
    return _register_registration(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, name, parameter)` whenever a parameter is registered."""
    return _register_registration(_global_parameter_registration_hooks, hook)


def passed_through(table: dict, module: object, name: str, value: object) -> object:
    """`value` after the registration hooks of `table`."""
    for hook in table.values():
        answer = hook(module, name, value)
        if answer is not None:
            value = answer
    return value
