"""Loaders, samplers, splits and batches to try on torch and on rushlight alike.

Every function takes the library as `t` and returns plain data that JSON can hold.
"""

from __future__ import annotations

import collections
from typing import Any

import numpy as np

from tests.parity.optim_cases import caught, combine, tuples

Point = collections.namedtuple("Point", "x y")

LOADERS = [
    *combine({"shuffle": True}, n=[7, 16, 50], batch_size=[1, 4, 16], drop_last=[False, True]),
    *combine({"shuffle": True, "generator": 5}, n=[7, 40], batch_size=[3, None]),
    *combine({}, n=[5, 6], batch_size=[2, 3], drop_last=[False, True]),
    {"n": 6, "batch_size": None},
    {"n": 9, "batch_sampler": [[0, 8], [3], [5, 5, 1]]},
    {"n": 9, "sampler": [4, 2, 0], "batch_size": 2},
    {"n": 5, "shuffle": True, "subset": [9, 3, 3, 7, 1]},
    {"n": 40, "shuffle": True, "iterable": False, "batch_size": 8, "plain": True},
    {"n": 7, "iterable": True, "batch_size": 3},
    {"n": 7, "iterable": True, "batch_size": 3, "drop_last": True},
    {"n": 3, "iterable": True, "batch_size": None},
]
SAMPLERS = [
    *combine({"kind": "RandomSampler"}, n=[1, 8, 33], num_samples=[None, 5, 70], seed=[None, 3]),
    *combine(
        {"kind": "RandomSampler", "replacement": True, "n": 9},
        num_samples=[None, 40],
        seed=[None, 3],
    ),
    {"kind": "SubsetRandomSampler", "indices": [3, 9, 4, 4, 11], "seed": None},
    {"kind": "SubsetRandomSampler", "indices": [3, 9, 4, 4, 11], "seed": 8},
    *combine(
        {"kind": "WeightedRandomSampler", "weights": [0.1, 5.0, 0.0, 2.0, 1.0]},
        num_samples=[3, 12],
        replacement=[True],
        seed=[None, 2],
    ),
    {
        "kind": "WeightedRandomSampler",
        "weights": [0.1, 5.0, 1.0, 2.0],
        "num_samples": 3,
        "replacement": False,
        "seed": 2,
    },
    *combine(
        {"kind": "DistributedSampler", "num_replicas": 3},
        n=[2, 10, 12],
        rank=[0, 2],
        shuffle=[True, False],
        drop_last=[False, True],
        epoch=[0, 2],
    ),
]
SPLITS = [
    *combine(
        {"n": 20},
        lengths=[[20], [15, 5], [0.5, 0.3, 0.2], [0.33, 0.33, 0.34]],
        seed=[None, 4],
    ),
    {"n": 3, "lengths": [0.5, 0.5], "seed": 1},
    {"n": 1, "lengths": [0.9, 0.1], "seed": 1},
    {"n": 10, "lengths": [0, 10], "seed": 1},
]


def loader_of(t: Any, case: dict[str, Any]) -> Any:
    """The loader a case describes, over two tensors, a plain list, or an iterable data set."""
    d = t.utils.data
    options = {
        k: v
        for k, v in case.items()
        if k in ("batch_size", "shuffle", "drop_last", "sampler", "batch_sampler")
    }
    if case.get("generator") is not None:
        options["generator"] = t.Generator().manual_seed(case["generator"])
    n = case["n"]
    if case.get("iterable"):

        class Count(d.IterableDataset):
            def __iter__(self) -> Any:
                return iter(range(n))

        return d.DataLoader(Count(), **options)
    if case.get("plain"):
        return d.DataLoader(list(range(n)), **options)
    size = max(n, 10)
    data = d.TensorDataset(t.arange(size), t.arange(2 * size).reshape(size, 2).to(t.float32))
    if "subset" in case:
        data = d.Subset(data, case["subset"])
    elif size > n:
        data = d.Subset(data, range(n))
    return d.DataLoader(data, **options)


def load(t: Any, case: dict[str, Any]) -> dict[str, Any]:
    """Two epochs of a loader, and what the global generator gives afterwards."""
    t.manual_seed(11)
    loader = loader_of(t, case)
    epochs = [[describe(t, batch) for batch in loader] for _ in range(2)]
    length = None if case.get("iterable") else len(loader)
    return {"epochs": epochs, "length": length, "after": t.rand(1).item()}


