"""Symbolic tensors: Tensors whose array is an `Expr`, so that user code builds expressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ...core import dtypes, shapes
from ...core.dispatch import ARRAYS, LATE, evaluate, result_type
from ...core.errors import fail, user_line
from ...core.holes import Hole, fill, has_hole
from ...core.operands import refuse_numbers
from ...core.overrides import plain_results
from ...core.primitive import REGISTRY, Elementwise, Primitive
from ...core.state import DEFAULTS
from ...core.tensor import Tensor
from .expressions import (
    CONSTANT,
    DETACH,
    OUTPUT,
    VARIABLE,
    Expr,
    constant,
    first_hole,
    make,
    variable,
)
from .text import text

PER_ELEMENT = frozenset(("where", "cast", "clone", "zero", "lerp", "addcmul", "addcdiv"))


class SymbolicError(RuntimeError):
    """What has no value yet was used as if it had one.

    >>> import rushlight as torch
    >>> (x,) = torch.sym.vars("x")
    >>> try:
    ...     bool(x > 0)
    ... except torch.sym.SymbolicError as error:
    ...     print(type(error).__name__)
    SymbolicError
    """


def _refuse(what: str) -> NoReturn:
    raise fail(
        SymbolicError,
        f"{what} needs the value of a symbolic expression, which has none yet",
        "symbolic differentiation cannot do Python control flow that depends on values (if, while,"
        " range, .item()): a formula has no branches",
        f"at {user_line()}",
        "choose with torch.where(condition, a, b), or differentiate with backward(), which follows"
        " the branch taken",
    )


def _refusing(what: str) -> Callable[..., NoReturn]:
    def refuse(self: Any, *_: Any, **__: Any) -> NoReturn:
        _refuse(what)

    return refuse


class Expression(Tensor):
    """A tensor that has a shape, a type and a formula, but no values.

    Made by `sym.var`; ops on it give further expressions.

    >>> import rushlight as torch
    >>> a = torch.sym.var("a", shape=(2, 3))
    >>> (a @ a.T).shape
    torch.Size([2, 2])
    """

    __slots__ = ()
    __torch_function__ = plain_results
    _array: Expr

    __bool__ = _refusing("if, while, and, or, not")
    __float__ = _refusing("float()")
    __int__ = _refusing("int()")
    __index__ = _refusing("range() or an index")
    __complex__ = _refusing("complex()")
    __contains__ = _refusing("in")
    __array__ = _refusing("NumPy")
    item = _refusing(".item()")
    tolist = _refusing(".tolist()")
    numpy = _refusing(".numpy()")

    def __iadd__(self, other: Any) -> Any:
        return self + other

    def __isub__(self, other: Any) -> Any:
        return self - other

    def __imul__(self, other: Any) -> Any:
        return self * other

    def __itruediv__(self, other: Any) -> Any:
        return self / other

    def __ipow__(self, other: Any) -> Any:
        return self**other

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise _in_place("x[...] = value")

    def __getattribute__(self, name: str) -> Any:
        if name.endswith("_") and not name.startswith("_") and name != "requires_grad_":
            raise _in_place(f".{name}()")
        return object.__getattribute__(self, name)

    def backward(self, *_: Any, **__: Any) -> NoReturn:
        raise fail(
            SymbolicError, "an expression has no .backward(): it has no values yet",
            "its gradient is an expression too: sym.grad(loss, [w])", f"at {user_line()}",
        )  # fmt: skip

    def detach(self) -> Any:
        x = self._array
        return wrap(make(DETACH, (x,), (), x.shape, x.dtype, user_line()))

    def clone(self, *, memory_format: Any = None) -> Any:
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        return text(self._array)

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self).__format__(spec)


def _in_place(what: str) -> BaseException:
    return fail(
        SymbolicError, f"{what} writes in place, and an expression has no memory to write to",
        "use the form that gives a new value (x = x + 1, torch.where, torch.cat)",
        f"at {user_line()}",
    )  # fmt: skip


def wrap(expr: Expr) -> Any:
    """The tensor around an expression; a number stays a number inside rules (see `unwrap`)."""
    result = Tensor.__new__(Expression)
    result._array = expr
    result._entry = None
    return result


def symbol(name: str, shape: Sequence[int] | None = None, dtype: Any = None) -> Expression:
    """A named variable as a tensor; see `rushlight.sym.var`."""
    if not isinstance(name, str) or not name:
        raise TypeError(f"a variable needs a name, not {name!r}")
    if isinstance(shape, int):
        shape = (shape,)
    kind = DEFAULTS.dtype if dtype is None else dtype
    if not isinstance(kind, dtypes.dtype):
        kind = dtypes.named(np.dtype(kind).name)
    return wrap(variable(name, None if shape is None else shapes.checked(shape), kind.numpy))


def apply(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """What an op gives on symbolic operands: the expression of its result(s)."""
    if prim.arity == 2:
        refuse_numbers(prim, inputs)
    args = tuple(_operand(x) for x in _promoted(prim, inputs))
    inside: list[Expr] = []
    params = _opened(params, len(args), inside)
    args += tuple(inside)
    line = user_line()
    try:
        shape, dtype = inferred(prim, args, params)
    except SymbolicError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        error.add_note(f"{prim.name} of {_shapes(args)} was written at {line}")
        raise
    base = make(prim.name, args, params, shape, dtype, line)
    if prim.outputs == 1:
        return wrap(base)
    return tuple(
        wrap(make(OUTPUT, (base,), (place,), one, kind, line))
        for place, (one, kind) in enumerate(zip(shape, dtype))
    )


ARRAYS[Expr] = apply


def _opened(params: Any, start: int, inside: list[Expr]) -> Any:
    """Parameters with a hole for each expression in them, which is added to `inside`."""
    if isinstance(params, Tensor) and isinstance(params._array, Expr):
        params = params._array
    if isinstance(params, Expr):
        inside.append(params)
        return Hole(start + len(inside) - 1)
    if isinstance(params, (tuple, list)) and type(params).__name__ != "Size":
        return type(params)(_opened(one, start, inside) for one in params)
    return params


def _reshape(self: Expr, *shape: Any) -> Expr:
    """An array of indices under another shape, as rules ask for it."""
    wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    return apply(REGISTRY["view"], (wrap(self),), (tuple(wanted),))._array


def _operator(name: str) -> Callable[[Expr, Any], Any]:
    """An operator for library code that computes with `tensor._array` itself."""

    def operator(self: Expr, *others: Any) -> Any:
        found = getattr(wrap(self), name)(*(wrap(x) if isinstance(x, Expr) else x for x in others))
        return found._array if isinstance(found, Tensor) else found

    return operator


def _equal(self: Expr, other: Any) -> Any:
    """Between expressions whether they are one; with numbers an expression, element by element."""
    if isinstance(other, (int, float, np.ndarray, np.generic)):
        return apply(REGISTRY["eq"], (wrap(self), other), ())._array
    return self is other


def _ufunc(self: Expr, *_: Any, **__: Any) -> NoReturn:
    _refuse("NumPy")


OPERATORS = (
    "add radd sub rsub mul rmul truediv rtruediv pow rpow matmul rmatmul lt le gt ge neg abs"
    " invert and or getitem"
).split()


def _equip() -> None:
    """What library code does with raw arrays, on expressions."""
    for name in OPERATORS:
        setattr(Expr, f"__{name}__", _operator(f"__{name}__"))
    table = {"reshape": _reshape, "__eq__": _equal, "__array_ufunc__": _ufunc,
             "__hash__": object.__hash__}  # fmt: skip
    for name, function in table.items():
        setattr(Expr, name, function)


_equip()


def _shapes(args: Sequence[Expr]) -> str:
    return " and ".join(
        (f"{x.name} " if x.op == VARIABLE else "") + f"{list(x.shape)}"
        for x in args if x.dtype.kind != "O"
    )  # fmt: skip


def _promoted(prim: Primitive, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    if prim.dtype == "first":
        return inputs
    common = result_type(*inputs)
    if prim.dtype == "float" and common.category < dtypes.FLOAT:
        common = DEFAULTS.dtype
    return tuple([_to(x, common) for x in inputs])


def _to(x: Any, wanted: dtypes.dtype) -> Any:
    if isinstance(x, Tensor):
        return x if x.dtype is wanted else LATE.cast(x, wanted)
    if isinstance(x, np.ndarray):
        return constant(x.astype(wanted.numpy))
    return constant(x, wanted.numpy)


def _operand(x: Any) -> Expr:
    if isinstance(x, Expr):
        return x
    if isinstance(x, Tensor):
        a = x._array
        return a if isinstance(a, Expr) else constant(np.array(a))
    return constant(x)


# --- Shapes and types of results


def stand_in(x: Expr) -> Any:
    """Values of an expression's shape and type that take (almost) no memory, to try an op on."""
    if x.op == CONSTANT and (isinstance(x.value, np.ndarray) or x.weak):
        return x.value
    return np.broadcast_to(np.ones((), x.dtype) if x.dtype.kind in "fc" else
                           np.zeros((), x.dtype), x.shape)  # fmt: skip


