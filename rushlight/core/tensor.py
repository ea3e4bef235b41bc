"""The Tensor: an array, and where it came from. Operations are attached to it by `methods.py`."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes
from .shapes import Size
from .state import PAUSED, STATE
from .tape import LEAF

if TYPE_CHECKING:
    from .tape import Entry

EAGER_TYPES: set[type] = set()
_reference = weakref.ref
_sized = tuple.__new__  # a Size of what are sizes: its own constructor looks at each


def register_eager_type(kind: type) -> type:
    """Let exact instances of a Tensor subclass take the fast path (their results are Tensors)."""
    EAGER_TYPES.add(kind)
    return kind


class Tensor:
    """A multi-dimensional array of one data type that can record how it was computed.

    `_array` holds the values; `_entry` is None (no gradient), LEAF (a leaf that requires one) or
    the tape entry that made it. Whatever is rare lives in the instance dictionary.

    Source: https://pytorch.org/docs/stable/tensors.html

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> y, x.grad
    (tensor(5., grad_fn=<SumBackward0>), tensor([2., 4.]))
    """

    __slots__ = ("__dict__", "__weakref__", "_array", "_entry")
    __array_priority__ = 1000
    __hash__ = object.__hash__

    _array: Any
    _entry: Any
    _grad: Tensor | None = None
    _base: Tensor | None = None
    _views: list[weakref.ref[Tensor]] | None = None
    _hooks: dict[int, Any] | None = None
    _post_accumulate_hooks: dict[int, Any] | None = None
    _retained: bool = False
    _silent: bool = False  # made by `.data`: writes do not count as versions
    _inference: bool = False  # made in inference mode

    @property
    def shape(self) -> Size:
        """The sizes of all dimensions.

        >>> import rushlight as torch
        >>> torch.zeros(2, 3).shape, torch.tensor(1.0).shape
        (torch.Size([2, 3]), torch.Size([]))
        """
        return _sized(Size, self._array.shape)

    @property
    def ndim(self) -> int:
        """The number of dimensions.

        >>> import rushlight as torch
        >>> torch.zeros(2, 3).ndim
        2
        """
        return self._array.ndim

    @property
    def dtype(self) -> dtypes.dtype:
        """The element type.

        >>> import rushlight as torch
        >>> torch.tensor([1, 2]).dtype, torch.tensor([1.0]).dtype
        (torch.int64, torch.float32)
        """
        return dtypes.OF_NUMPY.get(self._array.dtype) or dtypes.of(self._array)

    @property
    def device(self) -> dtypes.device:
        """Where the values live.

        >>> import rushlight as torch
        >>> torch.ones(1).device
        device(type='cpu')
        """
        array = self._array
        if type(array) is np.ndarray:
            return dtypes.CPU
        return getattr(type(array), "torch_device", dtypes.CPU)

    @property
    def layout(self) -> dtypes.layout:
        """How the values are laid out: strided, unless the tensor is sparse.

        >>> import rushlight as torch
        >>> torch.ones(1).layout, torch.eye(2).to_sparse().layout
        (torch.strided, torch.sparse_coo)
        """
        return dtypes.strided

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it: what the user made, and what needs no gradient.

        >>> import rushlight as torch
        >>> w = torch.ones(2, requires_grad=True)
        >>> w.is_leaf, (w * 2).is_leaf, (w * 2).detach().is_leaf
        (True, False, True)
        """
        return self._entry is None or self._entry is LEAF

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded.

        Raises: RuntimeError when set on other than a leaf, or to True for whole numbers.

        >>> import rushlight as torch
        >>> w = torch.ones(2)
        >>> w.requires_grad = True
        >>> (w + 1).requires_grad
        True
        """
        return self._entry is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if type(wanted) is not bool:
            raise RuntimeError("requires_grad must be a bool")
        if wanted and not self.is_leaf:
            raise RuntimeError("you can only change requires_grad flags of leaf variables.")
        set_requires_grad(self, wanted)

    @property
    def itemsize(self) -> int:
        """Bytes per element.

        >>> import rushlight as torch
        >>> torch.ones(2, dtype=torch.float64).itemsize
        8
        """
        return self._array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements.

        >>> import rushlight as torch
        >>> torch.ones(2, 3).nbytes
        24
        """
        return self._array.nbytes


register_eager_type(Tensor)
new = Tensor.__new__


def wrap(array: Any, entry: Entry | None = None) -> Tensor:
    """A Tensor around an array, without a copy."""
    result = new(Tensor)
    result._array = array
    result._entry = entry
    return result


def set_requires_grad(tensor: Tensor, wanted: bool) -> None:
    """Switch recording for a leaf; torch's errors for non-leaves and integer types."""
    entry = tensor._entry
    if entry is not None and entry is not LEAF:
        if not wanted:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a"
                " computed variable in a subgraph that doesn't require differentiation use"
                " var_no_grad = var.detach()."
            )
        return
    if wanted and tensor.dtype.category < dtypes.FLOAT:
        raise RuntimeError("only Tensors of floating point dtype can require gradients")
    tensor._entry = LEAF if wanted else None


# What the library keeps in a tensor's dictionary (those of stand-ins for graphs last).
_INNER = frozenset((*Tensor.__annotations__, "_gradient_type", "_follower", "_form", "_ref"))


def hung_on(tensor: Tensor) -> dict[str, Any]:
    """The attributes that a program gave a tensor, which go where it is copied or stored."""
    return {name: value for name, value in tensor.__dict__.items() if name not in _INNER}


def is_inner(name: str) -> bool:
    """Whether the library keeps something of a tensor by this name."""
    return name in _INNER


def link_view(view: Tensor, source: Tensor) -> Tensor:
    """Note that `view` shares memory with `source`: a write through one reaches the other."""
    base = source._base
    if base is None:
        base = source
    view._base = base
    if PAUSED and not STATE.grad:
        return view
    views = base._views
    if views is None:
        base._views = [_reference(view)]
    elif views and views[-1]() is None:  # the last one is gone, as in a loop
        views[-1] = _reference(view)
    else:
        count = len(views)
        if count & (count - 1) == 0 and count >= 8:
            views[:] = [ref for ref in views if ref() is not None]
        views.append(_reference(view))
    return view
