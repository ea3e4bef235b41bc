"""`autograd.Function` inside transforms: its jvp, its vmap, and its backward at nested levels."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np

from ..core.dispatch import FLOATS, result_entry
from ..core.errors import fail
from ..core.state import STATE
from ..core.tape import LEAF, tick
from ..core.tensor import Tensor, wrap
from ..ops.reduce import sum as sum_of
from ..ops.structure import expand
from .batched import Batched
from .dual import Dual
from .function import (
    Function,
    FunctionCtx,
    backward_of,
    finish,
    is_floating,
    is_transformed,
    record_call,
    unlisted,
    without_values,
)
from .levels import Level, entered
from .nested import Nested
from .vmap import first
from .writing import zeros_of


class VmapInfo(NamedTuple):
    """What a Function's `vmap` is told: the size of the batch and the treatment of draws."""

    batch_size: int
    randomness: str


def at_level(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Apply a Function to arguments of which some belong to a transform."""
    values = [x._array for x in args if is_transformed(x)]
    top = max(values, key=lambda value: value.level.depth)
    level, kind = top.level, type(top)
    if not level.alive:
        return cls.apply(*(_strip(x, kind, level) for x in args), **kwargs)
    if level.kind != "dual" and cls.setup_context is None:
        raise fail(
            RuntimeError,
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp,"
            " jacrev, ...), it must override the setup_context staticmethod. For more details,"
            " please see https://pytorch.org/docs/main/notes/extending.func.html",
            "move what forward does with ctx into setup_context(ctx, inputs, output)",
        )
    return {Nested: _nested, Dual: _dual, Batched: _batched}[kind](cls, level, args, kwargs)


def _strip(x: Any, kind: type, level: Level) -> Any:
    value: Any = x._array if isinstance(x, Tensor) else None
    return value.core() if type(value) is kind and value.level is level else x


def _context(cls: Any, args: Any, outputs: Any) -> FunctionCtx:
    ctx = FunctionCtx()
    ctx.needs_input_grad = tuple(isinstance(x, Tensor) and x._entry is not None for x in args)
    ctx._tensor_places = tuple(isinstance(x, Tensor) for x in args)
    ctx._name = f"{cls.__name__}Backward"
    if outputs is not None:
        before, STATE.grad = STATE.grad, False
        try:
            cls.setup_context(ctx, args, outputs)
        finally:
            STATE.grad = before
    return ctx


def _nested(cls: Any, level: Level, args: Any, kwargs: Any) -> Any:
    """Run below; record the user's backward at this level."""
    inner = tuple(_strip(x, Nested, level) for x in args)
    outputs = cls.apply(*inner, **kwargs)
    ctx = _context(cls, inner, outputs)
    ctx.needs_input_grad = tuple(isinstance(x, Tensor) and x._entry is not None for x in args)
    if not STATE.grad or not any(ctx.needs_input_grad):
        return outputs
    several = isinstance(outputs, tuple)
    ys = outputs if several else (outputs,)
    parents = tuple(
        (x if x._entry is LEAF else x._entry) if type(x._array) is Nested else None
        for x in args if isinstance(x, Tensor)
    )  # fmt: skip
    shapes: Any = tuple(np.shape(getattr(y, "_array", ())) for y in ys)
    entry = [
        cls.primitive(), parents, None, None, (ctx,), shapes if several else shapes[0],
        tick(), None,
    ]  # fmt: skip
    ctx._outputs = tuple(without_values(y) for y in ys) if several else ()
    results = [_recorded(y, level, entry, place, several, ctx) for place, y in enumerate(ys)]
    return tuple(results) if several else results[0]


def _recorded(y: Any, level: Level, entry: Any, place: int, several: bool, ctx: Any) -> Any:
    if not isinstance(y, Tensor) or y._array.dtype.char not in FLOATS or id(y) in ctx._no_gradient:
        return y
    result = wrap(Nested(level, y))
    result._entry = result_entry(entry, place, y._array.shape) if several else entry
    return result


def _dual(cls: Any, level: Level, args: Any, kwargs: Any) -> Any:
    """Run on the primals; the tangents go through the user's `jvp`."""
    if not hasattr(cls, "jvp"):
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with"
            " forward mode AD."
        )
    primals = tuple(_strip(x, Dual, level) for x in args)
    tangents = [
        x._array.tangent if p is not x else zeros_of(x) if is_floating(x) else None
        for x, p in zip(args, primals)
    ]
    if cls.setup_context is not None:
        outputs = cls.apply(*primals, **kwargs)
        ctx = _context(cls, primals, outputs)
        kept = ctx._saved
    else:
        ctx = _context(cls, primals, None)
        outputs, kept = _run_with(ctx, cls, primals, kwargs)
    found = cls.jvp(ctx, *tangents)
    several = isinstance(outputs, tuple)
    ys = outputs if several else (outputs,)
    ts = _checked(found if isinstance(found, tuple) else (found,), ys, ctx)
    results = [
        y if t is None or not isinstance(y, Tensor) else wrap(Dual(level, y, t))
        for y, t in zip(ys, ts)
    ]
    if level.kind == "dual" and STATE.grad:
        stand_ins = dict(zip(map(id, (*primals, *ys)), (*args, *results)))
        kept = tuple(stand_ins.get(id(x), x) for x in kept)
        _keep_backward(cls, ctx, args, results, kept, several)
    return tuple(results) if several else results[0]


