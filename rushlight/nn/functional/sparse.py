"""Tables looked up by number: embeddings and one-hot vectors."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...core.errors import fail
from ...functions import neural as n

__all__ = [
    "embedding", "embedding_bag", "one_hot",
]  # fmt: skip

Tensor = rl.Tensor


def _class_name(x: Tensor) -> str:
    """A tensor's class as torch's old checks name it: bools and wider numbers came later."""
    name = n.type_name(x)
    if x.dtype in (rl.bool, rl.bfloat16) or x.is_complex():
        return f"CPU{name}Type"
    return f"torch.{name}Tensor"


def _check_indices(input: Tensor, name: str) -> None:
    if input.dtype not in (rl.int64, rl.int32):
        error = RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types:"
            f" Long, Int; but got {_class_name(input)} instead (while checking arguments for"
            f" {name})"
        )
        error.add_note("row numbers are whole numbers: use input.long()")
        raise error


def _padding(padding_idx: int | None, rows: int) -> int:
    if padding_idx is None:
        return -1
    if not -rows <= padding_idx < rows:
        raise AssertionError("Padding_idx must be within num_embeddings")
    return padding_idx % rows


def renormalised(weight: Tensor, input: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale the rows that are looked up to at most `max_norm`, in place."""
    with rl.no_grad():
        named = rl.zeros(weight.shape[0], dtype=rl.bool)
        named[input.reshape(-1)] = True
        table = weight.detach()
        rows = named.nonzero().reshape(-1) if n.STATE.tracer is None else slice(None)
        found = table[rows]
        if norm_type == 2.0:
            norms = found.abs().square().sum(1, keepdim=True).sqrt()
        else:
            norms = (found.abs() ** norm_type).sum(1, keepdim=True) ** (1 / norm_type)
        long = norms > max_norm
        if n.STATE.tracer is not None:  # all rows: their number must not depend on values
            long = long & named.unsqueeze(1)
        scale = rl.where(long, max_norm / (norms + 1e-7), 1.0)
        table[rows] = found * scale


def _rows(weight: Tensor, places: Tensor, padding: int, by_count: bool, sparse: bool) -> Tensor:
    """The rows of a table; its gradient keeps only them if it shall be sparse."""
    if sparse and weight.requires_grad and rl.is_grad_enabled():
        from ...functions.sparse import embedding_rows

        return embedding_rows(weight, places, padding, by_count)
    return n.embedding(weight, places, padding, by_count)


