"""What sparse tensors have in place of a dense tensor's methods."""

from __future__ import annotations

import copy
from math import prod
from typing import Any

import numpy as np

from ..core import dtypes, inplace, printing
from ..core.dispatch import scalar_type_name
from ..core.errors import fail
from ..core.sparse import (
    BSC,
    BSR,
    COO,
    CSC,
    CSR,
    NAMES,
    Sparse,
    SparseTensor,
    refusal,
    sparse,
)
from ..core.state import DEFAULTS, STATE
from ..core.tape import LEAF
from ..core.tensor import Tensor, wrap
from ..ops import sparse as ops
from ..ops.structure import reshape

IN_PLACE = "add sub mul div neg abs sqrt pow relu sin tanh round floor ceil trunc sign t".split()

# how to get a sparse tensor that has a method, and what the method says of it
_SHOWN = {
    "values": ("to_sparse", "tensor([3])"), "is_coalesced": ("to_sparse", "True"),
    "indices": ("to_sparse", "tensor([[0],\n            [1]])"),
    "coalesce": ("to_sparse", "tensor(indices=tensor([[0],\n"
                 "                           [1]]),\n           values=tensor([3]),\n"
                 "           size=(2, 2), nnz=1, layout=torch.sparse_coo)"),
    "crow_indices": ("to_sparse_csr", "tensor([0, 1, 1])"),
    "col_indices": ("to_sparse_csr", "tensor([1])"),
    "ccol_indices": ("to_sparse_csc", "tensor([0, 0, 1])"),
    "row_indices": ("to_sparse_csc", "tensor([0])"),
}  # fmt: skip


def numbers(array: np.ndarray) -> Tensor:
    """Places, as the user sees them."""
    return wrap(np.ascontiguousarray(array))


def of_sparse_alone(name: str) -> Any:
    """The method of tensors that do not have it: torch's error."""
    kind = "sparse tensor layout" if name == "values" else "sparse coordinate tensor layout"
    if name in ("crow_indices", "col_indices"):
        kind = "sparse row compressed tensor layout"
    elif name in ("ccol_indices", "row_indices"):
        kind = "sparse column compressed tensor layout"

    def refuse(self: Tensor) -> Any:
        layout: Any = getattr(self._array, "layout", None)
        raise fail(
            RuntimeError, f"{name} expected {kind} but got {NAMES.get(layout, 'Strided')}",
            f"the tensor is {scalar_type_name(self.dtype)} of shape {tuple(self.shape)}",
        )  # fmt: skip

    refuse.__doc__ = f"Sparse tensors have it. Raises: RuntimeError, for want of a {kind}."
    if name in _SHOWN:
        to, answer = _SHOWN[name]
        call = f"torch.tensor([[0, 3], [0, 0]]).{to}().{name}()"
        refuse.__doc__ += (
            f"\n\n    >>> import rushlight as torch\n    >>> {call}\n    {answer}\n    "
        )
    return refuse


def values(self: Tensor) -> Tensor:
    """The values that are kept."""
    if self._array.layout is COO and not self._array.ordered:
        raise fail(
            RuntimeError,
            "Cannot get values on an uncoalesced tensor, please call .coalesce() first",
        )
    return _parted(self._array)


def _parted(array: Sparse) -> Tensor:
    """The values by batch, and by block."""
    entries, batch = array.entries, array.shape[: len(array.places) - 2]
    if array.layout is COO or not (batch or array.blocks):
        return entries
    size = array.blocks or ()
    count = entries.shape[0] // (prod(batch) * prod(size) or 1)
    return reshape(entries, (*batch, count, *size, *entries.shape[1:]))


def _corners(array: Sparse) -> np.ndarray:
    """The places of elements, or of blocks, counted in blocks."""
    if array.blocks is None:
        return array.places
    high, wide = array.blocks
    corners = array.places[:, :: high * wide].copy()
    corners[-2:] //= np.array([[high], [wide]])
    return corners


def _kept_each(self: Tensor) -> int:
    """How many elements or blocks are kept, of each of a batch."""
    array: Sparse = self._array
    batch = 1 if array.layout is COO else prod(array.shape[: len(array.places) - 2])
    return _corners(array).shape[1] // (batch or 1)


def indices(self: Tensor) -> Tensor:
    """The places of the values, a row for each kept dimension."""
    if self._array.layout is not COO:
        return of_sparse_alone("indices")(self)
    if not self._array.ordered:
        raise fail(
            RuntimeError,
            "Cannot get indices on an uncoalesced tensor, please call .coalesce() first",
        )
    return numbers(self._array.places)


