"""The networks of rushlight.vision.models: torchvision's layout, weights, arguments, errors."""

from __future__ import annotations

import doctest
import json
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.cli import data as pictures
from rushlight.cli import fitting, presets
from rushlight.cli import models as networks
from rushlight.cli.interrupt import StopRequests
from rushlight.cli.main import main
from rushlight.cli.terminal import Complaint
from rushlight.vision import models
from tests.parity.model_cases import DRAWN, NAMES, drawn, layout

RECORDED = json.loads(
    (Path(__file__).resolve().parents[1] / "parity" / "data" / "models.json").read_text()
)
# As published in torchvision's table of weights.
PUBLISHED = {
    "resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032,
    "resnet101": 44_549_160, "resnet152": 60_192_808, "alexnet": 61_100_840,
    "vgg11": 132_863_336, "vgg13": 133_047_848, "vgg16": 138_357_544, "vgg19": 143_667_240,
    "vgg11_bn": 132_868_840, "densenet121": 7_978_856, "densenet169": 14_149_480,
    "densenet201": 20_013_928, "mobilenet_v2": 3_504_872, "googlenet": 13_004_888,
}  # fmt: skip


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks without first weights: only names and shapes are looked at."""
    for name in ("uniform_", "normal_"):
        monkeypatch.setattr(rl.Tensor, name, lambda self, *args, **kwargs: self)
    for name in ("constant_", "trunc_normal_", "zeros_", "ones_"):
        monkeypatch.setattr(rl.nn.init, name, lambda tensor, *args, **kwargs: tensor)


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes_are_torchvisions(name: str, undrawn: None) -> None:
    found = layout(models.get_model(name))
    assert found == RECORDED["layout"][name]
    assert found["parameters"] == PUBLISHED.get(name, found["parameters"])


@pytest.mark.parametrize("case", DRAWN)
def test_a_seed_gives_torchvisions_weights_and_scores(case: str) -> None:
    name, arguments, side = DRAWN[case]
    found, wanted = drawn(getattr(models, name), rl, arguments, side), RECORDED["drawn"][case]
    np.testing.assert_allclose(found["sums"], wanted["sums"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["scores"], wanted["scores"], rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    ("name", "side", "count"),
    [
        ("lenet", 28, 61_706), ("d2l_lenet", 28, 61_706), ("nin", 67, 1_992_166),
        ("d2l_nin", 67, 1_992_166), ("d2l_resnet18", 96, 11_178_378),
        ("d2l_densenet", 96, 758_226), ("d2l_googlenet", 96, 5_977_530),
    ],
)  # fmt: skip
def test_the_courses_networks_take_one_channel(name: str, side: int, count: int) -> None:
    net = models.get_model(name).eval()
    assert sum(weight.numel() for weight in net.parameters()) == count
    with rl.no_grad():
        assert net(rl.zeros(1, 1, side, side)).shape == (1, 10)


def test_heads_fit_the_size_of_the_pictures(undrawn: None) -> None:
    assert models.d2l_alexnet()[14].in_features == 6400
    assert models.d2l_alexnet(image_size=96)[14].in_features == 256
    assert models.d2l_vgg11(image_size=96)[6].in_features == 128 * 9
    with pytest.raises(ValueError, match="d2l_vgg11: pictures of 20x20 are too small"):
        models.d2l_vgg11(image_size=20)
    with pytest.raises(ValueError, match="12x12 at least, got image_size=11"):
        models.lenet(image_size=11)


def test_in_training_googlenet_gives_three_scores() -> None:
    net = models.GoogLeNet(4, init_weights=False)
    out = net(rl.randn(2, 3, 33, 33))
    assert out._fields == ("logits", "aux_logits2", "aux_logits1")
    assert [part.shape for part in out] == [(2, 4)] * 3
    sum(part.sum() for part in out).backward()
    assert all(weight.grad is not None for weight in net.parameters())
    assert net.eval()(rl.randn(2, 3, 33, 33)).shape == (2, 4)


def test_a_frugal_densenet_has_the_same_gradients() -> None:
    found = []
    x = rl.randn(2, 3, 33, 33, dtype=rl.float64)
    for frugal in (False, True):
        rl.manual_seed(0)
        net = models.DenseNet(4, (2, 1, 1, 1), 8, num_classes=3, memory_efficient=frugal).double()
        net(x).square().sum().backward()
        found.append([weight.grad for weight in net.parameters()])
    for plain, again in zip(*found):
        np.testing.assert_allclose(plain.numpy(), again.numpy(), rtol=1e-12, atol=1e-14)


FIRST = "resnet50-0676ba61.pth"  # the weights of before 0.13


@pytest.mark.parametrize(
    ("old", "named", "file", "texts"),
    [
        ((True,), {}, FIRST, ["Using 'weights' as", "=ResNet50_Weights.IMAGENET1K_V1`. "]),
        ((True, False), {}, FIRST, ["Using 'weights' and 'progress' as", "Arguments other"]),
        ((), {"pretrained": True}, FIRST, ["'pretrained' is deprecated", "Weights.DEFAULT`"]),
        ((), {"pretrained": False}, None, ["'pretrained' is depr", "passing `weights=None`.$"]),
        ((), {"weights": True}, FIRST, ["Arguments other than a weight enum"]),
        ((), {"weights": False}, None, ["passing `weights=None`.$"]),
        ((), {"weights": "legacy"}, FIRST, ["Arguments other than a weight enum"]),
        (("DEFAULT",), {}, "resnet50-11ad3fa6.pth", ["Using 'weights' as positional"]),
    ],
)  # fmt: skip
def test_what_networks_were_asked_for_before_weights_had_names(
    undrawn: None, monkeypatch: pytest.MonkeyPatch,
    old: tuple[Any, ...], named: dict[str, Any], file: str | None, texts: list[str],
) -> None:  # fmt: skip
    asked: list[str] = []
    monkeypatch.setattr(
        rl.hub, "load_state_dict_from_url", lambda url, **_: asked.append(url) or {}
    )
    monkeypatch.setattr(models.ResNet, "load_state_dict", lambda net, found: None)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        models.resnet50(*old, **named)
    assert [url.rpartition("/")[2] for url in asked] == ([file] if file else [])
    assert len(told) == len(texts)
    for text, warning in zip(texts, told, strict=True):
        assert re.search(text, str(warning.message))


def test_what_weights_replace_is_not_drawn_first(
    undrawn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rl.hub, "load_state_dict_from_url", lambda url, **_: {})
    monkeypatch.setattr(models.VGG, "load_state_dict", lambda net, found: None)
    built: list[bool] = []
    own = models.VGG.__init__
    monkeypatch.setattr(
        models.VGG, "__init__",
        lambda net, *args, init_weights=True, **kwargs: (
            built.append(init_weights), own(net, *args, init_weights=init_weights, **kwargs)
        )[1],
    )  # fmt: skip
    models.vgg11_bn(weights="DEFAULT")
    models.vgg11()
    assert built == [False, True]


def test_weights_that_are_not_known(undrawn: None) -> None:
    with pytest.raises(ValueError, match="no trained weights are known") as caught:
        models.lenet(weights="DEFAULT")
    assert "load_state_dict" in caught.value.__notes__[0]
    with pytest.raises(KeyError, match="IMAGENET21K") as other:
        models.resnet50(weights="IMAGENET21K")
    assert "IMAGENET1K_V1, IMAGENET1K_V2, DEFAULT" in other.value.__notes__[0]
    with pytest.raises(TypeError, match="expected ResNet18_Weights but received VGG16_Weights"):
        models.resnet18(weights=models.VGG16_Weights.DEFAULT)
    with pytest.raises(ValueError, match="'num_classes' expected value 1000 but got 10 instead"):
        models.resnet18(weights="DEFAULT", num_classes=10)
    with pytest.raises(ValueError, match="Unknown model resnet19") as unknown:
        models.get_model("resnet19")
    assert "resnet18" in unknown.value.__notes__[0]


def test_torchvisions_errors(undrawn: None) -> None:
    block = models.resnet.BasicBlock
    with pytest.raises(ValueError, match=r"None or a 3-element tuple, got \[True\]"):
        models.ResNet(block, [1, 1, 1, 1], replace_stride_with_dilation=[True])
    with pytest.raises(ValueError, match="only supports groups=1 and base_width=64"):
        block(8, 8, groups=2)
    with pytest.raises(NotImplementedError, match="Dilation > 1 not supported"):
        block(8, 8, dilation=2)
    with pytest.raises(ValueError, match="blocks length should be 3 instead of 1"):
        models.GoogLeNet(blocks=[block])
    with pytest.raises(ValueError, match="stride should be 1 or 2 instead of 3"):
        models.mobilenet.InvertedResidual(8, 8, 3, 1)
    with pytest.raises(ValueError, match="non-empty or a 4-element list"):
        models.MobileNetV2(inverted_residual_setting=[])


def test_the_list_is_searched_by_module_and_pattern() -> None:
    assert set(NAMES) < set(models.list_models())
    assert models.list_models(models.vgg, exclude=["*_bn", "vgg19"]) == ["vgg11", "vgg13", "vgg16"]
    assert models.list_models(include=["alex*", "mobilenet_v2*"]) == ["alexnet", "mobilenet_v2"]


def test_the_docstrings_run() -> None:

    for name in (
        "listing",
        "lenet",
        "resnet",
        "densenet",
        "mobilenetv2",
        "googlenet",
        "nin",
        "d2l",
    ):
        found = doctest.testmod(sys.modules[f"rushlight.vision.models.{name}"])
        assert found.attempted and not found.failed, name


def write_pictures(folder: Path, train: int = 9, test: int = 4) -> None:
    """MNIST-format files of 14x14 pictures, whose left or right half is bright."""
    random = np.random.default_rng(0)
    for part, count in (("train", train), ("t10k", test)):
        labels = (np.arange(count) % 2).astype(np.uint8)
        images = random.integers(0, 60, (count, 14, 14)).astype(np.uint8)
        for image, label in zip(images, labels):
            image[:, 7 * label : 7 * label + 7] += 150
        for kind, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(
                n.to_bytes(4, "big") for n in array.shape
            )
            (folder / f"{part}-{kind}").write_bytes(head + array.tobytes())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").mkdir()
    write_pictures(tmp_path / "small")
    return tmp_path


def test_resnet18_trains_on_enlarged_pictures(folder: Path, capsys: pytest.CaptureFixture) -> None:
    command = "train resnet18 --data small --resize 32 --epochs 1 --batch-size 4 --json --threads 1"
    assert main(command.split()) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["step"] == 2  # the ninth picture would be a batch of its own
    config = json.loads((folder / "runs" / "resnet18-small-1" / "config.json").read_text())
    assert (config["shape"], config["resize"]) == ([1, 32, 32], 32)
    assert main(["evaluate", lines[1]["run"], "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["correct"] == lines[1]["result"]["correct"]
    assert again["loss"] == pytest.approx(lines[1]["result"]["loss"], rel=1e-6)


def test_pictures_are_enlarged_by_the_batch(folder: Path) -> None:
    data = pictures.load("small", resize=96)
    assert data.shape == (1, 96, 96) and data.train.images.shape == (9, 1, 14, 14)
    assert data.train.fitted(data.train.images[:2]).shape == (2, 1, 96, 96)
    shrunk = pictures.load("small", resize=7).train
    halves = shrunk.fitted(shrunk.images[:1])[0, 0]
    assert halves[:, :3].mean() > halves[:, 4:].mean() + 1
    assert fitting.measure_batch(data.held_out) == 55 and fitting.measure_batch(shrunk) == 500


@pytest.mark.parametrize("name", ["mobilenet_v2", "densenet121", "d2l_densenet"])
def test_the_deep_networks_learn_a_step(name: str, folder: Path) -> None:
    settings = presets.choose({"model": name, "data": "small", "epochs": 1, "batch_size": 4})
    fit = fitting.Fit(settings, pictures.load("small", resize=32), StopRequests())
    before = [weight.detach().clone() for weight in fit.net.parameters()]
    images, labels = fit.data.train.fitted(fit.data.train.images), fit.data.train.labels
    fit._learn(images, labels)
    assert all((a != b.detach()).any() for a, b in zip(before, fit.net.parameters()))


@pytest.mark.parametrize("name", networks.LARGE_NETS)
def test_every_deep_network_of_the_command_line_is_built(name: str, undrawn: None) -> None:
    settings = presets.choose({"model": name, "data": "mnist"})
    net = networks.build(name, (1, 96, 96), 10, settings.dropout)
    assert next(net.parameters()).shape[1] == 1
    dropped = {part.p for part in net.modules() if isinstance(part, rl.nn.Dropout)}
    assert dropped in (set(), {settings.dropout})
    with pytest.raises(Complaint, match=f"{name} needs pictures of .* these are 6x6: --resize 96"):
        networks.build(name, (1, 6, 6), 10)


def test_weights_are_loaded_from_where_they_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rl.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    kept = models.densenet121().state_dict()
    kept["features.norm0.weight"] += 1
    old = {  # as the file has it
        name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2.")
        if "denselayer" in name else name: value for name, value in kept.items()
    }  # fmt: skip
    kind = models.DenseNet121_Weights
    assert kind.DEFAULT is kind.IMAGENET1K_V1
    assert kind.DEFAULT.url == "https://download.pytorch.org/models/densenet121-a639ec97.pth"
    rl.save(old, tmp_path / "checkpoints" / "densenet121-a639ec97.pth")
    net = models.densenet121(weights=kind.DEFAULT, progress=False)
    assert all(rl.equal(value, kept[name]) for name, value in net.state_dict().items())
    assert models.get_model_weights("densenet121") is kind
    assert models.get_weight("ResNet50_Weights.DEFAULT") is models.ResNet50_Weights.IMAGENET1K_V2


def test_pictures_are_made_ready_for_trained_weights() -> None:
    ready = models.ResNet18_Weights.DEFAULT.transforms()
    grey = ready(rl.full((3, 300, 260), 128, dtype=rl.uint8))
    assert grey.shape == (3, 224, 224)
    expected = (128 / 255 - rl.tensor([0.485, 0.456, 0.406])) / rl.tensor([0.229, 0.224, 0.225])
    assert rl.allclose(grey[:, 5, 7], expected)


def test_a_traced_residual_net_names_its_steps_as_torchvision() -> None:
    names = [node.name for node in rl.fx.symbolic_trace(models.resnet18()).graph.nodes]
    first = names.index("layer2_0_conv1")
    assert [name.removeprefix("layer2_0_") for name in names[first : first + 9]] == [
        "conv1", "bn1", "relu", "conv2", "bn2", "downsample_0", "downsample_1", "add_2", "relu_1",
    ]  # fmt: skip
    assert names[-4:] == ["avgpool", "flatten", "fc", "output"]


def test_the_table_of_weights_brings_classes_sizes_and_the_best() -> None:
    best = models.ViT_H_14_Weights.DEFAULT
    assert best is models.ViT_H_14_Weights.IMAGENET1K_SWAG_E2E_V1
    assert best.meta["categories"][281] == "tabby" and len(best.meta["categories"]) == 1000
    assert best.meta["num_params"] == 633470440 and best.meta["min_size"] == (518, 518)
    ready = best.transforms()
    assert (ready.crop_size, ready.resize_size) == ([518], [518])
    assert ready.interpolation.value == "bicubic"
    film = models.get_weight("MViT_V2_S_Weights.KINETICS400_V1")
    assert film.meta["min_temporal_size"] == 16 and "zumba" in film.meta["categories"]
    assert repr(film.transforms()).splitlines()[2:4] == [
        "    resize_size=[256]", "    mean=[0.45, 0.45, 0.45]",
    ]  # fmt: skip
    features = models.VGG16_Weights.IMAGENET1K_FEATURES.transforms()
    assert features.mean == [0.48235, 0.45882, 0.40784] and features.std == [1 / 255] * 3


def test_a_transformer_takes_the_size_of_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    own = models.VisionTransformer(32, 16, 1, 1, 8, 8)
    monkeypatch.setattr(
        models.vision_transformer, "VisionTransformer",
        lambda image_size, *shape, **rest: sizes.append(image_size) or own,
    )  # fmt: skip
    state = own.state_dict()
    monkeypatch.setattr(models.WeightsEnum, "get_state_dict", lambda self, **_: state)
    sizes: list[int] = []
    models.vit_b_16(weights="IMAGENET1K_SWAG_E2E_V1")
    assert sizes == [384]
    with pytest.raises(ValueError, match="'image_size' expected value 224 but got 96 instead"):
        models.vit_b_16(weights="DEFAULT", image_size=96)


def test_positions_are_interpolated_and_old_names_are_read() -> None:
    net = models.VisionTransformer(32, 8, 1, 2, 8, 12, num_classes=3)
    state = net.state_dict()
    wider = models.vision_transformer.interpolate_embeddings(48, 8, dict(state), reset_heads=True)
    assert wider["encoder.pos_embedding"].shape == (1, 37, 8)
    assert not any(name.startswith("heads") for name in wider)
    old = {
        name.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): value
        for name, value in state.items()
    }
    assert str(net.load_state_dict(old)) == "<All keys matched successfully>"
    with pytest.raises(AssertionError, match="Wrong image height! Expected 32 but got 33!"):
        net(rl.zeros(1, 3, 33, 32))
