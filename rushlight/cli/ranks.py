"""The processes that train one network together, where a launcher has started several."""

from __future__ import annotations

import os
import signal
from typing import Any

import rushlight as rl

from .interrupt import Stopped, StopRequests
from .terminal import Complaint


class Ranks:
    """This process's rank and how many there are: 0 of 1, unless `join` meets others."""

    rank, size = 0, 1

    def __init__(self) -> None:
        self.size = int(os.environ.get("WORLD_SIZE") or 1)
        self.rank = int(os.environ.get("RANK") or 0) if self.size > 1 else 0

    def join(self) -> None:
        """Meet the other processes."""
        if self.size > 1:
            rl.distributed.init_process_group()

    def leave(self) -> None:
        """Part again."""
        if self.size > 1:
            rl.distributed.destroy_process_group()

    def wrap(self, net: Any) -> Any:
        """The network, its gradients the mean over all."""
        if self.size == 1:
            return net
        return rl.nn.parallel.DistributedDataParallel(net)

    def share(self, batch: int) -> int:
        """This process's part of a batch."""
        if batch % self.size:
            raise Complaint(
                f"--batch-size {batch} cannot be shared out to {self.size} processes", code=2
            )
        return batch // self.size

    def total(self, stop: StopRequests, *values: float) -> tuple[float, ...]:
        """The sums over all processes; raises Stopped on all where a signal has come to one."""
        if self.size == 1:
            return values
        sums = rl.tensor([float(stop.number is not None), *values], dtype=rl.float64)
        rl.distributed.all_reduce(sums)
        stopped, *found = sums.tolist()
        if stopped:
            raise Stopped(stop.number or signal.SIGINT)
        return tuple(found)