def sample(t: Any, case: dict[str, Any]) -> dict[str, Any]:
    """Two passes of a sampler, its length, and the global generator afterwards."""
    t.manual_seed(12)
    d, kind = t.utils.data, getattr(t.utils.data, case["kind"])
    generator = t.Generator().manual_seed(case["seed"]) if case.get("seed") is not None else None
    if kind is d.RandomSampler:
        sampler = kind(
            range(case["n"]), case.get("replacement", False), case["num_samples"], generator
        )
    elif kind is d.SubsetRandomSampler:
        sampler = kind(case["indices"], generator)
    elif kind is d.WeightedRandomSampler:
        sampler = kind(case["weights"], case["num_samples"], case["replacement"], generator)
    else:
        names = ("num_replicas", "rank", "shuffle", "drop_last")
        sampler = kind(range(case["n"]), **{name: case[name] for name in names})
        sampler.set_epoch(case["epoch"])
    passes = [list(sampler), list(sampler)]
    return {"passes": passes, "length": len(sampler), "after": t.rand(1).item()}


def split(t: Any, case: dict[str, Any]) -> dict[str, Any]:
    """The indices of each part."""
    t.manual_seed(13)
    options = {}
    if case["seed"] is not None:
        options["generator"] = t.Generator().manual_seed(case["seed"])
    parts: list[Any] = []
    told = caught(
        lambda: parts.extend(
            t.utils.data.random_split(range(case["n"]), case["lengths"], **options)
        )
    )
    return {"parts": [list(part.indices) for part in parts], "told": told}


def describe(t: Any, value: Any) -> Any:
    """A batch as plain data: tensors with dtype and shape, containers with their class."""
    if isinstance(value, t.Tensor):
        return ["tensor", str(value.dtype).split(".")[-1], list(value.shape), value.tolist()]
    if isinstance(value, np.ndarray):
        return ["array", value.dtype.str, value.tolist()]
    if isinstance(value, dict):
        return [type(value).__name__, [[k, describe(t, v)] for k, v in value.items()]]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [describe(t, item) for item in value]]
    if isinstance(value, bytes):
        return ["bytes", value.decode()]
    return [type(value).__name__, value]


def batches(t: Any) -> dict[str, list[Any]]:
    """Lists of samples, by name."""

    def tensors(*shape: int) -> list[Any]:
        return [t.ones(*shape) * i for i in range(3)]

    ordered = collections.OrderedDict
    return {
        "tensors": tensors(2),
        "scalars": [t.tensor(1.5), t.tensor(2.5)],
        "matrices": tensors(2, 2),
        "bool tensors": [t.tensor([True]), t.tensor([False])],
        "int8 tensors": [t.tensor([1], dtype=t.int8), t.tensor([2], dtype=t.int8)],
        "doubles": [t.tensor([1.0], dtype=t.float64), t.tensor([2.0], dtype=t.float64)],
        "ints": [1, 2, 3],
        "bools": [True, False],
        "floats": [0.1, 0.2],
        "int then float": [1, 2.5],
        "text": ["a", "bc"],
        "bytes": [b"a", b"bc"],
        "pairs": [(1, 2.0), (3, 4.0)],
        "lists": [[1, 2.0], [3, 4.0]],
        "nested": [((1, "a"), [t.zeros(1)]), ((2, "b"), [t.ones(1)])],
        "named": [Point(1, 2.0), Point(3, 4.0)],
        "dicts": [{"x": 1, "y": t.zeros(2)}, {"x": 2, "y": t.ones(2)}],
        "ordered dicts": [ordered(b=1, a=2), ordered(b=3, a=4)],
        "dict of lists": [{"x": [1, 2]}, {"x": [3, 4]}],
        "arrays": [np.array([1, 2]), np.array([3, 4])],
        "float arrays": [np.array([1.0], np.float32), np.array([2.0], np.float32)],
        "zero-dim arrays": [np.array(1.0), np.array(2.0)],
        "numpy floats": [np.float32(1.5), np.float32(2.5)],
        "numpy doubles": [np.float64(1.5), np.float64(2.5)],
        "numpy ints": [np.int16(1), np.int16(2)],
        "numpy bools": [np.bool_(True), np.bool_(False)],
        "single": [t.zeros(2)],
        "empty tensors": [t.zeros(0), t.zeros(0)],
        "array pairs": [(np.zeros(2), 1), (np.ones(2), 0)],
        "ranges": [range(2), range(2)],
        "large int": [2**40, 1],
        # what cannot be made a batch
        "ragged": [t.zeros(2), t.zeros(3)],
        "ragged lists": [[1, 2], [3]],
        "nones": [None, None],
        "objects": [object(), object()],
        "text arrays": [np.array("a"), np.array("b")],
        "missing key": [{"x": 1}, {"y": 1}],
    }