def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """The rows of `weight` that `input` names.

    With `sparse` the gradient of `weight` is a sparse tensor of the rows that were read; SGD,
    Adagrad and SparseAdam take it, and touch no others.
    Shapes: input (*) of int64 or int32, weight (V, D), result (*, D). The row `padding_idx` gets no
    gradient. Raises IndexError naming the first number that is no row.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html

    >>> import rushlight as torch
    >>> torch.nn.functional.embedding(torch.tensor([1]), torch.tensor([[1.0], [2.0]]))
    tensor([[2.]])
    """
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    padding = _padding(padding_idx, weight.shape[0])
    _check_indices(input, "embedding")
    if max_norm is not None:
        renormalised(weight, input, max_norm, norm_type)
    return _rows(weight, input, padding, bool(scale_grad_by_freq), sparse)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """A last dimension with 1 at each label and 0 elsewhere; int64.

    Args: num_classes, the size of the last dimension; -1 takes the largest label plus one.
    Raises: RuntimeError for labels that are negative, too large or not int64.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.one_hot.html

    >>> import rushlight as torch
    >>> torch.nn.functional.one_hot(torch.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if tensor.dtype is not rl.int64:
        raise fail(
            RuntimeError,
            "one_hot is only applicable to index tensor of type LongTensor.",
            f"the labels are {tensor.dtype}: use labels.long()",
        )
    if tensor._array.size == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return rl.zeros(*tensor.shape, num_classes, dtype=rl.int64)
    if num_classes == -1:
        num_classes = int(tensor.max()) + 1
    if _labels_outside(tensor, num_classes):
        values = n.settled(tensor)
        if int(values.min()) < 0:
            raise RuntimeError("Class values must be non-negative.")
        error = RuntimeError("Class values must be smaller than num_classes.")
        error.add_note(f"the largest label is {values.max()}, num_classes is {num_classes}")
        raise error
    found = n.one_hot(tensor, num_classes)
    if found is not None:
        return found
    return (tensor.unsqueeze(-1) == rl.arange(num_classes)).long()


def _labels_outside(tensor: Tensor, num_classes: int) -> bool:
    """Whether labels are none of the classes."""
    try:
        return n.outside(tensor, 0, num_classes)
    except RuntimeError:  # one sample of a batch: its values are not at hand
        return False


def _check_offsets(input: Tensor, offsets: Any) -> None:
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    if not offsets.numel():
        return
    first, last = (int(n.settled(offsets)[place]) for place in (0, -1))
    if n.STATE.tracer is not None:
        n.refuses((offsets[0] != 0) | (offsets[-1] > input.shape[0]))
    if first != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from"
            f" position 0. However, got {first}"
        )
    if last > input.shape[0]:
        raise RuntimeError(
            "offsets[-1] can not be greater than input's length. Got offsets[-1]:"
            f" {last} and input's length: {input.shape[0]}"
        )


def _bags(input: Tensor, offsets: Any, include_last: bool) -> tuple[Tensor, Tensor, int]:
    """(flat row numbers, the bag of each, how many bags)."""
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch"
                " of"
                f" fixed length sequences. However, found offsets of type {_kind(offsets)}"
            )
        count, length = input.shape
        return input.reshape(-1), rl.arange(count).repeat_interleave(length), count
    if input.ndim != 1:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}"
        )
    _check_offsets(input, offsets)
    count = offsets.shape[0] - include_last
    bag = rl.searchsorted(offsets[:count], rl.arange(input.shape[0]), right=True) - 1
    return input, bag, count


def _kind(value: Any) -> str:
    return "<class 'torch.Tensor'>" if n.holds_tensor(value) else str(type(value))


@n.goes_by("EmbeddingBagBackward0")
def embedding_bag(
    input: Tensor, weight: Tensor, offsets: Any = None, max_norm: float | None = None,
    norm_type: float = 2, scale_grad_by_freq: bool = False, mode: str = "mean",
    sparse: bool = False, per_sample_weights: Any = None, include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """The sum, mean or maximum of the rows of each bag of numbers.

    Shapes: input (B, N), or (N) with `offsets` (B) where each bag begins; weight (V, D); result
    (B, D). `per_sample_weights` (like input) scales rows, for sums only.

    >>> import rushlight as torch
    >>> torch.nn.functional.embedding_bag(torch.tensor([[0, 1]]), torch.eye(2), mode="sum")
    tensor([[1., 1.]])
    """
    if n.holds_tensor(weight) and weight.dtype is rl.int64 and input.is_floating_point():
        input, weight = weight, input  # torch's old order of arguments
    _check_bag_weights(input, weight, per_sample_weights)
    if input.ndim == 1 and n.holds_tensor(offsets) and offsets.dtype is not input.dtype:
        kind = rl.promote_types(input.dtype, offsets.dtype)
        input, offsets = input.to(kind), offsets.to(kind)
    flat, bag, count = _bags(input, offsets, include_last_offset)
    _check_indices(input, "embedding_bag")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported"
            " for"
            f" mode='sum' (got mode='{mode}'). Please open a feature request on GitHub."
        )
    padding = _bag_padding(padding_idx, weight.shape[0])
    summed = mode != "max" and padding is None and weight.dtype is not rl.float64
    _check_bag_rows(flat, weight.shape[0], summed)
    if max_norm is not None:
        renormalised(weight, flat, max_norm, norm_type)
    if padding is not None:
        kept = flat != padding
        flat, bag = flat[kept], bag[kept]
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights.reshape(-1)[kept]
    rows = _rows(weight, flat, -1, bool(scale_grad_by_freq), sparse)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1, 1)
    if input.ndim == 2 and padding is None and input.shape[1]:
        rows = rows.reshape(*input.shape, rows.shape[1])
        return _of_equal(rows, mode)
    return _pooled(rows, bag, count, mode)


def _of_equal(rows: Tensor, mode: str) -> Tensor:
    """Of bags (B, N, D) of one size."""
    if mode == "max":
        return rows.max(1).values
    return rows.sum(1) if mode == "sum" else rows.mean(1)


def _check_bag_weights(input: Tensor, weight: Tensor, per_sample_weights: Any) -> None:
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then"
            " it"
            f" must have the same shape as the input ({input.shape})"
        )
    if not weight.is_floating_point():
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have one of the following scalar types:"
            f" Half, BFloat16, Float, Double; but got {_class_name(weight)} instead (while checking"
            " arguments for embedding_bag)"
        )
    if per_sample_weights is not None and per_sample_weights.dtype is not weight.dtype:
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have the same type as tensor for argument"
            f" #1 'per_sample_weights'; but type {_class_name(weight)} does not equal"
            f" {_class_name(per_sample_weights)} (while checking arguments for embedding_bag)"
        )


def _bag_padding(padding_idx: int | None, rows: int) -> int | None:
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise RuntimeError(
            f"padding_idx must be within the number of embeddings, {-rows} through {rows - 1}, but"
            f" got {padding_idx}"
        )
    return padding_idx % rows


def _check_bag_rows(flat: Tensor, rows: int, summed: bool) -> None:
    """Refuse numbers that are no rows; torch sums plain bags elsewhere, in other words."""
    wrong = (flat < 0) | (flat >= rows)
    if n.refuses(wrong):
        at = int(wrong.nonzero()[0, 0])
        told = (
            f"Index {at} of input takes value {int(flat[at])} which is not in the valid range"
            f" [0, {rows})"
        )
        other = (
            "embedding_bag: Expected idx >= 0 && idx < num_embeddings but found idx to be"
            f" {int(flat[at])}"
        )
        raise RuntimeError(told if summed else other)


def _pooled(rows: Tensor, bag: Tensor, count: int, mode: str) -> Tensor:
    if mode == "max":
        return _largest(rows, bag, count)
    total = rl.zeros(count, rows.shape[1], dtype=rows.dtype).index_add(0, bag, rows)
    if mode == "sum":
        return total
    sizes = rl.zeros(count, dtype=rl.int64).index_add(0, bag, rl.ones_like(bag)).clamp(min=1)
    return total / sizes.to(rows.dtype).unsqueeze(1)


def _largest(rows: Tensor, bag: Tensor, count: int) -> Tensor:
    parts = []
    for i in range(count):
        own = rows[bag == i]
        parts.append(own.max(0).values if own.shape[0] else own.sum(0))  # zeros of the same table
    return rl.stack(parts) if parts else rows[:0]
