"""`autograd.Function`: an operation whose gradient the user writes."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import autograd
from ..core import inplace
from ..core.dispatch import FLOATS, observe, result_entry
from ..core.errors import fail
from ..core.primitive import Primitive
from ..core.state import STATE, WATCHED
from ..core.tape import LEAF, PARAMS, PARENTS, Entry, shape_of, tick
from ..core.tensor import Tensor, wrap
from .saved import Packed

__all__ = ["Function", "FunctionCtx", "InplaceFunction", "once_differentiable"]

ndarray = np.ndarray


def is_transformed(x: Any) -> bool:
    """Whether a tensor belongs to a transform's level; a class's own form (a shell) does not."""
    return inplace.is_value(x) and not getattr(type(x._array), "shell", False)


class FunctionCtx:
    """What forward leaves for backward: saved tensors, flags, and any attribute the user sets.

    >>> import rushlight as torch
    >>> class Square(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         (x,) = ctx.saved_tensors
    ...         return 2 * x * grad
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> Square.apply(x).backward()
    >>> x.grad
    tensor(6.)
    """

    _saved: tuple[Any, ...] = ()
    _dirty: tuple[Tensor, ...] = ()
    _no_gradient: tuple[int, ...] = ()
    _materialize = True
    _outputs: tuple[Any, ...] = ()
    _name = ""
    _entry: Any = None
    _tensor_places: tuple[bool, ...]
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
            x.tensor(self._entry) if isinstance(x, (_SavedOutput, Packed)) else x
            for x in self._saved
        )

    def name(self) -> str:
        """The name of the node."""
        return self._name


def _pull(cls: type, g: Any, entry: Entry) -> list[Any]:
    """Run the user's backward; unwrap its tensors when the sweep runs on arrays."""
    (ctx,) = entry[PARAMS]
    gs = g if type(g) is tuple else (g,)
    raw = not any(isinstance(one, Tensor) for one in gs)
    given = tuple(one if isinstance(one, Tensor) or one is None else wrap(one) for one in gs)
    if ctx._materialize:
        given = tuple(
            wrap(np.zeros_like(y)) if one is None and y is not None else one
            for one, y in zip(given, ctx._outputs or (None,) * len(given))
        )
    ctx._entry = entry
    try:
        found = backward_of(cls)(ctx, *given)
    finally:
        ctx._entry = None
    grads = _checked(f"{cls.__name__}Backward", ctx, found, entry)
    return [one._array if raw and isinstance(one, Tensor) else one for one in grads]


def backward_of(cls: Any) -> Callable[..., Any]:
    """The user's backward, which may be called vjp."""
    if cls.vjp is Function.vjp:
        return cls.backward
    if cls.backward is not Function.backward:
        raise RuntimeError(
            "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You"
            " should only implement one of them."
        )
    return cls.vjp


def _checked(name: str, ctx: Any, found: Any, entry: Entry) -> list[Any]:
    """The gradients of the tensor arguments; torch's errors for what cannot be one."""
    found = found if isinstance(found, tuple) else (found,)
    wanted = len(ctx.needs_input_grad)
    if len(found) > wanted and all(extra is None for extra in found[wanted:]):
        found = found[:wanted]
    if len(found) != wanted:
        raise fail(
            RuntimeError,
            f"function {name} returned an incorrect number of gradients (expected {wanted}, got"
            f" {len(found)})",
            "backward returns one gradient, or None, per argument of forward (ctx not counted)",
        )
    grads = []
    for place, (one, is_tensor) in enumerate(zip(found, ctx._tensor_places)):
        if one is not None and not isinstance(one, Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(one).__name__})")
        if is_tensor:
            grads.append(one)
        elif one is not None:
            raise RuntimeError(
                f"function {name} returned a gradient different than None at position {place + 1},"
                " but the corresponding forward input was not a Variable"
            )
    for place, (one, parent) in enumerate(zip(grads, entry[PARENTS])):
        if one is not None and parent is not None:
            _check_shape(name, place, one._array.shape, shape_of(parent))
    return grads


