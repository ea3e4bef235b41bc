"""What DistributedDataParallel may do with a bucket of gradients in place of the plain mean."""

from __future__ import annotations

from ....core.names import explain_missing as _explain_missing

_explain_missing(__name__, {"default_hooks": (f"{__name__}.default_hooks", None)})
