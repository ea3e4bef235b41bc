"""torch.distributed.elastic: what launched programs import from it."""

from __future__ import annotations

from ...core.names import explain_missing as _explain_missing

_explain_missing(__name__, {"multiprocessing": (f"{__name__}.multiprocessing", None)})