def coalesce(self: Tensor) -> Tensor:
    """Each place once, in order, the values of a place added up."""
    return ops.coalesced(self) if self._array.layout is COO else of_sparse_alone("coalesce")(self)


def _said_to_be_coalesced(self: Tensor, coalesced: bool) -> Tensor:
    self._array = self._array.over(self._array.entries, coalesced)
    return self


def _begins(name: str, layouts: Any, dim: int) -> Any:
    def begins(self: Tensor) -> Tensor:
        array: Sparse = self._array
        if array.layout not in layouts:
            return of_sparse_alone(name)(self)
        batch = array.shape[: len(array.places) - 2]
        lines = array.shape[len(batch) + dim] // (array.blocks or (1, 1))[dim]
        corners = _corners(array)
        flat = np.ravel_multi_index(
            (*corners[: len(batch)], corners[len(batch) + dim]), (*batch, lines)
        )
        counts = np.bincount(flat, minlength=prod(batch) * lines).reshape(*batch, lines)
        zero = np.zeros((*batch, 1), np.int64)
        return numbers(np.concatenate((zero, np.cumsum(counts, -1)), -1))

    return begins


def _places(name: str, layouts: Any, dim: int) -> Any:
    def places(self: Tensor) -> Tensor:
        array: Sparse = self._array
        if array.layout not in layouts:
            return of_sparse_alone(name)(self)
        batch = array.shape[: len(array.places) - 2]
        return numbers(_corners(array)[len(batch) + dim].reshape(*batch, _kept_each(self)))

    return places


def representation(self: Tensor, *, tensor_contents: str | None = None) -> str:
    """torch's text of a sparse tensor."""
    array: Sparse = self._array
    head = "tensor("
    pad = " " * len(head)
    by_rows, by_columns = ("crow_indices", "col_indices"), ("ccol_indices", "row_indices")
    rows = {COO: ("indices",), CSR: by_rows, BSR: by_rows}.get(array.layout, by_columns)
    lines = []
    for name in rows:
        found = numbers(array.places) if name == "indices" else getattr(self, name)()
        lines.append(_nested(name, found, pad))
    lines.append(_nested("values", _parted(array).detach(), pad))
    shape = ", ".join(map(str, self.shape)) + ("," if self.ndim == 1 else "")
    notes = [f"size=({shape})", f"nnz={_kept_each(self)}"]
    pairs = self.dtype.is_complex and dtypes.complex_of(DEFAULTS.dtype.numpy) == self.dtype.numpy
    if not pairs and self.dtype not in (DEFAULTS.dtype, dtypes.int64, dtypes.bool_):
        notes.append(f"dtype={self.dtype!r}")
    notes.append(f"layout={array.layout!r}")
    if not self.is_leaf:
        notes.append(f"grad_fn=<{self.grad_fn.name()}>")
    elif self.requires_grad:
        notes.append("requires_grad=True")
    text = head + f",\n{pad}".join(lines)
    return printing.add_suffixes(text, notes, len(pad), force_newline=array.layout is COO)


def _nested(name: str, x: Tensor, pad: str) -> str:
    """A tensor inside of the text; its type is left to the whole."""
    prefix = f"{name}=tensor("
    indent = len(pad) + len(prefix)
    inner = printing.format_values(x._array, indent)
    if not x._array.size:
        inner += f", size={tuple(x.shape)}"
    return f"{prefix}{inner})"


def _to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    entries = self._array.entries.to(*args, **kwargs)
    same = entries is self._array.entries and not kwargs.get("copy")
    return self if same else sparse(self._array.over(entries))


def _caster(name: str) -> Any:
    return lambda self: _to(self, dtypes.named(name))


def block_size(layout: Any, size: Any, shape: Any, op: str) -> tuple[int, int]:
    """A block's size. Raises RuntimeError where it does not divide rows and columns."""
    name = NAMES[layout].removeprefix("Sparse").lower()
    if len(size) != 2:
        raise RuntimeError(
            f"{op}_{name}: blocksize needs to be a tuple of size 2, but got {len(size)}"
        )
    high, wide = size
    rows, columns = shape
    if high <= 0 or wide <= 0 or rows % high or columns % wide:
        raise RuntimeError(
            f"{op}_{name}: tensor sparse size ({rows},{columns}) must be divisible by given"
            f" blocksize ({high},{wide})"
        )
    return int(high), int(wide)


