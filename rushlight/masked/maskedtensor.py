"""torch.masked.MaskedTensor: a tensor of which a mask says which elements count.

The data and the mask are tensors of their own; operations work on the data and say what becomes of
the mask: elementwise ones keep it (two operands must have the same), moves of elements move it,
reductions leave out what it leaves out, and give a masked element where all was left out.
Source: https://docs.pytorch.org/docs/stable/masked.html
"""

from __future__ import annotations

import copy
from typing import Any

from .. import functions as f
from ..core import dtypes
from ..core.overrides import disabled
from ..core.tensor import Tensor, new
from ..ops.sparse_rules import is_sparse
from . import _ops as m

__all__ = ["MaskedTensor", "as_masked_tensor", "is_masked_tensor", "masked_tensor"]

# Elementwise functions of one tensor: the mask stays.
_UNARY = frozenset(
    """
abs absolute acos arccos acosh arccosh angle asin arcsin asinh arcsinh atan arctan atanh arctanh
bitwise_not ceil clamp clip conj_physical cos cosh deg2rad digamma erf erfc erfinv exp exp2 expm1
fix floor frac lgamma log log10 log1p log2 logit i0 isnan nan_to_num neg negative positive pow
rad2deg reciprocal round rsqrt sigmoid sign sgn signbit sin sinc sinh sqrt square tan tanh trunc
clone contiguous detach to float double half bfloat16 int long bool relu __pow__ type cpu
""".split()
)
# Of two: the masks must be the same; what has none counts everywhere.
_BINARY = frozenset(
    """
add sub subtract mul multiply div divide true_divide floor_divide fmod remainder atan2 arctan2
bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift logaddexp logaddexp2
nextafter eq ne le ge greater greater_equal gt less less_equal lt maximum minimum fmax fmin
not_equal __eq__ __ne__ __lt__ __le__ __gt__ __ge__ __rsub__ __rtruediv__ __floordiv__
__rfloordiv__ __rpow__ __and__ __or__ __xor__
""".split()
)
# What moves elements: the same is done to the mask.
_MOVES = frozenset(
    """
t transpose permute view reshape unsqueeze squeeze expand select narrow index_select flatten
unflatten unbind split chunk movedim swapaxes flip roll view_as expand_as __getitem__ T mT to_dense
""".split()
)
_REDUCTIONS = frozenset("all sum mean amin amax argmin argmax prod var std norm".split())
_LIKE = frozenset("ones_like empty_like full_like rand_like randn_like".split())
_ASKED = frozenset(
    """
size dim ndimension numel nelement stride is_contiguous is_floating_point is_complex element_size
__len__ storage_offset shape ndim dtype device layout requires_grad is_leaf is_sparse grad_fn
itemsize nbytes is_cuda is_meta is_cpu is_sparse_csr __hash__
""".split()
)  # what the data answers


class MaskedTensor(Tensor):
    """Data and a mask of the same shape: where it is False, an element does not count.

    Made by `masked_tensor` and `as_masked_tensor`. `get_data`, `get_mask` take it apart,
    `to_tensor(value)` fills what is left out. Gradients flow through the data.

    >>> import rushlight as torch
    >>> x = torch.masked.masked_tensor(torch.tensor([1.0, 2.0]), torch.tensor([True, False]))
    >>> x + x
    MaskedTensor(
      [  2.0000,       --]
    )
    >>> x.mean()
    MaskedTensor(  1.0000, True)
    """

    __slots__ = ()
    _data: Tensor
    _mask: Tensor

    def __new__(cls, data: Tensor, mask: Tensor, requires_grad: bool = False) -> MaskedTensor:
        """`masked_tensor`, as torch's class is called."""
        return masked_tensor(data, mask, requires_grad)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: `__new__` has done it."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = _name(func), kwargs or {}
        with disabled():
            done = _done(name, func, args, kwargs)
        if done is NotImplemented and types:
            done = _elsewise(name, args, kwargs)
        return done

    def get_data(self) -> Tensor:
        """The data, with what does not count."""
        return self._data

    def get_mask(self) -> Tensor:
        """Which elements count."""
        return self._mask

    def to_tensor(self, value: Any) -> Tensor:
        """The data, with `value` where the mask is False.

        >>> import rushlight as torch
        >>> data, mask = torch.tensor([1.0, 2.0]), torch.tensor([True, False])
        >>> torch.masked.masked_tensor(data, mask).to_tensor(0)
        tensor([1., 0.])
        """
        data, mask = _dense(self._data), _dense(self._mask)
        return f.where(mask, data, f.full((), value, dtype=data.dtype))

    def to_sparse_coo(self) -> MaskedTensor:
        """Data and mask that keep the places of the mask alone."""
        return self._sparse("to_sparse")

    def to_sparse(self) -> MaskedTensor:
        """`to_sparse_coo`."""
        return self._sparse("to_sparse")

    def to_sparse_csr(self) -> MaskedTensor:
        """The same by rows."""
        return self._sparse("to_sparse_csr")

    def _sparse(self, how: str) -> MaskedTensor:
        mask = _dense(self._mask)
        kept: Any = getattr(mask, how)()
        data: Any = _dense(self._data)
        return _masked(data.sparse_mask(kept), kept)

    def __deepcopy__(self, memo: dict[int, Any]) -> MaskedTensor:
        return _masked(copy.deepcopy(self._data, memo), copy.deepcopy(self._mask, memo))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _masked, (self._data, self._mask)

    def __repr__(self) -> str:  # torch's has no tensor_contents
        data, mask = _dense(self._data), _dense(self._mask)
        if not data.ndim:
            text = _element(data.item()) if mask.item() else "--"
            return f"MaskedTensor({text}, {bool(mask)})"
        return f"MaskedTensor(\n{_lines(data, mask, '  ')}\n)"


