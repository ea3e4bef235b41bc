"""An array under tracing: a real value, and the node that computes it.

A `Traced` stands where a Tensor's ndarray would. It holds the real array, so shapes, strides and
aliasing are NumPy's own and the traced call computes what the eager call would; every operation on
it is carried out and noted. What would let a value escape unnoticed (`item()`, `bool`, a buffer)
ends the trace: the call goes on eagerly from there, and nothing wrong is ever compiled.

Memory is followed by *cells*. All arrays over one piece of memory share its cell; a write through
any of them gives the cell a new node, and the others read their region of it from then on.
"""

from __future__ import annotations

import weakref
from operator import attrgetter
from typing import Any

import numpy as np

from ...core.inplace import addresses, geometry
from ...core.primitive import REGISTRY
from ..middle.graph import Node, order

WORK: Any = 10_000  # how hard to look for a shared element
TORN = "two tensors share parts of the same memory"
_FORMS = frozenset((np.shape, np.ndim, np.size))  # functions that ask for no value


class Cell:
    """One piece of memory: the array that covers it, and the node of its present content.

    Memory that the call itself made goes when the last array over it does. `torn`: another input
    has a part of it and more (`x[:-1]` and `x[1:]`), so it may be read alone.
    """

    __slots__ = ("_held", "_weak", "node", "source", "torn", "version", "waits")

    def __init__(self, base: np.ndarray, node: Node, source: Any = None) -> None:
        self.node, self.source = node, source
        self.version = 0
        self.torn = False
        self.waits = False  # whether its present content is still to be computed
        self._held = self._weak = None
        if source is None and base.base is None:
            self._weak = weakref.ref(base)
        else:
            self._held = base

    @property
    def base(self) -> Any:
        """The array that covers it; None once the memory is gone."""
        return self._held if self._weak is None else self._weak()


