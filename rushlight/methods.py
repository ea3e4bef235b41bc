"""One table: the methods and operators of Tensor, and the function behind each."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from . import functions
from .autograd import graph
from .autograd.backward import tensor_backward
from .contents import METHODS
from .core import calls, dtypes, elsewhere, inplace, numbers
from .core.dispatch import named, scalar_type_name, wrap_array
from .core.errors import say_what_is_discarded
from .core.gates import publish, spelled, subclass_made
from .core.inference import guard_writes as _guard_writes
from .core.limits import finfo, iinfo
from .core.names import Later
from .core.shapes import Size
from .core.tensor import EAGER_TYPES, Tensor
from .functions import indexing, protocol, typed
from .functions.arguments import misfit, reordered
from .functions.examples import attach, described
from .functions.layouts import in_format
from .ops import compare, contract, elementwise, structure

Function = Callable[..., Any]

# Functions of `rushlight.functions` that are methods under their own name.
SAME_NAME = """
abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr adjoint all allclose amax amin
aminmax angle any arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort
argwhere as_strided as_strided_scatter asin asinh atan atan2 atanh baddbmm bernoulli bincount
bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor bmm
broadcast_to ceil cholesky cholesky_inverse cholesky_solve chunk clamp clamp_max clamp_min clip
clone conj conj_physical copysign corrcoef cos cosh count_nonzero cov cross cummax cummin cumprod
cumsum deg2rad det diag diag_embed diagflat diagonal diagonal_scatter diff digamma dist div divide
dot dsplit eig eq equal erf erfc erfinv exp exp2 expand expand_as expm1 fix flatten flip fliplr
flipud float_power floor floor_divide fmax fmin fmod frac frexp gather gcd ge geqrf ger greater
greater_equal gt heaviside histc histogram hsplit hypot i0 igamma igammac index_add index_copy
index_fill index_put index_reduce index_select inner inverse is_conj is_neg is_nonzero is_same_size
isclose isfinite isinf isnan isneginf isposinf isreal kron kthvalue lcm ldexp le lerp less
less_equal lgamma log log10 log1p log2 log_softmax logaddexp logaddexp2 logcumsumexp logdet
logical_and logical_not logical_or logical_xor logit logsumexp lstsq lt lu lu_solve masked_fill
masked_scatter masked_select matmul matrix_exp matrix_power max maximum mean median min minimum mm
mode moveaxis movedim msort mul multinomial multiply mv mvlgamma nan_to_num nanmean nanmedian
nanquantile nansum narrow narrow_copy ne neg negative nextafter nonzero norm not_equal orgqr ormqr
outer permute pinverse positive pow prod put qr quantile rad2deg ravel reciprocal relu remainder
renorm repeat_interleave reshape reshape_as resolve_conj resolve_neg roll rot90 round rsqrt rsub
scatter scatter_add scatter_reduce select select_scatter sgn sigmoid sign signbit sin sinc sinh
slice_scatter slogdet smm softmax solve sort split_with_sizes sqrt square squeeze sspaddmm std sub
subtract sum svd swapaxes swapdims symeig t take take_along_dim tan tanh tensor_split tile topk
trace transpose triangular_solve tril triu true_divide trunc unbind unflatten unique
unique_consecutive unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze var vdot view view_as
vsplit xlogy
""".split()

# In-place twins made from the function of the same name (with a trailing underscore).
IN_PLACE = """
abs absolute acos acosh addbmm addcdiv addcmul addmm addmv addr arccos arccosh arcsin arcsinh arctan
arctan2 arctanh asin asinh atan atan2 atanh baddbmm bitwise_and bitwise_left_shift bitwise_not
bitwise_or bitwise_right_shift bitwise_xor ceil clamp clamp_max clamp_min clip copysign cos cosh
cumprod cumsum deg2rad digamma div divide erf erfc erfinv exp exp2 expm1 fix floor
floor_divide fmod frac gcd heaviside hypot i0 igamma igammac lcm ldexp lerp lgamma log log10 log1p
log2 logit multiply mvlgamma nan_to_num neg negative nextafter pow rad2deg reciprocal relu remainder
renorm round rsqrt sgn sigmoid sign sin sinc sinh sqrt square subtract tan tanh true_divide trunc
xlogy
""".split()

_OF_SIGNALS = ("istft", "nonzero_static", "stft")


# Reflected operators that torch has in C: called from the class, they take nothing but tensors.
_IN_C = ("__radd__", "__rmul__", "__rand__", "__ror__", "__rxor__")


def _reflected(op: Function, name: str) -> Function:
    """A binary operator method seen from its right side; foreign operands are left to theirs."""
    anything = name not in _IN_C

    def operator(self: Tensor, other: Any) -> Any:
        if not (type(self) in EAGER_TYPES or anything or isinstance(self, Tensor)):
            raise TypeError(
                f"descriptor '{name}' for 'torch._C.TensorBase' objects doesn't apply to a"
                f" '{type(self).__name__}' object"
            )
        if type(other) not in calls.NUMBERS and not calls.is_operand(other):
            return NotImplemented
        return op(other, self) if anything else op(self, other)

    operator.primitive = op.primitive
    return operator


def _or_theirs(twin: Function) -> Function:
    """The operator (`+=`) of an in-place twin, which leaves foreign operands to theirs."""

    @functools.wraps(twin)
    def operator(self: Tensor, other: Any) -> Any:
        if type(other) not in calls.NUMBERS and not calls.is_operand(other):
            return NotImplemented
        return twin(self, other)

    return operator


def _taken_from(self: Tensor, other: Any) -> Any:
    if type(other) in (int, float) and self.dtype.is_floating_point:
        return elementwise.take_from(self, other)
    if not calls.is_operand(other):
        return NotImplemented
    y = elementwise.sub(other, self)
    return named(y, "RsubBackward0") if isinstance(y, Tensor) else y


def _divided_into(self: Tensor, other: Any) -> Any:
    if not calls.is_operand(other):
        return NotImplemented
    if type(other) in (int, float) and other == 1:
        return named(elementwise.div(other, self), "MulBackward0")
    return elementwise.mul(self.reciprocal(), other)  # torch's two steps, bit by bit


def _positive(self: Tensor) -> Tensor:
    return functions.positive(self)


def _inverted(self: Tensor) -> Tensor:
    if self.dtype.category > dtypes.INTEGER:
        raise TypeError(
            "~ (operator.invert) is only implemented on integer and Boolean-type tensors"
        )
    return compare.bitwise_not(self)


def _comparison(op: Function) -> Function:
    def operator(self: Tensor, other: Any) -> Any:
        if type(other) in EAGER_TYPES or isinstance(
            other, (Tensor, int, float, complex, np.ndarray, np.generic)
        ):
            return op(self, other)
        return NotImplemented

    return operator


def _scaled_in_place(name: str) -> Function:
    """`add_` and `sub_`: the fast path, unless `alpha` scales the operand."""
    op, ufunc = getattr(functions, name), np.add if name == "add" else np.subtract
    fast = inplace.in_place_ufunc(getattr(elementwise, name), ufunc)
    slow = inplace.scaled(inplace.in_place(op), 1 if name == "add" else -1)

    def twin(self: Tensor, other: Any, *late: Any, alpha: Any = 1) -> Tensor:
        if late:
            other, alpha = reordered(name, "alpha", (other, *late))
        plain = type(alpha) is int and alpha == 1
        return fast(self, other) if plain else slow(self, other, alpha=alpha)

    twin.__doc__ = inplace.DOCUMENTED.format(name=op.__name__)
    return attach(f"{name}_", twin)


def copy_(self: Tensor, other: Tensor, non_blocking: bool = False) -> Tensor:
    """Overwrite with the values of `other`, broadcast and cast.

    Raises: RuntimeError where `other` does not broadcast to this shape, and for a leaf that
    requires grad while gradients are recorded.

    >>> import rushlight as torch
    >>> torch.zeros(2, 2).copy_(torch.tensor([1, 2]))
    tensor([[1., 2.],
            [1., 2.]])
    """
    inplace.refuse_leaf(self)
    if self._base is not None or getattr(other, "_base", None) is self:
        inplace.refuse_overlap(self, (other,))
    if not isinstance(other, Tensor):
        if not isinstance(other, (bool, int, float, complex, np.generic)):
            raise misfit("copy_", "other", 1, "Tensor", other)
        other = wrap_array(np.asarray(other))
    if other._array.shape != self._array.shape:
        inplace.refuse_larger(self, other)
    if not inplace.recording(self, (other,)):
        if other._array.dtype.kind == "c" != self._array.dtype.kind != "b":
            say_what_is_discarded()
        return inplace.write(self, other._array)
    if self.device is not other.device:
        other = _on(other, self.device.type == "meta")
    value = structure.cast(other, self.dtype)
    return inplace.store(self, structure.overwrite(inplace.shadow(self), value))


def split(self: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of equal (or the given) lengths along a dimension; the last may be shorter.

    >>> import rushlight as torch
    >>> torch.arange(5).split(2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    >>> torch.arange(5).split([1, 4])
    (tensor([0]), tensor([1, 2, 3, 4]))
    """
    return functions.split(self, split_size, dim)