def inferred(prim: Primitive, args: tuple[Expr, ...], params: tuple[Any, ...]) -> tuple[Any, Any]:
    """The shape and dtype that the op would give; its own errors where operands do not fit."""
    rowwise = type(prim.rule) is Elementwise or (
        prim.rule is None and prim.dtype in ("compare", "promote", "float")
    )
    if any(x.open for x in args) and not (rowwise or prim.name in PER_ELEMENT):
        raise _without_shape(prim, args)
    if has_hole(params):
        count = prim.arity or first_hole(params)
        params = fill(params, [_index_like(x) for x in args])
        args = args[:count]
    if rowwise and prim.arity is not None and prim.outputs == 1:
        tries = _arrays_among([_single(x) for x in args], args)
        shape = shapes.broadcast(*(x.shape for x in args))
        return tuple(shape), np.asarray(evaluate(prim, tries, params)).dtype
    if (known := _of_product(prim, args)) is not None:
        return known
    found = _tried(prim, args, params)
    if prim.outputs == 1:
        array = np.asarray(found)
        return tuple(array.shape), array.dtype
    arrays = [np.asarray(one) for one in found]
    return tuple(tuple(one.shape) for one in arrays), tuple(one.dtype for one in arrays)


def _of_product(prim: Primitive, args: Sequence[Expr]) -> tuple[Any, Any] | None:
    """Shape and dtype of a product of two matrices that fit: large ones need not be tried."""
    if prim.name not in ("matmul", "bmm", "linear") or any(x.ndim != 2 for x in args):
        return None
    (rows, inner), weight = args[0].shape, args[1].shape
    facing, columns = weight[::-1] if prim.name == "linear" else weight
    fits = inner == facing and args[0].dtype == args[1].dtype
    return ((rows, columns), args[0].dtype) if fits else None