def _check_shape(name: str, place: int, got: tuple[int, ...], shape: tuple[int, ...]) -> None:
    tail = got[len(got) - len(shape) :] if len(got) >= len(shape) else None
    if tail is None or any(m != n and n != 1 for m, n in zip(tail, shape)):
        raise RuntimeError(
            f"Function {name} returned an invalid gradient at index {place} - got {list(got)} but"
            f" expected shape compatible with {list(shape)}"
        )


def unlisted(name: str, node: str, forward: Any, pull: Callable[..., Any]) -> Primitive:
    """A primitive that is in no registry: it belongs to the user's class, or to nobody."""
    found = Primitive.__new__(Primitive)
    found.name, found.node, found.eval, found.pull = name, node, forward, pull
    found.rule, found.edges, found.reads, found.flat, found.outputs = None, None, "", "", 1
    return found


class _FunctionMeta(type):
    """Gives every Function its primitive on first use."""

    forward: Callable[..., Any]

    def primitive(cls) -> Primitive:
        found = cls.__dict__.get("_primitive")
        if found is None:
            pull = functools.partial(_pull, cls)
            found = unlisted(cls.__name__, f"{cls.__name__}Backward", cls.forward, pull)
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

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Not the way to run it: that is `apply`."""
        raise fail(
            RuntimeError,
            "Legacy autograd function with non-static forward method is deprecated. Please use"
            " new-style autograd function with static forward method. (Example:"
            " https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)",
            f"call {type(self).__name__}.apply(...), without making an object",
        )

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
            "You must implement either the backward or vjp method for your custom autograd.Function"
            " to use it with backward mode AD."
        )

    vjp = backward  # which may be called so

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """The rule for a batch: the outputs, and the mapped dimension of each."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or"
            " set generate_vmap_rule=True."
        )

    setup_context: Callable[..., Any] | None = None

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward and record the user's backward."""
        if kwargs or cls.setup_context is not None:
            args, kwargs = _in_places(cls, args, kwargs)
        for x in args:
            if isinstance(x, Tensor) and type(x._array) is not ndarray and is_transformed(x):
                return autograd.function_levels.at_level(cls, args, kwargs)
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(isinstance(x, Tensor) and x._entry is not None for x in args)
        ctx._tensor_places = tuple(isinstance(x, Tensor) for x in args)
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
        return finish(cls, ctx, args, outputs, recorded)