def _run_with(ctx: FunctionCtx, cls: Any, args: Any, kwargs: Any) -> tuple[Any, tuple[Any, ...]]:
    """What a forward that takes ctx gives for values without tangents, and what it saved."""
    before, STATE.grad = STATE.grad, False
    try:
        outputs = cls.forward(ctx, *args, **kwargs)
    finally:
        STATE.grad = before
    kept = ctx._saved
    recorded = STATE.grad and any(ctx.needs_input_grad)
    return finish(cls, ctx, args, outputs, recorded), kept


def _keep_backward(
    cls: Any, ctx: Any, args: Any, results: list[Any], saved: tuple, several: bool
) -> None:
    """Let results with tangents be differentiated backwards as well, from what has tangents."""
    outer = copy.copy(ctx)
    outer._saved, outer._entry = saved, None
    outer.needs_input_grad = tuple(isinstance(x, Tensor) and x._entry is not None for x in args)
    if not any(outer.needs_input_grad):
        return
    dual = [y for y in results if isinstance(y, Tensor) and type(y._array) is Dual]
    outer._no_gradient = tuple(id(y) for y in results if not any(y is one for one in dual))
    record_call(cls, outer, args, results, results, several)


def _checked(tangents: tuple[Any, ...], outputs: tuple[Any, ...], ctx: Any) -> tuple[Any, ...]:
    """What the user's `jvp` gave, if it is a tensor or None for each output."""
    if len(tangents) != len(outputs):
        raise RuntimeError(
            "Function's jvp returned an invalid number of forward gradients (expected"
            f" {len(outputs)} but got {len(tangents)})"
        )
    for place, (t, y) in enumerate(zip(tangents, outputs)):
        if t is None:
            continue
        if not isinstance(t, Tensor):
            raise RuntimeError(
                f"expected Variable or None (got {type(t).__name__}) for grad output {place}."
            )
        if not isinstance(y, Tensor) or id(y) in ctx._no_gradient:
            raise RuntimeError(
                f"Function's jvp returned a gradient at position {place}, but  the corresponding"
                " forward output is not a differentiable Tensor.You should return None at that"
                " position instead."
            )
        if t._array.shape != y._array.shape:
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the"
                f" original Tensor, this is not supported. Tensor is of size {list(y._array.shape)}"
                f" while the given forward gradient is of size {list(t._array.shape)}."
            )
    return tangents


def _batched(cls: Any, level: Level, args: Any, kwargs: Any) -> Any:
    has_vmap = cls.vmap is not Function.vmap
    if cls.generate_vmap_rule and has_vmap:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an"
            " overriden vmap staticmethod. Please set generate_vmap_rule=False or delete the"
            " overriden vmap staticmethod to avoid ambiguity. For more details, please see"
            " https://pytorch.org/docs/main/notes/extending.func.html"
        )
    if cls.generate_vmap_rule:
        inner = tuple(_strip(x, Batched, level) for x in args)
        mapped = [x is not y for x, y in zip(args, inner)]
        return _generated(cls, level, args, inner, mapped, kwargs)
    if not has_vmap:
        raise fail(
            RuntimeError,
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please"
            " override and implement the vmap staticmethod or set generate_vmap_rule=True. For more"
            " details, please see https://pytorch.org/docs/main/notes/extending.func.html",
        )
    inner, dims = _unbatched(args, level)
    found = cls.vmap(VmapInfo(level.size, level.randomness), dims, *inner, **kwargs)
    if not isinstance(found, tuple) or len(found) != 2:
        what = f"{len(found)} returns" if isinstance(found, tuple) else f"a {type(found)}"
        raise RuntimeError(
            "Expected the vmap staticmethod to have two returns, an output and out_dims with pytree"
            f" structure compatible with the output. Got {what} instead"
        )
    return _placed(level, *found, found[1])


