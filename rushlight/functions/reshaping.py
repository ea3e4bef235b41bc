"""Tensor methods that change the tensor they are called on: its shape, its memory, parts of it."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ..core import dtypes, shapes
from ..core.dispatch import named, result_type, scalar_type_name, wrap_array
from ..core.errors import fail
from ..core.inplace import in_place, memory, refuse_leaf
from ..core.memory import FILLS
from ..core.numbers import held
from ..core.overrides import kin
from ..core.tape import PRIM, mark_quietly, mark_written
from ..core.tensor import Tensor, wrap
from ..core.values import like
from ..ops import structure as s
from . import (
    arithmetic,
    assembly,
    complex_parts,
    creation,
    diagonals,
    from_data,
    masking,
    placing,
    scattering,
    special_functions,
    structure,
)
from .arguments import misfit
from .diagonals import within_memory
from .layouts import RANK, keep, lies_channels_last
from .typed import elements_of


def _reshaped(
    function: Callable[..., Tensor], name: str, ops: dict[str, Any]
) -> Callable[..., Tensor]:
    """The twin that makes a tensor its own view (`x.t_()`), recorded under the in-place name."""

    def twin(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        refuse_leaf(self)
        mark_written(self._array)  # torch counts a new version, though no value changes
        result = function(wrap(self._array, self._entry), *args, **kwargs)
        self._array, self._entry = result._array, result._entry
        entry = self._entry
        if type(entry) is list and entry[PRIM].name in ops:
            entry[PRIM] = ops[entry[PRIM].name].primitive
        return self

    twin.__name__ = twin.__qualname__ = name
    twin.__doc__ = f"The tensor itself becomes its `{name.removesuffix('_')}`."
    return twin


def resize_(self: Tensor, *sizes: Any, size: Any = None, memory_format: Any = None) -> Tensor:
    """Another shape for the same memory, which grows (arbitrary values) where it is too small.

    Raises: RuntimeError for a tensor that requires grad.

    >>> import rushlight as torch
    >>> torch.arange(6).resize_(2, 2)
    tensor([[0, 1],
            [2, 3]])
    """
    if self._entry is not None:
        raise RuntimeError("cannot resize variables that require grad")
    shape = shapes.checked(shapes.sizes(sizes if size is None else (size,)))
    array = self._array
    if shape == array.shape and memory_format is None:
        return self  # as it lies
    if prod(shape) * array.itemsize >= 1 << 63:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)}")
    flat = s.flat_memory(array) if array.size else array.reshape(-1)
    wanted = prod(shape)
    if wanted > flat.size:
        fresh = np.zeros(wanted, array.dtype)
        fresh[: flat.size] = flat
        for fill in FILLS:
            fill(fresh[flat.size :])
        flat = fresh
    self._array = _laid(flat[:wanted], shape, memory_format)
    mark_written(self._array)
    return self


def _laid(flat: np.ndarray, shape: tuple[int, ...], memory_format: Any) -> np.ndarray:
    """Elements in a row seen in a shape whose dimensions lie as the format says."""
    if memory_format is None or memory_format is dtypes.contiguous_format:
        return flat.reshape(shape)
    if memory_format not in RANK:
        raise RuntimeError("Unsupported memory formatPreserve")
    if len(shape) != RANK[memory_format]:
        raise RuntimeError(
            f"required rank {RANK[memory_format]} tensor to use {memory_format.name} format"
        )
    keep()
    return np.moveaxis(flat.reshape((shape[0], *shape[2:], shape[1])), -1, 1)


def resize_as_(self: Tensor, the_template: Tensor, memory_format: Any = None) -> Tensor:
    """Resized to the shape of another tensor.

    >>> import rushlight as torch
    >>> torch.arange(6).resize_as_(torch.zeros(1, 3))
    tensor([[0, 1, 2]])
    """
    if memory_format is dtypes.preserve_format:
        last = lies_channels_last(the_template._array)
        formats = {rank: kind for kind, rank in RANK.items()}
        memory_format = formats[the_template._array.ndim] if last else dtypes.contiguous_format
    return resize_(self, the_template._array.shape, memory_format=memory_format)


def set_(
    self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = ()
) -> Tensor:
    """The memory, and unless given otherwise the shape, of another tensor (nothing without one).

    Raises: RuntimeError for another type, or a region outside of the memory.

    >>> import rushlight as torch
    >>> torch.zeros(0).set_(torch.arange(4.0), 1, (2, 2), (1, 1))
    tensor([[1., 2.],
            [2., 3.]])
    """
    if source is None:
        self._array = np.empty((0,), self._array.dtype)
        return self
    if not isinstance(source, Tensor):
        source = wrap(elements_of(source, self.dtype, _ctype(self)))
    if source.dtype is not self.dtype:
        raise RuntimeError(
            f"Could not set tensor of type {_ctype(self)} to a tensor of type {_ctype(source)}"
        )
    if size is None:
        self._array = source._array
        return self
    shape = tuple(size)
    steps = tuple(stride) or shapes.contiguous_strides(shape)
    memory = s.flat_memory(source._array)
    within_memory(shape, steps, storage_offset, memory.size, memory.itemsize)
    self._array = s.strided_view.primitive.eval(source._array, shape, steps, storage_offset)
    return self


def _ctype(x: Tensor) -> str:
    return x.dtype.name.replace("float32", "float").replace("float64", "double")


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """The main diagonal overwritten with one number; `wrap` starts anew below a tall matrix.

    >>> import rushlight as torch
    >>> torch.zeros(3, 2).fill_diagonal_(5)
    tensor([[5., 0.],
            [0., 5.],
            [0., 0.]])
    """
    a: Any = None
    if self._entry is None and self._base is None and type(fill_value) in (int, float, bool):
        a = memory(self)  # nothing to refuse or to record
    if type(a) is not np.ndarray or a.ndim != 2 or wrap or not a.flags.c_contiguous:
        return _filled_diagonal(self, fill_value, wrap)
    rows, columns = a.shape
    a.reshape(-1)[: min(rows, columns) * columns : columns + 1] = held(fill_value, a.dtype)
    (mark_quietly if self._silent else mark_written)(a)
    return self


def _diagonal_filled(input: Tensor, value: Any, around: bool) -> Tensor:
    shape = input._array.shape
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    size = min(shape)
    where = np.zeros(shape, bool)
    if len(shape) == 2 and around:
        where.reshape(-1)[:: shape[1] + 1] = True
    else:
        where[(np.arange(size),) * len(shape)] = True
    return masking.masked_fill(input, wrap_array(where), value)


_filled_diagonal = in_place(_diagonal_filled)


def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Every element replaced by what a Python function gives for it.

    >>> import rushlight as torch
    >>> torch.tensor([1.0, 2.0]).apply_(lambda x: 10 * x)
    tensor([10., 20.])
    """
    return _mapped(self, callable)


