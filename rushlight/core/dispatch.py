"""The general path of a call: promotion, other array and value classes, recording, wrapping.

`calls.py` has the short path, for plain tensors of one data type; all else comes here. Upper floors
register other array classes in ARRAYS and other value classes in WRAPPERS.
"""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes, shapes
from .dtypes import scalar_type_name
from .errors import Unfollowed, fail, levels_out, unremarked, user_line
from .numbers import wrapped
from .operands import combination, refuse_numbers
from .overlaps import refuse_overlap
from .overrides import NOT_HANDLED, handled, speaks
from .primitive import Elementwise, Multilinear, Primitive, variant
from .shortage import shortage
from .state import DEFAULTS, PAUSED, STATE, WATCHED
from .tape import LEAF, PARENTS, PRIM, Entry, hooks_of, tick
from .tensor import EAGER_TYPES, Tensor, link_view
from .values import Value

INFERRED = [False]  # whether inference mode was ever entered
ARRAYS: dict[type, Callable[..., Any]] = {}
WRAPPERS: dict[type, Callable[..., Any]] = {}
HIDDEN: set[type] = set()  # the eager types, while every op takes the long way
USUAL: list[type | None] = [Tensor]  # the first of them, told faster than by asking the set
_interceptors: list[Callable[..., Any]] = []
_lock = threading.RLock()
PLAIN = frozenset((np.ndarray, float, int, bool, complex))
OPERANDS = (Tensor, int, float, complex, np.ndarray, np.generic)
FLOATS = frozenset("efdFDEO")  # NumPy type codes; E and O are ml_dtypes' bfloat16, complex32
ndarray, asarray, new = np.ndarray, np.asarray, Tensor.__new__


def intercept(handler: Callable[..., Any]) -> None:
    """Lead every op, on plain tensors too, to `handler(prim, inputs, params)` until `release`.

    No tensor takes the short path meanwhile, in any thread; the short path pays nothing for it.
    """
    with _lock:
        if not _interceptors:
            HIDDEN.update(EAGER_TYPES)
            EAGER_TYPES.clear()
            USUAL[0] = None
        _interceptors.append(handler)
        ARRAYS[ndarray] = handler


def release(handler: Callable[..., Any]) -> None:
    """End what `intercept` began."""
    with _lock:
        _interceptors.remove(handler)
        if _interceptors:
            ARRAYS[ndarray] = _interceptors[-1]
        else:
            EAGER_TYPES.update(HIDDEN)
            HIDDEN.clear()
            USUAL[0] = Tensor
            ARRAYS.pop(ndarray, None)


def admit(kind: type) -> None:
    """Let a class take the short path from now on, or as soon as any may."""
    with _lock:
        (HIDDEN if _interceptors else EAGER_TYPES).add(kind)


def dismiss(kind: type) -> None:
    """End what `admit` began."""
    with _lock:
        HIDDEN.discard(kind)
        EAGER_TYPES.discard(kind)


class _Late:
    """Ops that the mechanism itself needs, filled in by the floor that declares them."""

    cast: Callable[..., Any]
    assign: Callable[..., Any]
    gradients: Callable[..., Any]  # autograd.grad


LATE = _Late()


def record(prim: Primitive, inputs: Any, arrays: Any, y: Any, params: Any) -> Entry | None:
    """The tape entry of an evaluation, or None when nothing is to be recorded."""
    if prim.rule is None or (PAUSED and not STATE.grad):
        return None
    parents = []
    wanted = False
    for x in inputs:
        entry = x._entry if isinstance(x, Tensor) else None
        wanted = wanted or entry is not None
        parents.append(x if entry is LEAF else entry)
    if not wanted:
        return None
    reads = prim.reads
    if INFERRED[0] and "x" in reads:
        _refuse_inference(inputs)
    kept = y if "y" in reads else (None, *y[1:]) if "z" in reads else None
    shape = y.shape if prim.outputs == 1 else tuple([one.shape for one in y])
    return [
        prim, tuple(parents), arrays if "x" in reads else None, kept,
        params, shape, tick(), None,
    ]  # fmt: skip