def _unbatched(x: Any, level: Level) -> tuple[Any, Any]:
    """The values of an argument without the batch of this level, and its dimension in each."""
    if type(x) in (tuple, list):
        pairs = [_unbatched(one, level) for one in x]
        return type(x)(one for one, _ in pairs), type(x)(dim for _, dim in pairs)
    if type(x) is dict:
        named = {key: _unbatched(one, level) for key, one in x.items()}
        return {k: one for k, (one, _) in named.items()}, {k: dim for k, (_, dim) in named.items()}
    inner = _strip(x, Batched, level)
    return inner, None if inner is x else 0


def _placed(level: Level, y: Any, dim: Any, whole: Any) -> Any:
    """Outputs with their batch at `dim`: of each, or a structure of such like that of `y`."""
    keys: Any = range(len(y)) if type(y) in (tuple, list) else y if type(y) is dict else None
    each = isinstance(dim, (tuple, list, dict))
    if each and (keys is None or len(keys) != len(dim)):
        raise RuntimeError(
            "The autograd.Function's vmap staticmethod returned an incompatible (output, out_dims)"
            f" tuple. Expected out_dims={whole} to be compatible with the structure of `output`."
            " For more details, please see"
            " https://pytorch.org/docs/main/notes/extending.func.html"
        )
    if keys is not None:
        parts = [_placed(level, y[key], dim[key] if each else dim, whole) for key in keys]
        return dict(zip(keys, parts)) if type(y) is dict else type(y)(parts)
    if dim is None or not isinstance(y, Tensor):
        return y
    return wrap(Batched(level, first(y, dim)))


def _generated(cls: Any, level: Level, args: Any, inner: Any, mapped: Any, kwargs: Any) -> Any:
    """The rule by vmapping `forward`, and `backward` when it is called for."""
    before, STATE.grad = STATE.grad, False
    try:
        outputs = cls.forward(*args, **kwargs)
    finally:
        STATE.grad = before
    ctx = _context(cls, args, outputs)
    several = isinstance(outputs, tuple)
    ys = [_whole(y, level) for y in (outputs if several else (outputs,))]
    wanted = tuple(isinstance(x, Tensor) and x._entry is not None for x in inner)
    if before and any(wanted):
        ctx.needs_input_grad = wanted
        _record_batch(cls, level, ctx, inner, mapped, ys, several)
    results = tuple(wrap(Batched(level, y)) if isinstance(y, Tensor) else y for y in ys)
    return results if several else results[0]


def _whole(y: Any, level: Level) -> Any:
    """An output with the batch first, with a history of its own."""
    if not isinstance(y, Tensor):
        return y
    value = y._array
    if type(value) is Batched and value.level is level:
        return wrap(value.inner._array)
    return expand(wrap(value), (level.size, *value.shape))


def _record_batch(
    cls: Any, level: Level, ctx: Any, inner: Any, mapped: Any, ys: Any, several: bool
) -> None:
    size, places = level.size, [i for i, x in enumerate(inner) if isinstance(x, Tensor)]

    def pull(g: Any, entry: Any) -> Any:
        gs = g if type(g) is tuple else (g,)
        raw = not any(isinstance(one, Tensor) for one in gs)
        with entered("vmap", size, level.randomness) as here:
            ctx._saved = tuple(_moved(x, level, here) for x in saved)
            given = [
                None if one is None else wrap(Batched(here, one if isinstance(one, Tensor)
                                                      else wrap(one))) for one in gs
            ]  # fmt: skip
            found = backward_of(cls)(ctx, *given)
            found = found if isinstance(found, tuple) else (found,)
            sums = [_collected(found[i], here, mapped[i]) for i in places]
        return [one._array if raw and one is not None else one for one in sums]

    saved = ctx._saved
    shapes = tuple(np.shape(getattr(y, "_array", ())) for y in ys)
    parents = tuple(inner[i] if inner[i]._entry is LEAF else inner[i]._entry for i in places)
    prim = unlisted(cls.__name__, f"{cls.__name__}Backward", None, pull)
    entry = [prim, parents, None, None, (ctx,), shapes if several else shapes[0], tick(), None]
    for place, y in enumerate(ys):
        if isinstance(y, Tensor) and y._array.dtype.char in FLOATS:
            y._entry = result_entry(entry, place, y._array.shape) if several else entry


def _moved(x: Any, old: Level, new: Level) -> Any:
    """A saved tensor of the forward's level at that of the backward."""
    value: Any = x._array if isinstance(x, Tensor) else None
    same = type(value) is Batched and value.level is old
    return wrap(Batched(new, value.inner)) if same else x


def _collected(g: Any, level: Level, mapped: bool) -> Any:
    """An input's gradient: one per sample, or their sum for an input that all share."""
    if g is None:
        return None
    value = g._array
    ours = type(value) is Batched and value.level is level
    if mapped:
        return value.inner if ours else expand(g, (level.size, *value.shape))
    return sum_of(value.inner, (0,), False) if ours else g * level.size
