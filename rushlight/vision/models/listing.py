"""The list of networks by name, and the arguments that all their builders share."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from types import ModuleType
from typing import Any, TypeVar

from rushlight import nn

from ...core.errors import fail
from ...core.names import nearest
from .weights import checked, trained

_BUILDERS: dict[str, Callable[..., nn.Module]] = {}

Net = TypeVar("Net", bound=nn.Module)


def model(build: Callable[..., Net]) -> Callable[..., Net]:
    """List a builder under its own name and give it torchvision's `weights` and `progress`."""

    @functools.wraps(build)
    def builder(*old: Any, weights: Any = None, progress: bool = True, **kwargs: Any) -> Net:
        if len(old) > 2:
            raise TypeError(f"{build.__name__}() takes keyword arguments only, got {len(old)}")
        if old or "pretrained" in kwargs:
            weights = weights or _pretrained(*old[:1], kwargs=kwargs)
        if weights is None:
            return build(**kwargs)
        chosen = checked(build.__name__, weights, kwargs.get("num_classes"))
        return trained(build, chosen, progress, kwargs)

    # what inspect and help show is this builder's own list of arguments
    del builder.__wrapped__  # type: ignore[attr-defined]
    _BUILDERS[build.__name__] = builder
    return builder


def _pretrained(*old: Any, kwargs: dict[str, Any]) -> Any:
    """The value of the argument that torchvision 0.13 took out; None if it asks for nothing."""
    wanted = kwargs.pop("pretrained", old[0] if old else None)
    warnings.warn(
        "The parameter 'pretrained' is deprecated since 0.13 and may be removed in the future,"
        " please use 'weights' instead.",
        UserWarning,
        stacklevel=4,
    )
    return wanted or None


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    """The function that builds the network `name` (in any case); ValueError if there is none.

    >>> import rushlight as torch
    >>> torch.vision.models.get_model_builder("ResNet18").__name__
    'resnet18'
    """
    found = _BUILDERS.get(name.lower())
    if found is None:
        near = nearest(name.lower(), _BUILDERS, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else "see list_models()"
        raise fail(ValueError, f"Unknown model {name}", hint)
    return found


def get_model(name: str, **config: Any) -> nn.Module:
    """The network `name`, built with the arguments `config`.

    Raises: ValueError for a name that `list_models` has not.
    Source: https://docs.pytorch.org/vision/stable/models.html

    >>> import rushlight as torch
    >>> net = torch.vision.models.get_model("lenet", num_classes=7)
    >>> net(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 7])
    """
    return get_model_builder(name)(**config)


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """The names that `get_model` knows, sorted: those of `module`, by shell patterns.

    >>> import rushlight as torch
    >>> torch.vision.models.list_models(include="vgg1[36]*", exclude="*_bn")
    ['vgg13', 'vgg16']
    """
    home = None if module is None else module.__name__.rpartition(".models")[2]
    names = [
        name for name, build in _BUILDERS.items()
        if home is None or build.__module__.rpartition(".models")[2].startswith(home)
    ]  # fmt: skip
    if include is not None:
        names = [name for name in names if _matches(name, include)]
    if exclude is not None:
        names = [name for name in names if not _matches(name, exclude)]
    return sorted(names)


def _matches(name: str, patterns: Iterable[str] | str) -> bool:
    several = (patterns,) if isinstance(patterns, str) else patterns
    return any(fnmatch(name, pattern) for pattern in several)