def _in_places(cls: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Arguments by name as those by place, since gradients are given back by place.

    `setup_context` sees the defaults too; without it, what was not given stays away.
    """
    if cls.setup_context is not None:
        bound = inspect.signature(cls.forward).bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.args, bound.kwargs
    names = list(inspect.signature(cls.forward).parameters.values())[1:]
    places = {x.name: place for place, x in enumerate(names) if x.kind is x.POSITIONAL_OR_KEYWORD}
    found = dict(enumerate(args))
    for name, value in kwargs.items():
        if name not in places:
            raise TypeError(f"forward() got an unexpected keyword argument {name!r}")
        if places[name] in found:
            raise TypeError(f"forward() got multiple values for argument {name!r}")
        found[places[name]] = value
    for place in range(len(found)):
        if place not in found:
            missing = f"{names[place].name!r} (position {place})"
            raise TypeError(f"forward() missing required argument: {missing}")
    return tuple(found[place] for place in range(len(found))), {}


def finish(cls: _FunctionMeta, ctx: Any, args: Any, outputs: Any, recorded: bool) -> Any:
    """The results of a call that has run: tensors of their own, on the tape where `recorded`."""
    several = isinstance(outputs, tuple)
    ys = outputs if several else (outputs,)
    dirty = {id(x) for x in ctx._dirty}
    for x in ctx._dirty:
        if not any(x is one for one in args):
            warnings.warn(
                "ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that"
                " have been mutated should be passed to ctx.mark_dirty().",
                stacklevel=3,
            )
        if recorded and x._entry is LEAF:
            raise RuntimeError(
                "a leaf Variable that requires grad has been used in an in-place operation."
            )
    ctx._name = f"{cls.__name__}Backward"
    results = [_fresh(y, args, dirty) for y in ys]
    if recorded:
        record_call(cls, ctx, args, ys, results, several)
    for y in results:
        if id(y) in dirty and recorded:
            inplace.mark_written(y._array, writer=ctx._name)
            inplace.rebase(y)
    return tuple(results) if several else results[0]


def _fresh(y: Any, args: Any, dirty: set[int]) -> Any:
    """Outputs are tensors of their own: an input handed back becomes a view of it."""
    if isinstance(y, Tensor) and id(y) not in dirty and any(y is x for x in args):
        return wrap(y._array)
    return y


def record_call(
    cls: _FunctionMeta, ctx: Any, args: Any, ys: Any, results: Any, several: bool
) -> None:
    """Write the user's backward on the tape; `ys` are the results as the user's code had them."""
    parents = tuple((x if x._entry is LEAF else x._entry) for x in args if isinstance(x, Tensor))
    saved = tuple(x._array for x in ctx._saved if isinstance(x, Tensor))
    shapes: Any = tuple(np.shape(getattr(y, "_array", ())) for y in results)
    entry: Entry = [
        cls.primitive(), parents, saved or None, None, (ctx,), shapes if several else shapes[0],
        tick(), None,
    ]  # fmt: skip
    ctx._outputs = tuple(without_values(y) for y in results) if several else ()
    places: dict[int, int | None] = {}  # of the outputs that have a gradient, by object
    for place, (y, result) in enumerate(zip(ys, results)):
        if id(y) not in ctx._no_gradient and is_floating(result):
            shape = result._array.shape
            result._entry = result_entry(entry, place, shape) if several else entry
            places.setdefault(id(y), place if several else None)
    # an output kept with its history would close a cycle: keep its array and find the history again
    ctx._saved = tuple(
        _SavedOutput(x._array, places[id(x)]) if id(x) in places else x for x in ctx._saved
    )
    if WATCHED[0] and STATE.watchers:
        arrays = tuple(y._array if isinstance(y, Tensor) else None for y in results)
        operands = tuple(x for x in args if isinstance(x, Tensor))
        observe(entry, arrays if several else arrays[0], operands)


def is_floating(x: Any) -> bool:
    """Whether it is a tensor that can have a gradient."""
    return isinstance(x, Tensor) and x._array.dtype.char in FLOATS


def without_values(y: Any) -> np.ndarray | None:
    """An array of an output's shape and type that takes no memory."""
    if not isinstance(y, Tensor):
        return None
    return np.broadcast_to(np.zeros((), y._array.dtype), y._array.shape)


class InplaceFunction(Function):
    """A Function of old programs that notes whether it writes in place."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class _SavedOutput:
    """An output given to `save_for_backward`: its values and which output it is."""

    __slots__ = ("array", "place")

    def __init__(self, array: np.ndarray, place: int | None) -> None:
        self.array, self.place = array, place

    def tensor(self, entry: Entry | None) -> Tensor:
        if entry is None or self.place is None:
            return wrap(self.array, entry)
        return wrap(self.array, result_entry(entry, self.place, self.array.shape))


def _refuse_twice(g: Any, entry: Entry) -> Any:
    raise fail(
        RuntimeError,
        "trying to differentiate twice a function that was marked with @once_differentiable",
        "write its backward with differentiable operations and drop the decorator",
    )


_refusing = unlisted("once_differentiable", "Error", None, _refuse_twice)


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a backward that cannot itself be differentiated.

    >>> import rushlight as torch
    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return 2 * x
    ...     @staticmethod
    ...     @torch.autograd.function.once_differentiable
    ...     def backward(ctx, grad):
    ...         return 2 * grad
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> Double.apply(x).backward()
    >>> x.grad
    tensor(2.)
    """

    @functools.wraps(function)
    def wrapped(ctx: Any, *args: Any) -> Any:
        before, STATE.grad = STATE.grad, False
        try:
            found = function(ctx, *args)
        finally:
            STATE.grad = before
        parents = tuple(
            x if x._entry is LEAF else x._entry
            for x in args if isinstance(x, Tensor) and x._entry is not None
        )  # fmt: skip
        if not before or not parents:
            return found
        results = [_refused(y, parents) for y in (found if isinstance(found, tuple) else (found,))]
        return tuple(results) if isinstance(found, tuple) else results[0]

    return wrapped


def _refused(y: Any, parents: tuple[Any, ...]) -> Any:
    """The same values, behind an entry that no gradient passes."""
    if not isinstance(y, Tensor):
        return y
    return wrap(y._array, [_refusing, parents, None, None, (), y._array.shape, tick(), None])
