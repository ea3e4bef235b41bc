"""Tensors spread over processes: there are none here, and to ask for one is refused."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ..core.names import explain_missing as _explain_missing
from . import _no_group


class DTensor(rl.Tensor):
    """A tensor in parts on several processes: no tensor here is one, and none can be made."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return _no_group()


distribute_tensor = _no_group
_explain_missing(__name__)