def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Every element replaced by a Python function of it and another tensor's element.

    >>> import rushlight as torch
    >>> torch.tensor([1.0, 2.0]).map_(torch.tensor([3.0, 4.0]), lambda x, y: x * y)
    tensor([3., 8.])
    """
    return _mapped(self, callable, tensor)


def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable[..., Any]) -> Tensor:
    """Every element replaced by a Python function of it and two other tensors' elements.

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, 2.0])
    >>> x.map2_(x + 1, x + 2, lambda x, y, z: x + y * z)
    tensor([ 7., 14.])
    """
    return _mapped(self, callable, x, y)


def _mapped(self: Tensor, function: Callable[..., Any], *others: Tensor) -> Tensor:
    for label, x in zip(("other",) if len(others) == 1 else ("x", "y"), others):
        name = ("map_", "map2_")[len(others) - 1]
        if not isinstance(x, Tensor):
            raise misfit(name, label, 1 if x is others[0] else 2, "Tensor", x)
        if x.dtype is not self.dtype:
            kinds = f"{self.type()} for '{label}' (got {x.type()})"
            raise TypeError(f"{name}: expected {kinds}")
        x.expand_as(self)  # which refuses what does not fit
    if self._entry is not None or any(x._entry is not None for x in others):
        name = ("apply_", "map_", "map2_")[len(others)]
        raise RuntimeError(
            f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}()"
            " instead."
        )
    columns = [self._array, *(np.broadcast_to(x._array, self._array.shape) for x in others)]
    values = [function(*row) for row in zip(*(x.reshape(-1).tolist() for x in columns))]
    real, whole = self._array.dtype.kind in "fV", self._array.dtype.kind in "iu"
    for value in values if real or whole else ():
        if isinstance(value, (str, bytes, complex)) or value is None:
            kind = type(value).__name__
            raise TypeError(
                f"must be real number, not {kind}" if real
                else f"'{kind}' object cannot be interpreted as an integer"
            )  # fmt: skip
    self._array[...] = np.array(values, dtype=self._array.dtype).reshape(self._array.shape)
    mark_written(self._array)
    return self


def _beside(x: Tensor, fresh: Tensor) -> Tensor:
    """One per sample of a batch; a device was chosen when it was made."""
    return kin(fresh if getattr(x._array, "absent", False) else like(x, fresh), x)


def _fresh(make: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    def create(self: Tensor, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
        if "size" in options:
            size = (options.pop("size"),)
        options.setdefault("device", self.device)
        return _beside(self, make(*size, dtype=self.dtype if dtype is None else dtype, **options))

    create.__name__ = create.__qualname__ = name
    create.__doc__ = f"`torch.{name.removeprefix('new_')}` with this tensor's data type."
    return create


def new_full(
    self: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, **options: Any
) -> Tensor:
    """`torch.full` with this tensor's data type.

    >>> import rushlight as torch
    >>> torch.zeros(1, dtype=torch.int64).new_full((2,), 7)
    tensor([7, 7])
    """
    options.setdefault("device", self.device)
    return _beside(self, creation.full(size, fill_value, dtype=dtype or self.dtype, **options))


def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    **options: Any,
) -> Tensor:  # fmt: skip
    """`torch.tensor(data)` with this tensor's data type.

    >>> import rushlight as torch
    >>> torch.zeros(1, dtype=torch.float64).new_tensor([1, 2])
    tensor([1., 2.], dtype=torch.float64)
    """
    kind = self.dtype if dtype is None else dtype
    where = self.device if device is None else device
    if isinstance(data, Tensor):
        from_data.advise_to_clone("tensor.new_tensor")
        data = data._array
    made = from_data.tensor(data, dtype=kind, device=where, requires_grad=requires_grad)
    return kin(made, self)


def new_empty_strided(
    self: Tensor, size: Any, stride: Any, *, dtype: Any = None, **options: Any
) -> Tensor:
    """`torch.empty_strided` with this tensor's data type.

    >>> import rushlight as torch
    >>> torch.zeros(1).new_empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    options.setdefault("device", self.device)
    return kin(creation.empty_strided(size, stride, dtype=dtype or self.dtype, **options), self)


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both show the same memory with the same shape and strides.

    >>> import rushlight as torch
    >>> x = torch.arange(4)
    >>> x.is_set_to(x.view(4)), x.is_set_to(x.view(2, 2))
    (True, False)
    """
    a, b = self._array, tensor._array
    return (a.ctypes.data, a.shape, a.strides) == (b.ctypes.data, b.shape, b.strides)


def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Summed down to a shape that broadcasts to this one.

    This is what broadcasting does to gradients. Raises: RuntimeError for a shape that does not fit.

    >>> import rushlight as torch
    >>> torch.ones(3, 2).sum_to_size(1, 2)
    tensor([[3., 3.]])
    """
    shape = shapes.sizes(size)
    have = self._array.shape
    padded = (1,) * (len(have) - len(shape)) + shape
    if len(shape) > len(have) or any(n not in (1, m) for m, n in zip(have, padded)):
        raise fail(
            RuntimeError,
            f"size {{{list(shape)}}} is not expandable to size {{{list(have)}}}.",
        )
    if shape == have and shape:
        return self
    if self._array.dtype.kind in "bui":  # as every sum of whole numbers
        self = s.cast(self, dtypes.int64)
    y = s.sum_to(self, shape)
    return y if shape else named(y, "SumBackward0")


