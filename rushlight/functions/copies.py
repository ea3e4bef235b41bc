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
    "as_strided_copy", "detach_copy", "diagonal_copy", "expand_copy", "narrow_copy",
    "permute_copy", "select_copy", "split_copy", "split_with_sizes_copy", "squeeze_copy",
    "t_copy", "transpose_copy", "unbind_copy", "unfold_copy", "unsqueeze_copy",
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
