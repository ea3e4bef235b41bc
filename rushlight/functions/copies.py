"""torch's `*_copy` functions: what the view of that name shows, in memory of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.dispatch import named, write_out
from ..core.errors import fail
from ..core.shapes import dimension
from ..core.tensor import Tensor
from ..ops import structure as s
from . import complex_parts, diagonals, protocol, splitting, structure

__all__ = [
    "as_strided_copy", "ccol_indices_copy", "col_indices_copy", "crow_indices_copy", "detach_copy",
    "diagonal_copy", "expand_copy", "narrow_copy", "permute_copy", "row_indices_copy",
    "select_copy", "slice_copy", "split_copy", "split_with_sizes_copy", "squeeze_copy", "t_copy",
    "transpose_copy", "unbind_copy", "unfold_copy", "unsqueeze_copy", "values_copy",
    "view_as_complex_copy", "view_as_real_copy", "view_copy",
]  # fmt: skip


def _own(part: Tensor) -> Tensor:
    """A copy of a view, by torch's name for it."""
    node = part.grad_fn
    copy = s.contiguous_copy(part)
    return copy if node is None else named(copy, f"{node.name()}_copy")


def _narrow_copy(
    input: Tensor, dim: int, start: Any, length: int, *, out: Any = None
) -> Tensor:  # fmt: skip
    """`narrow`, in memory of its own."""
    if dim >= input._array.ndim > 0:
        raise fail(
            RuntimeError,
            "Expected dim < static_cast<int64_t>(self_sizes.size()) to be true, but got false. "
            " (Could this error message be improved?  If so, please report an enhancement request"
            " to PyTorch.)", f"dim is {dim}, the tensor has {input._array.ndim} dimensions",
        )  # fmt: skip
    if length < 0 and input._array.ndim:
        size = input._array.shape[dimension(dim, input._array.ndim)]
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    copy = s.contiguous_copy(structure.narrow(input, dim, start, length))
    return named(copy, "NarrowCopyBackward0") if out is None else write_out(copy, out)


def _slice(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:  # fmt: skip
    """The elements from `start` to before `end` along a dimension, every `step`-th."""
    if input._array.ndim == 0:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    place = dimension(dim, input._array.ndim)
    if step < 1:
        raise RuntimeError("slice step must be positive")
    return input[(*(slice(None) for _ in range(place)), slice(start, end, step))]


_slice.__name__ = "slice"


def _places(name: str) -> Callable[..., Any]:
    """A method of sparse tensors that are compressed, as a view of what they hold."""

    def part(input: Tensor) -> Tensor:
        return getattr(input, name)()

    part.__name__ = name
    return part


def _copying(view: Callable[..., Any]) -> Callable[..., Any]:
    def copy(input: Tensor, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        found = view(input, *args, **kwargs)
        if out is not None:
            return write_out(found, out)
        return tuple(map(_own, found)) if isinstance(found, tuple) else _own(found)

    copy.__name__ = copy.__qualname__ = f"{view.__name__}_copy"
    copy.__doc__ = f"`{view.__name__}`, in memory of its own."
    return copy


as_strided_copy, diagonal_copy = _copying(diagonals.as_strided), _copying(diagonals.diagonal)
detach_copy, expand_copy = _copying(protocol.detach), _copying(structure.expand)
narrow_copy, permute_copy = _narrow_copy, _copying(structure.permute)
narrow_copy.__name__ = narrow_copy.__qualname__ = "narrow_copy"
select_copy, split_copy = _copying(structure.select), _copying(splitting.split)
split_with_sizes_copy = _copying(splitting.split_with_sizes)
squeeze_copy, t_copy = _copying(structure.squeeze), _copying(structure.t)
transpose_copy, unbind_copy = _copying(structure.transpose), _copying(splitting.unbind)
unfold_copy, unsqueeze_copy = _copying(diagonals.unfold), _copying(structure.unsqueeze)
view_as_complex_copy = _copying(complex_parts.view_as_complex)
view_as_real_copy, view_copy = _copying(complex_parts.view_as_real), _copying(structure.view)
slice_copy, values_copy = _copying(_slice), _copying(_places("values"))
crow_indices_copy = _copying(_places("crow_indices"))
col_indices_copy = _copying(_places("col_indices"))
ccol_indices_copy = _copying(_places("ccol_indices"))
row_indices_copy = _copying(_places("row_indices"))