def to_sparse(self: Tensor, sparse_dim: int | None = None, *, layout: Any = None,
              blocksize: Any = None, dense_dim: int | None = None) -> Tensor:  # fmt: skip
    """The same tensor in another layout."""
    array: Sparse = self._array
    layout = layout or (COO if sparse_dim is None else array.layout)
    blocks = None if blocksize is None else tuple(blocksize)
    if array.blocks is not None and layout is not COO:
        _refuse_blocks(array, layout, blocks)
    elif blocks is not None:
        batches = 0 if array.layout is COO else len(array.places) - 2
        sizes = array.shape[batches : batches + 2]
        blocks = block_size(layout, blocks, sizes, "sparse_compressed_to_sparse")
    return ops.as_layout(self, layout, blocks)


def _refuse_blocks(array: Sparse, layout: Any, blocks: Any) -> None:
    """What torch does not do to tensors of blocks."""
    name, given = NAMES[layout].removeprefix("Sparse").lower(), NAMES[array.layout]
    if blocks is None:
        raise RuntimeError(
            f"sparse_compressed_to_sparse_{name}: expected SparseCsr or SparseCsc layout but got"
            f" {given}"
        )
    if array.blocks is not None and blocks != array.blocks:
        raise RuntimeError(
            f"to_sparse_{name}: conversion from {given} to {NAMES[layout]} with blocksize changed"
            f" from {list(array.blocks)} to {list(blocks)} is not supported"
        )


def _refuse_leaf(self: Tensor) -> None:
    """torch's error for a leaf that is written to while gradients are recorded: its values are."""
    if STATE.grad and self._array.entries._entry is LEAF:
        inplace.refuse_leaf(self._array.entries)


def _set_to_zero(self: Tensor) -> Tensor:
    _refuse_leaf(self)
    return _zeroed(self)


def _zeroed(self: Tensor) -> Tensor:
    array: Sparse = self._array
    self._array = Sparse(array.places[:, :0], array.entries.detach()[:0], array.shape,
                         array.layout, True, array.blocks)  # fmt: skip
    return self


def zeros_like(x: Tensor) -> Tensor:
    """A sparse tensor of no values."""
    return _zeroed(sparse(x._array))


