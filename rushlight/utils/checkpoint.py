"""Memory for time: forget what a part of a network computed, and compute it again for backward.

Source: Chen et al. 2016, https://arxiv.org/abs/1604.06174
"""

from __future__ import annotations

import contextlib
import itertools
import math
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

import rushlight as rl

from ..autograd.saved import hold, kept_in, saved_tensors_hooks, with_history, without_hooks
from ..autograd.segments import fold, inside
from ..core.errors import fail
from ..core.state import STATE
from ..core.tape import tick as now
from ..core.tensor import wrap
from ._pytree import tree_leaves
from .checkpoint_parts import (
    DefaultDeviceType,
    check_backward_validity,
    detach_variable,
    get_device_states,
    set_device_states,
)
from .selective import (
    CheckpointPolicy,
    SelectiveCheckpointContext,
    create_selective_checkpoint_contexts,
)

__all__ = [
    "CheckpointError", "CheckpointFunction", "CheckpointPolicy", "SelectiveCheckpointContext",
    "DefaultDeviceType", "check_backward_validity", "checkpoint", "checkpoint_sequential",
    "create_selective_checkpoint_contexts", "detach_variable", "get_device_states",
    "noop_context_fn", "set_checkpoint_debug_enabled", "set_checkpoint_early_stop",
    "set_device_states",
]  # fmt: skip

# what `set_checkpoint_early_stop` and `set_checkpoint_debug_enabled` ask for; None: each call's own
_EARLY: dict[str, bool | None] = {"stop": None}
_DEBUG: dict[str, bool | None] = {"on": None}


class CheckpointError(RuntimeError):
    """The second run of a checkpointed function did not do what the first one did.

    >>> from rushlight.utils.checkpoint import CheckpointError
    >>> issubclass(CheckpointError, RuntimeError)
    True
    """


_MORE = (
    "torch.utils.checkpoint: trying to save more tensors during recomputation than during the"
    " original forward pass."
)


_LIMITED = (
    "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an"
    " `inputs` parameter to .backward(). To resolve this error, you can either set"
    " use_reentrant=False, or call .backward() without passing the `inputs` argument."
)


class _Enough(BaseException):
    """Ends a second run that has given back everything; no `except Exception` may catch it."""


def _tensors(values: Any) -> list[Any]:
    return [x for x in values if isinstance(x, rl.Tensor)]


class CheckpointFunction(rl.autograd.Function):
    """Runs a function without recording it; backward runs it again and differentiates it.

    >>> import rushlight as torch
    >>> from rushlight.utils.checkpoint import CheckpointFunction
    >>> x = torch.ones(2, requires_grad=True)
    >>> CheckpointFunction.apply(torch.exp, True, x).sum().backward()
    >>> x.grad
    tensor([2.7183, 2.7183])
    """

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Any], keep_random: bool, *args: Any) -> Any:
        ctx.function, ctx.args = function, args
        ctx.state = rl.get_rng_state() if keep_random else None
        ctx.save_for_backward(*_tensors(args))
        return function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        if not rl.autograd._is_checkpoint_valid():
            raise RuntimeError(_LIMITED)
        saved = iter(ctx.saved_tensors)
        wanted = iter(ctx.needs_input_grad[2:])
        args = [
            next(saved).detach().requires_grad_(want) if isinstance(x, rl.Tensor) else x
            for x, want in zip(ctx.args, wanted)
        ]
        with _random_state(ctx.state), rl.enable_grad():
            outputs = ctx.function(*args)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [
            (y, g) for y, g in zip(outputs, grads)
            if isinstance(y, rl.Tensor) and y.requires_grad and g is not None
        ]  # fmt: skip
        if not pairs:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        rl.autograd.backward([y for y, _ in pairs], [g for _, g in pairs])
        return (None, None, *[x.grad if isinstance(x, rl.Tensor) else None for x in args])


@contextlib.contextmanager
def _random_state(state: Any) -> Iterator[None]:
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


class _Argument:
    """A tensor argument, kept as the tape around the call keeps its arrays."""

    def __init__(self, x: Any) -> None:
        self.parent = x if x.is_leaf and x.requires_grad else x._entry
        self.give, self.wanted, self.kind = hold(x), x.requires_grad, type(x)
        # a parameter is the same object in both runs
        self.leaf = weakref.ref(x) if x.is_leaf else None

    def again(self) -> Any:
        array = self.give()
        x = None if self.leaf is None else self.leaf()
        if x is not None and x._array is array:
            return x
        return rl.from_numpy(array).requires_grad_(self.wanted)

    def itself(self) -> Any:
        """The argument with its history, for a run that goes on the tape."""
        if not self.wanted:
            return self.again()
        return with_history(self.give(), self.parent)


