"""Modules of torchvision that copied networks import; expected values are torchvision 0.28's."""

from __future__ import annotations

import doctest
import importlib
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import rushlight.compat
from rushlight.vision import get_image_backend, models, ops, set_image_backend, transforms
from rushlight.vision.models import _api, _utils, listing
from rushlight.vision.transforms import v2


@pytest.fixture(name="alias")
def _alias() -> Iterator[Any]:
    rushlight.compat.install()
    yield importlib.import_module
    rushlight.compat.uninstall()


@pytest.mark.parametrize(
    ("module", "name", "ours"),
    [
        ("torchvision.models._api", "WeightsEnum", models.WeightsEnum),
        ("torchvision.ops.focal_loss", "sigmoid_focal_loss", ops.sigmoid_focal_loss),
        ("torchvision.ops.giou_loss", "generalized_box_iou_loss", ops.generalized_box_iou_loss),
        ("torchvision.ops.roi_align", "RoIAlign", ops.RoIAlign),
        ("torchvision.ops.ps_roi_pool", "ps_roi_pool", ops.ps_roi_pool),
        ("torchvision.ops.stochastic_depth", "StochasticDepth", ops.StochasticDepth),
        ("torchvision.transforms.transforms", "Compose", transforms.Compose),
        ("torchvision.transforms.autoaugment", "RandAugment", transforms.RandAugment),
        (
            "torchvision.transforms._functional_tensor",
            "rgb_to_grayscale",
            transforms.functional.rgb_to_grayscale,
        ),
        ("torchvision.transforms.v2._transform", "Transform", v2.Transform),
    ],
)
def test_names_are_found_where_torchvision_has_them(
    alias: Any, module: str, name: str, ours: Any
) -> None:
    assert getattr(alias(module), name) is ours


def test_sizes_and_borders_that_anomalib_asks_for(alias: Any) -> None:
    geometry = alias("torchvision.transforms.v2.functional._geometry")
    size = alias("torchvision.transforms.transforms")._setup_size
    assert [size(x, error_msg="no") for x in (3, (6,), [4, 5])] == [(3, 3), (6, 6), (4, 5)]
    with pytest.raises(ValueError, match="no"):
        size((1, 2, 3), error_msg="no")
    sides = geometry._center_crop_parse_output_size
    assert [sides(x) for x in (3, (6,), [4, 5])] == [[3, 3], [6, 6], [4, 5]]
    assert geometry._center_crop_compute_padding(10, 12, 4, 5) == [3, 3, 4, 3]
    assert geometry._center_crop_compute_padding(2, 12, 4, 5) == [3, 0, 4, 0]
    border = geometry._parse_pad_padding
    assert [border(x) for x in (3, [1, 2], (1, 2, 3, 4))] == [[3] * 4, [1, 1, 2, 2], [1, 3, 2, 4]]


def test_a_module_does_not_take_the_place_of_the_function_of_its_name(alias: Any) -> None:
    for name in ("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "stochastic_depth"):
        module = alias(f"torchvision.ops.{name}")
        assert getattr(alias("torchvision.ops"), name) is getattr(module, name)
        assert callable(getattr(ops, name))


def test_classes_go_by_torchvisions_names(alias: Any) -> None:
    lists = vars(alias("torchvision.models._meta"))
    sizes = {name: len(value) for name, value in lists.items() if isinstance(value, list)}
    assert sizes == {
        "_IMAGENET_CATEGORIES": 1000, "_COCO_CATEGORIES": 91, "_COCO_PERSON_CATEGORIES": 2,
        "_COCO_PERSON_KEYPOINT_NAMES": 17, "_VOC_CATEGORIES": 21, "_KINETICS400_CATEGORIES": 400,
    }  # fmt: skip


def test_a_builder_of_ones_own_is_listed_once() -> None:
    try:

        @_api.register_model()
        def my_own_net(width: int = 2) -> Any:
            return rushlight.nn.Linear(width, 1)

        assert models.get_model("my_own_net", width=5).in_features == 5
        assert "my_own_net" in models.list_models()
        with pytest.raises(ValueError, match=r"^An entry is already registered under the name"):
            _api.register_model()(my_own_net)
    finally:
        del _api.BUILTIN_MODELS["my_own_net"]


WEIGHTS: Any = models.get_model_weights("resnet18")


@_utils.handle_legacy_interface(weights=("pretrained", WEIGHTS.IMAGENET1K_V1))
def _build(depth: int = 1, *, weights: Any = None, progress: bool = True, **kwargs: Any) -> Any:
    return depth, weights, progress, kwargs


OLD = "deprecated since 0.13 and may be removed in the future"
BEST = WEIGHTS.DEFAULT
NONE = (
    f"Arguments other than a weight enum or `None` for 'weights' are {OLD}. The current behavior"
    " is equivalent to passing `weights=None`."
)
SOME = (
    NONE.replace("None`.", "ResNet18_Weights.IMAGENET1K_V1`.")
    + " You can also use `weights=ResNet18_Weights.DEFAULT` to get the most up-to-date weights."
)
NAMED = f"The parameter 'pretrained' is {OLD}, please use 'weights' instead."
PLACED = (
    "Using {} as positional parameter(s) is " + OLD + ". Please use keyword parameter(s) instead."
)


@pytest.mark.parametrize(
    ("args", "kwargs", "expected", "said"),
    [
        ((), {}, (1, None, True, {}), []),
        ((2,), {"weights": BEST, "width": 3}, (2, BEST, True, {"width": 3}), []),
        ((), {"weights": "DEFAULT"}, (1, "DEFAULT", True, {}), []),
        ((), {"pretrained": True}, (1, BEST, True, {}), [NAMED, SOME]),
        ((), {"pretrained": False}, (1, None, True, {}), [NAMED, NONE]),
        ((2, True), {}, (2, BEST, True, {}), [PLACED.format("'weights'"), SOME]),
        ((2, False, False), {}, (2, None, False, {}),
         [PLACED.format("'weights' and 'progress'"), NONE]),
    ],
)  # fmt: skip
def test_arguments_of_older_programs(
    args: tuple[Any, ...], kwargs: dict[str, Any], expected: Any, said: list[str]
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert _build(*args, **kwargs) == expected
    assert [str(one.message) for one in caught] == said


def test_arguments_that_are_settled_by_the_weights() -> None:
    kwargs = {"width": 2}
    _utils._ovewrite_named_param(kwargs, "depth", 3)
    assert kwargs == {"width": 2, "depth": 3} and _utils._ovewrite_value_param("a", None, 4) == 4
    said = "^The parameter 'width' expected value 3 but got 2 instead.$"
    with pytest.raises(ValueError, match=said):
        _utils._ovewrite_named_param(kwargs, "width", 3)
    with pytest.raises(ValueError, match=said):
        _utils._ovewrite_value_param("width", 2, 3)
    with pytest.raises(TypeError, match=r"^Found no keyword-only parameter on function 'get_m"):
        _utils.kwonly_to_pos_or_kw(models.get_model_builder)


def test_pictures_are_read_by_pillow_alone() -> None:
    set_image_backend("PIL")
    with pytest.raises(ValueError, match=r"^Invalid backend 'no'. Options are 'PIL' and"):
        set_image_backend("no")
    assert get_image_backend() == "PIL"


def test_the_docstrings_run() -> None:
    for module in (listing, _utils):
        found = doctest.testmod(module)
        assert found.attempted and not found.failed