def _in_place(name: str) -> Any:
    def twin(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        _refuse_leaf(self)
        self._array = getattr(self, name)(*args, **kwargs)._array
        return self

    return twin


def _copied_from(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    if not ops.is_sparse(src):
        raise RuntimeError(
            "copy_() between dense and sparse Tensors is not implemented! Found self type ="
            f" torch.sparse.FloatTensor and src type = {src.type()}"
        )
    _refuse_leaf(self)
    self._array = src._array.over(src._array.entries.to(self.dtype).clone())
    return self


def _detached(self: Tensor) -> Tensor:
    self._array = self._array.detached()
    return self


def _wants_grad(self: Tensor, requires_grad: bool = True) -> Tensor:
    self._array.entries.requires_grad_(requires_grad)
    return self


def _set_wants_grad(self: Tensor, wanted: bool) -> None:
    self._array.entries.requires_grad = wanted


def _grad(self: Tensor) -> Any:
    found = self._array.entries.grad
    return None if found is None else sparse(self._array.over(found))


def _set_grad(self: Tensor, value: Any) -> None:
    self._array.entries.grad = None if value is None else value._array.entries


def _deepcopy(self: Tensor, memo: dict[Any, Any]) -> Tensor:
    array: Sparse = self._array
    entries = copy.deepcopy(array.entries, memo)
    places = array.places.copy()
    again = Sparse(places, entries, array.shape, array.layout, array.ordered, array.blocks)
    return sparse(again)


def rebuild(places: np.ndarray, entries: Tensor, *others: Any) -> Tensor:
    """A sparse tensor from what a pickle holds."""
    shape, layout, ordered, *blocks = others
    return sparse(Sparse(places, entries, shape, dtypes.__dict__[layout], ordered, *blocks))


def _reduced(self: Tensor, protocol: int) -> Any:
    array: Sparse = self._array
    kept = (array.places, array.entries, array.shape, array.layout.name, array.ordered)
    return rebuild, (*kept, array.blocks)


def _refusing(error: type, text: str, *notes: str) -> Any:
    def refuse(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        raise fail(error, text, *(notes or ("x.to_dense() has all elements",)))

    return refuse


def _no_array(self: Tensor, *args: Any, **kwargs: Any) -> Any:
    name = NAMES[self._array.layout]
    raise TypeError(f"can't convert {name} layout tensor to numpy. Use Tensor.to_dense() first.")


def _refused(name: str) -> Any:
    def refuse(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        raise refusal(name, self._array.layout)

    return refuse


_NO_MEMORY = _refusing(
    RuntimeError, "Cannot access data pointer of Tensor that doesn't have storage"
)


def _dense(self: Tensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    y = ops.to_dense(self)
    return y if dtype is None else y.to(dtype)


TABLE: dict[str, Any] = {
    "values": values, "indices": indices, "coalesce": coalesce, "to_dense": _dense,
    "is_coalesced": lambda self: self._array.ordered and self._array.layout is COO,
    "_coalesced_": _said_to_be_coalesced,
    "_nnz": _kept_each,
    "_indices": lambda self: numbers(self._array.places),
    "_values": lambda self: self._array.entries,
    "crow_indices": _begins("crow_indices", (CSR, BSR), 0),
    "col_indices": _places("col_indices", (CSR, BSR), 1),
    "ccol_indices": _begins("ccol_indices", (CSC, BSC), 1),
    "row_indices": _places("row_indices", (CSC, BSC), 0),
    "sparse_dim": lambda self: (
        len(self._array.places) if self._array.layout is COO else 2),
    "dense_dim": lambda self: self.ndim - len(self._array.places),
    "to_sparse": to_sparse, "to_sparse_coo": lambda self: to_sparse(self, layout=COO),
    "to_sparse_csr": lambda self, dense_dim=None: to_sparse(self, layout=CSR),
    "to_sparse_csc": lambda self, dense_dim=None: to_sparse(self, layout=CSC),
    "to_sparse_bsr": lambda self, blocksize, dense_dim=None: (
        to_sparse(self, layout=BSR, blocksize=blocksize)),
    "to_sparse_bsc": lambda self, blocksize, dense_dim=None: (
        to_sparse(self, layout=BSC, blocksize=blocksize)),
    "sparse_mask": lambda self, mask: ops.masked(ops.to_dense(self), mask._array),
    "__repr__": representation, "to": _to, "cpu": lambda self, memory_format=None: self,
    "type": lambda self, dtype=None: (
        _to(self, dtype) if dtype else
        self._array.entries.type().replace("torch.", "torch.sparse.")),
    "detach": lambda self: sparse(self._array.detached()), "detach_": _detached,
    "requires_grad_": _wants_grad, "zero_": _set_to_zero, "copy_": _copied_from,
    "is_contiguous": lambda self, memory_format=None: False,
    "stride": lambda self, dim=None: (0,) * self.ndim if dim is None else 0,
    "storage_offset": lambda self: 0,
    "contiguous": _refusing(RuntimeError, "unsupported memory format option Contiguous"),
    "reshape": _refusing(RuntimeError, "reshape is not implemented for sparse tensors"),
    "numpy": _no_array, "__array__": _no_array,
    "tolist": _NO_MEMORY, "data_ptr": _NO_MEMORY,
    "storage": _refusing(NotImplementedError, "Cannot access storage of SparseTensorImpl"),
    "untyped_storage": _refusing(NotImplementedError, "Cannot access storage of SparseTensorImpl"),
    "view": _refused("view"), "fill_": _refused("fill_.Scalar"), "equal": _refused("equal"),
    "__setitem__": _refused("index_put_"),
    "__deepcopy__": _deepcopy, "__copy__": lambda self: sparse(self._array),
    "__reduce_ex__": _reduced,
    "layout": property(lambda self: self._array.layout),
    "is_sparse": property(lambda self: self._array.layout is COO),
    "is_sparse_csr": property(lambda self: self._array.layout is CSR),
    "requires_grad": property(lambda self: self._array.entries.requires_grad, _set_wants_grad),
    "is_leaf": property(lambda self: self._array.entries.is_leaf),
    "grad_fn": property(lambda self: self._array.entries.grad_fn),
    "grad": property(_grad, _set_grad),
    **{name: _caster(kind) for name, kind in (
        ("float", "float32"), ("double", "float64"), ("half", "float16"), ("long", "int64"),
        ("int", "int32"), ("bool", "bool"), ("bfloat16", "bfloat16"))},
    **{f"{name}_": _in_place(name) for name in IN_PLACE},
    **{f"__i{name}__": _in_place(f"__{name}__") for name in ("add", "sub", "mul", "truediv")},
}  # fmt: skip
for _name, _value in TABLE.items():
    setattr(SparseTensor, _name, _value)
