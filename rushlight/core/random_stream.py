"""The stream of random words behind `random_engine`: MT19937, its seeds and its states."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from . import random_draws as draws
from .errors import fail
from .locks import fork_safe
from .memory import empty
from .random_draws import Array, Words

DEFAULT_SEED = 67280421310721
_BLOCK = 624  # words that MT19937 makes at a time
FEW = 128  # numbers for which a block's are computed together and kept
_AHEAD = 1 << 14  # results for whose least words are drawn at a time
_CHUNK = 96 * _BLOCK  # words turned into numbers at a time, so that they stay in cache

# What torch.get_rng_state() holds, byte for byte.
_STATE = np.dtype(
    {
        "names": [
            "seed",
            "left",
            "seeded",
            "next",
            "key",
            "spare",
            "has_spare",
            "spare32",
            "has32",
        ],
        "formats": ["<u8", "<i4", "<i4", "<u8", ("<u8", _BLOCK), "<f8", "<i4", "<f4", "u1"],
        "offsets": [0, 8, 12, 16, 24, 5024, 5040, 5048, 5052],
        "itemsize": 5056,
    }
)

_making = threading.Lock()


class Stream:
    """32-bit words in torch's order, with torch's seeding and torch's state layout."""

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        # The words of the block in use stand in `_block`, tempered; `_next` is the first unused
        # one. The source always stands at the end of that same block.
        self._lock = fork_safe(self)
        self.manual_seed(seed)

    def __getattr__(self, name: str) -> Any:
        """NumPy's generator, made when it is first needed: `numpy.random` is slow to import."""
        if name not in ("_bits", "_source"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        with _making:
            if "_source" not in vars(self):
                bits = np.random.MT19937(0)
                source = np.random.RandomState(bits)
                source.seed(self._seed & 0xFFFFFFFF)
                self._bits, self._source = bits, source
        return vars(self)[name]

    # --- Seeds and states

    def manual_seed(self, seed: int) -> Self:
        """Restart the stream from `seed`, -2**63 to 2**64 - 1; a negative one counts from 2**64."""
        seed = int(seed)
        if not -(1 << 63) <= seed < 1 << 64:
            raise fail(ValueError, "Overflow when unpacking long long", f"the seed was {seed}")
        self._seed = seed % (1 << 64)
        for name in ("_source", "_bits"):  # whose own lock another thread may hold
            vars(self).pop(name, None)
        self._key: Words | None = None  # the source's state while native code has it
        self._block = np.empty(_BLOCK, np.uint32)
        self._next, self._fresh = _BLOCK, True
        self._rows: tuple[Any, int, Any] = (None, 0, None)  # see `block_normals`
        self._units: tuple[Any, Any] = (None, None)  # a block of words, and its `singles`
        self._pairs: tuple[Any, int, Any] = (None, 0, None)  # see `doubles`
        self._spare: float | None = None  # the second of the last pair of serial normals
        self._spare32: float | None = None  # torch keeps a place for it and does not use it
        return self

    def initial_seed(self) -> int:
        """The seed last given."""
        return self._seed

    def seed(self) -> int:
        """Restart the stream from 53 bits of the system's randomness, and return them."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little") >> 11)
        return self._seed

    def get_state(self) -> Array:
        """The state as 5056 uint8, as `torch.get_rng_state()` lays it out."""
        state = np.zeros((), _STATE)
        state["seed"], state["seeded"] = self._seed, 1
        state["key"] = self._bits.state["state"]["key"] if self._key is None else self._key
        position = 0 if self._fresh else self._next
        state["left"], state["next"] = 1 if self._fresh else _BLOCK + 1 - position, position
        if self._spare is not None:
            state["spare"], state["has_spare"] = self._spare, 1
        if self._spare32 is not None:
            state["spare32"], state["has32"] = self._spare32, 1
        return np.frombuffer(state.tobytes(), np.uint8).copy()

    def set_state(self, state: Array) -> Self:
        """Continue from a state of `get_state` or of `torch.get_rng_state().numpy()`."""
        if state.dtype != np.uint8:
            raise fail(TypeError, "RNG state must be a torch.ByteTensor")
        if state.size != _STATE.itemsize:
            raise fail(
                RuntimeError,
                f"Expected a CPUGeneratorImplState of size {_STATE.itemsize} but found the input "
                f"RNG state size to be {state.size}",
            )
        fields = np.frombuffer(np.ascontiguousarray(state).tobytes(), _STATE)[0]
        left, position = int(fields["left"]), int(fields["next"])
        if fields["seeded"] != 1 or not 0 < left <= _BLOCK or position > _BLOCK:
            raise fail(RuntimeError, "Invalid mt19937 state")
        key = fields["key"].astype(np.uint32)
        words = {"key": key, "pos": _BLOCK}
        self._put_back(words)
        self._seed, self._block = int(fields["seed"]), _temper(key)
        self._fresh = left == 1 and position == 0
        self._next = _BLOCK if left == 1 else position
        self._spare = float(fields["spare"]) if fields["has_spare"] else None
        self._spare32 = float(fields["spare32"]) if fields["has32"] else None
        return self

    def clone(self) -> Self:
        """A second stream that continues from here."""
        return type(self)().set_state(self.get_state())

    def __reduce__(self):
        return _restored, (type(self), self.get_state())

    def __deepcopy__(self, memo: dict) -> Self:
        return self.clone()

    # --- Words

    def words(self, count: int) -> Words:
        """The next `count` 32-bit words; not to be written to."""
        with self._lock:
            start = self._next
            if start + count <= _BLOCK:
                self._next = start + count
                return self._block[start : start + count]
            head = self._block[start:]
            missing = count - head.size
            blocks = -(-missing // _BLOCK)
            fresh = self._blocks(blocks)
            self._block = fresh[-_BLOCK:].copy() if blocks > 1 else fresh
            self._next, self._fresh = missing - (blocks - 1) * _BLOCK, False
            return np.concatenate([head, fresh[:missing]]) if head.size else fresh[:missing]

    def _within(self, count: int) -> tuple[Words, int] | None:
        """The next words, at least one, if one block has them: the block, the first one's place."""
        with self._lock:
            start = self._next
            if start == _BLOCK:
                self._block, self._fresh, start = self._blocks(1), False, 0
            elif start + count > _BLOCK:
                return None
            self._next = start + count
            return self._block, start

    def _blocks(self, count: int) -> Words:
        """Whole blocks from the source."""
        native = draws.NATIVE.after(count * _BLOCK)
        if native is not None:
            if self._key is None:
                self._key = self._bits.state["state"]["key"].astype(np.uint32)
            fresh = np.empty(count * _BLOCK, np.uint32)
            native.words(self._key.ctypes.data, fresh.ctypes.data, count)
            return fresh
        if self._key is not None:
            self._put_back({"key": self._key, "pos": _BLOCK})
        if count == 1:  # the cheaper call for few words
            return self._bits.random_raw(_BLOCK).astype(np.uint32)
        return self._source.randint(0, 1 << 32, size=count * _BLOCK, dtype=np.uint32)

    def _put_back(self, words: dict[str, Any]) -> None:
        """Give NumPy's generator its state."""
        state: Any = {"bit_generator": "MT19937", "state": words}
        self._bits.state, self._key = state, None

    def converted(self, count: int, each: int, convert: Any, dtype: Any) -> Array:
        """`convert(words)` for `count` results of `each` words, a cacheful at a time."""
        if each * count <= _CHUNK:
            return convert(self.words(each * count))
        step = _CHUNK // each
        values = empty((count,), np.dtype(dtype))
        for start in range(0, count, step):
            part = values[start : start + step]
            part[:] = convert(self.words(each * part.size))
        return values

    def singles(self, count: int) -> Array:
        """`count` float32 in [0, 1), one word each; the words of a block are converted at once."""
        found = self._within(count) if 0 < count <= FEW else None
        if found is None:
            return self.converted(count, 1, draws.unit32, np.float32)
        block, start = found
        kept, values = self._units
        if kept is not block:
            values = draws.unit32(block)
            self._units = block, values
        return values[start : start + count].copy()

    def few_doubles(self, count: int) -> list[float]:
        """`count` of `doubles`, as a list; the quicker way for a handful."""
        words = self.words(2 * count).tolist()
        return [
            ((high & 0x1FFFFF) << 32 | low) * 2.0**-53
            for high, low in zip(words[0::2], words[1::2])
        ]

    def block_normals(self, count: int) -> Array:
        """Standard float32 normals for a few whole rows of 16 words, less than a block.

        All rows up to the end of a block are computed at once and kept for the next calls: the
        work on few numbers is in the calls, not in the numbers.
        """
        head = None
        with self._lock:
            block, start = self._block, self._next
            if start + count > _BLOCK:  # the places of words of the block before are negative
                head, start = block[start:], start - _BLOCK
                block = self._block = self._blocks(1)
                self._fresh = False
            self._next = start + count
        kept, first, values = self._rows
        if kept is not block or start < first or (start - first) % 16:
            words = block[start:] if head is None else np.concatenate([head, block])
            first, values = start, draws.unit32(words[: words.size // 16 * 16])
            draws.box_muller32(values, 0.0, 1.0)
            self._rows = block, first, values
        return values[start - first : start - first + count].copy()

    def doubles(self, count: int) -> Array:
        """`count` float64 in [0, 1), two words each; what is left of a block at once, as there."""
        found = self._within(2 * count) if 0 < count <= FEW else None
        if found is None:
            return self.converted(count, 2, draws.unit64, np.float64)
        block, start = found
        kept, first, values = self._pairs
        if kept is not block or start < first or (start - first) % 2:
            first, end = start, _BLOCK - (_BLOCK - start) % 2
            values = draws.unit64(block[start:end])
            self._pairs = block, first, values
        start = (start - first) // 2
        return values[start : start + count].copy()

    def _each_double(self) -> Iterator[float]:
        """The same one at a time, taking no word before it is asked for."""
        while True:
            pairs = max(1, (_BLOCK - self._next) // 2)
            start = self._next
            if start >= _BLOCK - 1:
                yield self.doubles(1).item()
                continue
            for value in draws.unit64(self._block[start : start + 2 * pairs]).tolist():
                if self._next != start:  # another draw came between
                    break
                self._next = start = start + 2
                yield value

    def rejected(self, run: Any, columns: list[Array], least: Array) -> Array:
        """Numbers that native code draws (`compile/code/sampling.py`), one for each place.

        `least` words of each are drawn before they are asked for, and no more: what results take
        beyond that is drawn in the next turn, and none is left over at the end.
        """
        columns = [np.ascontiguousarray(column, np.float64) for column in columns]
        count, done, words = least.size, 0, np.empty(0, np.uint32)
        values, state = np.empty(count), np.zeros(3, np.int64)
        normal = state[2:].view(np.float64)
        if self._spare is not None:
            state[1], normal[0] = 1, self._spare
        while True:
            inside = [column[done:].ctypes.data for column in (*columns, values)]
            done += run(*inside, count - done, words.ctypes.data, words.size, state.ctypes.data)
            if done == count:
                break
            rest, state[0] = words[state[0] :], 0
            # A normal may be left over for the first; whatever stands there wants a pair of words.
            ahead = int(least[done : done + _AHEAD].sum()) - 2 - rest.size
            words = np.concatenate([rest, self.words(max(ahead, 2))])
        self._spare = float(normal[0]) if state[1] else None
        return values


def _temper(key: Words) -> Words:
    """The words that a block of MT19937's state gives out."""
    words = key ^ (key >> np.uint32(11))
    words ^= (words << np.uint32(7)) & np.uint32(0x9D2C5680)
    words ^= (words << np.uint32(15)) & np.uint32(0xEFC60000)
    words ^= words >> np.uint32(18)
    return words


def _restored(kind: type[Stream], state: Array) -> Stream:
    return kind().set_state(state)
