"""torchvision's trained weights: where they are kept, and how pictures are made ready for them.

The files are fetched when a network is built with them; none comes with rushlight.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from rushlight import hub

from ...core.errors import fail
from ...core.folders import content_of
from ..ops.misc import FrozenBatchNorm2d
from .tasks import row_of

_SITE = "https://download.pytorch.org/models/"
_CLASSES = 1000


@dataclass
class Weights:
    """The address of a file of weights, and what belongs to it.

    >>> from rushlight.vision import models
    >>> weights = models.get_model_weights("resnet18").DEFAULT.value
    >>> type(weights).__name__, len(weights.meta["categories"])
    ('Weights', 1000)
    """

    url: str
    transforms: Callable[..., Any]
    meta: dict[str, Any] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)  # what their network is built with

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Weights) and self.url == other.url

    def __hash__(self) -> int:
        return hash(self.url)


class WeightsEnum(Enum):
    """The files of weights of one network; `DEFAULT` is the best of them.

    A member has `url`, `transforms` (makes pictures ready), `meta` (classes, least size, how many
    parameters) and `get_state_dict`, which fetches the file once.

    >>> import rushlight as torch
    >>> weights = torch.vision.models.ResNet18_Weights.DEFAULT
    >>> weights.meta["categories"][0], weights.meta["min_size"]
    ('tench', (1, 1))
    >>> weights.transforms()(torch.zeros(3, 300, 400)).shape
    torch.Size([3, 224, 224])
    """

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


_DOC = """The trained weights of `{network}`, in `DEFAULT` the best: {members}.

    >>> import rushlight as torch
    >>> weights = torch.vision.models.{name}.DEFAULT
    >>> weights, weights.meta["num_params"]
    ({best!r}, {count})
    """


def _enumerations() -> dict[str, Any]:
    """The enumeration of each network's weights: a line of the table is a member."""
    members: dict[str, dict[str, Weights]] = {}
    best: dict[str, Weights] = {}
    table = Path(__file__).parent.parent / "data" / "weights.txt"
    for line in content_of(table).decode().splitlines():
        network, member, file, *row = line.split()
        made = Weights(f"{_SITE}{file}.pth", *row_of(network, member.lstrip("*"), row))
        members.setdefault(f"{network}_Weights", {})[member.lstrip("*")] = made
        if member.startswith("*"):
            best[f"{network}_Weights"] = made
    kinds: dict[str, Any] = {}
    enumeration: Any = WeightsEnum
    for name, found in members.items():
        chosen = best.get(name, next(iter(found.values())))
        kinds[name] = enumeration(name, {**found, "DEFAULT": chosen}, module=__name__)
        network, count = name.removesuffix("_Weights").lower(), chosen.meta["num_params"]
        kinds[name].__doc__ = _DOC.format(
            network=network, members=", ".join(found), name=name, best=kinds[name].DEFAULT,
            count=count,
        )  # fmt: skip
    return kinds


KINDS = _enumerations()
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
    name = build.__name__
    with_heads = name in ("googlenet", "inception_v3")  # whose files hold the side classifiers
    own = {**chosen.value.own, "num_classes": _classes(chosen)}
    for key, value in own.items():
        _agree(key, value, kwargs.get(key))
    if with_heads:
        own |= {"aux_logits": True, "transform_input": kwargs.get("transform_input", True)}
    if with_heads or name.startswith("vgg"):
        own["init_weights"] = False  # as in torchvision: what is drawn afterwards hangs on it
    net = build(**{**kwargs, **own})
    net.load_state_dict(chosen.get_state_dict(progress=progress, check_hash=True))
    if with_heads and not kwargs.get("aux_logits", name == "inception_v3"):
        net.aux_logits = False
        for side in ("aux1", "aux2") if name == "googlenet" else ("AuxLogits",):
            setattr(net, side, None)
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
    """Weights by their full name, `"ResNet50_Weights.DEFAULT"`.

    Raises: ValueError for no such enumeration, KeyError for no such member.

    >>> import rushlight as torch
    >>> torch.vision.models.get_weight("ResNet50_Weights.DEFAULT")
    ResNet50_Weights.IMAGENET1K_V2
    """
    kind, _, member = name.partition(".")
    if kind not in KINDS:
        raise ValueError(f"The weight enum '{kind}' couldn't be retrieved.")
    return KINDS[kind][member]


def get_model_weights(name: Any) -> Any:
    """The enumeration of the weights of a network, given by its name or builder.

    Raises: ValueError for a network of which no weights are known.

    >>> import rushlight as torch
    >>> list(torch.vision.models.get_model_weights("resnet50"))
    [ResNet50_Weights.IMAGENET1K_V1, ResNet50_Weights.IMAGENET1K_V2]
    """
    known = name.lower() if isinstance(name, str) else name.__name__
    checked(known, None, None)
    return weights_of(known)
