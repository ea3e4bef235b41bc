"""Large arrays begin on a cache line where NumPy lets its allocator be chosen, and are whole."""

from __future__ import annotations

import gc
import sys
import threading

import numpy as np
import pytest

import rushlight as rl
from rushlight.core import memory

LARGE = (300, 301)


def makers():
    x = rl.ones(*LARGE)
    return {
        "zeros": lambda: rl.zeros(*LARGE), "ones": lambda: rl.ones(*LARGE), "clone": x.clone,
        "empty": lambda: rl.empty(*LARGE), "full": lambda: rl.full(LARGE, 2.0),
        "zeros_like": lambda: rl.zeros_like(x), "rand": lambda: rl.rand(*LARGE),
        "tensor": lambda: rl.tensor(x.numpy()), "stack": lambda: rl.stack([x, x]),
        "cat": lambda: rl.cat([x, x]), "weight": lambda: rl.nn.Linear(*LARGE).weight,
    }  # fmt: skip


@pytest.mark.parametrize("name", makers())
def test_large_tensors_own_memory_that_begins_on_a_line(name):
    made = [makers()[name]() for _ in range(4)]  # four in a row do not lie well by chance
    arrays = [x.detach().numpy() for x in made]
    if sys.platform == "linux":
        assert [x.ctypes.data % 64 for x in arrays] == [0] * 4
    assert all(x.is_contiguous() and x.storage_offset() == 0 for x in made)


def test_values_are_those_of_numpy():
    for size in (0, 3, 1 << 15, 1 << 16):
        for kind in map(np.dtype, ("f4", "i8", "?")):
            assert not memory.zeros((size, 2), kind).any()
            assert memory.ones((2, size), kind).all()
            assert memory.empty((size,), kind).shape == (size,)
            assert memory.zeros((size, 2), kind).base is None


def test_the_allocator_is_only_chosen_meanwhile():
    known = np._core.multiarray
    before = known.get_handler_name()
    with pytest.raises(ZeroDivisionError):
        memory.lined(1 << 20, lambda: 1 / 0)
    assert memory.empty((1 << 18,), np.dtype("f4")).nbytes == 1 << 20
    assert known.get_handler_name() == before


def test_without_a_policy_arrays_lie_as_they_come(monkeypatch):
    monkeypatch.setattr(memory, "_policy", lambda: None)
    assert memory.zeros(LARGE, np.dtype("f4")).sum() == 0
    assert memory.lined(1 << 20, np.arange, 5).tolist() == [0, 1, 2, 3, 4]


def test_arrays_are_given_back_grown_and_handed_to_threads():
    def work():
        for size in range(1 << 14, 1 << 14 | 64, 8):
            x = memory.empty((size, 2), np.dtype("f4"))
            x[...] = size
            x.resize((size + 5, 2), refcheck=False)
            assert (x[:size] == size).all() and not x[size:].any()
            found.append(x)

    found: list[np.ndarray] = []
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 24
    del found[::2]
    gc.collect()
    assert all((x[0] == x[-6]).all() for x in found)


@pytest.mark.parametrize("kind", [rl.float32, rl.float64, rl.int64, rl.bool, rl.bfloat16])
def test_zeros_are_written_where_they_belong(kind: rl.dtype) -> None:
    """A whole memory is filled byte by byte, part of one is not."""
    whole = rl.ones(300, 300, dtype=kind)
    parts = (
        lambda x: x, lambda x: x.T, lambda x: x[:, ::2], lambda x: x[20:250], lambda x: x[0],
        lambda x: x[:0],
    )  # fmt: skip
    for part in parts:
        x, wanted = whole.clone(), np.ones((300, 300))
        version = x._version
        part(x).zero_()
        part(wanted)[...] = 0
        assert np.array_equal(x.double().numpy(), wanted) and x._version == version + 1
    assert not rl.zeros(300, 300, dtype=kind).any()
