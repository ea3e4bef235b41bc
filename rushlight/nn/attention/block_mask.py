"""Masks of attention given as a function of indices, and their blocks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import rushlight as rl

_DEFAULT_SPARSE_BLOCK_SIZE = 128
Function = Callable[..., Any]


def of_places(function: Function, shape: Any, scores: Any = None) -> Any:
    """`function([score,] b, h, q_idx, kv_idx)` at every place of a shape (B, H, Q, K)."""
    first = () if scores is None else (0,)
    found = function
    for place in (3, 2, 1, 0):
        dims = tuple(0 if at == place else None for at in range(4))
        found = rl.vmap(found, in_dims=(*first, *dims))
    places = [rl.arange(n) for n in shape]
    return found(*(() if scores is None else (scores,)), *places)


def noop_mask(batch: Any, head: Any, token_q: Any, token_kv: Any) -> Any:
    """A mask function that lets everything pass.

    >>> import rushlight as torch
    >>> from rushlight.nn.attention.flex_attention import noop_mask
    >>> noop_mask(*torch.tensor([0, 0, 1, 2])).item()
    True
    """
    return batch.new_ones(size=(), dtype=rl.bool)


def and_masks(*mask_mods: Function) -> Function:
    """The mask function that lets pass what all the given ones do.

    >>> import rushlight as torch
    >>> from rushlight.nn.attention.flex_attention import and_masks
    >>> near = and_masks(lambda b, h, q, k: q >= k, lambda b, h, q, k: q - k < 2)
    >>> places = torch.arange(3)
    >>> near(places[0], places[0], places[:, None], places)
    tensor([[ True, False, False],
            [ True,  True, False],
            [False,  True,  True]])
    """

    def both(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        found = b.new_ones((), dtype=rl.bool)
        for mask in mask_mods:
            found = found & mask(b, h, q_idx, kv_idx)
        return found

    return both


def or_masks(*mask_mods: Function) -> Function:
    """The mask function that lets pass what one of the given ones does.

    >>> import rushlight as torch
    >>> from rushlight.nn.attention.flex_attention import or_masks
    >>> mask = or_masks(lambda b, h, q, k: q >= k, lambda b, h, q, k: k < 2)  # a prefix of two
    >>> places = torch.arange(3)
    >>> mask(places[0], places[0], places[:, None], places)
    tensor([[ True,  True, False],
            [ True,  True, False],
            [ True,  True,  True]])
    """

    def either(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        found = b.new_zeros((), dtype=rl.bool)
        for mask in mask_mods:
            found = found | mask(b, h, q_idx, kv_idx)
        return found

    return either


def create_mask(
    mod_fn: Function, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None
) -> Any:
    """The mask (B, H, Q_LEN, KV_LEN) of a mask function, or what a score function makes of zeros.

    >>> from rushlight.nn.attention.flex_attention import create_mask
    >>> create_mask(lambda b, h, q, k: q >= k, None, None, 2, 2)
    tensor([[[[ True, False],
              [ True,  True]]]])
    """
    shape = (B or 1, H or 1, Q_LEN, KV_LEN)
    scores = len(inspect.signature(mod_fn).parameters) == 5
    if not scores:
        return of_places(mod_fn, shape).expand(shape)
    return of_places(mod_fn, shape, rl.zeros(shape)) != -float("inf")


def _listed(blocks: Any) -> tuple[Any, Any]:
    """How many blocks of each row are there, and the columns, those first."""
    counts = blocks.sum(-1).to(rl.int32)
    order = blocks.to(rl.int8).argsort(dim=-1, descending=True, stable=True)
    return counts, order.to(rl.int32)


def _dense(counts: Any, indices: Any, columns: int) -> Any:
    """The opposite of `_listed`: 1 where there is a block."""
    within = rl.arange(indices.size(-1)) < counts.unsqueeze(-1)
    found = rl.zeros(*indices.shape[:-1], columns + 1, dtype=rl.int32)
    places = rl.where(within, indices.long(), columns)
    return found.scatter(-1, places, rl.ones_like(places, dtype=rl.int32))[..., :columns]


class BlockMask:
    """A mask function and which blocks of the scores it reaches, wholly or in part.

    `kv_num_blocks` (B, H, rows) and `kv_indices` (B, H, rows, columns) list the blocks that are
    reached in part (all, where `full_kv_num_blocks` is None), `full_...` those that are whole,
    `q_...` the same by columns.

    >>> from rushlight.nn.attention.flex_attention import create_block_mask
    >>> causal = lambda b, h, q, k: q >= k
    >>> create_block_mask(causal, None, None, 256, 256, device="cpu").shape
    (1, 1, 256, 256)
    """

    def __init__(
        self, seq_lengths: tuple[int, int], kv_num_blocks: Any, kv_indices: Any,
        full_kv_num_blocks: Any, full_kv_indices: Any, BLOCK_SIZE: tuple[int, int],
        mask_mod: Function,
    ) -> None:  # fmt: skip
        self.seq_lengths, self.BLOCK_SIZE, self.mask_mod = seq_lengths, BLOCK_SIZE, mask_mod
        self.kv_num_blocks, self.kv_indices = kv_num_blocks, kv_indices
        self.full_kv_num_blocks, self.full_kv_indices = full_kv_num_blocks, full_kv_indices
        columns = kv_indices.size(-1)
        part = _dense(kv_num_blocks, kv_indices, columns)
        self.q_num_blocks, self.q_indices = _listed(part.transpose(-2, -1))
        self.full_q_num_blocks = self.full_q_indices = None
        if full_kv_num_blocks is not None:
            whole = _dense(full_kv_num_blocks, full_kv_indices, columns)
            self.full_q_num_blocks, self.full_q_indices = _listed(whole.transpose(-2, -1))

    @classmethod
    def from_kv_blocks(
        cls, kv_num_blocks: Any, kv_indices: Any, full_kv_num_blocks: Any = None,
        full_kv_indices: Any = None, BLOCK_SIZE: int | tuple[int, int] = 128,
        mask_mod: Function | None = None, seq_lengths: tuple[int, int] | None = None,
    ) -> BlockMask:  # fmt: skip
        """A mask by its blocks."""
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
        if seq_lengths is None:
            seq_lengths = (kv_indices.size(-2) * size[0], kv_indices.size(-1) * size[1])
        return cls(
            seq_lengths, kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices, size,
            mask_mod or noop_mask,
        )  # fmt: skip

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.kv_indices.shape[:-2], *self.seq_lengths)

    def numel(self) -> int:
        """The number of scores."""
        b, h, rows, columns = self.shape
        return b * h * rows * columns

    def to_dense(self) -> Any:
        """1 for each block that is reached: (B, H, rows, columns)."""
        columns = self.kv_indices.size(-1)
        found = _dense(self.kv_num_blocks, self.kv_indices, columns)
        if self.full_kv_num_blocks is not None:
            found = found | _dense(self.full_kv_num_blocks, self.full_kv_indices, columns)
        return found

    def sparsity(self) -> float:
        """The percentage of scores that lie in no block."""
        blocks = self.kv_num_blocks.sum()
        if self.full_kv_num_blocks is not None:
            blocks = blocks + self.full_kv_num_blocks.sum()
        reached = blocks.item() * self.BLOCK_SIZE[0] * self.BLOCK_SIZE[1]
        return 100 * (1 - reached / self.numel())

    def __getitem__(self, index: Any) -> BlockMask:
        """The mask of some batches, heads or rows of blocks."""
        index = index if isinstance(index, tuple) else (index,)
        index = tuple(slice(i, i + 1) if isinstance(i, int) and i != -1 else
                      slice(-1, None) if isinstance(i, int) else i for i in index)  # fmt: skip
        return self._with(lambda x: x[index])

    def to(self, device: Any) -> BlockMask:
        """The mask on another device."""
        return self._with(lambda x: x.to(device))

    def _with(self, change: Callable[[Any], Any]) -> BlockMask:
        whole = self.full_kv_num_blocks is not None
        return BlockMask(
            self.seq_lengths, change(self.kv_num_blocks), change(self.kv_indices),
            change(self.full_kv_num_blocks) if whole else None,
            change(self.full_kv_indices) if whole else None, self.BLOCK_SIZE, self.mask_mod,
        )  # fmt: skip

    def __repr__(self) -> str:
        shape = tuple(self.shape)
        return f"BlockMask(shape={shape}, sparsity={self.sparsity():.2f}%)"


def create_block_mask(
    mask_mod: Function, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = _DEFAULT_SPARSE_BLOCK_SIZE, _compile: bool = False,
    separate_full_blocks: bool = True, **_: Any,
) -> BlockMask:  # fmt: skip
    """The blocks of a mask function `mask_mod(b, h, q_idx, kv_idx)`.

    >>> from rushlight.nn.attention.flex_attention import create_block_mask
    >>> create_block_mask(lambda b, h, q, k: q >= k, None, None, 256, 256)
    BlockMask(shape=(1, 1, 256, 256), sparsity=25.00%)
    """
    rows, columns = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    mask = create_mask(mask_mod, B, H, Q_LEN, KV_LEN)
    beyond = (0, -KV_LEN % columns, 0, -Q_LEN % rows)
    mask = rl.nn.functional.pad(mask, beyond, value=False)
    cut = mask.reshape(*mask.shape[:2], mask.size(2) // rows, rows, -1, columns)
    reached = cut.sum((-3, -1))
    whole = reached == rows * columns if separate_full_blocks else rl.zeros_like(reached).bool()
    part = _listed((reached > 0) & ~whole)
    full = _listed(whole) if separate_full_blocks else (None, None)
    return BlockMask((Q_LEN, KV_LEN), *part, *full, (rows, columns), mask_mod)