def fill_(self: Tensor, value: Any) -> Tensor:
    """Overwrite with one number.

    >>> import rushlight as torch
    >>> torch.zeros(2).fill_(7)
    tensor([7., 7.])
    """
    inplace.refuse_leaf(self)
    if not isinstance(value, Tensor):
        value = numbers.held(value, self._array.dtype)
    elif value._array.ndim:
        raise RuntimeError(
            "fill_ only supports 0-dimension value tensor but got tensor with"
            f" {value._array.ndim} dimensions."
        )
    if not inplace.recording(self, (value,)):
        return inplace.write(self, value._array if isinstance(value, Tensor) else value)
    value = value if isinstance(value, Tensor) else wrap_array(np.asarray(value, self._array.dtype))
    return inplace.store(
        self, structure.fill(inplace.shadow(self), structure.cast(value, self.dtype))
    )


def zero_(self: Tensor) -> Tensor:
    """Overwrite with zeros.

    >>> import rushlight as torch
    >>> torch.ones(2).zero_()
    tensor([0., 0.])
    """
    inplace.refuse_leaf(self)
    if not inplace.recording(self, ()):
        return inplace.write(self, 0)
    return inplace.store(self, structure.zero(self))


def to(self: Tensor, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False,
       copy: bool = False, memory_format: Any = None) -> Tensor:  # fmt: skip
    """The tensor with another type or on another device; itself where nothing changes.

    `x.to(torch.float64)`, `x.to("cpu")`, `x.to(other)` and both together by name.

    >>> import rushlight as torch
    >>> x = torch.tensor([1, 2])
    >>> x.to(torch.float64), x.to("cpu") is x
    (tensor([1., 2.], dtype=torch.float64), True)
    """
    flags = [value for value in args if isinstance(value, bool)]
    copy = flags[1] if len(flags) > 1 else copy  # the first is `non_blocking`
    for value in args:
        if isinstance(value, Tensor):
            dtype = value.dtype
        elif isinstance(value, dtypes.dtype):
            dtype = value
        elif isinstance(value, (str, dtypes.device, int)) and not isinstance(value, bool):
            device = value
        elif type(value) is type:
            dtype = value
    if device is None and args and isinstance(args[0], Tensor):
        device = args[0].device
    if device is not None:
        self = _on(self, elsewhere.absent(device))
    if dtype is not None and dtype is not self.dtype:
        self, copy = structure.cast(self, dtypes.said(dtype)), False
    if memory_format is not None:
        return in_format(self, memory_format, copy, "ToCopyBackward0")
    return named(structure.clone(self), "ToCopyBackward0") if copy else self


