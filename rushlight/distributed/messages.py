"""Messages between two ranks: they are sent in order, and received by their tags."""

from __future__ import annotations

import struct
import threading
from typing import Any

import numpy as np

from .errors import DistMismatch
from .peers import Wait
from .work import Lane, Work

HEADER = struct.Struct("<qqq16s")  # tag, bytes, elements, name of the type


class Outbox:
    """What goes to one peer."""

    def __init__(self, channel: Any, peer: int) -> None:
        self.channel = channel
        self.lane = Lane(f"rushlight-to-{peer}")

    def job(self, flat: Any, kind: str, tag: int, wait: Wait) -> Any:
        """What sends a message."""
        header = HEADER.pack(tag, flat.nbytes, flat.size, kind.encode())

        def send(spin: bool) -> None:
            self.channel.write(np.frombuffer(header, np.uint8), wait, spin)
            self.channel.write(flat.view(np.uint8), wait, spin)

        return send


class Receipt:
    """A message that is expected: where it goes, and the work that it ends."""

    __slots__ = ("flat", "kind", "tag", "work")

    def __init__(self, flat: Any, kind: str, tag: int, work: Work) -> None:
        self.flat, self.kind, self.tag, self.work = flat, kind, tag, work


class Inbox:
    """What comes from one peer: messages go to the first receipt of their tag, or are kept."""

    def __init__(self, channel: Any, peer: int) -> None:
        self.channel, self.peer = channel, peer
        self._receipts: list[Receipt] = []
        self._early: list[tuple[tuple[Any, ...], Any]] = []
        self._lock, self._reading = threading.Lock(), threading.Lock()

    def expect(self, receipt: Receipt) -> None:
        """Note a receipt; a message that has come before it goes to it at once."""
        with self._lock:
            tags = [header[0] for header, _ in self._early]
            if receipt.tag not in tags:
                self._receipts.append(receipt)
                return
            header, data = self._early.pop(tags.index(receipt.tag))
        if self._fits(header, receipt):
            receipt.flat.view(np.uint8)[:] = data
            receipt.work.finish()

    def read_until(self, work: Work, wait: Wait, spin: bool) -> None:
        """Read messages until `work` is done, or wait for whoever is reading."""
        while not work.is_completed():
            if self._reading.acquire(timeout=0.02):
                try:
                    if not work.is_completed():
                        self._read_one(wait, spin)
                except BaseException as error:
                    self._fail(error)
                    raise
                finally:
                    self._reading.release()
        work.wait()

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            lost, self._receipts = self._receipts, []
        for receipt in lost:
            receipt.work.finish(error)

    def has_message(self, tag: int) -> bool:
        """Whether a message is there, or on its way."""
        return any(h[0] == tag for h, _ in self._early) or self.channel.waiting_bytes() > 0

    def _read_one(self, wait: Wait, spin: bool) -> None:
        raw = np.empty(HEADER.size, np.uint8)
        self.channel.read(raw, wait, spin)
        header = HEADER.unpack(raw.tobytes())
        with self._lock:
            receipt = self._receipt(header[0])
        if receipt is not None and self._fits(header, receipt):
            self.channel.read(receipt.flat.view(np.uint8), wait, spin)
            receipt.work.finish()
            return
        data = np.empty(header[1], np.uint8)
        self.channel.read(data, wait, spin)
        if receipt is None:
            self._keep(header, data)

    def _keep(self, header: tuple[Any, ...], data: np.ndarray) -> None:
        """A message that came early; unless its receipt was noted while it was being read."""
        with self._lock:
            receipt = self._receipt(header[0])
            if receipt is None:
                self._early.append((header, data))
                return
        if self._fits(header, receipt):
            receipt.flat.view(np.uint8)[:] = data
            receipt.work.finish()

    def _receipt(self, tag: int) -> Receipt | None:
        """The first receipt of a tag, taken out of the line."""
        for place, receipt in enumerate(self._receipts):
            if receipt.tag == tag:
                return self._receipts.pop(place)
        return None

    def _fits(self, header: tuple[Any, ...], receipt: Receipt) -> bool:
        """Whether a message is what is expected; the work ends with DistMismatch if not."""
        kind = header[3].rstrip(b"\0").decode()
        if header[2] == receipt.flat.size and kind == receipt.kind:
            return True
        receipt.work.finish(
            DistMismatch(
                f"recv: rank {self.peer} has sent {header[2]} elements of {kind},"
                f" expected were {receipt.flat.size} of {receipt.kind}"
            )
        )
        return False
