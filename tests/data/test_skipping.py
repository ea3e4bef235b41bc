"""Samples that cannot be read or do not fit: told by name, or left out and listed."""

from __future__ import annotations

import pytest

import rushlight as rl
from rushlight.utils.data import DataLoader, Dataset, IterableDataset, default_collate


class Rows(Dataset):
    """Twelve rows: 2 raises, 5 is None, 7 is longer."""

    samples = [(f"row{i}.png", 0) for i in range(12)]

    def __len__(self):
        return 12

    def __getitem__(self, i):
        if i == 2:
            raise OSError("cut short\nat byte 7")
        return None if i == 5 else (rl.full((3 if i == 7 else 2,), float(i)), i)


class Stream(IterableDataset):
    def __iter__(self):
        return iter([rl.zeros(2), None, rl.ones(2), rl.zeros(3), rl.ones(2)])


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_goes_on_without_bad_samples(workers):
    loader = DataLoader(Rows(), batch_size=4, num_workers=workers, skip_bad=True)
    for _ in range(2):  # the list is of one epoch
        with pytest.warns(UserWarning, match="3 bad samples were skipped, see loader.skipped"):
            labels = [y.tolist() for _, y in loader]
        assert labels == [[0, 1, 3], [4, 6], [8, 9, 10, 11]]
        assert [one.index for one in loader.skipped] == [2, 5, 7]
        assert [one.file for one in loader.skipped] == ["row2.png", "row5.png", "row7.png"]
        assert [one.reason for one in loader.skipped] == [
            "OSError: cut short", "it is None", "most have shape ((2,), ())",
        ]  # fmt: skip
        assert loader.skipped[2].shape == ((3,), ())


def test_a_batch_of_nothing_is_passed_over():
    loader = DataLoader([None, None, 1, 2, None, 3], batch_size=2, skip_bad=True)
    with pytest.warns(UserWarning, match="3 bad samples"):
        assert [batch.tolist() for batch in loader] == [[1, 2], [3]]
    single = DataLoader([None, rl.ones(1)], batch_size=None, skip_bad=True)
    with pytest.warns(UserWarning, match="1 bad samples"):
        assert [x.tolist() for x in single] == [[1.0]]


@pytest.mark.parametrize("workers", [0, 1])
def test_streams_go_on_too(workers):
    loader = DataLoader(Stream(), batch_size=4, num_workers=workers, skip_bad=True)
    with pytest.warns(UserWarning, match="2 bad samples"):
        assert [batch.shape for batch in loader] == [(3, 2)]
    assert [one.index for one in loader.skipped] == [1, 3]


def test_without_the_option_the_first_bad_sample_ends_the_epoch():
    with pytest.raises(OSError, match="cut short"):
        list(DataLoader(Rows(), batch_size=4))
    pairs = [(0, 4, 5), (6, 7, 8)]
    for places, said in zip(pairs, ("sample 5 (row5.png) is None", "sample 7 (row7.png) has")):
        with pytest.raises((TypeError, RuntimeError)) as caught:
            list(DataLoader(Rows(), batch_sampler=[places]))
        notes = caught.value.__notes__
        assert any(note.startswith(said) for note in notes), notes
        assert any("skip_bad=True" in note for note in notes)


def test_what_fits_no_batch_for_another_reason_is_raised():
    def refusing(samples):
        raise ValueError("no")

    loader = DataLoader([1, 2], batch_size=2, collate_fn=refusing, skip_bad=True)
    with pytest.raises(ValueError, match="no"):
        list(loader)
    padded = DataLoader(
        [rl.zeros(1), rl.zeros(3)], batch_size=2, skip_bad=True,
        collate_fn=lambda xs: rl.nn.utils.rnn.pad_sequence(xs, batch_first=True),
    )  # fmt: skip
    assert next(iter(padded)).shape == (2, 3)
    assert default_collate([1, 2]).tolist() == [1, 2]
