"""`autograd.Function`: an operation whose gradient the user writes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import inplace
from ..core.dispatch import FLOATS, OUTPUT_OF
from ..core.primitive import Primitive
from ..core.state import STATE
from ..core.tape import LEAF, PARAMS, PARENTS, Entry, tick
from ..core.tensor import Tensor, wrap


class FunctionCtx:
    """What forward leaves for backward: saved tensors, flags, and any attribute the user sets."""

    _saved: tuple[Any, ...] = ()
    _dirty: tuple[Tensor, ...] = ()
    _no_gradient: tuple[int, ...] = ()
    _materialize = True
    _entry: Any = None
    needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs, outputs or intermediate tensors (or None) for backward."""
        for x in tensors:
            if x is not None and not isinstance(x, Tensor):
                raise TypeError(
                    "save_for_backward can only save variables, but argument"
                    f" {tensors.index(x)} is of type {type(x).__name__}"
                )
        self._saved = tensors

    save_for_forward = save_for_backward

    def mark_dirty(self, *args: Tensor) -> None:
        """Say which inputs forward wrote to in place (they must be returned)."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Say which outputs carry no gradient."""
        self._no_gradient = tuple(map(id, args))

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (True) or None for outputs that nobody used."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors given to `save_for_backward`, outputs with their history."""
        return tuple(
            x.tensor(self._entry) if isinstance(x, _SavedOutput) else x for x in self._saved
        )


def _pull(cls: type, g: Any, entry: Entry) -> list[Any]:
    """Run the user's backward; unwrap its tensors when the sweep runs on arrays."""
    (ctx,) = entry[PARAMS]
    gs = g if type(g) is tuple else (g,)
    raw = not any(isinstance(one, Tensor) for one in gs)
    given = tuple(one if isinstance(one, Tensor) or one is None else wrap(one) for one in gs)
    ctx._entry = entry
    try:
        found = cls.backward(ctx, *given)  # type: ignore[attr-defined]
    finally:
        ctx._entry = None
    found = found if isinstance(found, tuple) else (found,)
    wanted = len(ctx.needs_input_grad)
    if len(found) > wanted and all(extra is None for extra in found[wanted:]):
        found = found[:wanted]
    if len(found) != wanted:
        raise RuntimeError(
            f"function {cls.__name__}Backward returned an incorrect number of gradients (expected"
            f" {wanted}, got {len(found)})"
        )
    grads = [one for one, place in zip(found, ctx._tensor_places) if place]
    for one, parent in zip(grads, entry[PARENTS]):
        if parent is not None and one is not None and not isinstance(one, Tensor):
            raise TypeError(
                f"function {cls.__name__}Backward: expected Tensor or None, got"
                f" {type(one).__name__}"
            )
    return [one._array if raw and isinstance(one, Tensor) else one for one in grads]


class _FunctionMeta(type):
    """Gives every Function its primitive on first use."""

    def primitive(cls) -> Primitive:
        found = cls.__dict__.get("_primitive")
        if found is None:
            found = Primitive.__new__(Primitive)
            found.name, found.node = cls.__name__, f"{cls.__name__}Backward"
            found.eval, found.rule, found.reads, found.outputs = cls.forward, None, "", 1  # type: ignore[attr-defined]
            found.pull = functools.partial(_pull, cls)
            cls._primitive = found
        return found


class Function(metaclass=_FunctionMeta):
    """Base class of operations with their own `forward(ctx, ...)` and `backward(ctx, *grads)`.

    Source: https://pytorch.org/docs/stable/autograd.html#function

    >>> import rushlight as torch
    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = torch.ones(2, requires_grad=True)
    >>> Double.apply(x).sum().backward(); x.grad
    tensor([2., 2.])
    """

    generate_vmap_rule = False

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the result; `ctx` comes first unless `setup_context` is defined."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradient of every input, given those of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to"
            " use it with backward mode AD."
        )

    setup_context: Callable[..., Any] | None = None

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward and record the user's backward."""
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(isinstance(x, Tensor) and x._entry is not None for x in args)
        ctx._tensor_places = tuple(isinstance(x, Tensor) for x in args)  # type: ignore[attr-defined]
        before, STATE.grad = STATE.grad, False
        try:
            if cls.setup_context is not None:
                outputs = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, outputs)
            else:
                outputs = cls.forward(ctx, *args, **kwargs)
        finally:
            STATE.grad = before
        recorded = before and any(ctx.needs_input_grad)
        return _finish(cls, ctx, args, outputs, recorded)


def _finish(cls: _FunctionMeta, ctx: Any, args: Any, outputs: Any, recorded: bool) -> Any:
    several = isinstance(outputs, tuple)
    ys = outputs if several else (outputs,)
    dirty = {id(x) for x in ctx._dirty}
    results = [_fresh(y, args, dirty) for y in ys]
    if recorded:
        _record(cls, ctx, args, ys, results, several)
    for y in results:
        if id(y) in dirty and recorded:
            inplace.mark_written(y._array)
            inplace.rebase(y)
    return tuple(results) if several else results[0]


def _fresh(y: Any, args: Any, dirty: set[int]) -> Any:
    """Outputs are tensors of their own: an input handed back becomes a view of it."""
    if isinstance(y, Tensor) and id(y) not in dirty and any(y is x for x in args):
        return wrap(y._array)
    return y


def _record(cls: _FunctionMeta, ctx: Any, args: Any, ys: Any, results: Any, several: bool) -> None:
    parents = tuple(
        (x if x._entry is LEAF else x._entry) for x in args if isinstance(x, Tensor)
    )
    saved = tuple(x._array for x in ctx._saved if isinstance(x, Tensor))
    shapes: Any = tuple(np.shape(getattr(y, "_array", ())) for y in results)
    entry: Entry = [
        cls.primitive(), parents, saved or None, None, (ctx,), shapes if several else shapes[0],
        tick(), None,
    ]  # fmt: skip
    outputs: dict[int, Tensor] = {}
    ids = list(map(id, ys))
    for place, (y, result) in enumerate(zip(ys, results)):
        if not isinstance(result, Tensor) or result._array.dtype.char not in FLOATS:
            continue
        if id(y) in ctx._no_gradient:
            continue
        result._entry = entry
        if several:
            result._entry = [
                OUTPUT_OF, (entry,), None, None, (place,), result._array.shape, tick(), None,
            ]  # fmt: skip
        outputs[id(y)] = result
    # an output kept with its history would close a cycle: keep its array and find the history again
    ctx._saved = tuple(
        _SavedOutput(outputs[id(x)]._array, ids.index(id(x)) if several else None)
        if id(x) in outputs else x
        for x in ctx._saved
    )  # fmt: skip


class _SavedOutput:
    """An output given to `save_for_backward`: its values and which output it is."""

    __slots__ = ("array", "place")

    def __init__(self, array: np.ndarray, place: int | None) -> None:
        self.array, self.place = array, place

    def tensor(self, entry: Entry | None) -> Tensor:
        if entry is None or self.place is None:
            return wrap(self.array, entry)
        return wrap(
            self.array,
            [OUTPUT_OF, (entry,), None, None, (self.place,), self.array.shape, tick(), None],
        )


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a backward that cannot itself be differentiated."""

    @functools.wraps(function)
    def wrapped(ctx: Any, *args: Any) -> Any:
        before, STATE.grad = STATE.grad, False
        try:
            return function(ctx, *args)
        finally:
            STATE.grad = before

    return wrapped
