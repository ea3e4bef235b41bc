"""Memory for time: forget what a part of a network computed, and compute it again for backward."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import rushlight as rl

__all__ = ["checkpoint", "checkpoint_sequential"]


class _Recomputed(rl.autograd.Function):
    """Runs a function without recording it; backward runs it again, recorded."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Any], keep_random: bool, *args: Any) -> Any:
        ctx.function, ctx.args, ctx.keep_random = function, args, keep_random
        ctx.state = rl.get_rng_state() if keep_random else None
        ctx.save_for_backward(*[x for x in args if isinstance(x, rl.Tensor)])
        return function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        saved = iter(ctx.saved_tensors)  # raises if they were given back or overwritten
        args = [_fresh(next(saved)) if isinstance(x, rl.Tensor) else x for x in ctx.args]
        with _random_state(ctx.state), rl.enable_grad():
            outputs = ctx.function(*args)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [
            (y, g) for y, g in zip(outputs, grads)
            if isinstance(y, rl.Tensor) and y.requires_grad and g is not None
        ]  # fmt: skip
        if pairs:
            rl.autograd.backward([y for y, _ in pairs], [g for _, g in pairs])
        return (None, None, *[x.grad if isinstance(x, rl.Tensor) else None for x in args])


def _fresh(x: Any) -> Any:
    return x.detach().requires_grad_(x.requires_grad)


@contextlib.contextmanager
def _random_state(state: Any) -> Any:
    """The draws of the first run again; afterwards the generator goes on as if nothing had been."""
    if state is None:
        yield
        return
    now = rl.get_rng_state()
    rl.set_rng_state(state)
    try:
        yield
    finally:
        rl.set_rng_state(now)


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None,
    preserve_rng_state: bool = True, context_fn: Any = None, determinism_check: str = "default",
    debug: bool = False, early_stop: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """`function(*args)`, keeping only the arguments: backward runs the function a second time.

    Dropout draws the same numbers in both runs while `preserve_rng_state` is set.
    Source: Chen et al. 2016, https://arxiv.org/abs/1604.06174

    >>> import rushlight as torch
    >>> from rushlight.utils.checkpoint import checkpoint
    >>> x = torch.ones(2, requires_grad=True)
    >>> checkpoint(torch.exp, x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([2.7183, 2.7183])
    """
    run = (lambda *given: function(*given, **kwargs)) if kwargs else function
    if not rl.is_grad_enabled():
        return run(*args)
    if any(isinstance(x, rl.Tensor) and x.requires_grad for x in args):
        return _Recomputed.apply(run, preserve_rng_state, *args)
    # parameters alone may want gradients: a leaf that stands for them makes the call recorded
    anchor = rl.zeros(0, requires_grad=True)
    return _Recomputed.apply(lambda _, *given: run(*given), preserve_rng_state, anchor, *args)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """A chain of modules in `segments` pieces, all but the last checkpointed."""
    parts = list(functions.children()) if isinstance(functions, rl.nn.Module) else list(functions)
    size = len(parts) // segments

    def piece(members: list[Any]) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            for member in members:
                x = member(x)
            return x

        return run

    end = size * (segments - 1)
    for start in range(0, end, size):
        run = piece(parts[start : start + size])
        input = checkpoint(run, input, use_reentrant=use_reentrant, **kwargs)
    return piece(parts[end:])(input)
