"""Work of a trace that waits: what the call's program computes need not be computed twice.

While a call is traced, operations are put off: what an op gives is an array of the right form, not
filled yet. When the call went through and its program is there, the program computes all that is
left of the call. As soon as anything asks for a value before, all that waits is done in the order
in which it was put off, and the trace goes on with values.

What form a result has is remembered (`Forms`, kept on disk): for each op and the forms of its
operands, what NumPy gave. At first it is told by a rule (`foreseen.py`) or tried: the op is done on
whatever the memory holds, and only the form of what it gives counts. An op that may raise because
of values is never put off.
"""

from __future__ import annotations

import marshal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from ...core import memory as pages
from ...core.locks import fork_safe
from ...core.shapes import spreads
from ...core.tape import mark_quietly
from ..disk.digest import Opaque, plain
from ..middle.graph import lettered
from .foreseen import foreseen
from .required import Refused

ndarray = np.ndarray
SMALL = 2048  # elements of operands from which an op on values that are there is put off
ALIAS = "alias"  # memory of an operand, or nothing: what decides is the form, and it costs nothing
NEVER = "never"
_TOLD = frozenset((int, float, bool, str, type(None), complex))
MOST = 1 << 13  # forms that are kept for one function
_NUMBERS = frozenset("?bBhHiIlLqQefdFDE")  # types of arrays that can be made anew, by their letters
_WHOLE = frozenset("bBhHiIlLqQ")
_CHEAP = _WHOLE | {"?"}  # indices and masks, which checks look at


def _words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


# Evaluations that raise for no values, once the indices that they ask about are in range.
SURE = _words(
    "where sgn lerp addcmul addcdiv fill replace_region copy cat stack split split_with_sizes",
    "unbind amax amin max_all min_all extremum_along linalg_vector_norm masked_fill",
    "masked_fill_tensor softmax log_softmax hardtanh leaky_relu elu normal_cdf gelu gelu_tanh",
    "silu softplus mish log_sigmoid hardshrink softshrink threshold hardsigmoid hardswish prelu",
    "mean_squared_error cross_entropy standardise root_mean_square affine max_pool cumprod prod",
    "logsumexp std var std_mean var_mean nan_to_num recurrent_layer lstm_layer argmax argmin",
    "all any eq ne lt le gt ge logical_and logical_or logical_xor logical_not isnan isinf",
    "isfinite slope_at pooled_maxima window_argmax cast clone kept_gradient contiguous_copy",
    "view permute transpose t expand sum_to unsqueeze squeeze unsafe_view squeeze_all",
    "squeeze_many diagonal embed_diagonal zero strided_view embed_strided slice select place",
    "part flip roll tril triu sum mean repeat unfold from_windows bmm matmul linear linear_bias",
    "index add_at index_put convolution convolution_bias convolution_data convolution_weight",
    "embedding embedding_back weighted_rows nll_loss nll_loss_back im2col col2im",
    "constant_pad_nd take_slices add_slices map_dim max_pool_back max_pool_read sum_pool",
    "spread_pool cumsum scaled halved exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos",
    "tan asin acos atan sinh cosh tanh asinh acosh atanh sigmoid atan2 logaddexp logaddexp2",
    "deg2rad rad2deg relu conj add sub take_from mul div pow neg abs sign square reciprocal",
    "trunc_divide floor_quotient remainder fmod maximum minimum fmax fmin clamp floor",
    "ceil trunc frac round hypot copysign erf erfc sinc xlogy logit_loss probability_loss",
    "self_information smooth_l1 huber floor_divide gather spread_along index_select spread_rows",
    "take_flat add_flat scatter_value scatter index_add",
    "index_copy kthvalue argsort sort topk aminmax nansum cummax cummin logcumsumexp cdist",
)  # fmt: skip
_METHODS = _words(
    "sum mean prod max min any all argmax argmin cumsum reshape ravel flatten transpose swapaxes",
    "squeeze astype copy conj conjugate diagonal __getitem__ __getattribute__",
)
_FUNCTIONS = _words(
    "where concatenate stack empty_like zeros_like ones_like full_like broadcast_to squeeze",
    "moveaxis swapaxes transpose reshape ravel matmul einsum tensordot sum mean prod max min any",
    "all copy flip with_item tril triu expand_dims",
)
_FACTS = _words("numpy.shape numpy.ndim numpy.size")
_INTEGERS = _words("pow trunc_divide floor_quotient remainder fmod div reciprocal floor_divide",
                   "power divmod mod")  # fmt: skip


