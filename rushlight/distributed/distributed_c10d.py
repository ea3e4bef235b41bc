"""torch.distributed.distributed_c10d: where torch keeps the names of torch.distributed."""

from __future__ import annotations

from ..core.names import explain_missing as _explain_missing
from ..core.names import lazy_names as _lazy_names
from . import _NAMES
from .process_group import default_group as _get_default_group

__all__ = ["_get_default_group"]
_explain_missing(__name__, _lazy_names("rushlight.distributed", _NAMES))
