"""A stream of bytes from one process to another through shared memory."""

from __future__ import annotations

from typing import Any

from .peers import Wait
from .window import ALIVE, WHOLE, Window


class Ring:
    """A buffer that goes round: two counters, moved by its writer and by its reader."""

    HEAD = 128
    WRITTEN, READ, READER, WRITER = 0, 64, 4, 68  # the counters, and who sleeps on them

    def __init__(self, window: Window, at: int, room: int, source: int, target: int) -> None:
        self.window, self.at, self.room = window, window.data_at + at, room
        self.source, self.target = source, target
        self.data = window.array(at + self.HEAD, room)

    def _word(self, at: int) -> int:
        return self.window.words[(self.at + at) >> 2]

    def waiting_bytes(self) -> int:
        """How many bytes can be read now."""
        return (self._word(self.WRITTEN) - self._word(self.READ)) & WHOLE

    def is_closed(self) -> bool:
        """Whether the writer has left."""
        return self.window.state(self.source) != ALIVE

    def write(self, data: Any, wait: Wait, spin: bool) -> None:
        """Write all bytes, waiting for room where there is none."""
        done, written = 0, self._word(self.WRITTEN)
        while done < data.size:
            used = (written - self._word(self.READ)) & WHOLE
            if used == self.room:
                # The reader has made room when it has read one byte more.
                target = (written - self.room + 1) & WHOLE
                self.window.await_word(
                    self.at + self.READ, target, self.target, self.at + self.WRITER, spin, wait
                )
                continue
            start = written & (self.room - 1)
            count = min(data.size - done, self.room - used, self.room - start)
            self.data[start : start + count] = data[done : done + count]
            done += count
            written = (written + count) & WHOLE
            self.window.set_word(self.at + self.WRITTEN, written)
            self.window.wake_sleepers(self.at + self.WRITTEN, self.at + self.READER, 1)

    def read(self, out: Any, wait: Wait, spin: bool) -> None:
        """Fill `out`, waiting for what has not come yet."""
        done, taken = 0, self._word(self.READ)
        while done < out.size:
            ready = (self._word(self.WRITTEN) - taken) & WHOLE
            if not ready:
                target = (taken + 1) & WHOLE
                self.window.await_word(
                    self.at + self.WRITTEN, target, self.source, self.at + self.READER, spin, wait
                )
                continue
            start = taken & (self.room - 1)
            count = min(out.size - done, ready, self.room - start)
            out[done : done + count] = self.data[start : start + count]
            done += count
            taken = (taken + count) & WHOLE
            self.window.set_word(self.at + self.READ, taken)
            self.window.wake_sleepers(self.at + self.READ, self.at + self.WRITER, 1)
