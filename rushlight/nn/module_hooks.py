"""The hooks of a module: registering them, and the call that runs through them.

Ids are drawn from one counter, so that a hook's id is unique over all tables and a set of ids can
mark hooks as "takes keyword arguments" or "always called".
"""

from __future__ import annotations

import functools
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import rushlight as rl

from ..core.errors import fail
from ..core.handles import EVERY_MODULE, RemovableHandle
from .module_plain_hooks import attach_plain_hooks

_global_forward_hooks: dict[int, Callable] = {}
_global_forward_pre_hooks: dict[int, Callable] = {}
_global_backward_hooks: dict[int, Callable] = {}
_global_backward_pre_hooks: dict[int, Callable] = {}
_global_forward_hooks_always_called: dict[int, bool] = {}
_global_forward_hooks_with_kwargs: dict[int, bool] = {}
_global_is_full_backward_hook: bool | None = None
# Truthy while any global hook is registered: the one thing a fast call has to look at.
any_global_hook = EVERY_MODULE

_MIXED = (
    "Cannot use both regular backward hooks and full backward hooks on a "
    "single Module. Please use only one of them."
)


@functools.cache
def _boundary() -> Any:
    """The identity whose backward hands the gradients to a callback; made at the first hook."""

    class BackwardHookFunction(rl.autograd.Function):
        @staticmethod
        def forward(ctx: Any, callback: Callable, filled: bool, *tensors: Any) -> Any:
            ctx.callback = callback
            ctx.set_materialize_grads(filled)
            passed = tuple(t.view_as(t) for t in tensors)
            fixed = [y for t, y in zip(tensors, passed) if not t.requires_grad]
            ctx.mark_non_differentiable(*fixed)
            return passed

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return (None, None, *ctx.callback(grads))

    return BackwardHookFunction


def _replace(grads: tuple, answer: Any, side: str) -> tuple:
    """The gradients after a hook that answered `answer`, refusing another number of them."""
    if answer is None:
        return grads
    if isinstance(answer, list) and side == "pre hook":
        answer = tuple(answer)
    if not isinstance(answer, tuple):
        answer = (answer,)
    if len(answer) != len(grads):
        raise fail(
            RuntimeError,
            f"Backward {side} returned an invalid number of grad_"
            f"{'input' if side == 'hook' else 'output'}, got {len(answer)}, "
            f"but expected {len(grads)}",
        )
    return answer


_NO_INPUT_GRADIENT = (
    "Full backward hook is firing when gradients are computed with respect to module outputs since"
    " no inputs require gradients. See"
    " https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module."
    "register_full_backward_hook for more details."
)


class _BackwardCall:
    """One forward call's full backward hooks: a boundary before the inputs, one after the outputs.

    The gradient of the outputs is seen first (pre-hooks), then that of the inputs (hooks).
    """

    def __init__(self, module: Any, hooks: list[Callable], pre_hooks: list[Callable]) -> None:
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.grad_outputs: tuple | None = None
        self.input_count = 0
        self.input_slots: list[int] | None = None

    def _cross(
        self, values: tuple, callback: Callable, filled: bool
    ) -> tuple[tuple, list[int] | None]:
        """`values` with its tensors passed through a boundary; None if no gradient can arrive.

        filled: whether the gradients of what nothing was computed from are zeros.
        """
        slots = [i for i, value in enumerate(values) if isinstance(value, rl.Tensor)]
        tensors = [values[i] for i in slots]
        if not (rl.is_grad_enabled() and any(t.requires_grad for t in tensors)):
            return values, None

        def spread(grads: tuple) -> tuple:
            full: list[Any] = [None] * len(values)
            for slot, grad in zip(slots, grads):
                full[slot] = grad
            full = list(callback(tuple(full)))
            return tuple(full[slot] for slot in slots)

        crossed = _boundary().apply(spread, filled, *tensors)
        crossed = crossed if isinstance(crossed, tuple) else (crossed,)
        out = list(values)
        for slot, tensor in zip(slots, crossed):
            out[slot] = tensor
        return (tuple(out) if type(values) is tuple else type(values)(*out)), slots

    def enter(self, args: tuple) -> tuple:
        self.input_count = len(args)
        args, self.input_slots = self._cross(args, self._on_grad_input, True)
        return args

    def leave(self, result: Any) -> Any:
        single = isinstance(result, rl.Tensor)
        if not single and not isinstance(result, tuple):
            return result
        given = (result,) if single else result
        values, _ = self._cross(given, self._on_grad_output, False)
        return values[0] if single else values

    def _on_grad_output(self, grads: tuple) -> tuple:
        for hook in self.pre_hooks:
            grads = _replace(grads, hook(self.module, grads), "pre hook")
        self.grad_outputs = grads
        if self.input_slots is None:  # no input asks for a gradient: the hooks run here
            warnings.warn(_NO_INPUT_GRADIENT, UserWarning, stacklevel=2)
            nothing = (None,) * self.input_count
            for hook in self.hooks:
                answer = hook(self.module, nothing, grads)
                if answer is not None and any(part is not None for part in answer):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should "
                        "always return None or None for all gradients."
                    )
            self.grad_outputs = None
        return grads

    def _on_grad_input(self, grads: tuple) -> tuple:
        if self.grad_outputs is None:  # a gradient that did not come through the outputs
            return grads
        for hook in self.hooks:
            grads = _replace(grads, hook(self.module, grads, self.grad_outputs), "hook")
        self.grad_outputs = None
        return grads


