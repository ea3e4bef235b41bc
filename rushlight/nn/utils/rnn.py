"""Batches of sequences of different lengths: padding, packing, and back."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

import rushlight as rl

from ...core.errors import ShapeError, fail
from ...core.state import STATE
from ...core.tensor import EAGER_TYPES
from ...functions import neural as n

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence",
    "pad_packed_sequence", "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class _PackedFields(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(_PackedFields):
    """Sequences stored step by step without padding: made by pack_padded_sequence.

    data: the rows of step 0 of all sequences (longest first), then of step 1, ... batch_sizes: how
    many sequences reach each step. sorted_indices: the order the batch was put in.

    >>> import rushlight as torch
    >>> rows = [torch.tensor([1, 2, 3]), torch.tensor([4])]
    >>> pack = torch.nn.utils.rnn.pack_sequence(rows)
    >>> pack.data, pack.batch_sizes
    (tensor([1, 4, 2, 3]), tensor([2, 1, 1]))
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Any = None,
        sorted_indices: Any = None,
        unsorted_indices: Any = None,
    ) -> Any:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """The same sequences with their data moved to another dtype."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        return type(self)(data, *self[1:])

    def double(self) -> Any:
        """The data as float64."""
        return self.to(dtype=rl.double)

    def float(self) -> Any:
        """The data as float32."""
        return self.to(dtype=rl.float)

    def half(self) -> Any:
        """The data as float16."""
        return self.to(dtype=rl.half)

    def long(self) -> Any:
        """The data as int64."""
        return self.to(dtype=rl.long)

    def int(self) -> Any:
        """The data as int32."""
        return self.to(dtype=rl.int)

    def short(self) -> Any:
        """The data as int16."""
        return self.to(dtype=rl.short)

    def char(self) -> Any:
        """The data as int8."""
        return self.to(dtype=rl.int8)

    def byte(self) -> Any:
        """The data as uint8."""
        return self.to(dtype=rl.uint8)

    def cpu(self) -> Any:
        """Itself: it is there already."""
        return self

    def pin_memory(self) -> Any:
        """Itself: there is no GPU to pin for."""
        return self

    @property
    def is_cuda(self) -> bool:
        return False

    def is_pinned(self) -> bool:
        return False


def invert_permutation(permutation: Any) -> Any:
    """The order that undoes `permutation` (N).

    >>> import rushlight as torch
    >>> torch.nn.utils.rnn.invert_permutation(torch.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    output = rl.empty_like(permutation)
    output[permutation] = rl.arange(permutation.numel())
    return output


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack padded sequences (T, B, *), or (B, T, *), of the given lengths (B).

    enforce_sorted: demand falling lengths instead of sorting. Raises RuntimeError for lengths that
    are not positive or not one per sequence.

    >>> import rushlight as torch
    >>> torch.nn.utils.rnn.pack_padded_sequence(torch.zeros(3, 2, 4), [3, 1]).batch_sizes
    tensor([2, 1, 1])
    """
    lengths = rl.as_tensor(lengths, dtype=rl.int64)
    if input.numel() == 0 or (not enforce_sorted and lengths.numel() == 0):
        raise RuntimeError("Cannot pack empty tensors.")
    if lengths.dim() != 1:
        raise RuntimeError(
            "'lengths' argument should be a 1D CPU int64 tensor, but got "
            f"{lengths.dim()}D cpu Long tensor"
        )
    order = None
    if not enforce_sorted:
        lengths, order = rl.sort(lengths, descending=True)
        input = input.index_select(0 if batch_first else 1, order)
    steps, batch = (input.shape[1], input.shape[0]) if batch_first else input.shape[:2]
    sizes = _batch_sizes(lengths.tolist(), batch)
    if len(sizes) > steps:
        raise fail(
            IndexError,
            f"index {steps} is out of bounds for dimension 0 with size {steps}",
            f"the longest of the lengths is {len(sizes)}; the padded sequences have {steps} steps",
        )
    after, beside = (1, steps) if batch_first else (batch, 1)
    members = np.arange(batch)
    rows = np.arange(len(sizes))[:, None] * after + members * beside
    rows = rl.from_numpy(rows[np.array(sizes)[:, None] > members])
    data = n.whole(input.flatten(0, 1).index_select(0, rows), "PackPaddedSequenceBackward0")
    return PackedSequence(data, rl.tensor(sizes, dtype=rl.int64), order)


def _batch_sizes(lengths: list[int], batch: int) -> list[int]:
    """How many sequences reach each step; torch's errors for lengths that do not fit."""
    if len(lengths) != batch:
        raise RuntimeError(
            "Expected `len(lengths)` to be equal to batch_size, but got "
            f"{len(lengths)} (batch_size={batch})"
        )
    if lengths[-1] <= 0 or min(lengths) <= 0:
        raise fail(
            RuntimeError,
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0",
            f"position {next(i for i, count in enumerate(lengths) if count <= 0)}",
        )
    if any(later > earlier for earlier, later in pairwise(lengths)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
            "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement if you do not need ONNX exportability."
        )
    if lengths[-1] == lengths[0]:
        return [batch] * lengths[0]
    sizes: list[int] = []
    for count, longest in zip(range(batch, 0, -1), reversed(lengths)):
        sizes += [count] * (longest - len(sizes))
    return sizes


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Any, Any]:
    """The padded sequences (T, B, *), or (B, T, *), and their lengths (B).

    sequence: a PackedSequence. batch_first: the sequences (B, T, *) rather than (T, B, *); the
    second result has their lengths. padding_value fills their ends; total_length: T, where it
    shall be more than the longest. Raises: ValueError for a smaller one.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pad_packed_sequence.html

    >>> import rushlight as torch
    >>> packed = torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2]), torch.tensor([3])])
    >>> torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)[0].tolist()
    [[1, 2], [3, 0]]
    """
    sizes = sequence.batch_sizes.tolist()
    longest = len(sizes)
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but "
            f"got total_length={total_length} and max sequence length being {longest}"
        )
    batch = sizes[0]
    rest = tuple(sequence.data.shape[1:])
    steps = []
    for rows in sequence.data.split(sizes):
        gap = batch - rows.shape[0]
        if gap:
            rows = rl.cat([rows, rows.new_full((gap, *rest), padding_value)])
        steps.append(rows)
    blank = sequence.data.new_full((batch, *rest), padding_value)
    steps += [blank] * ((total_length or longest) - longest)
    padded: Any = rl.stack(steps)
    lengths = rl.tensor([sum(size > place for size in sizes) for place in range(batch)])
    if batch_first:
        padded = padded.transpose(0, 1)
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(0 if batch_first else 1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices]
    return padded, lengths


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Any:
    """Stack sequences (T_i, *) into (T, B, *), or (B, T, *), padded to the longest.

    padding_value fills the gaps, padding_side ("right" or "left") says where they are. Raises:
    RuntimeError for no sequences and for another side, TypeError for what is no tensor.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pad_sequence.html

    >>> import rushlight as torch
    >>> torch.nn.utils.rnn.pad_sequence([torch.ones(2), torch.ones(1)], batch_first=True)
    tensor([[1., 1.],
            [1., 0.]])
    """
    if not isinstance(sequences, (Iterable, rl.Tensor)):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    sequences = list(sequences)
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    strange = [place for place, one in enumerate(sequences) if not isinstance(one, rl.Tensor)]
    if strange:
        kind = type(sequences[strange[0]]).__name__
        raise fail(
            TypeError,
            f"expected Tensor as element {strange[0]} in argument 0, but got {kind}",
            "each sequence becomes a tensor by torch.tensor(sequence)",
        )
    longest = max(sequence.shape[0] for sequence in sequences)
    _check_rest(sequences)
    filled = _filled(sequences, longest, batch_first, padding_value, padding_side == "right")
    if filled is not None:
        return filled
    padded = []
    for sequence in sequences:
        gap = longest - sequence.shape[0]
        if gap:
            blank = sequence.new_full((gap, *sequence.shape[1:]), padding_value)
            both = [sequence, blank] if padding_side == "right" else [blank, sequence]
            sequence = rl.cat(both)
        padded.append(sequence)
    return rl.stack(padded, 0 if batch_first else 1)