def _without_shape(prim: Primitive, args: Sequence[Expr]) -> BaseException:
    names = ", ".join(sorted(x.name for x in _open_variables(args)))
    return fail(
        SymbolicError, f"{prim.name} needs the shape of {names}, which was not given",
        "sym.var(name, shape=(...)) says it; without one only elementwise ops can be written",
        f"at {user_line()}",
    )  # fmt: skip


def _index_like(x: Expr) -> Any:
    return np.ascontiguousarray(stand_in(x))


def _single(x: Expr) -> Any:
    value = stand_in(x)
    return value if value is None or np.ndim(value) == 0 else np.ones((1,), x.dtype)


def _arrays_among(tries: list[Any], args: Sequence[Expr]) -> tuple[Any, ...]:
    """Numbers stay numbers beside an array; alone they are arrays of their own type."""
    if any(isinstance(t, np.ndarray) for t in tries):
        return tuple(tries)
    return tuple(t if t is None else np.asarray(t, x.dtype) for t, x in zip(tries, args))


def _tried(prim: Primitive, args: tuple[Expr, ...], params: tuple[Any, ...]) -> Any:
    tries = _arrays_among([stand_in(x) for x in args], args)
    try:
        return evaluate(prim, tries, params)
    except (RuntimeError, ValueError) as error:
        if "singular" not in str(error) and "positive" not in str(error):
            raise
    # a matrix of ones has no inverse; the identity has
    tries = tuple(
        np.broadcast_to(np.eye(*t.shape[-2:], dtype=t.dtype), t.shape)
        if np.ndim(t) > 1 and t.shape[-1] == t.shape[-2] else t
        for t in tries
    )  # fmt: skip
    return evaluate(prim, tries, params)


def _open_variables(args: Sequence[Expr]) -> set[Expr]:
    from_: list[Expr] = list(args)
    found = set()
    while from_:
        x = from_.pop()
        if x.op == VARIABLE and not x.params[1]:
            found.add(x)
        from_.extend(a for a in x.args if a.open)
    return found
