"""Samples that cannot be read or do not fit their batch: named, and skipped on request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import rushlight as rl


class Skipped(NamedTuple):
    """A sample that was left out: where it stands in the data set, why, its shape and file."""

    index: Any
    reason: str
    shape: Any = None
    file: str | None = None


class Kept:
    """A batch, if there is one, on its way to the loader with what was left out of it."""

    def __init__(self, skipped: list[Skipped], batch: Any = None, empty: bool = False) -> None:
        self.skipped, self.batch, self.empty = skipped, batch, empty


def shapes_of(sample: Any) -> Any:
    """The shapes of the tensors and arrays in a sample, nested as they are; () for a number.

    >>> import rushlight as torch
    >>> shapes_of((torch.zeros(2, 3), {"a": 1}))
    ((2, 3), {'a': ()})
    """
    if isinstance(sample, (rl.Tensor, np.ndarray)):
        return tuple(sample.shape)
    if isinstance(sample, Mapping):
        return {key: shapes_of(value) for key, value in sample.items()}
    if isinstance(sample, Sequence) and not isinstance(sample, (str, bytes)):
        return tuple(map(shapes_of, sample))
    return None if sample is None else ()


def odd_ones(samples: Any) -> tuple[dict[int, Any], Any]:
    """The places whose shapes are not those of most, with their shapes; and those of most."""
    shapes = [shapes_of(sample) for sample in samples]
    counted = Counter(repr(one) for one in shapes if one is not None)
    if not counted:
        return {}, None
    usual = counted.most_common(1)[0][0]
    common = next(one for one in shapes if repr(one) == usual)
    return {i: one for i, one in enumerate(shapes) if repr(one) != usual}, common


def file_of(dataset: Any, place: Any) -> str | None:
    """The file behind a sample, where the data set lists (path, label) pairs."""
    while hasattr(dataset, "indices") and hasattr(dataset, "dataset"):
        dataset, place = dataset.dataset, dataset.indices[place]
    rows = getattr(dataset, "samples", None)
    row = rows[place] if isinstance(rows, list) and isinstance(place, int) else None
    return str(row[0]) if isinstance(row, tuple) and isinstance(row[0], str) else None


def tell_odd(error: BaseException, dataset: Any, index: Any, samples: Any) -> None:
    """Note which samples of a batch that cannot be made differ from the rest."""
    files = [one for one in (file_of(dataset, place) for place in index[:8]) if one]
    if files:
        error.add_note(f"their files: {', '.join(files)}")
    odd, common = odd_ones(samples)
    for i, shape in list(odd.items())[:8]:
        file = file_of(dataset, index[i])
        named = f" ({file})" if file else ""
        what = "is None: does __getitem__ return it?" if shape is None else (
            f"has shape {shape}, where most have {common}")  # fmt: skip
        error.add_note(f"sample {index[i]}{named} {what}")
    if odd:
        error.add_note("DataLoader(..., skip_bad=True) leaves such samples out and lists them")


def attempt(
    read: Callable[[], Any], dataset: Any, place: Any, skipped: list[Skipped]
) -> tuple[Any, ...]:
    """(sample,), or () when it cannot be read or is None, which is then listed."""
    try:
        sample = read()
    except StopIteration:
        raise
    except Exception as error:
        said = (str(error).splitlines() or [""])[0]
        skipped.append(Skipped(place, f"{type(error).__name__}: {said}", None,
                               file_of(dataset, place)))  # fmt: skip
        return ()
    if sample is None:
        skipped.append(Skipped(place, "it is None", None, file_of(dataset, place)))
        return ()
    return (sample,)


def collated(
    collate_fn: Callable[[Any], Any], dataset: Any, index: list[Any], samples: list[Any],
    skipped: list[Skipped],
) -> Kept:  # fmt: skip
    """The batch; where it cannot be made, of the samples that have the shape of most."""
    if not samples:
        return Kept(skipped, empty=True)
    try:
        return Kept(skipped, collate_fn(samples))
    except Exception:
        odd, common = odd_ones(samples)
        if not odd:
            raise
    for i, shape in odd.items():
        reason = f"most have shape {common}"
        skipped.append(Skipped(index[i], reason, shape, file_of(dataset, index[i])))
    kept = [sample for i, sample in enumerate(samples) if i not in odd]
    return Kept(skipped, collate_fn(kept))
