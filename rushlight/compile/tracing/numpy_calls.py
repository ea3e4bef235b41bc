"""NumPy's own calls on traced arrays: functions, methods, operators and writes."""

from __future__ import annotations

import sys
from threading import get_ident
from typing import Any

import numpy as np

from ...core.errors import PACKAGE, WRITTEN
from ..middle.foreign import Hole, with_item
from ..middle.graph import BFLOAT16, Node
from .later import Met
from .required import ASKS
from .traced import ALIASES, Traced, traced_in

ndarray = np.ndarray
# results whose shape depends on values: a program has fixed shapes
COUNTING = frozenset(
    "masked_select nonzero unique flatnonzero argwhere compress extract bincount trim_zeros"
    " union1d intersect1d setdiff1d unique_values histogram repeat_interleave".split()
)
_WRITERS = frozenset("copyto put place putmask fill_diagonal put_along_axis".split())


def masks(params: Any) -> bool:
    """Whether some index is a mask."""
    if isinstance(params, (tuple, list)):
        return any(map(masks, params))
    kind = type(params)
    return (kind is ndarray or kind is Traced) and params.dtype == bool and params.ndim > 0


def value_of(x: Any) -> Any:
    kind = type(x)
    if kind is Traced:
        return x.value
    if kind is tuple or kind is list:
        return kind(map(value_of, x))
    return {key: value_of(part) for key, part in x.items()} if kind is dict else x


def _type(x: Any) -> Any:
    """The data type of an array or of a NumPy number; None for anything else."""
    kind = type(x)
    if kind is Traced:
        return x.memory.dtype
    return x.dtype if kind is ndarray or isinstance(x, (ndarray, np.generic)) else None


def _same_types(inputs: Any) -> bool:
    found = None
    for x in inputs:
        kind = _type(x)
        if kind is not None and kind is not found:
            if found is not None and kind != found:
                return False
            found = kind
    return found is not None


def typed(inputs: Any) -> Any:
    """Python numbers beside arrays, in the type NumPy gives them there."""
    for x in inputs:
        if type(x) is not Traced and type(x) is not ndarray:
            break
    else:
        return inputs
    kind = next(kind for x in inputs if (kind := _type(x)) is not None)
    if kind.char == BFLOAT16:
        kind = np.dtype(np.float32)
    return tuple([
        np.asarray(x, np.result_type(kind, x))[()] if isinstance(x, (bool, int, float, complex)) and
        not isinstance(x, np.generic) else x
        for x in inputs
    ])  # fmt: skip


def rounded(y: Any, inputs: Any) -> Any:
    """What came of bfloat16 and a Python number, which was computed in float32."""
    if type(y) is not Traced or y.memory.dtype.char != "f" or not _same_types(inputs):
        return y
    kind = next(kind for x in inputs if (kind := _type(x)) is not None)
    return y.astype(kind) if kind.char == BFLOAT16 else y


class _Ours(dict[str, bool]):
    """Whether a file is the package's, remembered: no call is cheaper, and none is profiled."""

    def __missing__(self, file: str) -> bool:
        found = self[file] = file.startswith((PACKAGE, WRITTEN))
        return found


_ours = _Ours()


def line() -> str:
    """The user's line, `file:line in name`."""
    frame = sys._getframe(2)
    while frame is not None and _ours[frame.f_code.co_filename]:
        frame = frame.f_back
    if frame is None:
        return ""
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def _dead(function: Any, args: Any, kwargs: Any, out: Any) -> Any:
    """A call on arrays of a trace that has ended: on the real arrays."""
    kwargs = value_of(dict(kwargs))
    if out is not None:
        kwargs["out"] = value_of(out)
    return function(*value_of(tuple(args)), **kwargs)


