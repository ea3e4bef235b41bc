"""The DataLoader: batches of a data set, in order, from this process or from workers."""

from __future__ import annotations

import math
import multiprocessing
import multiprocessing.context
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Generic, TypeVar

import rushlight as rl

from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .fetch import Exhausted, IterableFetcher, MapFetcher
from .pool import WorkerPool, check_pass, death_owner, start_method
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from .skipping import Kept, Skipped
from .worker import Failure, Job, get_worker_info

T_co = TypeVar("T_co", covariant=True)
_worker_init_fn_t = Callable[[int], None]  # torch's names, which libraries' annotations use
_collate_fn_t = Callable[[list[Any]], Any]
_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class _DatasetKind:
    Map = 0
    Iterable = 1


class _InfiniteConstantSampler(Sampler):
    """The sampler of iterable data sets, which do not look at indices."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader(Generic[T_co]):
    """Batches of a data set.

    Arguments: `dataset`; `batch_size`, None for single samples; `shuffle`; `sampler`, or
    `batch_sampler` in place of the four; `num_workers` processes that read ahead (0: this one);
    `collate_fn` makes a batch of a list of samples; `drop_last` leaves a short last batch out;
    `timeout` in seconds for a batch from the workers; `worker_init_fn(id)`;
    `multiprocessing_context`, a start method's name or a context (else the platform's: forked
    workers are safe beside computing threads, and scripts need no guard); `generator` for the
    order and the workers' seeds; `prefetch_factor` batches read ahead per worker (2);
    `persistent_workers` keeps them between epochs; `in_order=False` gives batches as they come.
    `skip_bad=True` goes on without samples that raise, that are None, or whose shapes differ from
    those of most of a batch that cannot be made: `loader.skipped` lists them (index, reason, shape,
    file) for the last epoch, whose end warns of their number.
    `pin_memory` and `pin_memory_device` change nothing without an accelerator.
    Raises ValueError for options that exclude each other; an exception in a worker is raised here
    with its type, the worker's traceback, and the sample's index.
    Source: https://docs.pytorch.org/docs/stable/data.html

    >>> import rushlight as torch
    >>> data = torch.utils.data.TensorDataset(torch.arange(5))
    >>> [batch.tolist() for (batch,) in torch.utils.data.DataLoader(data, batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    _initialized = False
    _iterator: Any = None

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable | None = None,
        batch_sampler: Iterable | None = None,
        num_workers: int = 0,
        collate_fn: Callable | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        skip_bad: bool = False,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = 2
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self.skip_bad = skip_bad
        self.skipped: list[Skipped] = []
        iterable = isinstance(dataset, IterableDataset)
        self._dataset_kind = _DatasetKind.Iterable if iterable else _DatasetKind.Map
        _check_sampling(iterable, batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size, drop_last = None, False
        if sampler is None:
            if iterable:
                sampler = _InfiniteConstantSampler()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self._initialized = True
        self._IterableDataset_len_called: int | None = None
        self.check_worker_number_rationality()

    @property
    def multiprocessing_context(self) -> Any:
        """The context the workers start in; None for the platform's own."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None:
            if self.num_workers == 0:
                raise ValueError(
                    "multiprocessing_context can only be used with multi-process loading "
                    f"(num_workers > 0), but got num_workers={self.num_workers}"
                )
            if isinstance(context, str):
                methods = multiprocessing.get_all_start_methods()
                if context not in methods:
                    raise ValueError(
                        "multiprocessing_context option should specify a valid start method in "
                        f"{methods!r}, but got multiprocessing_context={context!r}"
                    )
                context = multiprocessing.get_context(context)
            if not isinstance(context, multiprocessing.context.BaseContext):
                raise TypeError(
                    "multiprocessing_context option should be a valid context object or a string "
                    f"specifying the start method, but got multiprocessing_context={context}"
                )
        self._context = context

    def __setattr__(self, name: str, value: Any) -> None:
        if self._initialized and name in _FIXED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    def __iter__(self) -> Any:
        if not (self.persistent_workers and self.num_workers > 0):
            return self._get_iterator()
        if self._iterator is None or self._iterator.closed:
            self._iterator = self._get_iterator()
        else:
            self._iterator.restart()
        return self._iterator

    def _get_iterator(self) -> Any:
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        self.check_worker_number_rationality()
        return _MultiProcessingDataLoaderIter(self)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def __len__(self) -> int:
        if self._dataset_kind == _DatasetKind.Map:
            return len(self._index_sampler)
        length = self._IterableDataset_len_called = len(self.dataset)
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else math.ceil(length / self.batch_size)

    def check_worker_number_rationality(self) -> None:
        """Warn of more workers than processors."""
        if not self.num_workers:
            return
        affinity = getattr(os, "sched_getaffinity", None)
        count = len(affinity(0)) if affinity else os.cpu_count()
        if count is None or self.num_workers > count:
            aside = "" if affinity else " (`cpuset` is not taken into account)"
            suggestion = (
                f"Our suggested max number of worker in current system is {count}{aside}, "
                "which is smaller than what this DataLoader is going to create."
                if count is not None
                else "DataLoader is not able to compute a suggested max number of worker in "
                "current system."
            )
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. "
                f"{suggestion} Please be aware that excessive worker creation might get "
                "DataLoader running slow or even freeze, lower the worker number to avoid "
                "potential slowness/freeze if necessary.",
                stacklevel=2,
            )


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent: bool
) -> None:
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; "
            "use num_workers=0 to disable multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, "
            "otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_sampling(
    iterable: bool,
    batch_size: int | None,
    shuffle: bool | None,
    sampler: Iterable | None,
    batch_sampler: Iterable | None,
    drop_last: bool,
) -> None:
    if iterable:
        given = {"sampler": sampler, "batch_sampler": batch_sampler}
        if shuffle not in (False, None):
            given = {"shuffle": shuffle}
        for name, value in given.items():
            if value is not None:
                raise ValueError(
                    f"DataLoader with IterableDataset: expected unspecified {name} option, "
                    f"but got {name}={value}"
                )
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ValueError(
                "batch_sampler option is mutually exclusive "
                "with batch_size, shuffle, sampler, and drop_last"
            )
    elif batch_size is None and drop_last:
        raise ValueError(
            "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        )


class _BaseDataLoaderIter:
    """One pass over a loader."""

    def __init__(self, loader: DataLoader) -> None:
        check_pass(loader)
        self._loader = loader
        self._dataset = loader.dataset
        self._iterable = loader._dataset_kind == _DatasetKind.Iterable
        if loader.pin_memory:
            _warn_of_pinning(loader)
        self._sampler_iter = iter(loader._index_sampler)
        draw = rl.empty((), dtype=rl.int64).random_(generator=loader.generator)
        self._base_seed = int(draw.item())
        self._num_yielded, self._promised = 0, loader._IterableDataset_len_called
        kind = IterableFetcher if self._iterable else MapFetcher
        # fastai hands in a loader of its own class, which has what torch's passes ask for
        skip_bad = getattr(loader, "skip_bad", False)
        self._make_fetcher = partial(
            kind, loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last,
            skip_bad,
        )  # fmt: skip
        self._list_skipped()

    def _list_skipped(self) -> None:
        """Begin the list of samples that are left out."""
        self._skipped = self._loader.skipped = []

    def _taken(self, result: Any) -> tuple[Any, ...]:
        """(batch,), or () where nothing is left of one."""
        if not isinstance(result, Kept):
            return (result,)
        self._skipped += result.skipped
        return () if result.empty else (result.batch,)

    def _tell_skipped(self) -> None:
        """Warn once, at the end of an epoch."""
        if self._skipped:
            shown = "; ".join(
                f"{one.index}{f' ({one.file})' if one.file else ''}: {one.reason}"
                for one in self._skipped[:3]
            )
            warnings.warn(
                f"{len(self._skipped)} bad samples were skipped, see loader.skipped: {shown}",
                stacklevel=3,
            )

    def __iter__(self) -> Any:
        return self

    def __len__(self) -> int:
        return len(self._loader._index_sampler)

    def _count(self) -> None:
        """Warn when an iterable data set gives more batches than its length promised."""
        self._num_yielded += 1
        promised = self._promised
        if not self._iterable or promised is None or self._num_yielded <= promised:
            return
        text = (
            f"Length of IterableDataset {self._dataset} was reported to be {promised}"
            f"(when accessing len(dataloader)), but {self._num_yielded} samples have been "
            "fetched. "
        )
        if self._loader.num_workers > 0:
            text += (
                "For multiprocessing data-loading, this could be caused by not properly "
                "configuring the IterableDataset replica at each worker. Please see "
                "https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset "
                "for examples."
            )
        warnings.warn(text, stacklevel=3)


def _warn_of_pinning(loader: DataLoader) -> None:
    if loader.pin_memory_device:
        warnings.warn(
            "pin_memory_device is deprecated, the current accelerator will be used as the device,"
            f"ignore pin_memory_device='{loader.pin_memory_device}'.",
            stacklevel=5,
        )
    warnings.warn(
        "'pin_memory' argument is set as true but no accelerator is found, "
        "then device pinned memory won't be used.",
        stacklevel=5,
    )


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """One pass, read in this process."""

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        self._fetch = self._make_fetcher().fetch

    def __next__(self) -> Any:
        for index in self._sampler_iter:
            try:
                taken = self._taken(self._fetch(index))
            except Exhausted:
                break
            for batch in taken:
                if self._iterable:
                    self._count()
                return batch
        self._tell_skipped()
        raise StopIteration


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """One pass, or with persistent workers several, read by worker processes.

    Task k goes to the next active worker in turn, as in torch: which worker reads which batch
    decides what its random transformations draw.
    """

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        context = loader.multiprocessing_context or multiprocessing.get_context()
        method = start_method(context)
        owner = death_owner(method)
        jobs = [
            Job(
                id=number,
                num_workers=loader.num_workers,
                base_seed=self._base_seed,
                make_fetcher=self._make_fetcher,
                dataset=loader.dataset,
                init_fn=loader.worker_init_fn,
                parent=owner,
                forked=method == "fork",
            )
            for number in range(loader.num_workers)
        ]
        self._pool = WorkerPool(context, jobs, loader.timeout)
        self._sent = 0  # the number of the next task to hand out
        self._begin()

    @property
    def closed(self) -> bool:
        """Whether the workers are gone."""
        return not self._pool._open

    def _begin(self) -> None:
        self._wanted = self._sent  # the number of the next task to give to the caller
        self._done: dict[int, Any] = {}
        self._holder: dict[int, Any] = {}  # unfinished tasks and who has them
        self._pool.restart_turns()
        prefetch = self._loader.prefetch_factor or 0
        for _ in range(prefetch * self._loader.num_workers):
            self._hand_out()

    def restart(self) -> None:
        """Begin another epoch with the same workers; answers to the last one are ignored."""
        self._sampler_iter = iter(self._loader._index_sampler)
        self._num_yielded = 0
        self._list_skipped()
        for worker in self._pool.workers:
            worker.ask(None, None)
        self._begin()

    def _hand_out(self) -> None:
        try:
            index = next(self._sampler_iter)
        except StopIteration:
            return
        worker = self._pool.next_worker()
        if worker is None:
            return
        worker.ask(self._sent, index)
        self._holder[self._sent] = worker
        self._sent += 1

    def _collect(self) -> tuple[int, Any] | None:
        """The next answer; None if it says that a worker has no more samples."""
        worker, number, result = self._pool.answer()
        self._holder.pop(number, None)
        if not isinstance(result, Exhausted):
            return number, result
        worker.active = False
        for other in worker.tasks:
            self._holder.pop(other, None)
        worker.tasks.clear()
        self._hand_out()
        return None

    def __next__(self) -> Any:
        while not self.closed and (self._holder or self._done):
            if self._loader.in_order:
                if self._wanted in self._done:
                    self._wanted += 1
                    for batch in self._give(self._done.pop(self._wanted - 1)):
                        return batch
                    continue
                if self._wanted not in self._holder:  # its worker ran out of samples
                    self._wanted += 1
                    continue
            answer = self._collect()
            if answer is None:
                continue
            number, result = answer
            if self._loader.in_order:
                self._done[number] = result
                continue
            for batch in self._give(result):
                return batch
        if not self._loader.persistent_workers:
            self._pool.close()
        self._tell_skipped()
        raise StopIteration

    def _give(self, result: Any) -> tuple[Any, ...]:
        self._hand_out()
        if isinstance(result, Failure):
            result.reraise()
        taken = self._taken(result)
        if taken:
            self._count()
        return taken


__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]
