"""torch._inductor: the settings of torch's code generator; ours has none of its parts."""

from __future__ import annotations

from ..core.names import explain_missing as _explain_missing

__all__ = ["config"]  # pyright: ignore[reportUnsupportedDunderAll]  (loaded on use)

_explain_missing(__name__, {"config": ("rushlight._inductor.config", None)})
