"""Helpers under torchvision's names: inner results, widths that divide well, older arguments."""

from __future__ import annotations

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from rushlight import nn

from .listing import warn

_GONE = "deprecated since 0.13 and may be removed in the future"
_UNLIKE = "The parameter '{}' expected value {} but got {} instead."


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


def kwonly_to_pos_or_kw(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn`, whose arguments by name alone may be given by position too, with a warning.

    Raises: TypeError for a function without such arguments.

    >>> kwonly_to_pos_or_kw(lambda x, *, by=2: x * by)(3, by=4)
    12
    """
    taken = inspect.signature(fn).parameters.values()
    named = [one.name for one in taken if one.kind is one.KEYWORD_ONLY]
    if not named:
        raise TypeError(f"Found no keyword-only parameter on function '{fn.__name__}'")
    first = next(place for place, one in enumerate(taken) if one.kind is one.KEYWORD_ONLY)

    @functools.wraps(fn)
    def called(*args: Any, **kwargs: Any) -> Any:
        late = dict(zip(named, args[first:], strict=False))
        if late:
            warn(f"Using {_in_a_row(late)} as positional parameter(s) is {_GONE}. Please use"
                 " keyword parameter(s) instead.")  # fmt: skip
        return fn(*args[:first], **{**kwargs, **late})

    return called


def _in_a_row(names: Iterable[str]) -> str:
    """'a' and 'b', or 'a', 'b', and 'c', as torchvision writes it."""
    *before, last = map(repr, names)
    comma = "," if len(before) > 1 else ""
    return f"{', '.join(before)}{comma} and {last}" if before else last


def handle_legacy_interface(**weights: tuple[str, Any]) -> Callable[..., Any]:
    """A decorator: a builder takes its arguments as before torchvision 0.13, with a warning.

    weights: for each of the builder's arguments for weights, the name that it had and the weights
    that True stood for (or a function that finds them from the arguments by name).
    Raises: ValueError where True stands for no weights (the builder's call does).

    >>> import warnings
    >>> @handle_legacy_interface(weights=("pretrained", None))
    ... def build(*, weights=None, progress=True, **kwargs):
    ...     return weights, progress, kwargs
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     build(pretrained=False, width=2), build(None, False)
    ((None, True, {'width': 2}), (None, False, {}))
    """

    def decorate(builder: Callable[..., Any]) -> Callable[..., Any]:
        @kwonly_to_pos_or_kw
        @functools.wraps(builder)
        def called(*args: Any, **kwargs: Any) -> Any:
            for name, (old, meant) in weights.items():
                given = kwargs.get(name)
                if given is not None and given != "legacy" and isinstance(given, (str, Enum)):
                    continue
                if given is not None or (name not in kwargs and old in kwargs):
                    kwargs[name] = _meant(builder.__name__, name, old, meant, kwargs)
            return builder(*args, **kwargs)

        return called

    return decorate


def _meant(builder: str, name: str, old: str, meant: Any, kwargs: dict[str, Any]) -> Any:
    """The weights that the old argument asks for; it is taken out of `kwargs`."""
    if name in kwargs:
        kwargs[old] = kwargs.pop(name)
    else:
        warn(f"The parameter '{old}' is {_GONE}, please use '{name}' instead.")
    found = None
    if kwargs[old]:
        found = meant(kwargs) if callable(meant) and not isinstance(meant, Enum) else meant
        if not isinstance(found, Enum):
            raise ValueError(f"No weights available for model {builder}")
    text = (f"Arguments other than a weight enum or `None` for '{name}' are {_GONE}. The current"
            f" behavior is equivalent to passing `{name}={found}`.")  # fmt: skip
    if kwargs.pop(old):
        text += (f" You can also use `{name}={type(found).__name__}.DEFAULT` to get the most"
                 " up-to-date weights.")  # fmt: skip
    warn(text)
    return found


def _ovewrite_named_param(kwargs: dict[str, Any], param: str, new_value: Any) -> None:
    """Have `kwargs[param]` be `new_value`; ValueError where it is something else.

    >>> kwargs = {"width": 2}
    >>> _ovewrite_named_param(kwargs, "depth", 3)
    >>> kwargs
    {'width': 2, 'depth': 3}
    """
    if kwargs.setdefault(param, new_value) != new_value:
        raise ValueError(_UNLIKE.format(param, new_value, kwargs[param]))


def _ovewrite_value_param(param: str, actual: Any, expected: Any) -> Any:
    """`expected`; ValueError where `actual` is given and something else.

    >>> _ovewrite_value_param("width", None, 3)
    3
    """
    if actual is not None and actual != expected:
        raise ValueError(_UNLIKE.format(param, expected, actual))
    return expected
