"""torch.distributed.elastic.multiprocessing."""

from __future__ import annotations

from ....core.names import explain_missing as _explain_missing

_explain_missing(__name__, {"errors": (f"{__name__}.errors", None)})
