"""Models as ONNX files: onnx's reference evaluator computes what the model computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import rushlight as rl
from rushlight import nn
from rushlight.nn import functional as F
from rushlight.vision import models

BATCH = {"x": {0: "batch"}}


def exported(model: Any, *given: rl.Tensor, **options: Any) -> Any:
    """The program, after its results were compared at the given sizes and at twice the batch."""
    options.setdefault("input_names", ["x"])
    options.setdefault("dynamic_axes", BATCH)
    program = rl.onnx.export(model, given, **options)
    for several in (1, 2):
        batch = tuple(rl.cat([x] * several) for x in given)
        with rl.no_grad():
            wanted = model.eval()(*batch) if isinstance(model, nn.Module) else model(*batch)
        found = program(*batch)
        for y, z in zip(*((a,) if isinstance(a, rl.Tensor) else a for a in (wanted, found))):
            assert (y.shape, y.dtype) == (z.shape, z.dtype)
            np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-4, atol=1e-5)
    return program


def kinds(program: Any) -> list[str]:
    return [node.op_type for node in program.model_proto.graph.node]


class Tagger(nn.Module):
    """Words to scores through a recurrent layer."""

    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__()
        self.words, self.layer, self.scores = nn.Embedding(10, 4), layer, nn.Linear(width, 3)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        return rl.log_softmax(self.scores(self.layer(self.words(x))[0][:, -1]), -1)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "activations": lambda x: F.gelu(x) + F.silu(x) + F.elu(x) + F.softplus(x) + F.mish(x),
    "angles": lambda x: rl.atan2(x, x.flip(1)) + rl.erf(x) + rl.log1p(x.abs()),
    "argmax": lambda x: x.argmax(1), "attention": lambda x: F.scaled_dot_product_attention(
        x, x, x, is_causal=True), "average pool": lambda x: F.avg_pool2d(x, 2, 2, 1, True),
    "batch mean": lambda x: x - x.mean(0), "cumsum": lambda x: x.cumsum(1),
    "einsum": lambda x: rl.einsum("bchw,bdhw->bcd", x, x), "flatten": lambda x: x.flatten(),
    "gather": lambda x: x.gather(1, (x > 0).long()), "input": lambda x: (x, x + 1, x + 1),
    "interpolate": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "logic": lambda x: ((x > 0) & (x < 1)) | ~(x > -1), "norm": lambda x: F.normalize(x, dim=1),
    "max pool": lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
    "one hot": lambda x: F.one_hot((x > 0).long(), 2),
    "pad": lambda x: F.pad(F.pad(x, (1, 2, 0, 1)), (1, 1, 1, 1), "reflect"),
    "parts": lambda x: x[:, rl.tensor([2, 0]), 1:3], "powers": lambda x: x.abs() ** 1.5 + 2.0**x,
    "rest": lambda x: x % 3 + x // 2 + rl.fmod(x, 2.0), "roll": lambda x: x.roll(1, 2),
    "size": lambda x: x * x.shape[0] + rl.ones(x.shape[0], 1, 1, 1) / x.shape[0],
    "sorted": lambda x: x.sort(1), "std": lambda x: x.std(1), "top": lambda x: x.topk(2, -1),
    "triangle": lambda x: x.masked_fill(x > 0, -5.0).tril(),
    "view": lambda x: x.view(x.shape[0] * 3, -1).t(), "where": lambda x: rl.where(x > 0, x, 0.5),
}  # fmt: skip
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "batch norm": lambda: nn.BatchNorm2d(3), "conv": lambda: nn.Conv2d(3, 6, 3, 2, 1, groups=3),
    "conv transposed": lambda: nn.ConvTranspose2d(3, 2, 3, 2, 1, 1),
    "group norm": lambda: nn.GroupNorm(3, 3), "instance norm": lambda: nn.InstanceNorm2d(3),
    "layer norm": lambda: nn.LayerNorm(6), "linear": lambda: nn.Linear(6, 2, bias=False),
    "pixels": lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.PixelShuffle(2)),
}  # fmt: skip


@pytest.mark.parametrize("name", [*FUNCTIONS, *LAYERS])
def test_functions_and_layers_at_any_batch(name: str) -> None:
    rl.manual_seed(1)
    model = FUNCTIONS[name] if name in FUNCTIONS else LAYERS[name]()
    exported(model, rl.randn(2, 3, 6, 6))


@pytest.mark.parametrize(
    ("layer", "width", "operator"),
    [
        (nn.LSTM(4, 5, 2, batch_first=True), 5, "LSTM"),
        (nn.LSTM(4, 5, batch_first=True, bidirectional=True), 10, "LSTM"),
        (nn.GRU(4, 5, batch_first=True, bias=False), 5, "GRU"),
        (nn.RNN(4, 5, batch_first=True), 5, "RNN"),
    ],
)
def test_recurrent_layers_of_any_length(layer: nn.Module, width: int, operator: str) -> None:
    words = rl.tensor([[1, 2, 3], [4, 5, 6]])
    program = exported(Tagger(layer, width), words, dynamic_axes={"x": {0: "batch", 1: "length"}})
    assert operator in kinds(program)
    longer = rl.tensor([[1, 2, 3, 4, 9, 0, 7]])
    model = Tagger(layer, width)
    assert program(longer).shape == (1, 3) == model(longer).shape


def test_a_projected_lstm_is_unrolled_for_one_length() -> None:
    layer = nn.LSTM(4, 7, proj_size=5, batch_first=True)
    program = rl.onnx.export(Tagger(layer, 5), rl.tensor([[1, 2, 3]]))
    assert "LSTM" not in kinds(program) and kinds(program).count("Sigmoid") == 9


def test_an_encoder_of_any_batch_and_length() -> None:
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    axes = {"x": {0: "batch", 1: "length"}}
    program = exported(model, rl.randn(2, 5, 8), dynamic_axes=axes)
    assert kinds(program).count("LayerNormalization") == 2
    x = rl.randn(3, 9, 8)
    np.testing.assert_allclose(program(x).numpy(), model(x).detach().numpy(), rtol=1e-3, atol=1e-5)
    (output,) = program.model_proto.graph.output
    sizes = [one.dim_param or one.dim_value for one in output.type.tensor_type.shape.dim]
    assert sizes == ["batch", "length", 8]


def test_normalisation_goes_into_the_convolution_before_it() -> None:
    rl.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))
    block(rl.randn(4, 3, 6, 6))  # statistics that are not the first ones
    program = exported(block, rl.randn(1, 3, 6, 6))
    assert kinds(program) == ["Conv", "Relu", "Conv"]
    names = {one.name for one in program.model_proto.graph.initializer}
    assert {"0.weight.folded", "3.weight", "3.bias"} <= names
    assert block.training is False


def test_resnet18_in_49_operators() -> None:
    program = rl.onnx.export(models.resnet18(num_classes=3), rl.zeros(1, 3, 32, 32))
    assert len(kinds(program)) == 49 and kinds(program).count("Conv") == 20


def test_files_names_and_keywords(tmp_path: Path) -> None:
    def model(x: rl.Tensor, *, scale: rl.Tensor) -> dict[str, rl.Tensor]:
        return {"twice": x * 2, "scaled": x * scale}

    path = tmp_path / "model.onnx"
    rl.onnx.export(model, (rl.ones(2),), path, kwargs={"scale": rl.tensor(3.0)}, output_names=["a"])
    graph = onnx.load(path).graph
    assert [one.name for one in graph.input] == ["x", "scale"]
    assert [one.name for one in graph.output] == ["a", "output_1"]


def test_what_cannot_be_written_says_why() -> None:
    with pytest.raises(rl.onnx.UnsupportedOperatorError, match="random numbers") as caught:
        rl.onnx.export(lambda x: x + rl.randn(2), rl.ones(2))
    assert any("test_onnx.py" in note for note in caught.value.__notes__)
    with pytest.raises(rl.onnx.UnsupportedOperatorError, match="linalg_det has no form"):
        rl.onnx.export(rl.linalg.det, rl.eye(2))
    with pytest.raises(rl.onnx.OnnxExporterError, match="not one graph"):
        rl.onnx.export(lambda x: x if x.sum() > 0 else -x, rl.ones(2))


def test_older_sets_of_operators_are_written_where_onnx_can() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    x = rl.randn(2, 3, 4, 4)
    program = rl.onnx.export(net, x, opset_version=17)
    assert program.model_proto.opset_import[0].version == 17
    assert rl.allclose(program(x), net(x), atol=1e-5)
    with pytest.warns(UserWarning, match="could not be converted to opset_version 11 .*at 18"):
        program = rl.onnx.export(net, x, opset_version=11)
    assert program.model_proto.opset_import[0].version == 18
    assert rl.allclose(program(x), net(x), atol=1e-5)


def test_models_can_ask_whether_they_are_exported() -> None:
    program = rl.onnx.export(lambda x: x * (2 if rl.onnx.is_in_onnx_export() else 3), rl.ones(2))
    assert program(rl.ones(2)).tolist() == [2, 2] and not rl.onnx.is_in_onnx_export()