def _element(value: Any) -> str:
    return f"{value:8.4f}" if isinstance(value, float) else str(value)


def _lines(data: Any, mask: Any, pad: str) -> str:
    """torch's picture: a row for each innermost line."""
    if data.ndim == 1:
        pairs = zip(data.tolist(), mask.tolist())
        return f"{pad}[{', '.join(_element(x) if kept else '      --' for x, kept in pairs)}]"
    inner = ",\n".join(_lines(data[i], mask[i], pad + "  ") for i in range(data.shape[0]))
    return f"{pad}[\n{inner}\n{pad}]"


def _dense(x: Any) -> Any:
    return x.to_dense() if is_sparse(x) else x


def _masked(data: Tensor, mask: Tensor) -> MaskedTensor:
    made = new(MaskedTensor)
    made._array, made._entry = data._array, data._entry
    made.__dict__.update(_data=data, _mask=mask)
    return made


_PROPERTIES: dict[int, str] = {}


def _name(func: Any) -> str:
    """The name of a public function, or of the property that is read or written."""
    owner = getattr(func, "__self__", None)
    if not isinstance(owner, property):
        return func.__name__
    if id(owner) not in _PROPERTIES:
        found = {id(getattr(one, "own", one)): name for name, one in vars(Tensor).items()}
        _PROPERTIES.update(found)
    return _PROPERTIES.get(id(owner), "")


def _plain(x: Any) -> Any:
    """The data in the place of masked tensors."""
    if isinstance(x, (tuple, list)) and type(x) in (tuple, list):
        return type(x)(map(_plain, x))
    return x._data if isinstance(x, MaskedTensor) else x


def _masks(x: Any) -> Any:
    if isinstance(x, (tuple, list)) and type(x) in (tuple, list):
        return type(x)(map(_masks, x))
    return x._mask if isinstance(x, MaskedTensor) else x


