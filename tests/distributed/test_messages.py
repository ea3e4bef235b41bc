"""Messages by tag, where the order of things is decided by the test."""

from __future__ import annotations

import numpy as np

from rushlight.distributed.messages import HEADER, Inbox, Receipt
from rushlight.distributed.work import Work


class Line:
    """What comes from a peer; while the `moment`-th piece is read something else happens."""

    def __init__(self, moment: int) -> None:
        self.pieces: list[bytes] = []
        self.moment, self.meanwhile = moment, lambda: None

    def add(self, tag: int, values: np.ndarray) -> None:
        header = HEADER.pack(tag, values.nbytes, values.size, b"float32")
        self.pieces += [header, values.tobytes()]

    def read(self, into: np.ndarray, wait: object, spin: bool) -> None:
        self.moment -= 1
        if not self.moment:
            self.meanwhile()
        into[:] = np.frombuffer(self.pieces.pop(0), np.uint8)


def test_a_receipt_noted_while_its_message_is_read_gets_it() -> None:
    line = Line(moment=2)
    box = Inbox(line, 0)
    receipts = [Receipt(np.zeros(n, np.float32), "float32", 7, Work()) for n in (6, 3)]
    line.add(7, np.arange(6, dtype=np.float32))
    line.add(7, np.arange(3, dtype=np.float32))
    line.meanwhile = lambda: [box.expect(receipt) for receipt in receipts]
    for receipt in receipts:
        box._read_one(None, False)
        assert receipt.work.is_completed()
    assert receipts[0].flat.tolist() == [0, 1, 2, 3, 4, 5]
    assert receipts[1].flat.tolist() == [0, 1, 2]
