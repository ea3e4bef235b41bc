"""torchvision's trained weights: where they are kept, and how pictures are made ready for them.

The files are fetched when a network is built with them; none comes with rushlight.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from rushlight import hub

from ...core.errors import fail
from ..ops.misc import FrozenBatchNorm2d
from ..transforms._presets import ImageClassification
from .weights_dense import DENSE, Dense

_SITE = "https://download.pytorch.org/models/"
# The files of each network, version 1 first: the end of the name is the start of their SHA-256.
_FILES = {
    "AlexNet": "alexnet-owt-7be5be79", "DenseNet121": "densenet121-a639ec97",
    "DenseNet161": "densenet161-8d451a50", "DenseNet169": "densenet169-b2777c0a",
    "DenseNet201": "densenet201-c1103571", "GoogLeNet": "googlenet-1378be20",
    "MobileNet_V2": "mobilenet_v2-b0353104 mobilenet_v2-7ebf99e0",
    "MobileNet_V3_Large": "mobilenet_v3_large-8738ca79 mobilenet_v3_large-5c1a4163",
    "MobileNet_V3_Small": "mobilenet_v3_small-047dcff4",
    "ResNet18": "resnet18-f37072fd", "ResNet34": "resnet34-b627a593",
    "ResNet50": "resnet50-0676ba61 resnet50-11ad3fa6",
    "ResNet101": "resnet101-63fe2227 resnet101-cd907fc2",
    "ResNet152": "resnet152-394f9c45 resnet152-f82ba261",
    "VGG11": "vgg11-8a719046", "VGG11_BN": "vgg11_bn-6002323d", "VGG13": "vgg13-19584684",
    "VGG13_BN": "vgg13_bn-abd245e5", "VGG16": "vgg16-397923af", "VGG16_BN": "vgg16_bn-6c64b313",
    "VGG19": "vgg19-dcbb9e9d", "VGG19_BN": "vgg19_bn-c79401a0",
}  # fmt: skip
_CLASSES = 1000
_FEATURES = "vgg16_features-amdegroot-88682ab5"  # convolutions as SSD begins with them


@dataclass
class Weights:
    """The address of a file of weights, and what belongs to it."""

    url: str
    transforms: Callable[..., Any]
    meta: dict[str, Any] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)  # what their network is built with

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Weights) and self.url == other.url

    def __hash__(self) -> int:
        return hash(self.url)


class WeightsEnum(Enum):
    """The files of weights of one network; `DEFAULT` is the best of them."""

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """A member, from itself or its name; TypeError for anything else."""
        if isinstance(obj, str):
            return cls[obj.removeprefix(f"{cls.__name__}.")]
        if obj is not None and not isinstance(obj, cls):
            raise TypeError(
                f"Invalid Weight class provided; expected {cls.__name__} but received"
                f" {obj.__class__.__name__}."
            )
        return obj

    url = property(lambda self: self.value.url)
    transforms = property(lambda self: self.value.transforms)
    meta = property(lambda self: self.value.meta)

    def get_state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The weights by name, fetched once."""
        found = hub.load_state_dict_from_url(self.url, *args, **kwargs)
        return {_as_here(name): value for name, value in found.items()}

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}.{self._name_}"


def _as_here(name: str) -> str:
    """Files of densely connected networks write norm.1 for norm1."""
    return re.sub(r"(norm|conv)\.([12])\.", r"\1\2.", name) if "denselayer" in name else name


def _members(name: str, files: list[str]) -> dict[str, Weights]:
    """The weights of a network of ImageNet's classes, by their names."""
    found = {}
    for i, file in enumerate(files):
        ready = functools.partial(ImageClassification, crop_size=224, resize_size=232 if i else 256)
        found[f"IMAGENET1K_V{i + 1}"] = Weights(f"{_SITE}{file}.pth", ready, {"min_size": (1, 1)})
    best = found[f"IMAGENET1K_V{len(files)}"]
    if name == "VGG16":
        ready = functools.partial(
            ImageClassification, crop_size=224, mean=(0.48235, 0.45882, 0.40784),
            std=(1.0 / 255.0, 1.0 / 255.0, 1.0 / 255.0),
        )  # fmt: skip
        found["IMAGENET1K_FEATURES"] = Weights(f"{_SITE}{_FEATURES}.pth", ready, {"min_size": None})
    return {**found, "DEFAULT": best}


