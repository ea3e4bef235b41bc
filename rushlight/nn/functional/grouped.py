"""Products of matrices in groups, as mixtures of experts take them."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...core.errors import fail

__all__ = ["grouped_mm"]

Tensor = rl.Tensor
_TYPES = (rl.float32, rl.bfloat16, rl.float16)


def grouped_mm(
    mat_a: Tensor, mat_b: Tensor, *, offs: Tensor | None = None, bias: Tensor | None = None,
    out_dtype: Any = None,
) -> Tensor:  # fmt: skip
    """One product for each group of rows or columns: group i ends before `offs[i]`.

    Shapes: (tokens, k) and (groups, k, n) give (tokens, n), each group of rows with a matrix of
    its own; (groups, m, k) and (k, n) give (m, n), by columns; (m, k) and (k, n) give (groups, m,
    n), each over a piece of k; (groups, m, k) and (groups, k, n), without `offs`, give (groups, m,
    n). `offs` (groups) is of type int32 and grows; rows and columns from its last element on are
    zero. The operands are float32, bfloat16 or float16, both of one type, which is the result's.
    Raises RuntimeError for other types, shapes that do not fit, and a bias.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.grouped_mm.html

    >>> import rushlight as torch
    >>> tokens, experts = torch.ones(3, 2), torch.stack([torch.eye(2), 5 * torch.eye(2)])
    >>> ends = torch.tensor([1, 3], dtype=torch.int32)
    >>> torch.nn.functional.grouped_mm(tokens, experts, offs=ends)
    tensor([[1., 1.],
            [5., 5.],
            [5., 5.]])
    """
    _check(mat_a, mat_b, offs, bias, out_dtype)
    if offs is None:
        return mat_a @ mat_b
    ends = offs.tolist()
    spans = [slice(start, end) for start, end in zip([0, *ends], ends)]
    if mat_a.ndim == 2 and mat_b.ndim == 2:
        return rl.stack([mat_a[:, span] @ mat_b[span] for span in spans])
    if mat_a.ndim == 2:
        parts = [mat_a[span] @ one for span, one in zip(spans, mat_b.unbind())]
        left = mat_a.new_zeros(len(mat_a) - ends[-1], mat_b.shape[-1])
        return rl.cat([*parts, left])
    parts = [one @ mat_b[:, span] for span, one in zip(spans, mat_a.unbind())]
    left = mat_b.new_zeros(mat_a.shape[1], mat_b.shape[1] - ends[-1])
    return rl.cat([*parts, left], 1)


def _check(a: Tensor, b: Tensor, offs: Any, bias: Any, out_dtype: Any) -> None:
    names = {rl.float64: "Double", rl.int64: "Long", rl.int32: "Int"}
    for name, x in (("mat_a", a), ("mat_b", b)):
        if x.dtype not in _TYPES:
            kind = names.get(x.dtype, str(x.dtype).removeprefix("torch."))
            raise RuntimeError(
                f"Expected {name} to be Float32, BFloat16 or Float16 matrix, got {kind}"
            )
        if x.ndim not in (2, 3):
            raise fail(RuntimeError, f"{name} has to be 2 or 3d", f"it is {tuple(x.shape)}")
    shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
    if a.shape[-1] != b.shape[-2]:
        text = "contraction dimension of mat_a and mat_b must match"
        raise fail(RuntimeError, text, shapes)
    if (offs is None) is not (a.ndim == b.ndim == 3):
        raise RuntimeError(
            "Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d"
        )
    if offs is not None and offs.dtype is not rl.int32:
        raise RuntimeError("Offsets have to be int32")
    counts = {len(x) for x in (a, b) if x.ndim == 3} | ({len(offs)} if offs is not None else set())
    if len(counts) > 1:
        raise fail(RuntimeError, "matrix batch sizes have to match", shapes)
    if bias is not None:
        raise RuntimeError("Bias not supported yet")
    if out_dtype not in (None, a.dtype):
        raise RuntimeError("Grouped gemm output dtype must match `mat_a` dtype")