def _is_sure(op: str) -> bool:
    """Whether an op raises for no values, but perhaps for whole numbers."""
    space, _, name = op.rpartition(".")
    if not space:
        return op in SURE
    if space == "method":
        return name in _METHODS
    first = op.split(".")[1]
    return first in _FUNCTIONS or isinstance(getattr(np, first, None), np.ufunc)


_sure: dict[str, bool | None] = {}  # None: of floats


def sure(op: str, arrays: Sequence[ndarray]) -> bool:
    """Whether an op on arrays like these raises for no values."""
    if op not in _sure:
        _sure[op] = None if op.rpartition(".")[2] in _INTEGERS and _is_sure(op) else _is_sure(op)
    found = _sure[op]
    return found if found is not None else not any(x.dtype.char in _WHOLE for x in arrays)


class Forms:
    """What ops of some call gave for operands of which form."""

    def __init__(self, kept: bytes | None = None) -> None:
        self.table: dict[bytes, Any] = marshal.loads(kept) if kept else {}
        self.new = False

    def written(self) -> bytes:
        """For the disk."""
        return marshal.dumps(self.table)

    def note(self, key: bytes, form: Any) -> None:
        """Note what an evaluation gave."""
        if len(self.table) >= MOST:
            self.table.clear()
        self.table[key] = form
        self.new = True


def key_of(op: str, template: Any, operands: Sequence[ndarray]) -> bytes | None:
    """What the form of a result depends on."""
    forms = [(x.shape, x.strides, x.dtype.char) for x in operands]
    try:
        if "." not in op and _exact(template):  # of an array marshal writes no shape
            return marshal.dumps((op, forms, template), 0)
    except ValueError:
        pass
    try:
        return marshal.dumps((op, forms, {"plain": plain(template)}), 0)
    except (Opaque, ValueError):
        return None


def _exact(template: Any) -> bool:
    """Whether parameters are of types that marshal tells from each other."""
    kind = type(template)
    if kind is tuple or kind is list:
        return all(map(_exact, template))
    return kind in _TOLD


def _form_of(y: Any, operands: Sequence[ndarray]) -> Any:
    several = isinstance(y, (tuple, list))
    found = [one_form(part, operands, several) for part in (y if several else (y,))]
    if NEVER in found or (ALIAS in found and found.count(ALIAS) < len(found)) or not found:
        return NEVER
    if ALIAS in found or not several:
        return found[0]
    shared = any(np.may_share_memory(a, b) for a, b in combinations(y, 2))
    return NEVER if shared else [tuple(found)]


def one_form(y: Any, operands: Sequence[ndarray], several: bool = False) -> Any:
    if type(y) is not ndarray:
        y = np.asarray(y)
    alone = y.size or several  # an empty one among others waits with them
    if not alone or any(np.may_share_memory(y, x) for x in operands):
        return ALIAS
    if y.dtype.char not in _NUMBERS or not y.dtype.isnative or min(y.strides, default=0) < 0:
        return NEVER
    owns = y.base is None
    if owns and (not y.flags.writeable or np.empty_like(y).strides != y.strides):
        return NEVER
    plain = owns and y.flags.c_contiguous
    return y.shape, y.dtype.char, None if plain else y.strides, owns, y.flags.writeable


def unfilled(form: Any) -> ndarray:
    """An array of a form; also whether it owns its memory is as it was."""
    shape, kind, strides, owns, writeable = form
    make = np.zeros if kind in _WHOLE else pages.empty  # as indices, zeros will do
    if strides is None:
        return make(shape, lettered(kind))
    span = sum((n - 1) * step for n, step in zip(shape, strides)) + lettered(kind).itemsize
    view = np.ndarray(shape, lettered(kind), make((span,), np.dtype(np.uint8)), 0, strides)
    if owns:
        return np.zeros_like(view) if kind in _WHOLE else np.empty_like(view)
    view.flags.writeable = writeable
    return view


def _blank(y: Any) -> ndarray:
    """An array whose content is of no use; whole numbers, which may be indices, become zeros."""
    y = np.asarray(y)
    if y.dtype.char in _WHOLE:
        _fill(y, np.zeros((), y.dtype))
    return y


