"""Parameter and Buffer, the tensors a module registers, and their uninitialised forms."""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Any

import rushlight as rl

from ..core.errors import fail, is_ours
from ..core.overrides import plain_results
from ..core.tape import LEAF
from ..core.tensor import Tensor, hung_on, register_eager_type

__all__ = [
    "Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter",
    "UninitializedTensorMixin", "is_lazy",
]  # fmt: skip


class _ParameterMeta(type):
    """A tensor of another subclass that was wrapped by Parameter counts as one."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if type.__instancecheck__(cls, instance):
            return True
        return (
            cls is Parameter
            and isinstance(instance, Tensor)
            and getattr(instance, "_is_param", False)
        )


def _rebuild_parameter(data: Any, requires_grad: bool, backward_hooks: Any) -> Parameter:
    """What a pickled parameter calls."""
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(
    data: Any, requires_grad: bool, backward_hooks: Any, state: dict
) -> Parameter:
    """What a pickled parameter with attributes of its own calls."""
    param = Parameter(data, requires_grad)
    param.__dict__.update(state)
    return param


@register_eager_type
class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that a module registers when it is assigned to an attribute, and that is trained.

    data: a tensor, whose memory is shared. requires_grad: True by default.

    >>> import rushlight as torch
    >>> torch.nn.Parameter(torch.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()
    __torch_function__ = plain_results

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        if data is None:
            data = rl.empty(0)
        if type(data) is not Tensor and not issubclass(type(data), Parameter):
            # Another subclass keeps its own type and is marked instead.
            marked = data.detach().requires_grad_(requires_grad)
            if type(marked) is not Tensor:
                marked._is_param = True
                return marked
            data = marked
        _check_differentiable(data, requires_grad)
        return _share(cls, data, requires_grad)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Everything happens in __new__, whose arguments subclasses choose."""

    def __deepcopy__(self, memo: dict) -> Any:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.data.clone(), self.requires_grad)
        return memo[id(self)]

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, protocol: Any) -> tuple:
        state = hung_on(self)
        data = (self.data, self.requires_grad, OrderedDict())
        if state:
            return _rebuild_parameter_with_state, (*data, state)
        return _rebuild_parameter, data


def _check_differentiable(data: Any, requires_grad: bool) -> None:
    if requires_grad and not (data.is_floating_point() or data.is_complex()):
        raise fail(
            RuntimeError,
            "Only Tensors of floating point and complex dtype can require gradients",
            f"the data is {data.dtype}: pass requires_grad=False or convert it with .float()",
        )


def _share(kind: type, data: Any, requires_grad: bool) -> Any:
    """A leaf of type `kind` over the memory of `data`."""
    plain = data.detach()
    result = object.__new__(kind)
    result._array = plain._array
    result._entry = LEAF if requires_grad else None
    return result


class _BufferMeta(type):
    """A Buffer is a plain Tensor with a mark."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if cls is Buffer:
            return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)
        return type.__instancecheck__(cls, instance)


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that a module registers as a buffer when it is assigned to an attribute.

    data: a tensor, whose memory is shared. persistent: whether state_dict holds it.

    >>> import rushlight as torch
    >>> layer = torch.nn.Module()
    >>> layer.count = torch.nn.Buffer(torch.zeros(1))
    >>> list(layer.state_dict())
    ['count']
    """

    __slots__ = ()

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        if data is None:
            data = rl.empty(0)
        marked = data.detach().requires_grad_(data.requires_grad)
        marked.persistent = persistent
        marked._is_buffer = True
        return marked


_held_array = Tensor.__dict__["_array"]  # the slot itself, below the guard of the lazy kinds
_GUARD = (
    "This error happens when you are using a `LazyModule` or explicitly manipulating "
    "`torch.nn.parameter.{}` objects. When using LazyModules Call `forward` with a dummy batch to "
    "initialize the parameters before calling torch functions"
)
_NO_SHAPE = (
    "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
    "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. "
    "Call `forward` to initialize the parameters before accessing their attributes."
)


def _calling_name() -> str:
    """The function of rushlight that the user called, for the message of the guard."""
    frame: Any = sys._getframe(2)
    called, name = frame, frame.f_code.co_name
    while frame is not None and is_ours(frame):
        called, name = frame, getattr(frame.f_locals.get("prim"), "name", None)
        frame = frame.f_back
    methods = ((key, getattr(found, "fget", found)) for key, found in vars(Tensor).items())
    return name or next((key for key, f in methods if _runs(f, called)), called.f_code.co_name)


def _runs(function: Any, frame: Any) -> bool:
    """Whether the frame runs this very function: the same code over the same closure."""
    code = frame.f_code
    cells = zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=False)
    return getattr(function, "__code__", None) is code and all(
        frame.f_locals.get(key) is cell.cell_contents for key, cell in cells
    )