def call_with_hooks(module: Any, args: tuple, kwargs: dict) -> Any:
    """Run pre-hooks, `forward` and hooks; on an error, still run the hooks marked always_call."""
    called: set[int] = set()
    result = None
    try:
        args, kwargs = _run_pre_hooks(module, args, kwargs)
        full, plain, pre = _backward_hooks(module)
        boundary = _BackwardCall(module, full, pre) if full or pre else None
        if boundary is not None:
            args = boundary.enter(args)
        result = module.forward(*args, **kwargs)
        for hook_id, hook, with_kwargs, always in _forward_hooks(module):
            if always:
                called.add(hook_id)
            answer = _call_hook(module, hook, with_kwargs, args, kwargs, result)
            if answer is not None:
                result = answer
        if boundary is not None:
            _check_hookable(result)
            result = boundary.leave(result)
        if plain:
            attach_plain_hooks(module, plain, args, result)
        return result
    except Exception:
        _run_always_called(module, called, args, kwargs, result)
        raise


def has_hooks(module: Any) -> bool:
    """Whether any of the module's own hooks takes part in a call."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )


def _call_hook(
    module: Any, hook: Callable, with_kwargs: bool, args: tuple, kwargs: dict, result: Any
) -> Any:
    if with_kwargs:
        return hook(module, args, kwargs, result)
    return hook(module, args, result)


def _check_hookable(result: Any) -> None:
    if not isinstance(result, (rl.Tensor, tuple)):
        warnings.warn(
            "For backward hooks to be called, module output should be a Tensor or a tuple of "
            f"Tensors but received {type(result)}",
            stacklevel=4,
        )


def _run_pre_hooks(module: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    own = module._forward_pre_hooks
    for hook_id, hook in [*_global_forward_pre_hooks.items(), *own.items()]:
        if hook_id in module._forward_pre_hooks_with_kwargs:
            answer = hook(module, args, kwargs)
            if answer is None:
                continue
            if not (isinstance(answer, tuple) and len(answer) == 2):
                raise fail(
                    RuntimeError,
                    "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                    f"but got {answer}.",
                )
            args, kwargs = answer
        else:
            answer = hook(module, args)
            if answer is not None:
                args = answer if isinstance(answer, tuple) else (answer,)
    return args, kwargs


def _forward_hooks(module: Any) -> list[tuple[int, Callable, bool, bool]]:
    """(id, hook, takes kwargs, always called) of the global hooks, then of the module's own."""
    everywhere = [
        (i, h, i in _global_forward_hooks_with_kwargs, i in _global_forward_hooks_always_called)
        for i, h in _global_forward_hooks.items()
    ]
    own = [
        (i, h, i in module._forward_hooks_with_kwargs, i in module._forward_hooks_always_called)
        for i, h in module._forward_hooks.items()
    ]
    return everywhere + own


def _run_always_called(
    module: Any, called: set[int], args: tuple, kwargs: dict, result: Any
) -> None:
    for hook_id, hook, with_kwargs, always in _forward_hooks(module):
        if not always or hook_id in called:
            continue
        try:
            _call_hook(module, hook, with_kwargs, args, kwargs, result)
        except Exception as error:
            where = "global module" if hook_id in _global_forward_hooks else "module"
            warnings.warn(
                f"{where} forward hook with ``always_call=True`` raised an exception that was "
                f"silenced as another error was raised in forward: {error}",
                stacklevel=4,
            )


def _backward_hooks(module: Any) -> tuple[list[Callable], list[Callable], list[Callable]]:
    """Full hooks, old-style hooks and pre-hooks of the backward pass, global ones first."""
    full: list[Callable] = []
    plain: list[Callable] = []
    everywhere = list(_global_backward_hooks.values())
    (full if _global_is_full_backward_hook is True else plain).extend(everywhere)
    own = list(module._backward_hooks.values())
    (full if module._is_full_backward_hook is True else plain).extend(own)
    pre = [*_global_backward_pre_hooks.values(), *module._backward_pre_hooks.values()]
    return full, plain, pre