def as_subclass(self: Tensor, cls: type) -> Tensor:
    """The same memory and history as an instance of a Tensor subclass.

    >>> import rushlight as torch
    >>> class Named(torch.Tensor):
    ...     pass
    >>> type(torch.ones(1).as_subclass(Named)).__name__
    'Named'
    """
    result = object.__new__(cls)
    result._array, result._entry = self._array, self._entry
    return result


def float_power_(self: Tensor, exponent: Any) -> Tensor:
    """In-place version of `float_power`, of double precision alone: RuntimeError for other types.

    >>> import rushlight as torch
    >>> torch.tensor([2.0], dtype=torch.float64).float_power_(0.5)
    tensor([1.4142], dtype=torch.float64)
    """
    wide = dtypes.complex128 if result_type(self, exponent).is_complex else dtypes.float64
    if self.dtype is not wide:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {scalar_type_name(self.dtype)} but the"
            f" operation's result requires dtype {scalar_type_name(wide)}"
        )
    return _powered(self, exponent)


_powered = in_place(arithmetic.float_power)


def polygamma(self: Tensor, n: int) -> Tensor:
    """The n-th derivative of digamma.

    >>> import rushlight as torch
    >>> torch.tensor([1.0]).polygamma(1)
    tensor([1.6449])
    """
    return special_functions.polygamma(n, self)


