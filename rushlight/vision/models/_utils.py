"""Helpers under torchvision's names: inner results of a network, and widths that divide well."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from rushlight import nn


def _make_divisible(v: float, divisor: int, min_value: int | None = None) -> int:
    """The multiple of `divisor` nearest to `v`, not below nine tenths of it nor `min_value`.

    >>> _make_divisible(45.0, 8), _make_divisible(11.0, 8)
    (48, 16)
    """
    least = divisor if min_value is None else min_value
    near = max(least, int(v + divisor / 2) // divisor * divisor)
    return near + divisor if near < 0.9 * v else near


class IntermediateLayerGetter(nn.ModuleDict):
    """The children of a network up to the last that is asked for, giving the results of some.

    return_layers: which children's results are returned, and under which names. The children must
    run one after another, in the order in which they were registered.
    Raises: ValueError for a name that is no child.

    >>> import rushlight as torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    >>> inner = IntermediateLayerGetter(net, {"1": "hidden"})
    >>> len(inner), {name: y.shape for name, y in inner(torch.ones(1, 2)).items()}
    (2, {'hidden': torch.Size([1, 3])})
    """

    def __init__(self, model: nn.Module, return_layers: dict[str, str]) -> None:
        children = dict(model.named_children())
        wanted = {str(child): str(name) for child, name in return_layers.items()}
        if not set(wanted) <= set(children):
            raise ValueError("return_layers are not present in model")
        last = max(list(children).index(child) for child in wanted) if wanted else -1
        super().__init__(OrderedDict(list(children.items())[: last + 1]))
        self.return_layers = wanted

    def forward(self, x: Any) -> dict[str, Any]:
        """The results that are asked for, by name."""
        found = OrderedDict()
        for child, module in self.items():
            x = module(x)
            if child in self.return_layers:
                found[self.return_layers[child]] = x
        return found


def stages(blocks: Any) -> list[int]:
    """Where the stages of a MobileNet's blocks begin: the first, those that halve, the last."""
    halving = [place for place, one in enumerate(blocks) if getattr(one, "_is_cn", False)]
    return [0, *halving, len(blocks) - 1]