def _dense_members(files: list[Dense]) -> dict[str, Weights]:
    """The weights of a network that finds, segments or watches, by their names."""
    found = {
        one.name: Weights(f"{_SITE}{one.file}.pth", one.transforms, one.meta, one.own)
        for one in files
    }
    return {**found, "DEFAULT": found[files[-1].name]}


def _enumeration(name: str, members: dict[str, Weights]) -> Any:
    return WeightsEnum(f"{name}_Weights", members, module=__name__)


KINDS = {
    f"{name}_Weights": _enumeration(name, members)
    for name, members in {
        **{name: _members(name, files.split()) for name, files in _FILES.items()},
        **{name: _dense_members(files) for name, files in DENSE.items()},
    }.items()
}
globals().update(KINDS)
_BY_BUILDER = {name.removesuffix("_Weights").lower(): kind for name, kind in KINDS.items()}


def weights_of(builder: str) -> Any:
    """The enumeration of a network's weights, by the name of its builder; None if none are kept."""
    return _BY_BUILDER.get(builder)


def filled(build: Callable[..., Any], chosen: Any, progress: bool, kwargs: dict[str, Any]) -> Any:
    """A network built as its weights need it, with them; ValueError where it is asked otherwise."""
    own = dict(chosen.value.own)
    frozen = own.pop("eps", None)
    own["num_classes"] = _classes(chosen)
    for name, value in own.items():
        _agree(name, value, kwargs.get(name))
    net = build(**{**kwargs, **own})
    net.load_state_dict(chosen.get_state_dict(progress=progress, check_hash=True))
    if frozen is not None:
        for module in net.modules():
            if isinstance(module, FrozenBatchNorm2d):
                module.eps = frozen
    return net


def _classes(chosen: Any) -> int:
    """How many classes a network with these weights tells apart."""
    own, meta = chosen.value.own, chosen.meta
    return own.get("num_classes") or len(meta.get("categories", ())) or _CLASSES


def _agree(name: str, expected: Any, given: Any) -> None:
    if given not in (None, expected):
        raise ValueError(
            f"The parameter '{name}' expected value {expected} but got {given} instead."
        )


def trained(build: Callable[..., Any], chosen: Any, progress: bool, kwargs: dict[str, Any]) -> Any:
    """The network with weights that are fetched."""
    with_heads = build.__name__ == "googlenet"  # whose file holds the side classifiers
    own: dict[str, Any] = {"aux_logits": True, "transform_input": True} if with_heads else {}
    if with_heads or build.__name__.startswith("vgg"):
        own["init_weights"] = False  # as in torchvision: what is drawn afterwards hangs on it
    own["num_classes"] = _classes(chosen)
    net = build(**{**kwargs, **own})
    net.load_state_dict(chosen.get_state_dict(progress=progress, check_hash=True))
    if with_heads and not kwargs.get("aux_logits", False):
        net.aux_logits, net.aux1, net.aux2 = False, None, None
    return net


def checked(name: str, weights: Any, classes: Any) -> Any:
    """The member that is meant; ValueError for a network of other classes, KeyError for no name."""
    kind = weights_of(name)
    if kind is None:
        raise fail(
            ValueError,
            f"{name}(): weights={weights!r}: no trained weights are known for this network",
            f"build it untrained with {name}(weights=None), then load a file with load_state_dict",
        )
    try:
        chosen = kind.verify(weights)
    except KeyError:
        known = ", ".join(kind.__members__)
        raise fail(KeyError, weights, f"{name}() knows the weights {known}") from None
    if chosen is not None:
        _agree("num_classes", _classes(chosen), classes)
    return chosen


def get_weight(name: str) -> Any:
    """Weights by their full name, `"ResNet50_Weights.DEFAULT"`."""
    kind, _, member = name.partition(".")
    if kind not in KINDS:
        raise ValueError(f"The weight enum '{kind}' couldn't be retrieved.")
    return KINDS[kind][member]


def get_model_weights(name: Any) -> Any:
    """The enumeration of the weights of a network, given by its name or builder."""
    known = name.lower() if isinstance(name, str) else name.__name__
    checked(known, None, None)
    return weights_of(known)
