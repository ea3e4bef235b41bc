"""Training on several processes, by algorithms built on the collectives."""

from __future__ import annotations

from ...core.names import explain_missing as _explain_missing

_explain_missing(
    __name__,
    {
        "Join": (f"{__name__}.join", "Join"),
        "JoinHook": (f"{__name__}.join", "JoinHook"),
        "Joinable": (f"{__name__}.join", "Joinable"),
        "_checkpoint": (f"{__name__}._checkpoint", None),
        "buckets": (f"{__name__}.buckets", None),
        "ddp_comm_hooks": (f"{__name__}.ddp_comm_hooks", None),
        "join": (f"{__name__}.join", None),
        "model_averaging": (f"{__name__}.model_averaging", None),
    },
)
