"""Data sets, samplers and the gathering of tensor batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl
from rushlight.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    StackDataset,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)
from rushlight.utils.data.fetch import gather


def tensors(count):
    return rl.arange(count), rl.rand(count, 2), rl.ones(count, 1, 3, dtype=rl.float64)


def same(ours, theirs):
    assert type(ours) is type(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == other.dtype
        assert one.tolist() == other.tolist()


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 30),
    picks=st.lists(st.integers(0, 1000), min_size=1, max_size=12),
    depth=st.integers(0, 2),
)
def test_gathered_batches_are_the_collated_ones(count, picks, depth):
    data = TensorDataset(*tensors(count))
    for _ in range(depth):
        data = Subset(data, list(range(len(data)))[::-1])
    indices = [pick % count for pick in picks]
    gathered = gather(data, indices)
    assert gathered is not None
    same(gathered, default_collate([data[index] for index in indices]))


def test_gathering_copies():
    values = rl.zeros(4)
    (batch,) = next(iter(DataLoader(TensorDataset(values), batch_size=4)))
    batch.add_(1)
    assert values.tolist() == [0, 0, 0, 0]


def test_gradients_flow_through_batches():
    values = rl.arange(4.0).requires_grad_()
    for (batch,) in DataLoader(TensorDataset(values), batch_size=2):
        (batch * 3).sum().backward()
    assert values.grad.tolist() == [3, 3, 3, 3]


class Doubling(TensorDataset):
    def __getitem__(self, index):
        return tuple(2 * part for part in super().__getitem__(index))


class Batched(TensorDataset):
    def __getitems__(self, indices):
        return [(self.tensors[0][index] + 100,) for index in indices]


class Shifted(Subset):
    def __getitem__(self, idx):
        return (super().__getitem__(idx)[0] + 7,)

    def __getitems__(self, indices):
        return [self[index] for index in indices]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda data: Doubling(*data.tensors), [0, 2, 4]),
        (lambda data: Batched(*data.tensors), [100, 101, 102]),
        (lambda data: Shifted(data, [2, 1, 0]), [9, 8, 7]),
        (lambda data: Subset(Doubling(*data.tensors), [2, 0, 1]), [4, 0, 2]),
    ],
)
def test_sets_that_choose_their_samples_are_asked(make, expected):
    data = make(TensorDataset(rl.arange(3)))
    (batch,) = next(iter(DataLoader(data, batch_size=3)))
    assert batch.tolist() == expected


def test_negative_and_wrong_indices():
    data = TensorDataset(rl.arange(5))
    loader = DataLoader(data, batch_sampler=[[-1, 0]])
    assert next(iter(loader))[0].tolist() == [4, 0]
    with pytest.raises(IndexError) as caught:
        next(iter(DataLoader(data, batch_sampler=[[1, 5]])))
    assert any("sample 5" in note for note in caught.value.__notes__)


def test_indices_may_be_anything_a_set_understands():
    class Words(Dataset):
        def __getitem__(self, key):
            return len(key)

    loader = DataLoader(Words(), batch_sampler=[["a", "bc"], ["def"]])
    assert [batch.tolist() for batch in loader] == [[1, 2], [3]]


def test_custom_collation_sees_single_samples():
    data = TensorDataset(rl.arange(4), rl.arange(4) * 10)
    loader = DataLoader(data, batch_size=2, collate_fn=lambda rows: [y.item() for _, y in rows])
    assert list(loader) == [[0, 10], [20, 30]]


def test_sets_combine():
    first, second = TensorDataset(rl.arange(3)), TensorDataset(rl.arange(3) + 10)
    both = first + second
    assert isinstance(both, ConcatDataset)
    assert [both[i][0].item() for i in range(-6, 6)] == [0, 1, 2, 10, 11, 12] * 2
    stacked = StackDataset(x=first, y=second)
    assert stacked[1] == {"x": (rl.tensor(1),), "y": (rl.tensor(11),)}
    assert stacked.__getitems__([0, 2]) == [stacked[0], stacked[2]]
    pairs = StackDataset(first, both if len(both) == 3 else second)
    assert pairs.__getitems__([1]) == [pairs[1]]


def test_streams_chain():
    class Stream(IterableDataset):
        def __init__(self, *items):
            self.items = items

        def __iter__(self):
            return iter(self.items)

        def __len__(self):
            return len(self.items)

    chain = Stream(1, 2) + Stream(3)
    assert isinstance(chain, ChainDataset)
    assert list(chain) == [1, 2, 3]
    assert len(chain) == 3
    loader = DataLoader(chain, batch_size=2)
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="reported to be 1"):
        short = DataLoader(Stream(*range(4)), batch_size=2)
        short._IterableDataset_len_called = 1
        for _ in short:  # list() would ask for the length again
            pass


@given(
    total=st.integers(1, 60),
    size=st.integers(1, 9),
    drop=st.booleans(),
    replicas=st.integers(1, 5),
)
@settings(max_examples=40, deadline=None)
def test_every_index_comes_once(total, size, drop, replicas):
    batches = list(BatchSampler(RandomSampler(range(total)), size, drop))
    assert len(batches) == len(BatchSampler(range(total), size, drop))
    flat = [index for batch in batches for index in batch]
    assert len(set(flat)) == len(flat) == (total // size * size if drop else total)
    shares = [list(DistributedSampler(range(total), replicas, rank)) for rank in range(replicas)]
    assert len({len(share) for share in shares}) == 1
    assert {index for share in shares for index in share} == set(range(total))


@given(total=st.integers(3, 50), data=st.data())
@settings(max_examples=30, deadline=None)
def test_splits_cover(total, data):
    first = data.draw(st.integers(1, total - 2))
    parts = random_split(range(total), [first, total - first])
    assert sorted(index for part in parts for index in part.indices) == list(range(total))
    thirds = random_split(range(total), [1 / 3, 1 / 3, 1 / 3])
    assert sum(len(part) for part in thirds) == total
    assert max(map(len, thirds)) - min(map(len, thirds)) <= 1


def test_len_and_repeated_epochs():
    loader = DataLoader(TensorDataset(rl.arange(7)), batch_size=3, drop_last=True)
    assert len(loader) == len(list(loader)) == len(list(loader)) == 2
    assert len(iter(loader)) == 2


def test_ragged_batches_name_sample_and_shapes():
    with pytest.raises(RuntimeError, match="stack expects each tensor to be equal size") as caught:
        default_collate([rl.zeros(2), rl.zeros(2), rl.zeros(3)])
    assert any("sample 2" in note and "(3,)" in note for note in caught.value.__notes__)
    samples = [np.zeros(2), np.zeros(3)]
    with pytest.raises(RuntimeError) as caught:
        next(iter(DataLoader(samples, batch_size=2)))
    assert any("[0, 1]" in note for note in caught.value.__notes__)


def test_a_pass_over_a_loader_of_another_class() -> None:
    class Fake:
        """What fastai hands in: torch's attributes and no more."""

        dataset = [1, 2, 3]
        _dataset_kind = rl.utils.data.dataloader._DatasetKind.Map
        _index_sampler = (0, 2)
        _auto_collation, collate_fn, drop_last = False, staticmethod(lambda x: x), False
        pin_memory, generator, num_workers, timeout = False, None, 0, 0
        _IterableDataset_len_called = None

    taken = rl.utils.data.dataloader._SingleProcessDataLoaderIter
    assert list(taken(Fake())) == [1, 3]
