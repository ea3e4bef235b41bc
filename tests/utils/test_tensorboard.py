"""The writer for TensorBoard hands arrays to tensorboardX where it is given tensors."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.utils import tensorboard


class Base:
    """What tensorboardX's writer looks like from here."""

    def __init__(self, folder: str) -> None:
        self.folder, self.seen = folder, []

    def add_scalar(self, tag: str, value: Any, global_step: int | None = None) -> None:
        self.seen.append((tag, value, global_step))

    def add_hparams(self, options: Any, metrics: Any) -> None:
        self.seen.append((options, metrics))

    def add_graph(self, model: Any) -> None:
        raise AssertionError

    def close(self) -> None:
        self.seen.append("closed")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    package: Any = types.ModuleType("tensorboardX")
    package.SummaryWriter = Base
    monkeypatch.setitem(sys.modules, "tensorboardX", package)
    tensorboard._writer.cache_clear()
    yield
    tensorboard._writer.cache_clear()


def test_tensors_arrive_as_arrays(installed: None) -> None:
    writer = tensorboard.SummaryWriter("here")
    writer.add_scalar("loss", rl.tensor(1.5, requires_grad=True) * 2, global_step=3)
    writer.add_hparams({"lr": 0.1, "all": [rl.ones(2)]}, {"m": (rl.tensor(2), "x")})
    writer.close()
    (tag, value, step), (options, metrics), closed = writer.seen
    assert (tag, float(value), step, closed) == ("loss", 3.0, 3, "closed")
    assert type(value) is type(options["all"][0]) is type(metrics["m"][0]) is np.ndarray
    assert options["lr"] == 0.1 and metrics["m"][1] == "x" and writer.folder == "here"


def test_graphs_are_drawn_elsewhere(installed: None) -> None:
    with pytest.raises(NotImplementedError, match="graph_picture"):
        tensorboard.SummaryWriter("here").add_graph(rl.nn.Linear(1, 1), rl.ones(1, 1))


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    tensorboard._writer.cache_clear()
    with pytest.raises(ImportError) as caught:
        _ = tensorboard.SummaryWriter
    assert caught.value.__notes__ == [tensorboard.MISSING]
    with pytest.raises(AttributeError, match="no attribute 'Writer'"):
        _ = tensorboard.Writer