def _on(x: Tensor, absent: bool) -> Tensor:
    """The tensor with or without values, if it can be had so."""
    if absent is (x.device.type == "meta"):
        return x
    if not absent:
        raise elsewhere.meta().no_data()
    return elsewhere.meta().moved(x)


def _caster(kind: dtypes.dtype) -> Function:
    def convert(self: Tensor, memory_format: Any = None) -> Tensor:
        cast = structure.cast(self, kind)
        return cast if memory_format is None else in_format(
            cast, memory_format, node="ToCopyBackward0"
        )  # fmt: skip

    convert.__doc__ = f"The values as {kind!r}."
    return convert


def type_(
    self: Tensor, dtype: Any = None, non_blocking: bool = False, *, memory_format: Any = None
) -> Any:
    """Without argument torch's type string; with one the tensor as that type.

    >>> import rushlight as torch
    >>> x = torch.tensor([1.5])
    >>> x.type(), x.type(torch.int64), x.type("torch.DoubleTensor").dtype
    ('torch.FloatTensor', tensor([1]), torch.float64)
    """
    if dtype is None:
        home = "torch.meta" if self.device.type == "meta" else "torch"
        return f"{home}.{scalar_type_name(self.dtype)}Tensor"
    return to(self, typed.asked(dtype), memory_format=memory_format)