class NumpyCalls:
    """The part of a tracer that NumPy's protocols lead to, from whichever thread."""

    over: bool  # the trace has ended
    thread: int
    call: Any
    split: Any
    find: Any
    known: Any
    constant: Any
    operand: Any
    result: Any
    results: Any
    stop: Any
    pin_all: Any
    later: Any
    watch: Any
    place: str

    @property
    def closed(self) -> bool:
        """Whether nothing is noted: the trace has ended, or another thread meets its stand-ins."""
        return self.over or get_ident() != self.thread

    def ufunc(self, ufunc: Any, method: str, inputs: Any, kwargs: Any) -> Any:
        """A universal function, perhaps writing into `out`."""
        out = kwargs.pop("out", None)
        if self.closed:
            return _dead(getattr(ufunc, method), inputs, kwargs, out)
        prim = ALIASES.get(ufunc) if method == "__call__" and not kwargs else None
        if prim is not None and _same_types(inputs):
            if self.watch.looks:
                y = self.watch.unseen(self.call, prim, typed(inputs), ())
            else:
                y = self.call(prim, typed(inputs), ())
            y = rounded(y, inputs)
        else:
            name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            y = self.numpy(f"numpy.{name}", getattr(ufunc, method), inputs, kwargs)
        return y if out is None else self.write(out[0], y)

    def function(self, function: Any, args: Any, kwargs: Any) -> Any:
        """A NumPy function; the few that write are known by name."""
        if self.closed:
            return _dead(function, args, kwargs, None)
        if function is np.copyto:
            return self.write(args[0], args[1])
        out = kwargs.pop("out", None)
        counts = function.__name__ in COUNTING
        if function.__name__ in _WRITERS or (counts and not self.pin_all((args, kwargs))):
            self.stop(f"numpy.{function.__name__}")
            return _dead(function, args, kwargs, out)
        if counts:
            return _dead(function, args, kwargs, out)
        space = function.__module__.removeprefix("numpy").lstrip(".")
        prefix = f"{space}." if space in ("linalg", "fft") else ""
        y = self.numpy(f"numpy.{prefix}{function.__name__}", function, args, kwargs)
        return y if out is None else self.write(out[0] if type(out) is tuple else out, y)

    def method(self, name: str, x: Traced, args: Any, kwargs: Any) -> Any:
        """A method of ndarray."""
        if self.closed:
            return _dead(getattr(x.value, name), args, kwargs, None)
        out = kwargs.pop("out", None)

        def call(x: Any, *args: Any, **kwargs: Any) -> Any:
            return getattr(x, name)(*args, **kwargs)

        if name == "compress" or (name == "__getitem__" and masks(args)):
            self.stop("the shape of what a mask selects depends on values")
        y = self.watch.unseen(self.numpy, f"method.{name}", call, (x, *args), kwargs)
        return y if out is None else self.write(out, y)

    def attribute(self, name: str, x: Traced) -> Any:
        """`T`, `mT`, `real`, `imag`."""
        if self.closed:
            return getattr(x.value, name)
        y = getattr(x.memory, name)
        return self.result(
            y, Node("method.__getattribute__", (x.read(),), ((Hole(0), name), {}), y.shape, y.dtype)
        )

    def numpy(self, op: str, function: Any, args: Any, kwargs: Any) -> Any:
        """Any other pure call of NumPy, kept with a template of its arguments."""
        nodes: list[Node] = []
        if op in ASKS:
            ASKS[op](self, args, kwargs)
        args, places = self.split(tuple(args), nodes, met := Met())
        kwargs, names = self.split(dict(kwargs), nodes, met)
        met.holes = len(nodes) > 1
        y = self.later.evaluated(op, (places, names), met, function, args, kwargs)
        if isinstance(y, (tuple, list)):
            return self.results(op, nodes, (places, names), y)
        y = y if type(y) is ndarray else np.asarray(y)
        where = self.place or line()
        return self.result(y, Node(op, nodes, (places, names), y.shape, y.dtype, where))

    # --- writes

    def write(self, target: Any, y: Any) -> Any:
        """Write a result into memory, broadcast and cast as NumPy would."""
        if type(target) is not Traced:
            self.later.settle()  # NumPy may read that memory unseen
            known = self.known(target)
            target = self.constant(target) if known is None else known
        y = y if type(y) is Traced else self.operand(np.asarray(y))
        node = y.read()
        self.later.copy(target, y)
        shape, dtype = target.memory.shape, target.memory.dtype
        if node.shape != shape or node.dtype != dtype:
            nodes = (target.read(), node)
            where = self.place or line()
            node = Node("numpy.written", nodes, ((Hole(0), Hole(1)), {}), shape, dtype, where)
        target.written(node)
        return target

    def set_item(self, x: Traced, key: Any, value: Any) -> None:
        """`x[key] = value`."""
        if self.closed:
            x.value[value_of(key)] = value_of(value)
            return
        part = x.memory[key] if not traced_in(key) else None
        if part is not None and type(part) is ndarray and np.may_share_memory(part, x.memory):
            view = self.result(part, x.read())
            view.version = -1
            self.write(view, value)
            return
        y = self.numpy("numpy.with_item", with_item, (x, key, value), {})
        self.write(x, y)