class UninitializedTensorMixin:
    """A tensor whose shape is not known yet: only its dtype, device and `materialize` work.

    >>> import rushlight as torch
    >>> from rushlight.nn.parameter import UninitializedTensorMixin
    >>> layer = torch.nn.LazyLinear(2)
    >>> isinstance(layer.weight, UninitializedTensorMixin)
    True
    >>> layer.weight.materialize((2, 3))
    >>> layer.weight.shape
    torch.Size([2, 3])
    """

    __slots__ = ()
    cls_to_become: Any = None
    _entry: Any

    @property
    def _array(self) -> Any:
        raise ValueError(
            f"Attempted to use an uninitialized parameter in <method {_calling_name()!r} of "
            "'torch._C.TensorBase' objects>. " + _GUARD.format(type(self).__name__)
        )

    @_array.setter
    def _array(self, array: Any) -> None:
        _held_array.__set__(self, array)

    @property
    def shape(self) -> Any:
        raise RuntimeError(_NO_SHAPE)

    @property
    def dtype(self) -> Any:
        return self.data.dtype

    @property
    def data(self) -> Any:
        """An empty tensor, so that `weight.data.normal_()` is harmless before the first call."""
        empty = object.__new__(Tensor)
        empty._array = _held_array.__get__(self)
        empty._entry = None
        return empty

    @data.setter
    def data(self, value: Any) -> None:
        held = value.data if is_lazy(value) else value
        _held_array.__set__(self, held._array)

    def is_floating_point(self) -> bool:
        return self.data.is_floating_point()

    def is_complex(self) -> bool:
        return self.data.is_complex()

    def size(self, *args: Any) -> Any:
        raise RuntimeError(_NO_SHAPE)

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Change dtype or device ahead of materialisation."""
        return self._like(self.data.to(*args, **kwargs))

    def _like(self, data: Any) -> Any:
        other = object.__new__(type(self))
        other._entry = self._entry
        _held_array.__set__(other, data._array)
        return other

    def cpu(self) -> Any:
        return self

    def cuda(self, *args: Any, **kwargs: Any) -> Any:
        return self._like(self.data.cuda(*args, **kwargs))

    def type(self, *args: Any) -> Any:
        return self._like(self.data.type(*args))

    def share_memory_(self) -> Any:
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to "
            "initialize the parameters before calling `module.share_memory()`."
        )

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become the ordinary kind of tensor, with `shape` and undefined values."""
        dtype = self.data.dtype if dtype is None else dtype
        data = rl.empty(shape, device=device, dtype=dtype)
        self.__class__ = self.cls_to_become
        self._array = data._array

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict) -> Any:
        if id(self) not in memo:
            memo[id(self)] = self._like(self.data.clone())
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple:
        requires_grad = self._entry is not None
        return _rebuild_uninitialized, (type(self), requires_grad, self.data)


_CASTS = {"half": "float16", "char": "int8", "short": "int16", "int": "int32", "long": "int64"}
for _name in ("half", "float", "double", "bfloat16", "char", "short", "int", "long"):

    def _cast(self: Any, _name: str = _CASTS.get(_name, _name)) -> Any:
        return self.to(getattr(rl, _name))

    setattr(UninitializedTensorMixin, _name, _cast)
# What torch answers for any tensor, with or without a shape.
for _name in "device layout is_meta is_cuda is_sparse is_quantized itemsize".split():
    _answer = property(lambda self, _name=_name: getattr(self.data, _name))
    setattr(UninitializedTensorMixin, _name, _answer)


def _rebuild_uninitialized(kind: type, requires_grad: bool, data: Any) -> Any:
    """What a pickled uninitialised tensor calls."""
    fresh = object.__new__(kind)
    fresh._entry = LEAF if requires_grad else None
    _held_array.__set__(fresh, data._array)
    return fresh


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter whose shape the first forward of a lazy module decides.

    Asking for its shape, or computing with it, raises RuntimeError; `materialize(shape)` gives it
    one.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.parameter.UninitializedParameter.html

    >>> import rushlight as torch
    >>> layer = torch.nn.LazyLinear(3)
    >>> type(layer.weight).__name__
    'UninitializedParameter'
    >>> y = layer(torch.zeros(1, 2))
    >>> type(layer.weight).__name__, layer.weight.shape
    ('Parameter', torch.Size([3, 2]))
    """

    __slots__ = ()
    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        data = rl.empty(0, device=device, dtype=dtype)
        return _rebuild_uninitialized(cls, requires_grad, data)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Everything happens in __new__."""


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer whose shape the first forward of a lazy module decides.

    Asking for its shape, or computing with it, raises RuntimeError; `materialize(shape)` gives it
    one; see UninitializedParameter.

    >>> import rushlight as torch
    >>> norm = torch.nn.LazyBatchNorm1d()
    >>> type(norm.running_mean).__name__
    'UninitializedBuffer'
    """

    __slots__ = ()
    __torch_function__ = plain_results
    cls_to_become = Tensor

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None,
        persistent: bool = True,
    ) -> Any:  # fmt: skip
        data = rl.empty(0, device=device, dtype=dtype)
        fresh = _rebuild_uninitialized(cls, requires_grad, data)
        fresh._is_buffer = True
        fresh.persistent = persistent
        return fresh

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Everything happens in __new__."""


def is_lazy(tensor: Any) -> bool:
    """Whether a tensor has no shape yet.

    >>> import rushlight as torch
    >>> from rushlight.nn.parameter import is_lazy
    >>> is_lazy(torch.nn.LazyLinear(2).weight), is_lazy(torch.nn.Linear(1, 2).weight)
    (True, False)
    """
    return isinstance(tensor, UninitializedTensorMixin)