class _Segment:
    """One checkpointed call: its function and arguments, and what its second run gave."""

    def __init__(
        self, function: Any, args: Any, kwargs: Any, state: Any, again: Any, **options: Any
    ) -> None:
        self.function, self.state, self.again = function, state, again
        self.args = [_Argument(x) if isinstance(x, rl.Tensor) else x for x in args]
        self.kwargs = {
            key: _Argument(x) if isinstance(x, rl.Tensor) else x for key, x in kwargs.items()
        }
        self.check, self.early = options["check"], options["early"]
        self.forms: Any = []
        self.found: dict[int, Any] = {}

    def pack(self, x: Any) -> int:
        """Forget an array of the first run: its number is enough."""
        self.forms.append((x.shape, x.dtype))
        return len(self.forms) - 1

    def unpack(self, place: int) -> Any:
        """The array of that number, from a second run of the function."""
        if place not in self.found:
            self.run()
        return self.found.pop(place)

    def run(self) -> None:
        """The second run; it stops as soon as everything is there again."""
        self.found = {}
        forms: list[Any] = []
        early = self.early if _EARLY["stop"] is None else _EARLY["stop"]

        def collect(x: Any) -> Any:
            place = len(forms)
            forms.append((x.shape, x.dtype))
            if place >= len(self.forms):
                raise CheckpointError(_MORE)
            kept = self.found[place] = x.detach()
            if early and place == len(self.forms) - 1:
                raise _Enough
            return kept

        with saved_tensors_hooks(collect, lambda x: x), contextlib.suppress(_Enough):
            self.call(_Argument.again)
        self.compare(forms)

    def call(self, argument: Callable[[_Argument], Any]) -> Any:
        """The function once more, as it was called."""
        args = [argument(x) if isinstance(x, _Argument) else x for x in self.args]
        kwargs = {
            key: argument(x) if isinstance(x, _Argument) else x for key, x in self.kwargs.items()
        }
        with _random_state(self.state), self.again(), rl.enable_grad():
            return self.function(*args, **kwargs)

    def fold(self, result: Any, start: int) -> None:
        """Forget the tape of the first run too, where nobody can ask for a part of it."""
        tensors = _tensors(tree_leaves(result))
        entries = fold(tensors, start, self.recorded)
        if entries is not None:
            own = (x for x in kept_in(entries) if getattr(x, "unpack", None) == self.unpack)
            self.forms = _runs(self.forms[x.value] for x in own)

    def recorded(self) -> list[Any]:
        """The parents of the results of a second run that goes on the tape."""
        start = now()
        with without_hooks():
            tensors = _tensors(tree_leaves(self.call(_Argument.itself)))
        parents = [x if x.is_leaf and x.requires_grad else x._entry for x in tensors]
        kept = kept_in(inside(parents, start).values())
        found = [(x.shape, x.dtype) for x in map(wrap, kept) if type(x._array) is np.ndarray]
        if _runs(found) != self.forms:
            self.forms = [form for form, count in self.forms for _ in range(count)]
            self.compare(found)
        return parents

    def compare(self, forms: list[Any]) -> None:
        """Raise CheckpointError unless both runs kept tensors of the same number and form."""
        if len(forms) > len(self.forms):
            raise CheckpointError(_MORE)
        if len(forms) != len(self.forms):
            raise fail(
                CheckpointError,
                "torch.utils.checkpoint: A different number of tensors was saved during the"
                " original forward and recomputation.\n"
                f"Number of tensors saved during forward: {len(self.forms)}\n"
                f"Number of tensors saved during recomputation: {len(forms)}.",
                "the function must do the same both times: no global state, no random choice of"
                " its own, no early return",
            )
        if not self.check:
            return
        wrong = [
            f"tensor at position {place}:\nsaved metadata: {_form(then)}\n"
            f"recomputed metadata: {_form(now)}\n"
            for place, (then, now) in enumerate(zip(self.forms, forms)) if then != now
        ]  # fmt: skip
        if wrong:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different"
                " metadata than during the forward pass.\n" + "".join(wrong)
            )


def _runs(forms: Iterable[Any]) -> list[Any]:
    """Forms with the number of times that each follows itself."""
    return [(form, sum(1 for _ in same)) for form, same in itertools.groupby(forms)]


def _form(form: Any) -> dict[str, Any]:
    return {"shape": form[0], "dtype": form[1], "device": rl.device("cpu")}


def _explicit(where: str) -> None:
    warnings.warn(
        f"torch.utils.checkpoint{where}: the use_reentrant parameter should be passed explicitly."
        " Starting in PyTorch 2.9, calling checkpoint without use_reentrant will raise an"
        " exception. use_reentrant=False is recommended, but if you need to preserve the current"
        " default behavior, you can pass use_reentrant=True. Refer to docs for more details on the"
        " differences between the two variants.", UserWarning, stacklevel=3,
    )  # fmt: skip


def noop_context_fn() -> tuple[Any, Any]:
    """The contexts of both runs where nothing is asked for: they do nothing.

    >>> from rushlight.utils.checkpoint import noop_context_fn
    >>> first, second = noop_context_fn()
    >>> with first, second:
    ...     pass
    """
    return contextlib.nullcontext(), contextlib.nullcontext()