def _transposed(self: Tensor) -> Tensor:
    ndim = self._array.ndim
    if ndim != 2 and _REVERSING.get(ndim != 0):
        warnings.warn(_REVERSING.pop(ndim != 0), stacklevel=2)
    return structure.permute(self, tuple(reversed(range(ndim))))


# torch's warnings about `.T`, for no dimension and for others than two: each once in a process
_REVERSING = {
    False: "Tensor.T is deprecated on 0-D tensors. This function is the identity in these cases.",
    True: "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is"
    " deprecated and it will throw an error in a future release. Consider `x.mT` to transpose"
    " batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the"
    " dimensions of a tensor.",
}


def _matrix_transposed(self: Tensor) -> Tensor:
    ndim = self._array.ndim
    if ndim == 1:
        raise RuntimeError(
            "tensor.mT is only supported on matrices or batches of matrices. Got 1-D tensor."
        )
    return structure.transpose(self, ndim - 2, ndim - 1) if ndim else structure.permute(self, ())


def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """Itself if row-major (or in the memory format asked for), else a copy that is so.

    >>> import rushlight as torch
    >>> x = torch.arange(4).view(2, 2)
    >>> x.contiguous() is x, x.t().contiguous().stride()
    (True, (2, 1))
    """
    return structure.contiguous(self) if memory_format is None else in_format(self, memory_format)


def where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """`torch.where(condition, self, other)`.

    >>> import rushlight as torch
    >>> x = torch.tensor([1, 2, 3])
    >>> x.where(x > 1, 0)
    tensor([0, 2, 3])
    """
    return functions.where(condition, self, other)


def _later(name: str) -> Later:
    """The function of that name, looked up when somebody asks for the method."""
    return _made(name, lambda: getattr(functions, name))


def _made(name: str, make: Callable[[], Any]) -> Later:
    return Later(Tensor, name, lambda: publish(make(), "rushlight", name, Tensor))


def _listed(home: str, name: str) -> Later:
    """A method from the table of a module that loads when somebody asks."""

    def make() -> Any:
        method = importlib.import_module(f"rushlight.functions.{home}").METHODS[name]
        return attach(name, method)

    return _made(name, make)


def _twin(name: str) -> Later:
    def make() -> Function:
        return attach(f"{name}_", inplace.in_place(spelled(getattr(functions, name), name)))

    return _made(f"{name}_", make)


def hardshrink(self: Tensor, lambd: float = 0.5) -> Tensor:
    """`torch.hardshrink(self, lambd)`.

    >>> import rushlight as torch
    >>> torch.tensor([-1.0, 0.3, 1.0]).hardshrink(0.5)
    tensor([-1.,  0.,  1.])
    """
    return importlib.import_module("rushlight.functions.neural").hardshrink(self, float(lambd))


def operators() -> dict[str, Any]:
    """Python's operators: the op callables themselves."""
    e, c = elementwise, compare
    table: dict[str, Any] = {}
    pairs = {"add": e.add, "sub": e.sub, "mul": e.mul, "truediv": e.div, "pow": e.pow,
             "mod": e.remainder, "floordiv": e.floor_divide, "matmul": contract.matmul,
             "and": c.bitwise_and, "or": c.bitwise_or, "xor": c.bitwise_xor,
             "lshift": c.bitwise_left_shift, "rshift": c.bitwise_right_shift}  # fmt: skip
    for name, op in pairs.items():
        table[f"__{name}__"] = calls.make_operator(op)
        table[f"__r{name}__"] = _reflected(op, f"__r{name}__")
    table["__rsub__"], table["__rtruediv__"] = _taken_from, _divided_into
    fast = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide}
    for name, op in pairs.items():
        twin = _or_theirs(inplace.in_place(op))
        twin = inplace.in_place_ufunc(op, fast[name], twin) if name in fast else twin
        if name != "matmul":
            table[f"__i{name}__"] = twin
    table.update({f"__{n}__": calls.make_operator(getattr(c, n)) for n in ("lt", "le", "gt", "ge")})
    table["__rdiv__"] = table["__rtruediv__"]
    table["__eq__"], table["__ne__"] = _comparison(c.eq), _comparison(c.ne)
    table.update(__neg__=e.neg, __pos__=_positive, __abs__=e.abs, __invert__=_inverted,
                 __getitem__=indexing.getitem, __setitem__=indexing.setitem)  # fmt: skip
    return table