class Traced:
    """A real array whose history is being noted; see the module's text.

    `memory` is that array, whose content may still be to come; `value` has it computed first.
    """

    __slots__ = ("__weakref__", "cell", "memory", "node", "tracer", "version")

    # rules and functions ask `isinstance(x, np.ndarray)` to tell raw arrays from Tensors
    __class__ = property(attrgetter("_stands_for"))
    _stands_for = np.ndarray
    __hash__ = object.__hash__
    __array_priority__ = 500
    absent = False  # as a value of the meta device is

    def __init__(self, tracer: Any, memory: np.ndarray, node: Node, cell: Cell) -> None:
        self.tracer, self.memory, self.node, self.cell = tracer, memory, node, cell
        self.version = cell.version

    @property
    def value(self) -> np.ndarray:
        """The array with its content."""
        if self.cell.waits:
            self.tracer.settle()
        return self.memory

    def read(self) -> Node:
        """The node of the present content, after whatever was written through other arrays."""
        cell = self.cell
        if self.version != cell.version:
            self.node = self._region()
            self.version = cell.version
        return self.node

    def _region(self) -> Node:
        """The node of the part of the cell's memory that the array covers."""
        cell, value = self.cell, self.memory
        if covers(value, cell.base):
            return cell.node
        base, node = self._as_seen(cell.base, cell.node)
        place = geometry(value, base)
        return Node("strided_view", (node,), place, value.shape, value.dtype, cell.node.line)

    def _as_seen(self, base: np.ndarray, node: Node) -> tuple[np.ndarray, Node]:
        """A cell's memory in the data type of this array: complex numbers are pairs too."""
        dtype = self.memory.dtype
        if dtype == base.dtype:
            return base, node
        if base.dtype.kind == "c" and dtype.kind == "f" and 2 * dtype.itemsize == base.itemsize:
            pairs = REGISTRY["view_as_real"].eval(base)
            return pairs, Node("view_as_real", (node,), (), pairs.shape, dtype, node.line)
        self.tracer.stop("memory is used as two data types")
        return base.view(np.uint8), node

    def written(self, node: Node) -> None:
        """Note that the memory now holds `node`'s value; the write itself is done."""
        cell, value = self.cell, self.memory
        base = cell.base
        if cell.torn:
            self.tracer.stop(TORN)
        if covers(value, base):
            cell.node = node
        else:
            base, before = self._as_seen(base, cell.node)
            place = geometry(value, base)
            new = Node("replace_region", (before, node), place, base.shape, base.dtype, node.line)
            cell.node = new if before is cell.node else _numbers(new, cell.base)
        cell.version += 1
        self.node, self.version = node, cell.version

    # --- what NumPy and the package ask of an array

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self.tracer.ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in _FORMS and args:
            return function(args[0].memory, *args[1:], **kwargs)
        return self.tracer.function(function, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in _METHODS:
            return lambda *args, **kwargs: self.tracer.method(name, self, args, kwargs)
        if name in _VIEWS:
            return self.tracer.attribute(name, self)
        if name in _ESCAPES:
            return lambda *args, **kwargs: getattr(self.escape(f".{name}()"), name)(*args, **kwargs)
        if name == "__array_interface__":
            return self.escape("NumPy").__array_interface__
        if name.startswith("__array"):
            raise AttributeError(name)
        return getattr(self.escape(f".{name}"), name)

    def escape(self, how: str) -> np.ndarray:
        """The real array, for a use that cannot be noted: the trace ends.

        A number that depends on nothing outside the call is the same in every run; another may
        be one that calls are asked for (`pinned.py`).
        """
        own = how in _COPIES and (self.tracer.closed or constant(self.read()))
        if not own and not (how in _VALUES and self.tracer.pin(self, how)):
            self.tracer.escape(how)
        return self.value

    def item(self, *place: Any) -> Any:
        """The only number, or what stands for it until the program has run."""
        found = None
        if not (place or self.tracer.closed or constant(self.read())):
            found = self.tracer.item(self)
        return self.escape(".item()").item(*place) if found is None else found

    def tolist(self) -> Any:
        """All numbers in lists, or what stands for them until the program has run."""
        found = None
        if not (self.tracer.closed or constant(self.read())):
            found = self.tracer.item_list(self)
        return self.escape(".tolist()").tolist() if found is None else found

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        value = self.escape("NumPy")
        return np.array(value, dtype=dtype, copy=copy)

    def __getitem__(self, key: Any) -> Any:
        return self.tracer.method("__getitem__", self, (key,), {})

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tracer.set_item(self, key, value)

    def fill(self, value: Any) -> None:
        """Every element the same number."""
        self.tracer.set_item(self, Ellipsis, value)

    def __len__(self) -> int:
        return len(self.memory)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self.memory)))

    def __bool__(self) -> bool:
        return bool(self.escape("bool()"))

    def __int__(self) -> int:
        return int(self.escape("int()"))

    def __float__(self) -> float:
        return float(self.escape("float()"))

    def __complex__(self) -> complex:
        return complex(self.escape("complex()"))

    def __index__(self) -> int:
        return self.escape("an index").__index__()

    def __repr__(self) -> str:
        return repr(self.escape("repr()"))

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()


_VALUES = frozenset(("bool()", "int()", "float()", ".item()", ".tolist()", "an index", "NumPy"))
_COPIES = _VALUES - {"NumPy"} | {"complex()", "repr()"}


def constant(node: Node) -> bool:
    """Whether a value is computed from nothing but the call's own numbers."""
    return all(x.op not in ("input", "draw", "numpy.called") for x in order([node]))


_FACTS = frozenset("shape dtype ndim size itemsize nbytes strides flags base ctypes".split())
_VIEWS = frozenset("T mT real imag flat".split()) - {"flat"}
_METHODS = frozenset(
    "sum mean prod max min any all argmax argmin cumsum cumprod std var ptp trace round clip"
    " reshape ravel flatten transpose swapaxes squeeze astype copy conj conjugate dot take repeat"
    " diagonal view searchsorted argsort choose compress".split()
)
_ESCAPES = frozenset(
    "tobytes nonzero sort partition put resize setflags itemset dump dumps tofile"
    " getfield setfield byteswap".split()
)


