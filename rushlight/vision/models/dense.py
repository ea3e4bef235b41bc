"""Networks that begin with another: its weights and theirs are asked for side by side."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from rushlight import nn

from .listing import as_weights, get_model_builder, listed, settled
from .weights import checked, filled

Net = TypeVar("Net", bound=nn.Module)


class Start(NamedTuple):
    """The network that another begins with, and the weights that it begins with.

    whole: weights of the network as a whole follow, so that these need none of their own.
    """

    backbone: str
    weights: Any
    progress: bool
    whole: bool

    @property
    def trained(self) -> bool:
        """Whether anything has been learned by the network that is built."""
        return self.whole or self.weights is not None

    def __call__(self, **kwargs: Any) -> Any:
        """The network to begin with, built with torchvision's arguments."""
        build = get_model_builder(self.backbone)
        return build(weights=self.weights, progress=self.progress, **kwargs)


def dense_model(
    backbone: str, begin_with: str | None = "IMAGENET1K_V1"
) -> Callable[[Callable[..., Net]], Callable[..., Net]]:
    """As `listing.model`, for builders whose first argument is a `Start`.

    They get `weights_backbone` beside `weights` and `progress`; `begin_with` is its default.
    """

    def decorate(build: Callable[..., Net]) -> Callable[..., Net]:
        @functools.wraps(build)
        def builder(
            *old: Any, weights: Any = None, progress: bool = True, num_classes: int | None = None,
            weights_backbone: Any = begin_with, **kwargs: Any,
        ) -> Net:  # fmt: skip
            weights, progress = settled(build.__name__, old, weights, progress, kwargs)
            if "pretrained_backbone" in kwargs:
                weights_backbone = None
            weights_backbone = as_weights(backbone, weights_backbone, kwargs, "_backbone")
            if weights is not None:
                chosen = checked(build.__name__, weights, num_classes)
                start = Start(backbone, None, progress, True)
                return filled(functools.partial(build, start), chosen, progress, kwargs)
            if num_classes is not None:
                kwargs["num_classes"] = num_classes
            return build(Start(backbone, weights_backbone, progress, False), **kwargs)

        # what inspect and help show is this builder's own list of arguments
        del builder.__wrapped__
        listed(builder)
        return builder

    return decorate
