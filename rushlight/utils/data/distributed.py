"""The sampler for training with several processes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import rushlight as rl

from .sampler import Sampler


class DistributedSampler(Sampler[int]):
    """Every process's own share of a data set: indices rank, rank + num_replicas, ...

    All processes shuffle alike, by `seed + epoch`: call `set_epoch` before each epoch.  The shares
    are made equal by repeating first samples or, with `drop_last`, by leaving out last ones.
    Arguments: `dataset`; `num_replicas` and `rank`, by default those of the process group;
    `shuffle`; `seed`; `drop_last`.  Raises ValueError for a rank out of range.
    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.distributed.DistributedSampler

    >>> import rushlight as torch
    >>> share = torch.utils.data.DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False)
    >>> list(share)
    [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None:
            num_replicas = int(_process_group().get_world_size())
        if rank is None:
            rank = int(_process_group().get_rank())
        if rank >= num_replicas or rank < 0:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        count = len(dataset)
        self.num_samples = count // num_replicas if drop_last else math.ceil(count / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        if self.shuffle:
            generator = rl.Generator()
            generator.manual_seed(self.seed + self.epoch)
            order = rl.randperm(count, generator=generator).tolist()
        else:
            order = list(range(count))
        if self.total_size > count:
            order = (order * math.ceil(self.total_size / count))[: self.total_size]
        share = order[self.rank : self.total_size : self.num_replicas]
        if len(share) != self.num_samples:
            raise AssertionError(
                f"Number of subsampled indices ({len(share)}) does not match "
                f"num_samples ({self.num_samples})"
            )
        return iter(share)

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, so that the next pass is in another order.

        `epoch` is added to the seed; the same one gives the same order again.

        >>> import rushlight as torch
        >>> share = torch.utils.data.DistributedSampler(range(50), num_replicas=2, rank=0)
        >>> first = list(share)
        >>> share.set_epoch(1)
        >>> list(share) == first
        False
        """
        self.epoch = epoch


def _process_group() -> Any:
    group = getattr(rl, "distributed", None)
    if group is None or not group.is_available():
        raise RuntimeError("Requires distributed package to be available")
    return group