def _check_options(
    use_reentrant: bool, context_fn: Callable[[], Any], determinism_check: str, debug: bool,
    kwargs: dict[str, Any],
) -> None:  # fmt: skip
    if determinism_check not in ("default", "none"):
        raise ValueError(
            "determinism_check should be one of ['default', 'none'], but got " + determinism_check
        )
    if use_reentrant and kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if use_reentrant and (context_fn is not noop_context_fn or debug):
        raise ValueError(
            "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
        )


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None,
    context_fn: Callable[[], Any] = noop_context_fn, determinism_check: str = "default",
    debug: bool = False, early_stop: bool = True, preserve_rng_state: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """`function(*args)`, keeping only the arguments: backward runs the function a second time.

    With `use_reentrant=False` the second run goes on the tape in the place of the first, so
    `autograd.grad`, double backward, keyword arguments and checkpoints inside `function` work;
    where tensors or hooks of the inside outlive the first run, its tape stays, without arrays. With
    True backward is called inside backward. Dropout draws the same numbers in both runs while
    `preserve_rng_state`. In compiled code the function runs once: a program decides itself what it
    keeps and what it computes twice.
    Raises CheckpointError if the runs differ, ValueError for options that do not go together.
    Source: https://pytorch.org/docs/stable/checkpoint.html

    >>> import rushlight as torch
    >>> from rushlight.utils.checkpoint import checkpoint
    >>> x = torch.ones(2, requires_grad=True)
    >>> checkpoint(torch.exp, x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([2.7183, 2.7183])
    """
    if use_reentrant is None:
        _explicit("")
        use_reentrant = True
    _check_options(use_reentrant, context_fn, determinism_check, debug, kwargs)
    if use_reentrant:
        constant = rl.is_grad_enabled() and not any(x.requires_grad for x in _tensors(args))
        if constant:
            warnings.warn(
                "None of the inputs have requires_grad=True. Gradients will be None",
                UserWarning, stacklevel=2,
            )  # fmt: skip
        if STATE.tracer is None:
            return CheckpointFunction.apply(function, preserve_rng_state, *args)
        if constant:
            with rl.no_grad():
                return function(*args)
    if not rl.is_grad_enabled() or STATE.tracer is not None:  # a program plans its own memory
        return function(*args, **kwargs)
    if (debug if _DEBUG["on"] is None else _DEBUG["on"]) and context_fn is not noop_context_fn:
        raise ValueError("debug=True is incompatible with non-default context_fn")
    first, again = context_fn()
    segment = _Segment(
        function, args, kwargs, rl.get_rng_state() if preserve_rng_state else None, lambda: again,
        check=determinism_check == "default", early=early_stop,
    )  # fmt: skip
    start = now()
    with saved_tensors_hooks(segment.pack, segment.unpack), first:
        result = function(*args, **kwargs)
    segment.fold(result, start)
    return result


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Whether checkpoints are as with `debug=True`, whatever they are called with; None: as called.

    Raises in `checkpoint`: ValueError for a `context_fn` beside it.

    >>> import rushlight as torch
    >>> from rushlight.utils.checkpoint import checkpoint, set_checkpoint_debug_enabled
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> with set_checkpoint_debug_enabled(True):
    ...     checkpoint(lambda x: x ** 3, x, use_reentrant=False).backward()
    >>> x.grad
    tensor(12.)
    """
    before, _DEBUG["on"] = _DEBUG["on"], enabled
    try:
        yield
    finally:
        _DEBUG["on"] = before


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Whether second runs stop as soon as everything is there again (as they do).

    >>> import rushlight as torch
    >>> from rushlight.utils.checkpoint import checkpoint, set_checkpoint_early_stop
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> with set_checkpoint_early_stop(False):
    ...     checkpoint(lambda x: x ** 3, x, use_reentrant=False).backward()
    >>> x.grad
    tensor(12.)
    """
    before, _EARLY["stop"] = _EARLY["stop"], enable
    try:
        yield
    finally:
        _EARLY["stop"] = before


def checkpoint_sequential(
    functions: Any, segments: int | None, input: Any, use_reentrant: bool | None = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """A chain of modules in `segments` pieces, all but the last checkpointed.

    With `segments=None` there are √n of them, which needs the least memory: O(√n) arrays for n
    modules, at the price of one more forward pass.

    >>> import rushlight as torch
    >>> from rushlight.utils.checkpoint import checkpoint_sequential
    >>> x = torch.ones(1, requires_grad=True)
    >>> y = checkpoint_sequential([torch.sin] * 9, None, x, use_reentrant=False)
    >>> y.backward(); print(f"{x.grad.item():.4f}")
    0.0895
    """
    if use_reentrant is None:
        _explicit(".checkpoint_sequential")
        use_reentrant = True
    parts = list(functions.children()) if isinstance(functions, rl.nn.Module) else list(functions)
    segments = max(1, round(math.sqrt(len(parts)))) if segments is None else segments
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
