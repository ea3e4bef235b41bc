"""torch's `*_copy` functions: what the view of that name shows, in memory of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.dispatch import write_out
from ..core.tensor import Tensor
from ..ops import structure as s
from . import complex_parts, diagonals, protocol, splitting, structure

__all__ = [
    "as_strided_copy", "detach_copy", "diagonal_copy", "expand_copy", "narrow_copy",
    "permute_copy", "select_copy", "split_copy", "split_with_sizes_copy", "squeeze_copy",
    "t_copy", "transpose_copy", "unbind_copy", "unfold_copy", "unsqueeze_copy",
    "view_as_complex_copy", "view_as_real_copy", "view_copy",
]  # fmt: skip


def _copying(view: Callable[..., Any]) -> Callable[..., Any]:
    def copy(input: Tensor, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        found = view(input, *args, **kwargs)
        if isinstance(found, tuple):
            copies = tuple(s.contiguous_copy(part) for part in found)
            return copies if out is None else write_out(copies, out)
        return s.contiguous_copy(found) if out is None else write_out(found, out)

    copy.__name__ = copy.__qualname__ = f"{view.__name__}_copy"
    copy.__doc__ = f"`{view.__name__}`, in memory of its own."
    return copy


as_strided_copy, diagonal_copy = _copying(diagonals.as_strided), _copying(diagonals.diagonal)
detach_copy, expand_copy = _copying(protocol.detach), _copying(structure.expand)
narrow_copy, permute_copy = _copying(structure.narrow), _copying(structure.permute)
select_copy, split_copy = _copying(structure.select), _copying(structure.split)
split_with_sizes_copy = _copying(splitting.split_with_sizes)
squeeze_copy, t_copy = _copying(structure.squeeze), _copying(structure.t)
transpose_copy, unbind_copy = _copying(structure.transpose), _copying(structure.unbind)
unfold_copy, unsqueeze_copy = _copying(diagonals.unfold), _copying(structure.unsqueeze)
view_as_complex_copy = _copying(complex_parts.view_as_complex)
view_as_real_copy, view_copy = _copying(complex_parts.view_as_real), _copying(structure.view)
