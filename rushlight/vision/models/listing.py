"""The list of networks by name, and the arguments that all their builders share."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable
from enum import Enum
from fnmatch import fnmatch
from types import ModuleType
from typing import Any, TypeVar

from rushlight import nn

from ...core.errors import fail
from ...core.names import nearest
from .weights import checked, trained, weights_of

BUILDERS: dict[str, Callable[..., nn.Module]] = {}

Net = TypeVar("Net", bound=nn.Module)


def model(build: Callable[..., Net]) -> Callable[..., Net]:
    """List a builder under its own name and give it torchvision's `weights` and `progress`."""

    @functools.wraps(build)
    def builder(*old: Any, weights: Any = None, progress: bool = True, **kwargs: Any) -> Net:
        weights, progress = settled(build.__name__, old, weights, progress, kwargs)
        if weights is None:
            return build(**kwargs)
        chosen = checked(build.__name__, weights, kwargs.get("num_classes"))
        return trained(build, chosen, progress, kwargs)

    # what inspect and help show is this builder's own list of arguments
    del builder.__wrapped__
    listed(builder)
    return builder


_EXAMPLE = """

    weights: a member of `{kind}` or its name ("DEFAULT": the best), which is fetched;
    None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.{name}()
    >>> sum(p.numel() for p in net.parameters())
    {count}
    """


_HOMES = ("optical_flow", "video")


def variant(
    family: Callable[..., Net], name: str, doc: str, *rows: Any, count: int
) -> Callable[..., Net]:
    """A listed builder that calls `family(*rows, **kwargs)`: one line of a family's table.

    doc: what it is, before the parameters are counted; count: how many there are.
    """

    def build(**kwargs: Any) -> Net:
        return family(*rows, **kwargs)

    build.__name__ = build.__qualname__ = name
    build.__module__ = family.__module__
    home = next((f"{one}." for one in _HOMES if f".{one}." in family.__module__), "")
    example = _EXAMPLE.format(kind=weights_of(name).__name__, name=home + name, count=count)
    build.__doc__ = doc.format(f"{count / 1e6:.1f} million parameters") + example
    return model(build)


def listed(builder: Callable[..., nn.Module]) -> None:
    """Let `get_model` know a builder by its name."""
    BUILDERS[builder.__name__] = builder


def register_model(
    name: str | None = None,
) -> Callable[[Callable[..., Net]], Callable[..., Net]]:
    """A decorator: `get_model` knows the builder, by `name` or by the builder's own.

    Raises: ValueError for a name that is taken.

    >>> import rushlight as torch
    >>> from rushlight.vision.models import _api
    >>> @_api.register_model("one_layer")
    ... def build(width: int = 3) -> torch.nn.Module:
    ...     return torch.nn.Linear(width, 1)
    >>> _api.get_model("one_layer", width=2)
    Linear(in_features=2, out_features=1, bias=True)
    >>> del _api.BUILTIN_MODELS["one_layer"]
    """

    def register(builder: Callable[..., Net]) -> Callable[..., Net]:
        key = builder.__name__ if name is None else name
        if key in BUILDERS:
            raise ValueError(f"An entry is already registered under the name '{key}'.")
        BUILDERS[key] = builder
        return builder

    return register


def settled(
    name: str, old: tuple[Any, ...], weights: Any, progress: bool, kwargs: dict[str, Any]
) -> tuple[Any, bool]:
    """`weights` and `progress`, which older programs gave by position or as `pretrained`."""
    if old:
        given = _by_position(name, old)
        weights, progress = given.get("weights", weights), given.get("progress", progress)
    return as_weights(name, weights, kwargs), progress


def as_weights(name: str, weights: Any, kwargs: dict[str, Any], of: str = "") -> Any:
    """The weights of network `name` that are meant by `weights{of}` or by `pretrained{of}`."""
    if weights is None and f"pretrained{of}" in kwargs:
        warn(f"The parameter 'pretrained{of}' is deprecated since 0.13 and may be removed in the"
              f" future, please use 'weights{of}' instead.")  # fmt: skip
        return _first_weights(name, kwargs.pop(f"pretrained{of}"), of)
    if not (weights is None or isinstance(weights, (str, Enum))) or weights == "legacy":
        return _first_weights(name, weights, of)
    return weights


def warn(text: str) -> None:
    """torchvision warns of its old arguments from one place, so once a text."""
    warnings.warn(text, UserWarning, stacklevel=1)


def _by_position(name: str, old: tuple[Any, ...]) -> dict[str, Any]:
    """What the arguments without a name stand for."""
    if len(old) > 2:
        raise TypeError(f"{name}() takes keyword arguments only, got {len(old)}")
    given: dict[str, Any] = dict(zip(("weights", "progress"), old, strict=False))
    warn(
        f"Using {' and '.join(map(repr, given))} as positional parameter(s) is deprecated since"
        " 0.13 and may be removed in the future. Please use keyword parameter(s) instead."
    )
    return given


def _first_weights(name: str, wanted: Any, of: str = "") -> Any:
    """What `pretrained{of}=wanted` asked for before torchvision 0.13: version 1, or none."""
    chosen = None
    if wanted:
        chosen = next(iter(checked(name, "DEFAULT", None).__class__))
    same = f"The current behavior is equivalent to passing `weights{of}={chosen}`."
    if wanted:
        best = f"{type(chosen).__name__}.DEFAULT"
        same += f" You can also use `weights{of}={best}` to get the most up-to-date weights."
    warn(f"Arguments other than a weight enum or `None` for 'weights{of}' are deprecated since"
          f" 0.13 and may be removed in the future. {same}")  # fmt: skip
    return chosen


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    """The function that builds the network `name` (in any case); ValueError if there is none.

    >>> import rushlight as torch
    >>> torch.vision.models.get_model_builder("ResNet18").__name__
    'resnet18'
    """
    found = BUILDERS.get(name.lower())
    if found is None:
        near = nearest(name.lower(), BUILDERS, 3)
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
        name for name, build in BUILDERS.items()
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