def _done(name: str, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """What a function gives; NotImplemented where nothing is said about it."""
    x = args[0]
    given = {key: _plain(one) for key, one in kwargs.items()}
    if name in _ASKED or name in ("backward", "requires_grad_", "retain_grad"):
        if isinstance(getattr(func, "__self__", None), property):
            return getattr(x._data, name)  # sparse data has its own
        found = func(*_plain(args), **given)
        return x if name == "requires_grad_" else found
    if name == "grad":
        found = func(*_plain(args))
        return found if found is None else _masked(found, x._mask)
    if name == "__repr__":
        return x.__repr__()
    if name in _MOVES:
        return _zipped(func(*_plain(args), **given), func(*_masks(args), **kwargs))
    if name in _UNARY and isinstance(x, MaskedTensor):
        return _masked(func(*_plain(args), **given), x._mask)
    if name in _LIKE:
        return _masked(func(x._data, *args[1:], **given), x._mask)
    if name in _BINARY or name == "pow":
        mask = _common(args[:2])
        return _masked(func(*_plain(args), **given), mask)
    return NotImplemented


def _elsewise(name: str, args: Any, kwargs: dict[str, Any]) -> Any:
    """What is made of several functions."""
    if name in _REDUCTIONS and isinstance(args[0], MaskedTensor):
        return _reduced(name, *args, **kwargs)
    if name == "softmax" and isinstance(args[0], MaskedTensor):
        return _softmax(*args, **kwargs)
    if name == "where" and len(args) == 3:
        return _where(*args)
    if name in ("stack", "cat"):
        parts, rest = args[0], args[1:]
        data = getattr(f, name)([_plain(one) for one in parts], *rest, **kwargs)
        return _masked(data, getattr(f, name)([_mask_of(one) for one in parts], *rest, **kwargs))
    return NotImplemented


def _mask_of(x: Any) -> Tensor:
    return x._mask if isinstance(x, MaskedTensor) else f.ones_like(x, dtype=dtypes.bool_)


def _zipped(data: Any, mask: Any) -> Any:
    if isinstance(data, (tuple, list)):
        return tuple(map(_masked, data, mask))
    return _masked(data, mask)


def _common(values: Any) -> Tensor:
    """The one mask of the operands. Raises: ValueError where they have different ones."""
    masks = [one._mask for one in values if isinstance(one, MaskedTensor)]
    first = _dense(masks[0])
    if any(first.shape != one.shape or not first.equal(_dense(one)) for one in masks[1:]):
        raise ValueError(
            "Input masks must match. If you need support for this, please open an issue on Github."
        )
    return masks[0]


def _reduced(
    name: str, x: MaskedTensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None,
    **named: Any,
) -> MaskedTensor:  # fmt: skip
    """A reduction of what counts; where nothing does, the result does not count."""
    data, mask = _dense(x._data), _dense(x._mask)
    given = {"dtype": dtype} if dtype is not None else {}
    dims = tuple(range(data.ndim)) if dim is None or dim == () else dim
    if name == "all":
        found = f.all(f.logical_or(data, f.logical_not(mask)), dims, keepdim)
    else:
        found = getattr(m, name)(data, dim, keepdim=keepdim, mask=mask, **given, **named)
    left = f.amax(mask, dims, keepdim) if data.ndim else mask
    return _masked(found, left)


def _softmax(x: MaskedTensor, dim: int, dtype: Any = None, **named: Any) -> MaskedTensor:
    data, mask = _dense(x._data), _dense(x._mask)
    return _masked(m.softmax(data, dim, dtype=dtype, mask=mask), mask)


def _where(condition: Tensor, x: Any, y: Any) -> MaskedTensor:
    masks = [one._mask if isinstance(one, MaskedTensor) else condition.new_ones(()).bool()
             for one in (x, y)]  # fmt: skip
    return _masked(f.where(condition, _plain(x), _plain(y)), f.where(condition, *masks))


def _check(data: Any, mask: Any) -> None:
    """Torch's errors for data and masks that do not fit."""
    for name, one in (("data", data), ("mask", mask)):
        if not isinstance(one, Tensor) or isinstance(one, MaskedTensor):
            raise TypeError(f"{name} must be a Tensor, and no MaskedTensor: {type(one)}")
    if data.layout is not mask.layout:
        raise TypeError("data and mask must have the same layout.")
    if mask.dtype is not dtypes.bool_:
        raise TypeError("mask must have dtype bool.")
    if data.shape != mask.shape:
        raise ValueError("data.shape and mask.shape must match")


def masked_tensor(data: Tensor, mask: Tensor, requires_grad: bool = False) -> MaskedTensor:
    """A copy of the data, with a mask: a leaf of its own.

    Shapes: data and mask alike. Raises: TypeError for a mask that is not of bools, ValueError for
    shapes that differ.
    Source: https://docs.pytorch.org/docs/stable/masked.html

    >>> import rushlight as torch
    >>> torch.masked.masked_tensor(torch.tensor([1.0, 2.0]), torch.tensor([True, False]))
    MaskedTensor(
      [  1.0000,       --]
    )
    """
    _check(data, mask)
    own = data.detach().clone().requires_grad_(requires_grad)
    return _masked(own, mask.detach().clone())


def as_masked_tensor(data: Tensor, mask: Tensor) -> MaskedTensor:
    """The data itself, with a mask: gradients reach it.

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> torch.masked.as_masked_tensor(x, torch.tensor([True, False])).sum().backward()
    >>> x.grad
    tensor([1., 0.])
    """
    _check(data, mask)
    return _masked(data, mask)


def is_masked_tensor(obj: Any, /) -> bool:
    """Whether something is a MaskedTensor.

    >>> import rushlight as torch
    >>> torch.masked.is_masked_tensor(torch.ones(2))
    False
    """
    return isinstance(obj, MaskedTensor)
