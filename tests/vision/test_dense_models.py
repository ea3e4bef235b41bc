"""Networks that find, segment and watch, against torchvision's recorded answers."""

from __future__ import annotations

import doctest
import importlib
import json
import warnings
from pathlib import Path
from typing import Any

import pytest

import rushlight as rl
from rushlight.vision import models, ops
from tests.parity.dense_cases import NAMES, SMALL, WHOLE, answers, built, whole
from tests.parity.model_cases import layout
from tests.parity.nearness import near
from tests.vision.test_models import undrawn  # noqa: F401  (a fixture)

RECORDED = json.loads(
    (Path(__file__).resolve().parents[1] / "parity" / "data" / "dense_models.json").read_text()
)
HOME = "rushlight.vision.models"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("undrawn")
def test_names_and_shapes_are_torchvisions(name: str) -> None:
    assert layout(built(models, name)) == RECORDED["layout"][name]


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("recorded", ["small", "empty"])
def test_a_detectors_step_and_finds_are_torchvisions(kind: str, recorded: str) -> None:
    found = answers(rl, models, ops, kind, recorded == "small")
    for part, expected in RECORDED[recorded][kind].items():
        # first weights are drawn in float32, what is found of points is enlarged in float32
        assert near(found[part], expected, 2e-6, 2e-6), (part, found[part], expected)


@pytest.mark.parametrize("case", WHOLE)
def test_scores_and_gradients_are_torchvisions(case: str) -> None:
    found = whole(rl, models, case)
    for part, expected in RECORDED["whole"][case].items():
        assert near(found[part], expected, 2e-6, 2e-6), part


def test_the_docstrings_run() -> None:
    for name in (
        "_utils", "mobilenetv3", "detection._utils", "detection.anchor_utils",
        "detection.backbone_utils", "detection.faster_rcnn", "detection.transform", "video.resnet",
    ):  # fmt: skip
        found = doctest.testmod(importlib.import_module(f"{HOME}.{name}"))
        assert found.attempted and not found.failed, name


def test_weights_bring_their_classes_and_fixed_norms(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("undrawn")
    asked: list[str] = []
    monkeypatch.setattr(
        rl.hub, "load_state_dict_from_url", lambda url, **_: asked.append(url) or {}
    )
    monkeypatch.setattr(rl.nn.Module, "load_state_dict", lambda net, found: None)
    net: Any = models.detection.fasterrcnn_resnet50_fpn(weights="DEFAULT")
    assert net.roi_heads.box_predictor.cls_score.out_features == 91
    assert [url.rpartition("/")[2] for url in asked] == [
        "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth"
    ]
    norm = net.backbone.body.bn1
    assert isinstance(norm, ops.FrozenBatchNorm2d) and norm.eps == 0.0
    fixed = [name for name, one in net.backbone.body.named_parameters() if not one.requires_grad]
    assert {name.split(".")[0] for name in fixed} == {"conv1", "layer1"}
    with pytest.raises(ValueError, match="'num_classes' expected value 91 but got 3 instead"):
        models.detection.fasterrcnn_resnet50_fpn(weights="COCO_V1", num_classes=3)
    with pytest.raises(ValueError, match="'aux_loss' expected value True but got False"):
        models.segmentation.fcn_resnet50(weights="DEFAULT", aux_loss=False)
    with pytest.raises(TypeError, match="expected FCN_ResNet50_Weights"):
        models.segmentation.fcn_resnet50(weights=models.segmentation.FCN_ResNet101_Weights.DEFAULT)


def test_a_backbone_may_come_with_weights_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        rl.hub, "load_state_dict_from_url", lambda url, **_: asked.append(url) or {}
    )
    monkeypatch.setattr(rl.nn.Module, "load_state_dict", lambda net, found: None)
    models.segmentation.lraspp_mobilenet_v3_large(num_classes=2)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        models.segmentation.lraspp_mobilenet_v3_large(num_classes=2, pretrained_backbone=True)
    assert "'pretrained_backbone' is deprecated" in str(told[0].message)
    assert "`weights_backbone=MobileNet_V3_Large_Weights.IMAGENET1K_V1`" in str(told[1].message)
    assert [url.rpartition("/")[2] for url in asked] == ["mobilenet_v3_large-8738ca79.pth"] * 2


def test_what_detectors_refuse() -> None:
    backbone: Any = rl.nn.Sequential(rl.nn.Conv2d(3, 8, 3))
    with pytest.raises(ValueError, match="should contain an attribute out_channels"):
        models.detection.FasterRCNN(backbone, 2)
    backbone.out_channels = 8
    with pytest.raises(ValueError, match="should not be None when box_predictor is not specified"):
        models.detection.FasterRCNN(backbone)
    net = models.detection.RetinaNet(backbone, 2, min_size=16)
    with pytest.raises(AssertionError, match="targets should not be none when in training mode"):
        net([rl.rand(3, 16, 16)])
    flat = {"boxes": rl.tensor([[1.0, 1.0, 1.0, 4.0]]), "labels": rl.tensor([1])}
    with pytest.raises(AssertionError, match=r"Found invalid box \[1.0, 1.0, 1.0, 4.0\] for"):
        net([rl.rand(3, 16, 16)], [flat])
    with pytest.raises(ValueError, match=r"list of 3d tensors of shape \[C, H, W\], got"):
        net.eval()([rl.rand(1, 3, 16, 16)])
    with pytest.raises(TypeError, match=r"floating type .* but found type torch.uint8 instead"):
        net([rl.zeros(3, 16, 16, dtype=rl.uint8)])
    matcher = models.detection._utils.Matcher(0.5, 0.5)
    with pytest.raises(ValueError, match="No ground-truth boxes available"):
        matcher(rl.zeros(0, 3))