class HookMixin:
    """The part of Module that registers hooks."""

    # False while a call has to look for hooks: `Module.__call__` reads nothing else.
    _usual_call: bool
    _forward_hooks: dict[int, Callable]
    _forward_hooks_with_kwargs: dict[int, bool]
    _forward_hooks_always_called: dict[int, bool]
    _forward_pre_hooks: dict[int, Callable]
    _forward_pre_hooks_with_kwargs: dict[int, bool]
    _backward_hooks: dict[int, Callable]
    _backward_pre_hooks: dict[int, Callable]
    _is_full_backward_hook: bool | None
    _state_dict_hooks: dict[int, Callable]
    _state_dict_pre_hooks: dict[int, Callable]
    _load_state_dict_pre_hooks: dict[int, Callable]
    _load_state_dict_post_hooks: dict[int, Callable]

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before each forward; what it returns replaces the arguments.

        >>> import rushlight as torch
        >>> net = torch.nn.ReLU()
        >>> handle = net.register_forward_pre_hook(lambda module, args: (-args[0],))
        >>> net(torch.tensor([-1.0, 2.0]))
        tensor([1., 0.])
        >>> handle.remove()
        """
        self._usual_call = False
        handle = RemovableHandle(
            self._forward_pre_hooks, extra_dict=self._forward_pre_hooks_with_kwargs
        )
        insert_hook(self._forward_pre_hooks, handle.id, hook, prepend)
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        return handle

    def register_forward_hook(
        self,
        hook: Callable,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after each forward; its answer replaces the output.

        >>> import rushlight as torch
        >>> net = torch.nn.ReLU()
        >>> handle = net.register_forward_hook(lambda module, args, output: output + 1)
        >>> net(torch.tensor([-1.0, 2.0]))
        tensor([1., 3.])
        >>> handle.remove()
        """
        self._usual_call = False
        marks = [self._forward_hooks_with_kwargs, self._forward_hooks_always_called]
        handle = RemovableHandle(self._forward_hooks, extra_dict=marks)
        insert_hook(self._forward_hooks, handle.id, hook, prepend)
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        return handle

    def register_full_backward_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_output)` when the gradient of the output is known."""
        self._usual_call = False
        handle = RemovableHandle(self._backward_pre_hooks)
        insert_hook(self._backward_pre_hooks, handle.id, hook, prepend)
        return handle

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the inputs' gradients are known.

        >>> import rushlight as torch
        >>> net = torch.nn.Tanh()
        >>> handle = net.register_full_backward_hook(lambda module, ins, outs: print(ins, outs))
        >>> net(torch.zeros(1, requires_grad=True)).sum().backward()
        (tensor([1.]),) (tensor([1.]),)
        """
        if self._is_full_backward_hook is False:
            raise RuntimeError(_MIXED)
        self._is_full_backward_hook = True
        self._usual_call = False
        handle = RemovableHandle(self._backward_hooks)
        insert_hook(self._backward_hooks, handle.id, hook, prepend)
        return handle

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """The old form of register_full_backward_hook: it sees only the last node's gradients."""
        if self._is_full_backward_hook is True:
            raise RuntimeError(_MIXED)
        self._is_full_backward_hook = False
        self._usual_call = False
        handle = RemovableHandle(self._backward_hooks)
        self._backward_hooks[handle.id] = hook
        return handle

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before `state_dict` collects this module."""
        handle = RemovableHandle(self._state_dict_pre_hooks)
        self._state_dict_pre_hooks[handle.id] = hook
        return handle

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after this module's part.

        >>> import rushlight as torch
        >>> net = torch.nn.Linear(1, 1, bias=False)
        >>> def more(module, state, prefix, metadata):
        ...     state["note"] = torch.tensor(1)
        >>> handle = net.register_state_dict_post_hook(more)
        >>> list(net.state_dict())
        ['weight', 'note']
        """
        setattr(hook, "_from_public_api", True)  # noqa: B010  (a function's own attribute)
        handle = RemovableHandle(self._state_dict_hooks)
        self._state_dict_hooks[handle.id] = hook
        return handle

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was "
                "previously registered via register_state_dict_post_hook"
            )
        handle = RemovableHandle(self._state_dict_hooks)
        self._state_dict_hooks[handle.id] = hook
        return handle

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, ...)` before this module's part is loaded."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable, with_module: bool = False
    ) -> RemovableHandle:
        handle = RemovableHandle(self._load_state_dict_pre_hooks)
        self._load_state_dict_pre_hooks[handle.id] = _LoadHook(hook, self if with_module else None)
        return handle

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after this module and its children are loaded."""
        handle = RemovableHandle(self._load_state_dict_post_hooks)
        self._load_state_dict_post_hooks[handle.id] = hook
        return handle


class _LoadHook:
    """A load hook, with the module it belongs to (held weakly: the module holds the hook)."""

    def __init__(self, hook: Callable, module: Any = None) -> None:
        self.hook = hook
        self.with_module = module is not None
        self.module = None if module is None else weakref.ref(module)

    def __call__(self, *args: Any) -> Any:
        if self.module is None:
            return self.hook(*args)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args)

    def __getstate__(self) -> dict:
        module = None if self.module is None else self.module()
        return {"hook": self.hook, "with_module": self.with_module, "module": module}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        if self.module is not None:
            self.module = weakref.ref(state["module"])


def insert_hook(table: dict, hook_id: int, hook: Callable, prepend: bool) -> None:
    """Add a hook at the end of its table, or in front of the others."""
    if not prepend:
        table[hook_id] = hook
        return
    later = dict(table)
    table.clear()
    table[hook_id] = hook
    table.update(later)
