"""Thousands of damaged files from a fixed seed: a value or a CheckpointError, nothing else."""

import io
import zipfile

import numpy as np
import pytest

from rushlight.serialize import CheckpointError, safetensors
from tests.serialize.test_gadgets import ABUSES, GADGETS, legacy
from tests.serialize.tools import loaded, packed, records, sample, saved, tensor, with_pickle

MUTANTS = 1500


def mutate(data, rng, others):
    """A few random edits: bytes, cuts, doublings, pieces of other files, extreme numbers."""
    bad = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, len(bad) + 1))
        end = min(len(bad), at + int(rng.integers(1, 12)))
        match rng.integers(0, 6):
            case 0:
                bad[at:end] = rng.integers(0, 256, end - at, dtype=np.uint8).tobytes()
            case 1:
                del bad[at:end]
            case 2:
                bad[at:at] = bad[at:end]
            case 3:
                other = others[rng.integers(0, len(others))]
                start = int(rng.integers(0, len(other) + 1))
                bad[at:end] = other[start : start + end - at + 4]
            case 4:
                bad[at : at + 4] = [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", bytes(4)][at % 3]
            case 5:
                bad[at : at + 1] = bytes([rng.choice(list(b"NR(tbQcqhju.0123a}])l\x81\x85\x93"))])
    return bytes(bad)


def survives(data):
    """Whether it loads; anything but CheckpointError fails the test."""
    try:
        loaded(data, weights_only=False)
        loaded(data)
    except CheckpointError:
        return False
    return True


def test_mutants_of_the_pickle():
    """The checksum is made right again, so that the pickle reader and the makers see the damage."""
    found = records(saved(sample()))
    seed = found["archive/data.pkl"]
    rich = saved(
        {"n": np.arange(3), "f": np.float32(1), "c": 1j, "s": {1}, "b": b"ab", "t": (1, 2)}
    )
    seeds = [seed, seed, records(rich)["archive/data.pkl"]]
    pieces = [*GADGETS.values(), *ABUSES.values(), *seeds]
    rng = np.random.default_rng(7)
    alive = 0
    for i in range(MUTANTS * 2):
        bad = mutate(seeds[i % 3], rng, pieces)
        alive += survives(packed({**found, "archive/data.pkl": bad}))
    assert 0 < alive < MUTANTS


@pytest.mark.parametrize("kind", ["zip", "streamed zip", "safetensors", "legacy"])
def test_mutants_of_the_file(kind):
    stream = io.BytesIO()
    whole = saved(sample())
    if kind == "streamed zip":
        with zipfile.ZipFile(_Unseekable(stream), "w") as archive:
            for name, data in records(whole).items():
                archive.writestr(name, data)
        whole = stream.getvalue()
    if kind == "safetensors":
        whole = safetensors.save({"a": tensor(np.arange(4.0)), "b": tensor([True, False])})
    if kind == "legacy":
        whole = legacy(b"\x80\x02}X\x01\x00\x00\x00aK\x01s.")
    assert survives(whole)
    rng = np.random.default_rng(11)
    alive = sum(survives(mutate(whole, rng, [whole, with_pickle(b"N.")])) for _ in range(MUTANTS))
    assert alive < MUTANTS


class _Unseekable:
    def __init__(self, stream):
        self.write, self.flush = stream.write, stream.flush
