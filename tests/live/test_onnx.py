"""Exported models run by ONNX Runtime: what it computes is what the model computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

runtime: Any = pytest.importorskip("onnxruntime")

import rushlight as rl
from rushlight import nn
from rushlight.vision import models


def check(model: nn.Module, x: rl.Tensor, axes: dict[int, str]) -> None:
    """At the size it was exported with, and at twice the batch."""
    model.eval()
    program = rl.onnx.export(model, x, input_names=["x"], dynamic_axes={"x": axes})
    data = program.model_proto.SerializeToString()
    session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    for given in (x, rl.cat([x, x])):
        with rl.no_grad():
            wanted = model(given).numpy()
        (found,) = session.run(None, {"x": given.numpy()})
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "densenet121", "googlenet", "lenet"])
def test_networks(name: str) -> None:
    rl.manual_seed(0)
    side, channels = (28, 1) if name == "lenet" else (64, 3)
    model = getattr(models, name)()
    model(rl.randn(4, channels, side, side))  # statistics that are not the first ones
    check(model, rl.randn(1, channels, side, side), {0: "batch"})


@pytest.mark.parametrize(
    "layer",
    [
        nn.RNN(4, 5, batch_first=True, nonlinearity="relu"),
        nn.LSTM(4, 5, 2, batch_first=True, bidirectional=True), nn.GRU(4, 5, batch_first=True),
    ],
)  # fmt: skip
def test_recurrent_layers(layer: nn.Module) -> None:
    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: rl.Tensor) -> rl.Tensor:
            return self.layer(x)[0]

    check(First(), rl.randn(2, 7, 4), {0: "batch", 1: "length"})


def test_an_encoder() -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 2)
    check(model, rl.randn(2, 5, 16), {0: "batch", 1: "length"})