_USUAL = 1e30  # what fills gaps is checked elsewhere where it is larger


def _filled(
    sequences: list[Any], longest: int, batch_first: bool, value: Any, first: bool
) -> Any:  # fmt: skip
    """The same in one array, where nothing is recorded or followed and the types are one."""
    arrays = [sequence._array for sequence in sequences]
    kind = arrays[0].dtype
    plain = type(value) in (int, float) and kind.char in "fd" and not abs(value) > _USUAL
    if (
        not plain
        or STATE.tracer is not None
        or any(type(one) not in EAGER_TYPES for one in sequences)
    ):
        return None
    if any(type(a) is not np.ndarray or a.dtype is not kind for a in arrays):
        return None
    if rl.is_grad_enabled() and any(sequence.requires_grad for sequence in sequences):
        return None
    shape = (len(arrays), longest) if batch_first else (longest, len(arrays))
    y = np.full((*shape, *arrays[0].shape[1:]), value, kind)
    for rows, a in zip(y if batch_first else y.swapaxes(0, 1), arrays):
        start = 0 if first else longest - len(a)
        rows[start : start + len(a)] = a
    return rl.from_numpy(y)


def _check_rest(sequences: list[Any]) -> None:
    """Sequences may differ in length only."""
    first = sequences[0].shape
    for place, sequence in enumerate(sequences):
        for dim, (a, b) in enumerate(zip(first[1:], sequence.shape[1:]), start=1):
            if a != b:
                raise fail(
                    ShapeError,
                    f"The size of tensor a ({a}) must match the size of tensor b ({b}) at "
                    f"non-singleton dimension {dim}",
                    f"sequence 0 has shape {tuple(first)}, sequence {place} has shape "
                    f"{tuple(sequence.shape)}",
                )


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """The sequences (T_i, *) of a padded batch.

    padded_sequences: (T, B, *), or (B, T, *) by batch_first. lengths: of each sequence, (B,).
    Returned: a list of B tensors.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.unpad_sequence.html

    >>> import rushlight as torch
    >>> padded = torch.tensor([[1, 4], [2, 0]])
    >>> torch.nn.utils.rnn.unpad_sequence(padded, torch.tensor([2, 1]))
    [tensor([1, 2]), tensor([4])]
    """
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [row[: int(length)] for row, length in zip(padded_sequences, lengths)]


def pack_sequence(sequences: list[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (T_i, *).

    enforce_sorted: the longest must come first; False sorts them. Raises: RuntimeError for
    another order.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_sequence.html

    >>> import rushlight as torch
    >>> torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2]), torch.tensor([3])]).data
    tensor([1, 3, 2])
    """
    lengths = [sequence.shape[0] for sequence in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """The list of sequences (T_i, *) of a pack.

    packed_sequences: a PackedSequence. Returned: a list of tensors (T_i, *), in the order they
    had before.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.unpack_sequence.html

    >>> import rushlight as torch
    >>> rows = [torch.tensor([1, 2, 3]), torch.tensor([4])]
    >>> torch.nn.utils.rnn.unpack_sequence(torch.nn.utils.rnn.pack_sequence(rows))
    [tensor([1, 2, 3]), tensor([4])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