def methods() -> dict[str, Any]:
    """All named methods and properties."""
    table: dict[str, Any] = {name: _later(name) for name in (*SAME_NAME, *_OF_SIGNALS)}
    table.update({f"{name}_": _twin(name) for name in IN_PLACE})
    own = operators()
    table["mul_"] = inplace.in_place_ufunc(elementwise.mul, np.multiply)
    for name in ("add", "sub"):
        table[f"{name}_"] = _made(f"{name}_", functools.partial(_scaled_in_place, name))
    table.update(
        copy_=copy_, fill_=fill_, zero_=zero_, to=to, type=type_, contiguous=contiguous,
        split=split, where=where_method, backward=tensor_backward,
        register_hook=graph.register_hook, retain_grad=graph.retain_grad,
        register_post_accumulate_grad_hook=graph.register_post_accumulate_grad_hook,
        T=property(_transposed), mT=property(_matrix_transposed), H=property(_matrix_transposed),
        cuda=lambda self, device=None, non_blocking=False, memory_format=None: to(self, "cuda"),
        retains_grad=property(lambda self: self._retained),
        is_floating_point=lambda self: self.dtype.is_floating_point,
        is_complex=lambda self: self.dtype.is_complex, is_signed=lambda self: self.dtype.is_signed,
        type_as=lambda self, other: to(self, other.dtype), get_device=lambda self: -1,
        is_cuda=property(lambda self: False), is_sparse=property(lambda self: False),
        is_quantized=property(lambda self: False),
    )  # fmt: skip
    for name in "float double half short int long chalf cfloat cdouble bool bfloat16".split():
        table[name] = _caster(dtypes.named(name))
    table["byte"], table["char"] = _caster(dtypes.uint8), _caster(dtypes.int8)
    listed = {
        name: _listed(home, name) for home, names in METHODS.items() for name in names.split()
    }
    return {**table, **own, **_LATER, **listed}


_LATER: dict[str, Any] = {
    "is_pinned": lambda self, *_, **__: False,
    **{f"is_{kind}": property(lambda self: False) for kind in (
        "ipu", "maia", "mkldnn", "mps", "mtia", "nested", "sparse_csr", "vulkan", "xla", "xpu")},
    "cpu": lambda self, memory_format=None: to(self, "cpu"),
    "is_cpu": property(lambda self: self.device.type == "cpu"),
    "is_meta": property(lambda self: self.device.type == "meta"),
    "name": property(lambda self: None), "output_nr": property(lambda self: 0),
    "volatile": property(lambda self: False),
    "to_dense": lambda self, dtype=None, *, masked_grad=None: (
        self if dtype is None else to(self, dtype)),
    "dense_dim": lambda self: self._array.ndim, "sparse_dim": lambda self: 0,
    "is_distributed": lambda self: False, "hardshrink": hardshrink,
}  # fmt: skip


def install() -> None:
    """Attach all of it to Tensor."""
    for name, function in described(methods()).items():
        setattr(Tensor, name, function)
    Tensor.__init_subclass__ = classmethod(_init_subclass)  # type: ignore[assignment]  # a class's hook


def _init_subclass(cls: Any, **kwargs: Any) -> None:
    super(Tensor, cls).__init_subclass__(**kwargs)
    subclass_made(cls)


install()
for _kind in (Tensor, Size, dtypes.dtype, dtypes.device, dtypes.layout, dtypes.memory_format,
              finfo, iinfo):  # fmt: skip
    _kind.__module__ = "rushlight"  # as users know them: `print(type(x))`
assert protocol
_guard_writes()