def _refuse_inference(inputs: Any) -> None:
    for x in inputs:
        if isinstance(x, Tensor) and x._inference:
            raise fail(
                RuntimeError,
                "Inference tensors cannot be saved for backward. Please do not use Tensors created"
                " in inference mode in computation tracked by autograd. To work around this, you"
                " can make a clone to get a normal tensor and use it in autograd, or use"
                " `torch.no_grad()` instead of `torch.inference_mode()`.",
                f"it has shape {tuple(x._array.shape)} and was made inside torch.inference_mode()",
            )


def finish(prim: Primitive, inputs: Any, arrays: Any, y: Any, params: Any) -> Any:
    """Wrap what an evaluation gave: repair 0-d decay, record, link views, split outputs."""
    if prim.outputs != 1:
        ys = tuple([
            one if type(one) is ndarray or type(one) in ARRAYS else asarray(one) for one in y
        ])  # fmt: skip
        return finish_many(prim, record(prim, inputs, arrays, ys, params), ys, inputs)
    if type(y) is not ndarray and type(y) not in ARRAYS:
        y = asarray(y)
    result = new(Tensor)
    result._array = y
    result._entry = entry = record(prim, inputs, arrays, y, params)
    rule = prim.rule
    if type(rule) is Multilinear and rule.view:
        link_view(result, inputs[0])
        if inputs[0]._inference:
            result.__class__ = type(inputs[0])
    if entry is not None and y.dtype.char not in FLOATS:
        result._entry = None
    if WATCHED[0] and STATE.watchers and entry is not None:
        observe(entry, y, inputs)
    return result


def named(result: Tensor, node: str) -> Tensor:
    """A result whose last step goes by the name of the whole formula, as `grad_fn` shows it."""
    entry = result._entry
    if type(entry) is list and STATE.grad:
        if entry[PRIM] is OUTPUT_OF:
            entry = entry[PARENTS][0]
        entry[PRIM] = variant(entry[PRIM], node)
    return result


def whole(result: Tensor, node: str) -> Tensor:
    """The same for a formula that ends in a view of memory of its own: torch's result is none."""
    if type(result._array) is ndarray:
        result._base = None
    return named(result, node)


def finish_many(prim: Primitive, entry: Entry | None, ys: Any, inputs: Any) -> Any:
    """Wrap the arrays of an op with several outputs, which `entry` stands for on the tape."""
    views, results = getattr(prim.rule, "view", False), []
    for place, y in enumerate(ys):
        result = new(Tensor)
        result._array = y
        result._entry = None
        if entry is not None and y.dtype.char in FLOATS:
            result._entry = [OUTPUT_OF, (entry,), None, None, (place,), y.shape, tick(), None]
        if views:
            link_view(result, inputs[0])
            if inputs[0]._inference:
                result.__class__ = type(inputs[0])
        results.append(result)
    if WATCHED[0] and STATE.watchers and entry is not None:
        observe(entry, ys, inputs)
    return tuple(results)


def observe(entry: Entry, value: Any, operands: Any) -> None:
    """Show a new entry, its value (a tuple if several) and operands to whoever watches."""
    for watcher in STATE.watchers:
        watcher(entry, value, operands)


def note_line(entry: Entry, value: Any, operands: Any) -> None:
    """Keep the user's line with an entry (anomaly mode)."""
    hooks_of(entry).line = user_line()


_HALVES = (dtypes.float16, dtypes.bfloat16)
_WIDER = (dtypes.float32, dtypes.float64)
OUTPUT_OF = Primitive("output_of", eval=None, rule=None, listed=False)


def node_name(entry: Entry) -> str:
    """torch's name of the node: an output of a several-output op shows that op."""
    prim = entry[PRIM]
    if prim is OUTPUT_OF:
        return node_name(entry[PARENTS][0])
    return prim.node if type(prim.node) is str else prim.node(entry)