def conversions(t: Any) -> dict[str, Any]:
    """Single samples for default_convert."""
    return {
        "array": np.arange(3),
        "float array": np.ones(2, np.float32),
        "scalar": np.float64(2.5),
        "text": "abc",
        "number": 3,
        "none": None,
        "text array": np.array(["a"]),
        "dict": {"x": np.zeros(1), "y": "z"},
        "tuple": (np.zeros(1), 2),
        "named": Point(np.zeros(1), 2),
        "list": [np.zeros(1), [np.ones(1)]],
        "tensor": t.zeros(2),
        "bytes": b"ab",
    }


def collated(t: Any, name: str) -> Any:
    """The batch, or the type and text of the refusal."""
    found: list[Any] = []
    samples = batches(t)[name]
    told = caught(lambda: found.append(t.utils.data.default_collate(samples)))
    return {"batch": describe(t, found[0])} if found else {"error": told}


def mistakes(t: Any) -> dict[str, list[str]]:
    """What loaders, samplers and data sets refuse."""
    d = t.utils.data
    data = d.TensorDataset(t.zeros(4))

    class Stream(d.IterableDataset):
        def __iter__(self) -> Any:
            return iter(())

    class Picky(d.Subset):
        def __getitem__(self, idx: Any) -> Any:
            return idx

    def loader(source: Any = data, **options: Any) -> Any:
        return lambda: d.DataLoader(source, **tuples(options))

    def rename() -> None:
        d.DataLoader(data).batch_size = 3

    tall = d.TensorDataset(t.zeros(4))
    actions = {
        "workers": loader(num_workers=-1),
        "timeout": loader(timeout=-1),
        "prefetch without workers": loader(prefetch_factor=2),
        "negative prefetch": loader(num_workers=1, prefetch_factor=-2),
        "persistent without workers": loader(persistent_workers=True),
        "batch size 0": loader(batch_size=0),
        "batch size text": loader(batch_size="4"),
        "drop without batches": loader(batch_size=None, drop_last=True),
        "sampler and shuffle": loader(sampler=d.SequentialSampler(data), shuffle=True),
        "batch sampler and size": loader(batch_sampler=[[1]], batch_size=2),
        "context without workers": loader(multiprocessing_context="fork"),
        "unknown context": loader(num_workers=1, multiprocessing_context="thread"),
        "odd context": loader(num_workers=1, multiprocessing_context=3),
        "empty and shuffled": loader(source=[], shuffle=True),
        "stream shuffled": loader(source=Stream(), shuffle=True),
        "renamed": rename,
        "tensor sizes": lambda: d.TensorDataset(t.zeros(3), t.zeros(4)),
        "stack sizes": lambda: d.StackDataset(tall, d.TensorDataset(t.zeros(3))),
        "stack both": lambda: d.StackDataset(tall, x=tall),
        "stack none": lambda: d.StackDataset(),
        "concat none": lambda: d.ConcatDataset([]),
        "concat stream": lambda: d.ConcatDataset([Stream()]),
        "concat index": lambda: d.ConcatDataset([tall])[-9],
        "chain of maps": lambda: list(d.ChainDataset([tall])),
        "picky subset": lambda: Picky(tall, [1]),
        "split sum": lambda: d.random_split(tall, [1, 2]),
        "split share": lambda: d.random_split(tall, [1.5, -0.5]),
        "abstract": lambda: d.Dataset()[0],
        "random samples": lambda: d.RandomSampler(tall, num_samples=0),
        "random replacement": lambda: d.RandomSampler(tall, replacement=1),
        "weights shape": lambda: d.WeightedRandomSampler([[1.0]], 1),
        "weights count": lambda: d.WeightedRandomSampler([1.0], 0),
        "weights replacement": lambda: d.WeightedRandomSampler([1.0], 1, replacement=1),
        "batch sampler size": lambda: d.BatchSampler(range(3), 0, False),
        "batch sampler flag": lambda: d.BatchSampler(range(3), 2, 1),
        "rank": lambda: d.DistributedSampler(tall, num_replicas=2, rank=2),
        "pin": lambda: list(d.DataLoader(tall, pin_memory=True)),
    }
    return {name: caught(action) for name, action in actions.items()}
