"""The training loop of the command line, the measuring of a network, and the search for a nan."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import rushlight as rl
from rushlight import nn
from rushlight.utils.data import DataLoader, DistributedSampler, TensorDataset

from . import models, presets
from .data import Data, Part
from .interrupt import StopRequests
from .progress import Progress
from .ranks import Ranks

MEASURE_BATCH = 500
MEASURE_PIXELS = MEASURE_BATCH * 32 * 32  # of a batch that is measured; keeps its memory bounded


@dataclass
class Measure:
    """The mean loss over a part, and how many labels were right."""

    loss: float
    correct: int
    count: int

    @property
    def accuracy(self) -> float:
        """The share of labels that were right."""
        return self.correct / self.count


class Diverged(Exception):
    """The loss is no longer a number; says where that began."""

    def __init__(self, loss: float, step: int, cause: str) -> None:
        super().__init__(f"the loss is {loss} at step {step}: {cause}")
        self.loss = loss
        self.step = step
        self.cause = cause


def count_correct(scores: rl.Tensor, labels: rl.Tensor) -> int:
    """How many rows have their largest score at their label."""
    return int((scores.argmax(1) == labels).sum().item())


def measure_batch(part: Part) -> int:
    """How many pictures are measured at once."""
    _, height, width = part.shape
    return max(1, min(MEASURE_BATCH, MEASURE_PIXELS // (height * width)))


def measure(
    net: nn.Module, part: Part, loss_of: Callable[..., rl.Tensor], stop: StopRequests | None = None
) -> Measure:
    """Loss and accuracy of `net` on a part, in evaluation mode and in batches of fixed size."""
    net.eval()
    total, correct = 0.0, 0
    size = measure_batch(part)
    with rl.no_grad():
        for start in range(0, len(part), size):
            if stop is not None:
                stop.check()
            images = part.fitted(part.images[start : start + size])
            labels = part.labels[start : start + size]
            scores = net(images)
            total += loss_of(scores, labels).item() * len(labels)
            correct += count_correct(scores, labels)
    return Measure(total / len(part), correct, len(part))


class Fit:
    """One network being trained: its data, optimiser and the count of steps."""

    def __init__(
        self,
        settings: presets.Settings,
        data: Data,
        stop: StopRequests,
        compiled: bool = False,
        ranks: Ranks | None = None,
    ) -> None:
        rl.manual_seed(settings.seed)
        self.ranks = ranks or Ranks()
        self.settings = settings
        self.data = data
        self.stop = stop
        self.net = models.build(settings.model, data.shape, len(data.classes), settings.dropout)
        self.loss_of = models.criterion(settings.model)
        self.model = self.ranks.wrap(self.net)
        rl.manual_seed(settings.seed + self.ranks.rank)  # each drops out its own
        self.sampler, self.loader = self._share_out()
        self.optimizer = presets.optimizer(settings, self.net.parameters())
        steps = len(self.loader) * settings.epochs
        self.scheduler = presets.scheduler(settings, self.optimizer, steps)
        self.step = 0
        self._whole = rl.compile(self._learn) if compiled else None

    def _share_out(self) -> tuple[DistributedSampler | None, DataLoader]:
        """The training part, or this process's share of it."""
        part = TensorDataset(self.data.train.images, self.data.train.labels)
        ranks, size = self.ranks, self.ranks.share(self.settings.batch_size)
        sampler = None
        if ranks.size > 1:
            sampler = DistributedSampler(part, ranks.size, ranks.rank, seed=self.settings.seed)
        count = len(part) if sampler is None else len(sampler)
        # a batch norm over one picture that has become one pixel has nothing to average
        alone = count % size == 1 < count and self.settings.model in models.LARGE_NETS
        return sampler, DataLoader(part, size, sampler is None, sampler, drop_last=alone)

    def epochs(self, progress: Progress) -> Iterator[dict[str, Any]]:
        """Train epoch by epoch and yield the metrics of each.

        Raises: Diverged when the loss is nan or infinite; Stopped after a signal.
        """
        for epoch in range(1, self.settings.epochs + 1):
            progress.start_epoch(epoch)
            if self.sampler is not None:
                self.sampler.set_epoch(epoch)
            start = time.perf_counter()
            trained = self._train(progress)
            seconds = time.perf_counter() - start
            held_out = measure(self.net, self.data.held_out, self.loss_of, self._alone())
            if not math.isfinite(held_out.loss):
                part = self.data.held_out
                first = part.fitted(part.images[: measure_batch(part)])
                raise self._diverged(held_out.loss, first)
            yield {
                "epoch": epoch,
                "step": self.step,
                "train_loss": trained.loss,
                "train_accuracy": trained.accuracy,
                "loss": held_out.loss,
                "accuracy": held_out.accuracy,
                "correct": held_out.correct,
                "held_out": held_out.count,
                "seconds": round(seconds, 4),
                "examples_per_second": round(trained.count / seconds, 1),
            }

    def _alone(self) -> StopRequests | None:
        """What stops this process between steps; several stop together, in a step."""
        return self.stop if self.ranks.size == 1 else None

    def _train(self, progress: Progress) -> Measure:
        """One pass over the training part; its averages are taken while the network learns."""
        self.net.train()
        total, correct, count = 0.0, 0, 0
        for images, labels in self.loader:
            if self.ranks.size == 1:
                self.stop.check()
            images = self.data.train.fitted(images)
            if self._whole is not None:
                loss, scores = self._whole(images, labels)
            else:
                scores = self.model(images)
                loss = self.loss_of(scores, labels)
            size = len(labels)
            sums = loss.item() * size, count_correct(scores, labels), size
            lost, right, size = self.ranks.total(self.stop, *sums)
            value = lost / size
            self.step += 1
            if not math.isfinite(value):
                raise self._diverged(value, images)
            if self._whole is None:
                self._update(loss)
            self.scheduler.step()
            total, correct, count = total + lost, correct + int(right), count + int(size)
            progress.step(int(size), total / count, correct / count)
        return Measure(total / count, correct, count)

    def _learn(self, images: rl.Tensor, labels: rl.Tensor) -> tuple[rl.Tensor, rl.Tensor]:
        """A whole step, as it is compiled."""
        scores = self.net(images)
        loss = self.loss_of(scores, labels)
        self._update(loss)
        return loss, scores

    def _update(self, loss: rl.Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def _diverged(self, loss: float, images: rl.Tensor) -> Diverged:
        return Diverged(loss, self.step, find_cause(self.net, images))


def _is_finite(value: Any) -> bool:
    return not isinstance(value, rl.Tensor) or bool(rl.isfinite(value).all().item())


def find_cause(net: nn.Module, images: rl.Tensor) -> str:
    """Name what is not finite first: the pictures, a module's weights, or a module's output."""
    if not _is_finite(images):
        return "the pictures of this batch hold nan or inf"
    found: list[tuple[str, nn.Module]] = []

    def look(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not found and not _is_finite(output):
                found.append((name, module))

        return hook

    hooks = [part.register_forward_hook(look(name)) for name, part in net.named_modules()]
    try:
        with rl.no_grad():
            net(images)
    finally:
        for handle in hooks:
            handle.remove()
    if not found:
        return "all outputs of the network are finite, the loss of them is not"
    name, module = found[0]
    where = f"{name or 'the network'} ({type(module).__name__})"
    spoilt = [key for key, value in module.named_parameters() if not _is_finite(value)]
    why = f"; its {' and '.join(spoilt)} held them already" if spoilt else ""
    return f"{where} is the first module whose output has nan or inf{why}"
