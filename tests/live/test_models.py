"""The networks' own source run on torch: the same seed, the same weights, scores and gradients."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.vision import models

torch = pytest.importorskip("torch")

FOLDER = Path(models.__file__).parent
FILES = ("../ops/misc", "listing", "_utils", "initial", "nin", "lenet", "alexnet", "vgg",
         "googlenet", "resnet", "densenet", "mobilenetv2", "d2l", "vision_transformer",
         "efficientnet", "convnext", "swin_transformer", "squeezenet", "shufflenetv2", "mnasnet",
         "regnet", "inception", "maxvit")  # fmt: skip
PACKAGE = "models_on_torch"


@pytest.fixture(scope="module")
def theirs() -> Any:
    """rushlight.vision.models with every `rushlight` in it read as `torch`."""
    package = types.ModuleType(PACKAGE)
    package.__path__ = []
    sys.modules[PACKAGE] = package
    for name in FILES:
        source = (FOLDER / f"{name}.py").read_text()
        for mine, other in (
            ("import rushlight as rl", "import torch as rl"), ("from rushlight", "from torch"),
            ("from ...core.", "from rushlight.core."), ("from ..ops.misc", "from .misc"),
            ("from .weights", "from rushlight.vision.models.weights"),
        ):  # fmt: skip
            source = source.replace(f"\n{mine}", f"\n{other}")
        name = name.rpartition("/")[2]
        module = types.ModuleType(f"{PACKAGE}.{name}")
        module.__package__ = PACKAGE
        sys.modules[module.__name__] = module
        exec(compile(source, name, "exec"), module.__dict__)
        setattr(package, name, module)
    yield sys.modules[f"{PACKAGE}.listing"]
    for name in [key for key in sys.modules if key.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


CASES = [
    ("lenet", {}, 1, 28), ("nin", {}, 1, 67), ("d2l_lenet", {}, 1, 28),
    ("d2l_densenet", {}, 1, 32), ("d2l_googlenet", {}, 1, 32), ("resnet18", {}, 3, 33),
    ("mobilenet_v2", {"in_channels": 1}, 1, 40), ("densenet121", {"num_classes": 3}, 3, 32),
    ("googlenet", {"num_classes": 3, "aux_logits": False}, 3, 32),
    ("squeezenet1_0", {"num_classes": 3}, 3, 32), ("shufflenet_v2_x0_5", {}, 3, 32),
    ("mnasnet0_5", {}, 3, 32), ("regnet_x_400mf", {"num_classes": 3}, 3, 32),
    ("swin_t", {"embed_dim": 12, "depths": [2, 2], "num_heads": [2, 3]}, 3, 40),
    ("swin_v2_t", {"embed_dim": 12, "depths": [2, 2], "num_heads": [2, 3]}, 3, 40),
    ("maxvit_t", {"input_size": (32, 32), "stem_channels": 8, "block_channels": [8, 16],
                  "block_layers": [1, 1], "head_dim": 4, "partition_size": 4}, 3, 32),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "channels", "side"), CASES)
def test_weights_scores_and_gradients(
    name: str, options: dict, channels: int, side: int, theirs: Any
) -> None:
    rl.manual_seed(5)
    mine = models.get_model(name, **options)
    torch.manual_seed(5)
    other = theirs.get_model(name, **options)
    state, wanted = mine.state_dict(), other.state_dict()
    assert list(state) == list(wanted)
    for key, value in wanted.items():
        np.testing.assert_allclose(state[key].numpy(), value.numpy(), rtol=1e-6, atol=1e-7)
    for net in (mine, other):
        net.double().eval()
    pictures = np.random.default_rng(0).random((2, channels, side, side))
    scores = []
    for lib, net in ((rl, mine), (torch, other)):
        y = net(lib.from_numpy(pictures.copy()))
        y.square().sum().backward()
        scores.append(y.detach().numpy())
    np.testing.assert_allclose(*scores, rtol=1e-6, atol=1e-9)
    for weight, value in zip(mine.parameters(), other.parameters()):
        g, h = weight.grad.numpy(), value.grad.numpy()
        np.testing.assert_allclose(g, h, rtol=1e-5, atol=1e-6 * max(np.abs(h).max(), 1e-9))


def test_weights_load_both_ways(tmp_path: Path, theirs: Any) -> None:
    torch.manual_seed(1)
    other = theirs.get_model("mobilenet_v2", width_mult=0.25)
    torch.save(other.state_dict(), tmp_path / "theirs.pt")
    mine = models.mobilenet_v2(width_mult=0.25)
    assert str(mine.load_state_dict(rl.load(tmp_path / "theirs.pt"))) == (
        "<All keys matched successfully>"
    )
    again = theirs.get_model("mobilenet_v2", width_mult=0.25)
    rl.save(mine.state_dict(), tmp_path / "mine.pt")
    again.load_state_dict(torch.load(tmp_path / "mine.pt"))
    for value, wanted in zip(again.state_dict().values(), other.state_dict().values()):
        assert torch.equal(value, wanted)