def result_entry(entry: Entry, place: int, shape: tuple[int, ...]) -> Entry:
    """The history of one result of several: an entry of its own, before the op's."""
    return [OUTPUT_OF, (entry,), None, None, (place,), shape, tick(), None]


def is_operand(value: Any) -> bool:
    """Whether an operator knows what to do with a value; else its own class may."""
    kind = type(value)
    return isinstance(value, OPERANDS) or kind in WRAPPERS or speaks(kind)


def apply(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """Evaluate an op on whatever the inputs are."""
    if prim.once:
        result = _by_a_number(prim, inputs, params)
        if result is not None:
            return result
    seen_tensor, under, transformed = False, None, False
    for x in inputs:
        kind = type(x)
        if not (kind in EAGER_TYPES or kind in HIDDEN or kind in PLAIN) and speaks(kind):
            result = handled(prim.name, inputs, params)
            if result is not NOT_HANDLED:
                return result
        if kind in EAGER_TYPES or isinstance(x, Tensor):
            seen_tensor = True
            other = ARRAYS.get(type(x._array))
            if other is not None and not transformed:  # levels of transforms lie above a trace
                under, transformed = other, issubclass(type(x._array), Value)
        elif kind in WRAPPERS:
            return WRAPPERS[kind](prim, inputs, params)
    if prim.arity == 2:
        refuse_numbers(prim, inputs)
    if under is not None:
        return under(prim, inputs, params)
    return apply_plain(prim, inputs, params) if seen_tensor else _apply_raw(prim, inputs, params)


def _by_a_number(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """Half-precision values by a number that is none: in float32, and rounded once, as torch does.

    0.9 as a bfloat16 is 0.8984. None where this is not asked for.
    """
    for i in (0, 1):
        x, other = inputs[i], inputs[1 - i]
        if not isinstance(x, Tensor) or x.dtype not in _HALVES:
            continue
        kind = type(x)
        if not (kind in EAGER_TYPES or kind in HIDDEN or kind in PLAIN) and speaks(kind):
            return None
        if type(other) in (int, float):
            if float(asarray(other, dtype=x.dtype.numpy)) == other:
                return None
        elif not isinstance(other, Tensor) or other._array.ndim or other.dtype not in _WIDER:
            return None
        if isinstance(other, Tensor) and (i or not x._array.ndim):
            return None  # torch rounds a first operand to the half type before
        wide = [LATE.cast(one, dtypes.float32) if isinstance(one, Tensor) else one
                for one in inputs]  # fmt: skip
        return LATE.cast(apply(prim, tuple(wide), params), x.dtype)
    return None


def apply_plain(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """Evaluate an op on tensors over NumPy arrays, numbers beside them."""
    inputs = promote(prim, inputs, params)
    arrays = tuple([x._array if isinstance(x, Tensor) else x for x in inputs])
    try:
        y = evaluate(prim, arrays, params)
        if isinstance(y, Value):
            raise Unfollowed(prim.name)
    except Unfollowed as error:
        return apply_by_params(prim, inputs, params, error)
    return finish(prim, inputs, arrays, y, params)


def apply_by_params(prim: Primitive, inputs: Any, params: Any, error: BaseException) -> Any:
    """An evaluation met another array class among its index arrays: that class takes over."""
    for one in params:
        for array in one if type(one) is tuple else (one,):
            if type(array) in ARRAYS and type(array) is not ndarray:
                return ARRAYS[type(array)](prim, tuple(inputs), params)
    raise error


def evaluate(prim: Primitive, arrays: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """Run the op's `eval`; a misfit of shapes becomes torch's error."""
    try:
        if prim.arity is None:
            return prim.eval(arrays, *params)
        return prim.eval(*arrays, *params)
    except RuntimeWarning as error:
        given = (arrays,) if prim.arity is None else arrays
        return unremarked(error, prim.eval, *given, *params)
    except MemoryError as error:
        raise shortage(error) from None
    except ValueError as error:
        if type(prim.rule) is Elementwise or prim.dtype in ("compare", "promote", "float"):
            shapes.broadcast(*(np.shape(a) for a in arrays))
        raise shapes.misfit(error) from None


_NUMBERS = (bool, int, float, complex)


def _apply_raw(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """Rules run on bare arrays; only a call without any array at all is the user's mistake."""
    if params and not EAGER_TYPES:  # index arrays may be followed where the operand is not
        for one in params:
            for array in one if type(one) is tuple else (one,):
                if type(array) in WRAPPERS:
                    return WRAPPERS[type(array)](prim, inputs, params)
    for x in inputs:
        if isinstance(x, (ndarray, np.generic)):
            y = prim.eval(*((inputs,) if prim.arity is None else inputs), *params)
            if prim.outputs != 1:
                return tuple(map(asarray, y))
            return y if type(y) is ndarray else asarray(y)
    given = inputs[0] if inputs else None
    if prim.numbers == "all" and all(isinstance(x, _NUMBERS) for x in inputs):
        kinds = [_number_type(x) for x in inputs]
        return apply_plain(prim, tuple(map(_to, inputs, kinds)), params)
    if prim.arity == 2 and prim.dtype != "first":
        raise combination(prim.name, inputs)
    raise TypeError(
        f"{prim.name}(): argument 'input' (position 1) must be Tensor, not {type(given).__name__}"
    )


def promote(prim: Primitive, inputs: tuple[Any, ...], params: Any = ()) -> tuple[Any, ...]:
    """Bring all operands to one data type, by the op's `dtype` rule; `params` name a refusal."""
    rule = prim.dtype
    if prim.refuses:
        _refuse_kinds(prim, inputs, params)
    if rule == "first":
        return tuple([x if isinstance(x, Tensor) else _foreign(x) for x in inputs])
    common = result_type(*inputs)
    if rule == "float" and common.category < dtypes.FLOAT:
        common = DEFAULTS.dtype
    elif common.category == dtypes.FLOAT and not common.rank and rule != "compare":
        raise not_implemented(f"{prim.name}_cpu", common)
    return tuple([_to(x, common) for x in inputs])


def _refuse_kinds(prim: Primitive, inputs: tuple[Any, ...], params: Any) -> None:
    """torch's error for numbers of a kind that an op does not take."""
    given = result_type(*[x for x in inputs if x is not None])
    if prim.dtype == "first" and not given.is_complex and isinstance(inputs[0], Tensor):
        given = inputs[0].dtype
    said: Any = prim.refuses.get(dtypes.kind_of(given))
    if callable(said):
        said = said(*inputs, *params)
    if said:
        raise _refusal(said, given)


def _refusal(said: str, given: dtypes.dtype) -> BaseException:
    """torch's error for numbers of a type, by the name of a kernel or as a sentence."""
    if " " not in said:
        return not_implemented(said, given)
    text = said.removeprefix("NotImplementedError: ")
    kind = RuntimeError if text is said else NotImplementedError
    return kind(text.replace("{}", scalar_type_name(given)))


def refuse(x: Tensor, kinds: str, said: str) -> None:
    """torch's error if the numbers in x are of one of these kinds, for functions of several ops."""
    if dtypes.kind_of(x.dtype) in kinds.split():
        raise _refusal(said, x.dtype)


def _foreign(x: Any) -> Any:
    return wrap_array(x) if isinstance(x, (ndarray, np.generic)) else x


def wrap_array(x: Any) -> Tensor:
    """A Tensor over a foreign array's memory."""
    result = new(Tensor)
    result._array = x if type(x) in ARRAYS else asarray(x)
    result._entry = None
    return result


def _to(x: Any, wanted: dtypes.dtype) -> Tensor:
    if isinstance(x, Tensor):
        return x if x.dtype is wanted else LATE.cast(x, wanted)
    if isinstance(x, ndarray):
        found = wrap_array(x)
        return found if found.dtype is wanted else LATE.cast(found, wanted)
    return wrap_array(scalar(x, wanted))


def scalar(x: Any, wanted: dtypes.dtype) -> np.ndarray:
    """A Python number as a 0-d array; integers wrap around as in torch."""
    if isinstance(x, int) and wanted.category == dtypes.INTEGER:
        x = wrapped(x, wanted.numpy)
    return asarray(x, dtype=wanted.numpy)


def result_type(*values: Any) -> dtypes.dtype:
    """The common type of tensors, 0-d tensors and numbers, by torch's three priorities.

    A lower priority (0-d tensor, then Python number) matters only when it is of a higher category.

    >>> import rushlight as torch
    >>> torch.result_type(torch.tensor([1]), 1.5)
    torch.float32
    """
    found: list[dtypes.dtype | None] = [None, None, None]
    for value in values:
        if isinstance(value, Tensor):
            level, kind = (0 if value._array.ndim else 1), value.dtype
        elif isinstance(value, ndarray):
            level, kind = (0 if value.ndim else 1), dtypes.of(value)
        elif isinstance(value, dtypes.dtype):
            level, kind = 0, value
        else:
            level, kind = 2, _number_type(value)
        before = found[level]
        found[level] = kind if before is None else dtypes.promote_types(before, kind)
    result = found[0]
    for lower in found[1:]:
        if result is None:
            result = lower
        elif lower is not None and lower.category > result.category:
            both = result.category == dtypes.FLOAT  # which keeps its width as complex
            result = result.to_complex() if both else lower
    assert result is not None
    return result


def _number_type(value: Any) -> dtypes.dtype:
    if isinstance(value, (bool, int, float, complex, np.generic)):
        return dtypes.of_python(type(value), DEFAULTS.dtype)
    raise TypeError(
        f"unsupported operand: expected a Tensor or a number, not {type(value).__name__}"
    )


def write_out(result: Any, out: Any, read: tuple[Any, ...] = ()) -> Any:
    """Give a result into the caller's `out` tensor(s), as torch's `out=` does.

    Operands that an elementwise function `read` must not share a part of that memory.
    """
    if isinstance(result, tuple):
        targets = tuple(write_out(one, into) for one, into in zip(result, out))
        return type(result)(*targets) if hasattr(result, "_fields") else targets
    if result._entry is not None or out._entry is not None or result.dtype is not out.dtype:
        importlib.import_module(f"{__package__}.outputs").refuse_out(result, out)
    if not dtypes.can_cast(result.dtype, out.dtype):
        raise RuntimeError(
            f"result type {scalar_type_name(result.dtype)} can't be cast to the desired output type"
            f" {scalar_type_name(out.dtype)}"
        )
    refuse_overlap(out, read)
    if out._array.shape != result._array.shape:
        _warn_of_resizing(out._array.shape, result._array.shape)
        out._array = np.empty(result._array.shape, out._array.dtype)
    LATE.assign(out, result)
    return out


def _warn_of_resizing(before: tuple[int, ...], after: tuple[int, ...]) -> None:
    if 0 in before:
        return
    warnings.warn(
        f"An output with one or more elements was resized since it had shape {list(before)}, which"
        f" does not match the required output shape {list(after)}. This behavior is deprecated,"
        " and in a future PyTorch release outputs will not be resized unless they have zero"
        " elements. You can explicitly reuse an out tensor t by resizing it, inplace, to zero"
        " elements with t.resize_(0).",
        stacklevel=levels_out(),
    )


def not_implemented(name: str, kind: dtypes.dtype) -> BaseException:
    """torch's error for an op without a kernel for a data type."""
    text = f"\"{name}\" not implemented for '{scalar_type_name(kind)}'"
    whole = kind.category == dtypes.INTEGER
    return fail(NotImplementedError, text, *([f"x.float() converts from {kind}"] if whole else []))