class Later:
    """What one trace has put off, in its order."""

    def __init__(self, forms: Forms, waits: bool = True) -> None:
        self.forms = forms
        self.on = waits
        self.plain: dict[Any, Any] = {}  # forms of ops without parameters, by what they depend on
        self.drawn: dict[int, Drawn] = {}
        self.steps: deque[tuple[Callable[..., Any], Any, Any, Any]] = deque()
        self.unfilled: dict[int, ndarray] = {}  # results that wait
        self.cells: list[Any] = []  # memory that waits
        self._lock = fork_safe(self, threading.RLock)

    def evaluated(
        self, op: str, template: Any, met: Met, function: Callable[..., Any], args: Any, kwargs: Any
    ) -> Any:  # fmt: skip
        """What an operation gives: computed, or put off."""
        if (self.on and not met.waits and all(map(_light, met.operands))) or op in _FACTS:
            return function(*args, **kwargs)
        forms = (
            () if template else tuple([(x.shape, x.strides, x.dtype.char) for x in met.operands])
        )
        form = self.plain.get((op, forms)) if forms else None
        key = key_of(op, template, met.operands) if form is None else b""
        if form is None and key is not None:
            form = self.forms.table.get(key)
            if forms and form is not None:
                self.plain[op, forms] = form
        if form is None and key is not None and self.on and sure(op, met.operands):
            form = foreseen(op, met.operands, args)
            if form is not None:
                self.forms.note(key, form)
            elif met.waits:
                return self._tried(key, op, met, function, args, kwargs)
        if form is None or form == NEVER:
            if met.waits:
                self.settle()
            if form is not None or key is None:
                return function(*args, **kwargs)
            return self._learned(key, op, met, function, args, kwargs)
        if not self.on or form == ALIAS or not sure(op, met.operands):
            if met.waits and (form != ALIAS or met.holes):
                self.settle()
            return function(*args, **kwargs)
        y = list(map(unfilled, form[0])) if type(form) is list else unfilled(form)
        self._wait_for(y, met, function, args, kwargs)
        return y

    def _wait_for(self, y: Any, met: Met, function: Any, args: Any, kwargs: Any) -> None:
        if met.fixed:
            args, kwargs = _swapped(args, met.fixed), _swapped(kwargs, met.fixed)
        self.put_off(function, args, kwargs, y)

    def _tried(
        self, key: bytes, op: str, met: Met, function: Callable[..., Any], args: Any, kwargs: Any
    ) -> Any:  # fmt: skip
        """What an operation gives on operands that are not there yet: its form is what counts."""
        try:
            with np.errstate(all="ignore"):
                y = self._learned(key, op, met, function, args, kwargs)
        except Exception:
            if not met.whole:  # it was the form
                raise
            self.settle()
            return function(*args, **kwargs)
        form = self.forms.table[key]
        if form == ALIAS and not met.holes:
            return y
        if form in (ALIAS, NEVER):
            self.settle()
            return function(*args, **kwargs)
        y = list(map(_blank, y)) if type(form) is list else _blank(y)
        self._wait_for(y, met, function, args, kwargs)
        return y

    def _learned(
        self, key: bytes, op: str, met: Met, function: Callable[..., Any], args: Any, kwargs: Any
    ) -> Any:  # fmt: skip
        """What an operation gives, of which it is noted what that looks like."""
        try:
            y = function(*args, **kwargs)
        except Exception:
            if sure(op, met.operands):  # it is the form that will not do
                self.forms.note(key, ALIAS)
            raise
        self.forms.note(key, _form_of(y, met.operands))
        return y

    def put_off(self, function: Callable[..., Any], args: Any, kwargs: Any, y: Any) -> None:
        """Have `function` fill `y`, or do all it does itself where that is None."""
        for part in y if type(y) is list else () if y is None else (y,):
            self.unfilled[id(part)] = part
        self.steps.append((function, args, kwargs, y))

    def copy(self, target: Any, y: Any) -> None:
        """Write one traced array into another, cast as may be."""
        into, whole = target.memory, y.memory
        if not self.on or not into.flags.writeable or not spreads(whole.shape, into.shape):
            np.copyto(target.value, y.value, casting="unsafe")
            return
        met = Met()
        met.of(y, [])
        self.put_off(_write, (into, met.fixed.get(id(whole), whole)), {}, None)
        self.wait(target.cell)

    def wait(self, cell: Any) -> None:
        """The content of a cell's memory is still to come."""
        if not cell.waits:
            cell.waits = True
            self.cells.append(cell)

    @contextmanager
    def drawing(self, engine: Any) -> Iterator[None]:
        """Random numbers are drawn, now, and by the program once more if it takes over."""
        if not self.on:
            yield
            return
        known = self.drawn.setdefault(id(engine), Drawn(engine))
        if not known.untouched():  # somebody else draws meanwhile
            self.settle()
        yield
        known.after = engine.get_state()

    def settle(self) -> None:
        """Do all that waits, in its order; from now on nothing is put off."""
        with self._lock:
            self.on = False
            while self.steps:
                function, args, kwargs, y = self.steps.popleft()
                found = function(*args, **kwargs)
                if y is not None:
                    for part, value in zip(y, found) if type(y) is list else ((y, found),):
                        _fill(part, value)
            for cell in self.cells:
                cell.waits = False
            self.cells.clear()
            self.unfilled.clear()

    def handed_over(self, bound: Any, left: Sequence[Left]) -> None:
        """Let a program compute what is left of the call it was made of; or else do it."""
        if not self.on:  # somebody has asked
            return
        arrays = [source.array for source in bound.captured.sources]
        drawn = list(self.drawn.values())
        if not all(one.untouched() for one in drawn):
            self.settle()
            return
        try:
            for one in drawn:
                one.engine.set_state(one.before)
            outputs = bound.outputs(arrays)
        except Refused:
            self.settle()
            return
        finally:
            for one in drawn:
                one.engine.set_state(one.after)
        bound.write(arrays, outputs)
        whose = Counter([id(one.cell) for one in left])
        for one in left:
            y = outputs[one.index]
            alone, x = whose[id(one.cell)] == 1, one.tensor
            if alone and x is not None and _is_new(y, one.memory, outputs):
                x._array = y
            else:
                np.copyto(one.memory, y)
        self.on = False
        for kept in (self.steps, self.cells, self.unfilled):
            kept.clear()


