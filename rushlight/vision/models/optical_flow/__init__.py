"""Networks that say where each pixel of a picture moves to in the next."""

from ..weights import KINDS as _KINDS
from .raft import RAFT, raft_large, raft_small

__all__ = ["RAFT", "Raft_Large_Weights", "Raft_Small_Weights", "raft_large", "raft_small"]
Raft_Large_Weights, Raft_Small_Weights = _KINDS["Raft_Large_Weights"], _KINDS["Raft_Small_Weights"]
