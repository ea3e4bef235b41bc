"""What torch's messages, and Python's, call an object and a class."""

from __future__ import annotations

from functools import update_wrapper
from types import FunctionType
from typing import Any

import rushlight as rl

from ..core.names import home


def typename(value: Any) -> str:
    """torch.typename: "torch.FloatTensor" for a tensor, else the class with its module."""
    if isinstance(value, rl.Tensor):
        return value.type()
    kind = value if isinstance(value, type) else type(value)
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", None) else f"{module}.{kind.__qualname__}"


# The private classes whose name torch's errors say.
_TOLD = frozenset(
    "_AdaptiveAvgPoolNd _AdaptiveMaxPoolNd _BatchNorm _DropoutNd _InstanceNorm _LPPoolNd"
    " _LazyNormBase _Loss _MaxPoolNd _WeightedLoss".split()
)


def own_initialiser(kind: type) -> None:
    """Have a layer that takes its `__init__` from a private class, or one of those for layers with
    the same arguments, say its own name in Python's errors about arguments."""
    taken: Any = kind.__init__
    owner = taken.__qualname__.partition(".")[0]
    private = owner.startswith("_") or (taken.__module__ or "").endswith("_arguments")
    hidden = private and owner not in _TOLD
    told = kind.__name__ in _TOLD or not kind.__name__.startswith("_")
    if not hidden or not told or not home(kind).startswith(rl.__name__):
        return
    parts = taken.__code__, taken.__globals__, taken.__name__, taken.__defaults__, taken.__closure__
    own: Any = update_wrapper(FunctionType(*parts), taken)
    own.__kwdefaults__ = taken.__kwdefaults__
    own.__qualname__ = f"{kind.__qualname__}.{taken.__name__}"
    del own.__wrapped__
    kind.__init__ = own