def _write(memory: np.ndarray, value: Any) -> None:
    """A write that waited: who looked after it was asked for has not seen it."""
    np.copyto(memory, value, casting="unsafe")
    mark_quietly(memory)


class Drawn:
    """An engine of random numbers, before and after what the call drew from it."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.before = self.after = engine.get_state()

    def untouched(self) -> bool:
        """Whether nobody else has drawn from it."""
        return np.array_equal(self.engine.get_state(), self.after)


class Left(NamedTuple):
    """A tensor that a call leaves behind, and the output of its program that it holds.

    None for a tensor: several look at that memory.
    """

    index: int
    tensor: Any
    memory: ndarray
    cell: Any


def _is_new(y: ndarray, memory: ndarray, outputs: Sequence[ndarray]) -> bool:
    """Whether an output can take the place of memory laid out for it."""
    alone = sum(y is other for other in outputs) == 1
    return alone and y.base is None and y.flags.owndata and y.strides == memory.strides


class Met:
    """The operands of one operation, in memory that may not be filled yet."""

    __slots__ = ("fixed", "holes", "operands", "waits", "whole")

    def __init__(self) -> None:
        self.operands: list[ndarray] = []
        self.fixed: dict[int, ndarray] = {}  # by arrays of the caller's: what they hold now
        self.waits = self.holes = False
        self.whole = False  # whether whole numbers wait, which may be indices

    def of(self, x: Any, nodes: list[Any]) -> ndarray:
        """The memory of a traced operand, whose node joins those given."""
        memory, cell = x.memory, x.cell
        node = x.node if x.version == cell.version else x.read()
        nodes.append(node)
        self.operands.append(memory)
        if cell.waits:
            self.waits = True
            self.whole = self.whole or memory.dtype.char in _WHOLE
        if node.op == "constant" and cell.source is None:
            self.fixed[id(memory)] = node.params[0]
        return memory


def _fill(y: ndarray, value: Any) -> None:
    if y.flags.writeable:
        np.copyto(y, value, casting="no")
        return
    y.flags.writeable = True
    np.copyto(y, value, casting="no")
    y.flags.writeable = False


def _light(x: ndarray) -> bool:
    """Whether to compute with an array, whose values are there, costs little: indices too."""
    return x.size <= SMALL or x.dtype.char in _CHEAP


def _swapped(value: Any, fixed: dict[int, ndarray]) -> Any:
    kind = type(value)
    if kind is ndarray:
        return fixed.get(id(value), value)
    if kind is tuple or kind is list:
        return kind([_swapped(part, fixed) for part in value])
    if kind is dict:
        return {key: _swapped(part, fixed) for key, part in value.items()}
    if kind is slice:
        parts = [_swapped(part, fixed) for part in (value.start, value.stop, value.step)]
        return slice(*parts)
    return value
