"""Making a batch of samples."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

import rushlight as rl

from ...core.errors import fail

default_collate_err_msg_format = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)
CollateMap = dict[type | tuple[type, ...], Callable]


def default_convert(data: Any) -> Any:
    """Turn NumPy arrays and scalars in a nest of containers into tensors; leave the rest alone.

    `data` is one sample.  Arrays of text or objects stay as they are; tuples become lists.
    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.default_convert

    >>> import rushlight as torch, numpy
    >>> torch.utils.data.default_convert({"x": numpy.arange(2)})
    {'x': tensor([0, 1])}
    """
    if isinstance(data, rl.Tensor):
        return data
    if isinstance(data, np.ndarray):
        return data if data.dtype.kind in "SUO" or data.dtype.kind == "a" else rl.as_tensor(data)
    if isinstance(data, np.generic) and not isinstance(data, (np.str_, np.bytes_)):
        return rl.as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(item) for item in data))
    if isinstance(data, tuple):
        return [default_convert(item) for item in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _like_sequence(data, [default_convert(item) for item in data])
    return data


def _like_mapping(model: Mapping, items: dict) -> Any:
    """`items` in a mapping of the model's own class, if it can be built."""
    try:
        if isinstance(model, MutableMapping):
            clone = copy.copy(model)
            clone.update(items)
            return clone
        return type(model)(items)  # type: ignore[call-arg]  # else items
    except TypeError:
        return items


def _like_sequence(model: Sequence, items: list) -> Any:
    """`items` in a sequence of the model's own class, if it can be built."""
    try:
        if isinstance(model, MutableSequence):
            clone = copy.copy(model)
            for place, item in enumerate(items):
                clone[place] = item
            return clone
        return type(model)(items)  # type: ignore[call-arg]  # else items
    except TypeError:
        return items


def collate(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Make one nest of batches from a list of like nests of samples.

    `collate_fn_map` maps sample types to `function(batch, *, collate_fn_map)`.  Raises TypeError
    for a type it knows nothing of, RuntimeError for sequences of unequal length.
    """
    sample = batch[0]
    if collate_fn_map is not None:
        function = collate_fn_map.get(type(sample))
        if function is None:
            function = next(
                (fn for kind, fn in collate_fn_map.items() if isinstance(sample, kind)), None
            )
        if function is not None:
            return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(sample, Mapping):
        columns = {
            key: collate([row[key] for row in batch], collate_fn_map=collate_fn_map)
            for key in sample
        }
        return _like_mapping(sample, columns)
    if isinstance(sample, Sequence):
        return _collate_sequence(batch, sample, collate_fn_map)
    repair = (
        "does __getitem__ return its sample?" if sample is None
        else "turn it into a tensor in __getitem__, or give DataLoader a collate_fn"
    )  # fmt: skip
    raise fail(TypeError, default_collate_err_msg_format.format(type(sample)), repair)


def _collate_sequence(batch: Any, sample: Sequence, collate_fn_map: CollateMap | None) -> Any:
    named = isinstance(sample, tuple) and hasattr(sample, "_fields")
    lengths = [len(row) for row in batch]
    if not named and any(length != lengths[0] for length in lengths):
        raise fail(
            RuntimeError,
            "each element in list of batch should be of equal size",
            f"lengths in this batch are {lengths}; pad them in a collate_fn of your own",
        )
    columns = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch)]
    if named:
        return type(sample)(*columns)
    return columns if isinstance(sample, tuple) else _like_sequence(sample, columns)


def collate_tensor_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Stack tensors of equal shape."""
    try:
        return rl.stack(list(batch), 0)
    except RuntimeError as error:
        shapes = [tuple(tensor.shape) for tensor in batch]
        odd = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), None)
        if odd is not None:
            error.add_note(
                f"sample {odd} of this batch has shape {shapes[odd]}, sample 0 has {shapes[0]}; "
                "resize or pad them, or give DataLoader a collate_fn"
            )
        raise


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Stack arrays as tensors; arrays of text or objects are refused."""
    if batch[0].dtype.kind in "SUO":
        raise TypeError(default_collate_err_msg_format.format(batch[0].dtype))
    return collate([rl.as_tensor(array) for array in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """A vector of the scalars, in their own dtype."""
    return rl.as_tensor(batch)


def collate_float_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """A vector of float64: Python's floats are doubles."""
    return rl.tensor(batch, dtype=rl.float64)


def collate_int_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """A vector of the integers."""
    return rl.tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Text stays as it is."""
    return batch


default_collate_fn_map: CollateMap = {
    rl.Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch: Any) -> Any:
    """Make a batch: tensors stacked, numbers in a vector, containers item by item.

    `batch` is a list of samples alike; tensors of shape (...) become one of (N, ...).
    Raises TypeError for samples of a type it does not know, RuntimeError for tensors of different
    shapes or sequences of different lengths.
    Source: https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.default_collate

    >>> import rushlight as torch
    >>> torch.utils.data.default_collate([(1, torch.zeros(2)), (2, torch.ones(2))])
    [tensor([1, 2]), tensor([[0., 0.],
            [1., 1.]])]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
