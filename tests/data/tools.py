"""Data sets at module level, so that every start method can send them to workers."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import numpy as np

import rushlight as rl
from rushlight.utils.data import Dataset, IterableDataset, get_worker_info


class Numbers(Dataset):
    """0, 1, 2, ... with one bad sample if wanted."""

    def __init__(self, count: int, trouble: str = "", place: int = 5) -> None:
        self.count = count
        self.trouble = trouble
        self.place = place

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        if index == self.place:
            if self.trouble == "value":
                raise ValueError("bad sample")
            if self.trouble == "key":
                return {}["missing"]
            if self.trouble == "odd":
                raise OddError(1, 2)
            if self.trouble == "stop":
                raise StopIteration
            if self.trouble == "none":
                return None
            if self.trouble == "kill":
                os.kill(os.getpid(), 9)
            if self.trouble == "exit":
                os._exit(3)
            if self.trouble == "sleep":
                time.sleep(60)
            if self.trouble == "unpicklable":
                return lambda: None
        return index


class OddError(Exception):
    """An exception that cannot be made of a text."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(first, second)


class Images(Dataset):
    """Large samples, so that batches travel in shared memory."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        image = rl.full((3, 40, 40), float(index))
        return {"image": image, "label": index, "raw": np.full((50, 50), index)}


class Draws(Dataset):
    """What the three random generators give in a worker."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        info = get_worker_info()
        who = -1 if info is None else info.id
        return who, random.random(), float(np.random.rand()), rl.rand(1).item()


class Counter(IterableDataset):
    """Numbers shared out among the workers."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Any:
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, self.count, step))


class Sized(Counter):
    """One that promises a length."""

    def __len__(self) -> int:
        return 2


def note_start(folder: str, worker: int) -> None:
    """A worker_init_fn that leaves a file behind."""
    (Path(folder) / str(worker)).write_text(str(os.getpid()))


def fail_start(worker: int) -> None:
    """A worker_init_fn that fails."""
    raise OSError("no such disk")


def keep(batch: list) -> list:
    """A collate_fn that leaves the samples alone."""
    return batch
