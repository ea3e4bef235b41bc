"""What is shown while a network trains: a bar on a terminal, an occasional line elsewhere."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, TextIO

from .terminal import is_terminal

SECONDS_BETWEEN_LINES = 10.0


def wanted() -> bool:
    """Whether progress may be shown at all: RUSHLIGHT_PROGRESS=0 says no."""
    return os.environ.get("RUSHLIGHT_PROGRESS", "1").lower() not in ("0", "false", "no", "off")


def clock(seconds: float) -> str:
    """Seconds as people write them.

    >>> clock(7), clock(75), clock(3725)
    ('7 s', '1:15', '1:02:05')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    start = f"{hours}:{rest // 60:02d}" if hours else f"{rest // 60}"
    return f"{start}:{rest % 60:02d}"


class Progress:
    """Shows nothing; the other kinds add to it. `line` prints a lasting line on stdout."""

    def __init__(self, total: int, epochs: int) -> None:
        self.total = total
        self.epochs = epochs
        self.epoch = 0

    def start_epoch(self, epoch: int) -> None:
        """Say which pass over the data begins."""
        self.epoch = epoch

    def step(self, examples: int, loss: float, accuracy: float) -> None:
        """Count a batch; loss and accuracy are the epoch's averages so far."""

    def line(self, text: str) -> None:
        """Print a line that stays."""
        print(text, flush=True)

    def close(self) -> None:
        """Remove what moves."""


class Lines(Progress):
    """A plain line on stderr every ten seconds."""

    def __init__(self, total: int, epochs: int, stream: TextIO) -> None:
        super().__init__(total, epochs)
        self.stream = stream
        self.done = 0
        self.start = self.told = time.monotonic()

    def step(self, examples: int, loss: float, accuracy: float) -> None:
        self.done += examples
        now = time.monotonic()
        if now - self.told < SECONDS_BETWEEN_LINES:
            return
        self.told = now
        speed = self.done / (now - self.start)
        left = clock((self.total - self.done) / speed)
        print(
            f"epoch {self.epoch}/{self.epochs}, {self.done / self.total:.0%}: loss {loss:.4f}, "
            f"accuracy {accuracy:.4f}, {speed:,.0f} examples/s, {left} left",
            file=self.stream,
            flush=True,
        )


class Bar(Progress):
    """tqdm's bar on stderr, over the examples of all epochs, so that it knows the time left."""

    def __init__(self, total: int, epochs: int, stream: TextIO) -> None:
        super().__init__(total, epochs)
        from tqdm import tqdm

        self.bar: Any = tqdm(
            total=total, unit=" examples", unit_scale=True, file=stream, leave=False,
            dynamic_ncols=True, mininterval=0.1,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {rate_fmt}, {remaining} left{postfix}",
        )  # fmt: skip

    def start_epoch(self, epoch: int) -> None:
        super().start_epoch(epoch)
        self.bar.set_description_str(f"epoch {epoch}/{self.epochs}", refresh=False)

    def step(self, examples: int, loss: float, accuracy: float) -> None:
        # Assigned, not set: set_postfix_str draws the bar at every step.
        self.bar.postfix = f"loss {loss:.4f}, accuracy {accuracy:.4f}"
        self.bar.update(examples)

    def line(self, text: str) -> None:
        self.bar.write(text, file=sys.stdout)
        sys.stdout.flush()

    def close(self) -> None:
        self.bar.close()


def make(total: int, epochs: int, quiet: bool) -> Progress:
    """The kind of progress that fits where stderr goes."""
    if quiet or not wanted():
        return Progress(total, epochs)
    if is_terminal(sys.stderr) and not os.environ.get("TQDM_DISABLE"):
        return Bar(total, epochs, sys.stderr)
    return Lines(total, epochs, sys.stderr)
