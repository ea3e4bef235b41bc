"""torch.distributed.algorithms._checkpoint: layers that compute again what they have forgotten."""

from __future__ import annotations

from ....core.names import explain_missing as _explain_missing

_explain_missing(__name__, {"checkpoint_wrapper": (f"{__name__}.checkpoint_wrapper", None)})