def _real_assigned(self: Tensor, value: Any) -> None:
    complex_parts.real(self).copy_(value)


def _imag_assigned(self: Tensor, value: Any) -> None:
    complex_parts.imag(self).copy_(value)


SHAPE_CHANGES = {
    "squeeze_": (structure.squeeze, {"squeeze": s.squeeze_dim_, "squeeze_all": s.squeeze_all_,
                                     "squeeze_many": s.squeeze_many_}),
    "unsqueeze_": (structure.unsqueeze, {"unsqueeze": s.unsqueeze_}),
    "t_": (structure.t, {"t": s.t_}),
    **{name: (structure.transpose, {"transpose": s.transpose_})
       for name in ("transpose_", "swapaxes_", "swapdims_")},
    "as_strided_": (diagonals.as_strided, {}),
}  # fmt: skip
WRITES = (
    masking.masked_fill, masking.masked_scatter, placing.index_add, placing.index_copy,
    placing.index_fill, placing.index_put, placing.put, scattering.index_reduce,
    scattering.scatter, scattering.scatter_add, scattering.scatter_reduce, diagonals.tril,
    diagonals.triu, complex_parts.conj_physical,
)  # fmt: skip

METHODS: dict[str, Any] = {
    **{name: _reshaped(function, name, ops) for name, (function, ops) in SHAPE_CHANGES.items()},
    **{f"{function.__name__}_": in_place(function) for function in WRITES},
    "resize_": resize_, "resize_as_": resize_as_, "set_": set_, "fill_diagonal_": fill_diagonal_,
    "apply_": apply_, "map_": map_, "map2_": map2_, "repeat": assembly.repeat,
    "unfold": diagonals.unfold, "new_tensor": new_tensor, "new_full": new_full,
    "new_zeros": _fresh(creation.zeros, "new_zeros"), "new_ones": _fresh(creation.ones, "new_ones"),
    "new_empty": _fresh(creation.empty, "new_empty"), "new_empty_strided": new_empty_strided,
    "polygamma": polygamma, "polygamma_": in_place(polygamma), "is_set_to": is_set_to,
    "float_power_": float_power_,
    "sum_to_size": sum_to_size, "as_subclass": as_subclass,
    "real": property(complex_parts.real, _real_assigned),
    "imag": property(complex_parts.imag, _imag_assigned),
    "mH": property(complex_parts.adjoint), "H": property(complex_parts.matrix_adjoint),
}  # fmt: skip