def covers(value: np.ndarray, base: np.ndarray) -> bool:
    """Whether an array is the whole of its cell's base, laid out alike."""
    return value is base or (
        value.shape == base.shape
        and value.strides == base.strides
        and value.dtype == base.dtype
        and value.__array_interface__["data"][0] == base.__array_interface__["data"][0]
    )


def overlap(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays share an element; also where that is too hard to say."""
    try:
        return np.shares_memory(a, b, WORK)
    except np.exceptions.TooHardError:
        return True


def inside(value: np.ndarray, base: np.ndarray) -> bool:
    """Whether an array within a base's bytes has only elements of it."""
    if base.flags.c_contiguous or base.flags.f_contiguous or covers(value, base):
        return True
    if not overlap(value, base):
        return False
    if value.itemsize != base.itemsize:  # numbers of pairs
        return True
    return bool(np.isin(addresses(value), addresses(base)).all())


def _numbers(pairs: Node, base: np.ndarray) -> Node:
    """Complex numbers of their pairs."""
    return Node("view_as_complex", (pairs,), (), base.shape, base.dtype, pairs.line)


_OPERATORS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
    "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "matmul": np.matmul,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "lshift": np.left_shift,
    "rshift": np.right_shift,
}  # fmt: skip
_COMPARISONS = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "eq": np.equal, "ne": np.not_equal,
}  # fmt: skip
_SIGNS = {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}


def _attach() -> None:
    """Facts about the array; Python's operators as NumPy's functions; in place they write."""
    for name in _FACTS:
        setattr(Traced, name, property(attrgetter(f"memory.{name}")))

    def forward(ufunc: Any) -> Any:
        return lambda self, other: self.tracer.ufunc(ufunc, "__call__", (self, other), {})

    def backward(ufunc: Any) -> Any:
        return lambda self, other: self.tracer.ufunc(ufunc, "__call__", (other, self), {})

    def in_place(ufunc: Any) -> Any:
        return lambda self, other: self.tracer.ufunc(
            ufunc, "__call__", (self, other), {"out": (self,)}
        )

    def sign(ufunc: Any) -> Any:
        return lambda self: self.tracer.ufunc(ufunc, "__call__", (self,), {})

    for name, ufunc in _OPERATORS.items():
        setattr(Traced, f"__{name}__", forward(ufunc))
        setattr(Traced, f"__r{name}__", backward(ufunc))
        setattr(Traced, f"__i{name}__", in_place(ufunc))
    for name, ufunc in _COMPARISONS.items():
        setattr(Traced, f"__{name}__", forward(ufunc))
    for name, ufunc in _SIGNS.items():
        setattr(Traced, f"__{name}__", sign(ufunc))


_attach()

# NumPy functions that are ops of the registry, under the registry's names.
UFUNCS = {
    np.add: "add", np.subtract: "sub", np.multiply: "mul", np.true_divide: "div",
    np.negative: "neg", np.absolute: "abs", np.exp: "exp", np.log: "log", np.sqrt: "sqrt",
    np.sin: "sin", np.cos: "cos", np.maximum: "maximum", np.minimum: "minimum",
    np.less: "lt", np.less_equal: "le", np.greater: "gt", np.greater_equal: "ge",
    np.equal: "eq", np.not_equal: "ne", np.matmul: "matmul", np.logical_not: "logical_not",
    np.logical_and: "logical_and", np.logical_or: "logical_or",
}  # fmt: skip
ALIASES = {ufunc: REGISTRY.get(name) for ufunc, name in UFUNCS.items()}


def traced_in(template: Any) -> list[Traced]:
    """Every traced array in nested arguments."""
    kind = type(template)
    if kind is Traced:
        return [template]
    if kind is dict:
        template = list(template.values())
    elif kind is not tuple and kind is not list:
        return []
    return [x for part in template for x in traced_in(part)]
