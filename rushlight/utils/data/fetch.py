"""Getting one batch out of a data set."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import rushlight as rl

from . import collate as collate_module
from .collate import collate_tensor_fn, default_collate
from .dataset import Dataset, Subset, TensorDataset
from .skipping import Kept, Skipped, attempt, collated, tell_odd


class Exhausted(Exception):
    """An iterable data set has no more samples."""


class MapFetcher:
    """Batches of a data set by index."""

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool,
        skip_bad: bool = False,
    ) -> None:  # fmt: skip
        self.dataset = dataset
        self.skip_bad = skip_bad
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self._gathers = (
            auto_collation
            and collate_fn is default_collate
            and isinstance(dataset, (TensorDataset, Subset))
        )

    def fetch(self, index: Any) -> Any:
        """The collated batch at a list of indices, or the converted sample at one index."""
        if self._gathers:
            batch = gather(self.dataset, index)
            if batch is not None:
                return batch
        if self.skip_bad:
            return self._without_bad(index)
        try:
            if not self.auto_collation:
                samples = self._sample(index)
            elif callable(getattr(self.dataset, "__getitems__", None)):
                samples = self.dataset.__getitems__(index)
            else:
                samples = [self._sample(place) for place in index]
            return self._collate(samples, index)
        except StopIteration as error:
            # it would end the epoch early and silently
            raise _stopped(self.dataset, index) from error

    def _without_bad(self, index: Any) -> Kept:
        skipped: list[Skipped] = []
        samples, places = [], []
        for place in index if self.auto_collation else [index]:
            for sample in attempt(partial(self._sample, place), self.dataset, place, skipped):
                samples.append(sample)
                places.append(place)
        if not self.auto_collation and samples:
            return Kept(skipped, self._collate(samples[0], index))
        return collated(self.collate_fn, self.dataset, places, samples, skipped)

    def _sample(self, place: Any) -> Any:
        try:
            return self.dataset[place]
        except StopIteration as error:
            raise _stopped(self.dataset, place) from error
        except Exception as error:
            _note(error, f"while reading sample {place} of {type(self.dataset).__name__}")
            raise

    def _collate(self, samples: Any, index: Any) -> Any:
        try:
            return self.collate_fn(samples)
        except Exception as error:
            _note(error, f"while collating the samples {index} of {type(self.dataset).__name__}")
            if isinstance(samples, list) and self.auto_collation:
                tell_odd(error, self.dataset, index, samples)
            raise


class IterableFetcher:
    """Batches of an iterable data set: the next samples, however the index looks."""

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool,
        skip_bad: bool = False,
    ) -> None:  # fmt: skip
        self.dataset, self.skip_bad, self.place = dataset, skip_bad, 0
        self.iterator = iter(dataset)
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.ended = False

    def fetch(self, index: Any) -> Any:
        """The next batch; raises Exhausted after the last."""
        if self.ended:
            raise Exhausted
        if self.skip_bad:
            return self._without_bad(index)
        if not self.auto_collation:
            try:
                return self.collate_fn(next(self.iterator))
            except StopIteration:
                raise Exhausted from None
        samples = []
        for _ in index:
            try:
                samples.append(next(self.iterator))
            except StopIteration:
                self.ended = True
                break
        if not samples or (self.drop_last and len(samples) < len(index)):
            raise Exhausted
        return self.collate_fn(samples)

    def _without_bad(self, index: Any) -> Kept:
        """The same; the place of a sample is counted in this worker's stream."""
        skipped: list[Skipped] = []
        samples, places = [], []
        wanted = len(index) if self.auto_collation else 1
        while len(samples) < wanted and not self.ended:
            try:
                found = attempt(partial(next, self.iterator), self.dataset, self.place, skipped)
            except StopIteration:
                self.ended = True
                break
            samples.extend(found)
            places.extend([self.place] * len(found))
            self.place += 1
        if self.ended and not skipped and (
            not samples or (self.drop_last and len(samples) < wanted)
        ):  # fmt: skip
            raise Exhausted
        if not samples or (self.drop_last and len(samples) < wanted):
            return Kept(skipped, empty=True)
        if not self.auto_collation:
            return Kept(skipped, self.collate_fn(samples[0]))
        return collated(self.collate_fn, self.dataset, places, samples, skipped)


def _stopped(dataset: Any, place: Any) -> RuntimeError:
    error = RuntimeError(f"{type(dataset).__name__}.__getitem__ raised StopIteration")
    error.add_note(f"at sample {place}; a loop over the loader would have ended here unnoticed")
    return error


def _note(error: BaseException, text: str) -> None:
    """Add a note, unless one of an inner data set tells already."""
    if not any(note.startswith("while reading") for note in getattr(error, "__notes__", ())):
        error.add_note(text)


def gather(dataset: Any, indices: Any) -> list | None:
    """What default collation of the samples would give, by one index per tensor.

    None where that is not certain: subclasses that pick samples themselves, indices that are not
    a list of integers, changed collation, gradients to be recorded.
    """
    places = np.asarray(indices)
    if places.ndim != 1 or places.dtype.kind not in "iu":
        return None
    while isinstance(dataset, Subset):
        own = type(dataset)
        if own.__getitem__ is not Subset.__getitem__ or (
            own.__getitems__ is not Subset.__getitems__
        ):
            return None
        try:
            chosen = [dataset.indices[place] for place in places.tolist()]
        except IndexError:
            return None
        places, dataset = np.asarray(chosen), dataset.dataset
        if places.ndim != 1 or places.dtype.kind not in "iu":
            return None
    if not isinstance(dataset, TensorDataset) or _picks_samples(type(dataset)):
        return None
    if collate_module.default_collate_fn_map.get(rl.Tensor) is not collate_tensor_fn:
        return None
    try:
        return [_rows(tensor, places) for tensor in dataset.tensors]
    except IndexError:
        return None  # the slow way names the sample


def _picks_samples(kind: type) -> bool:
    own = kind.__getitem__ is not TensorDataset.__getitem__
    return own or hasattr(kind, "__getitems__")


def _rows(tensor: Any, places: np.ndarray) -> Any:
    array = tensor._array
    if type(array) is np.ndarray and type(tensor) is rl.Tensor and not tensor.requires_grad:
        return rl.from_numpy(array.take(places, axis=0))
    if tensor.requires_grad or type(tensor) is not rl.Tensor:
        return rl.stack([tensor[place] for place in places.tolist()], 0)
    return tensor[rl.from_numpy(places)]


__all__ = ["Dataset", "Exhausted", "IterableFetcher", "MapFetcher", "gather"]
